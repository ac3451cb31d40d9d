//! WebTransport: accepts connections and runs each session over one stream and datagrams.
//!
//! The limits here are the first defence: a client that has sent nothing yet costs a few
//! kilobytes and is dropped at a deadline.

pub(crate) mod endpoint;
mod h3;
pub(crate) mod rotation;
mod strays;
mod udp;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use quinn_proto::{ConnectionError, TransportErrorCode, VarInt};
use tokio::time::{Instant, timeout, timeout_at};
use wtransport_proto::datagram::Datagram;
use wtransport_proto::error::ErrorCode;
use wtransport_proto::session::SessionResponse;

use crate::context::ServerContext;
use crate::limits::amplification::{Addresses, Proof};
use crate::limits::gate::Permit;
use crate::link::ending::{Ending, LENGTH_PREFIX};
use crate::link::{Link, LinkEnd, ended};
use crate::metrics::{Failure, Part};
use crate::panics::caught;
use crate::quic::connection::Connection;
use crate::quic::endpoint::Endpoint;
use crate::quic::incoming::Incoming;
use crate::quic::streams::{ReadError, RecvStream, SendStream};
use crate::session::{self, CLOSE_DEADLINE, Input, Over, Source};
use crate::webtransport::h3::{Fault, Http3, Lane};
use gpys_proto::wire::{CloseCode, DecodeError, MAX_CLIENT_MESSAGE};

/// The path at which sessions are accepted.
const PATH: &str = "/wt";
/// How long a client that knows the reason has to close the connection itself.
const LINGER: Duration = Duration::from_millis(250);

/// Accepts sessions until the endpoint is closed.
pub(crate) async fn accept(
    endpoint: Endpoint,
    addresses: Arc<Addresses>,
    context: Arc<ServerContext>,
) {
    while let Some(incoming) = endpoint.accept().await {
        if context.gate.is_pressed() && incoming.may_retry() {
            context.metrics.retried();
            incoming.retry();
            continue;
        }
        let Some(permit) = context.admit(incoming.remote_address().ip()) else {
            incoming.refuse();
            continue;
        };
        let (addresses, context) = (Arc::clone(&addresses), Arc::clone(&context));
        // The task keeps what it is given for as long as it lives: the handshake is boxed outside
        // of it, and dropped once it is over.
        let opening = Box::pin(open(incoming, addresses, permit, Arc::clone(&context)));
        tokio::spawn(async move {
            let _counted = context.count_session();
            let session = async {
                if let Some(opened) = opening.await {
                    serve(opened, &context).await;
                }
            };
            // `caught` has already counted and logged a failure.
            drop(caught(&context.metrics, Part::Connection, session).await);
        });
    }
}

/// A session whose lane is open.
struct Opened {
    http: Http3,
    lane: Lane,
    proof: Proof,
    permit: Permit,
}

/// Opens a session and its lane; counts why it cannot.
async fn open(
    incoming: Incoming,
    addresses: Arc<Addresses>,
    permit: Permit,
    context: Arc<ServerContext>,
) -> Option<Opened> {
    let (mut http, proof) = match handshake(incoming, addresses, &permit, &context).await {
        Ok(opened) => opened,
        Err(failure) => {
            context.metrics.failed(failure);
            return None;
        }
    };
    match timeout(context.deadline, http.lane()).await {
        Ok(Ok(lane)) => return Some(Opened { http, lane, proof, permit }),
        Ok(Err(fault)) => {
            context.metrics.failed(Failure::Gone);
            fault.close(http.quic());
        }
        Err(_) => {
            context.metrics.failed(Failure::StreamTimeout);
            close(http.quic(), &Ending::new(CloseCode::Timeout, "no stream in time"));
        }
    }
    None
}

/// Completes the QUIC handshake and accepts a session whose path and origin are allowed. One
/// deadline covers all of it; a client that misses it is disconnected.
async fn handshake(
    incoming: Incoming,
    addresses: Arc<Addresses>,
    permit: &Permit,
    context: &ServerContext,
) -> Result<(Http3, Proof), Failure> {
    let deadline = Instant::now() + context.deadline;
    let address = incoming.remote_address();
    let quic = match timeout_at(deadline, incoming.accept()).await {
        Ok(connected) => connected.map_err(|_| Failure::Quic)?,
        Err(_) => return Err(Failure::QuicTimeout),
    };
    let proof = Proof::new(addresses, address);
    let (failure, fault) = match timeout_at(deadline, accept_session(quic.clone(), context)).await {
        Ok(Ok(http)) => {
            permit.settle();
            return Ok((http, proof));
        }
        Ok(Err(refused)) => refused,
        Err(_) => (Failure::QuicTimeout, Fault::Http(ErrorCode::NoError)),
    };
    fault.close(&quic);
    Err(failure)
}

/// Waits for the first session request and answers it.
async fn accept_session(
    quic: Connection,
    context: &ServerContext,
) -> Result<Http3, (Failure, Fault)> {
    let failed = |fault| (Failure::Quic, fault);
    let mut http = Http3::open(quic).await.map_err(failed)?;
    let request = http.request().await.map_err(failed)?;
    let (origin, authority) = (request.origin.as_deref(), request.authority.as_str());
    let (response, failure) = if request.path != PATH {
        (SessionResponse::not_found(), Some(Failure::Path))
    } else if !context.origins.admit(origin, Some(authority)) {
        tracing::warn!(
            origin,
            authority,
            "refused a page of another site, or a client without an origin"
        );
        (SessionResponse::forbidden(), Some(Failure::Origin))
    } else {
        (SessionResponse::ok(), None)
    };
    let answered = http.answer(&response);
    let Some(failure) = failure else {
        answered.await.map_err(failed)?;
        return Ok(http);
    };
    drop(timeout(LINGER, answered).await);
    Err((failure, Fault::Closed))
}

async fn serve(opened: Opened, context: &Arc<ServerContext>) {
    let Opened { http, lane: Lane { send, recv, read, .. }, proof, permit } = opened;
    let quic = http.quic().clone();
    let prefix = session_prefix(http.session_id());
    let (link, end) = Link::web_transport(quic.clone(), proof, prefix.clone(), context.clock);
    link.count_for(permit.network());
    let ending = end.ending.clone();
    let buffer = read.as_slice().into();
    let mut source =
        QuicSource { quic: quic.clone(), link: link.clone(), http, recv, buffer, prefix };
    let writer = async {
        if caught(&context.metrics, Part::Session, write(&quic, send, end, &link)).await.is_err() {
            link.close(Ending::failed());
            close(&quic, &Ending::failed());
        }
    };
    tokio::join!(session::run(context, &link, ending, &mut source), writer);
}

/// The session id that prefixes each of its datagrams: a quarter of the stream id, as a QUIC
/// variable-length integer (RFC 9297, section 2.1).
fn session_prefix(session_id: u64) -> Bytes {
    let quarter = session_id / 4;
    let [.., a, b, c, d] = quarter.to_be_bytes();
    match quarter {
        0..0x40 => Bytes::copy_from_slice(&[d]),
        0x40..0x4000 => Bytes::copy_from_slice(&[c | 0x40, d]),
        0x4000..0x4000_0000 => Bytes::copy_from_slice(&[a | 0x80, b, c, d]),
        _ => Bytes::copy_from_slice(&(quarter | 0xC000_0000_0000_0000).to_be_bytes()),
    }
}

/// Writes the reliable lane until the link ends, sends the reason, and closes.
async fn write(quic: &Connection, send: SendStream, mut end: LinkEnd, link: &Link) {
    let ending = loop {
        let message = tokio::select! {
            biased;
            ending = ended(&mut end.ending) => break ending,
            message = end.reliable.recv() => message.unwrap_or_default(),
        };
        link.follow();
        let write = link.writing(send.write_all(&message));
        tokio::pin!(write);
        let written = tokio::select! {
            biased;
            written = &mut write => written,
            // Half a message would garble the reason that follows it.
            _ = ended(&mut end.ending) => timeout(CLOSE_DEADLINE, write).await.unwrap_or(Ok(())),
        };
        // A client that stops the stream may have closed the session; the reader will know.
        if written.is_err() && timeout(LINGER, ended(&mut end.ending)).await.is_err() {
            link.close(Ending::gone("the stream is gone"));
        }
    };
    let Some(ending) = ending else { return };
    let sent = async {
        send.write_all(&ending.message()).await.ok()?;
        send.finish().ok()?;
        send.stopped().await.ok()
    };
    // `None` means that the client has all of it; a code, that it stopped the stream.
    if let Ok(Some(None)) = timeout(CLOSE_DEADLINE, sent).await {
        drop(timeout(LINGER, quic.closed()).await);
    }
    close(quic, &ending);
}

fn close(quic: &Connection, ending: &Ending) {
    quic.close(VarInt::from_u32(ending.code as u32), ending.reason.as_bytes());
}

/// The receiving half of a session.
struct QuicSource {
    quic: Connection,
    link: Link,
    http: Http3,
    recv: RecvStream,
    buffer: BytesMut,
    prefix: Bytes,
}

impl Source for QuicSource {
    async fn next(&mut self) -> Result<Input, Over> {
        let Self { quic, link, http, recv, buffer, prefix } = self;
        link.follow();
        let datagram = tokio::select! {
            biased;
            datagram = quic.read_datagram() => datagram.map_err(|error| end_from_error(&error))?,
            message = next_message(quic, recv, buffer) => return message.map(Input::Reliable),
            step = http.step() => {
                return match step {
                    Ok(count) => Ok(Input::Other(count)),
                    Err(fault) => {
                        fault.close(quic);
                        Err(end_from_fault(fault, quic))
                    }
                };
            }
        };
        if datagram.starts_with(&prefix[..]) {
            return Ok(Input::Datagram(datagram.slice(prefix.len()..)));
        }
        // For another session, or malformed: this connection has one session.
        if Datagram::read(&datagram).is_err() {
            Fault::Http(ErrorCode::Datagram).close(quic);
            return Err(Over::Gone);
        }
        Ok(Input::Stray)
    }
}

/// Maps a connection error to how the session ends. When a page goes away, Chromium closes with
/// QUIC's own code, and other clients with HTTP/3's or 0; any other code means an error.
fn end_from_error(error: &ConnectionError) -> Over {
    let closed = match error {
        ConnectionError::ApplicationClosed(close) => {
            [VarInt::from_u32(0), h3::quic_code(ErrorCode::NoError)].contains(&close.error_code)
        }
        ConnectionError::ConnectionClosed(close) => {
            close.error_code == TransportErrorCode::NO_ERROR
        }
        _ => false,
    };
    if closed { Over::Closed } else { Over::Gone }
}

/// Maps a fault to how the session ends.
fn end_from_fault(fault: Fault, quic: &Connection) -> Over {
    match fault {
        Fault::Closed => Over::Closed,
        Fault::Lost => quic.close_reason().map_or(Over::Gone, |error| end_from_error(&error)),
        Fault::Http(_) | Fault::Qpack(_) => Over::Gone,
    }
}

/// The stream's next message. Cancel-safe: whatever has been read stays in `buffer`.
async fn next_message(
    quic: &Connection,
    recv: &mut RecvStream,
    buffer: &mut BytesMut,
) -> Result<Bytes, Over> {
    loop {
        if let Some(&[low, high]) = buffer.first_chunk() {
            let length = usize::from(u16::from_le_bytes([low, high]));
            if length > MAX_CLIENT_MESSAGE {
                return Err(Ending::from(DecodeError::TooLong(MAX_CLIENT_MESSAGE)).into());
            }
            if buffer.len() >= LENGTH_PREFIX + length {
                buffer.advance(LENGTH_PREFIX);
                return Ok(buffer.split_to(length).freeze());
            }
        }
        match recv.read(LENGTH_PREFIX + MAX_CLIENT_MESSAGE).await {
            Ok(Some(bytes)) => buffer.extend_from_slice(&bytes),
            // The end of the stream is the end of the session.
            Ok(None) | Err(ReadError::Reset) => return Err(Over::Closed),
            Err(ReadError::Lost) => return Err(end_from_fault(Fault::Lost, quic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_variable_length_integers() {
        let prefix = |session: u64| session_prefix(session).to_vec();
        assert_eq!(prefix(0), [0]);
        assert_eq!(prefix(4 * 0x3F), [0x3F]);
        assert_eq!(prefix(4 * 0x40), [0x40, 0x40]);
        assert_eq!(prefix(4 * 0x3FFF), [0x7F, 0xFF]);
        assert_eq!(prefix(4 * 0x4000), [0x80, 0, 0x40, 0]);
        assert_eq!(prefix(4 * 0x4000_0000), [0xC0, 0, 0, 0, 0x40, 0, 0, 0]);
    }
}
