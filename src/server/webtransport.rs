//! WebTransport: accept, then a session over one stream and datagrams.
//!
//! The limits here are the first defence: a client that has not said anything yet costs a few
//! kilobytes and is gone after a deadline.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout, timeout_at};
use wtransport::quinn::crypto::rustls::{NoInitialCipherSuite, QuicServerConfig};
use wtransport::quinn::{
    self, ConnectionError, IdleTimeout, RecvStream, Runtime as _, SendStream, TransportErrorCode,
    VarInt,
};
use wtransport_proto::datagram::Datagram;
use wtransport_proto::error::ErrorCode;
use wtransport_proto::session::SessionResponse;

use crate::server::amplification::{Addresses, PACKET, Proof};
use crate::server::ending::{Ending, LENGTH_PREFIX};
use crate::server::gate::Permit;
use crate::server::h3::{self, Fault, Http3, Lane};
use crate::server::link::{Link, LinkEnd, ended};
use crate::server::metrics::{Failure, Metrics, Part};
use crate::server::panics::caught;
use crate::server::session::{self, CLOSE_DEADLINE, Input, Over, Source};
use crate::server::shared::Shared;
use crate::server::strays::{self, Names};
use crate::server::udp::Counting;
use gpys_proto::wire::{CloseCode, DecodeError, MAX_CLIENT_MESSAGE};

/// The one path that has sessions.
const PATH: &str = "/wt";
/// Memory of a datagram that waits to be sent, beside its bytes.
const DATAGRAM_OVERHEAD: usize = 64;
/// How long a client that was told why has to close the connection itself.
const LINGER: Duration = Duration::from_millis(250);

/// What QUIC may cost: streams for the session, the lane and HTTP/3's own; windows for messages
/// of a kilobyte; buffers for a few poses in and `max_frame` twice out.
fn transport(max_frame: usize) -> quinn::TransportConfig {
    let mut config = quinn::TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(4))
        .max_concurrent_uni_streams(VarInt::from_u32(8))
        .stream_receive_window(VarInt::from_u32(16 * 1024))
        .receive_window(VarInt::from_u32(64 * 1024))
        .send_window(256 * 1024)
        .datagram_receive_buffer_size(Some(16 * 1024))
        .datagram_send_buffer_size(2 * (max_frame + DATAGRAM_OVERHEAD))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(15_000))))
        .keep_alive_interval(Some(Duration::from_secs(5)))
        .initial_mtu(PACKET)
        // Frames fit the smallest packet, so probes for larger ones would only cost.
        .mtu_discovery_config(None)
        // One frame per client and tick leaves nothing to segment, and this buffer would stay.
        .enable_segmentation_offload(false);
    config
}

/// What the endpoint runs with: limits, and the certificate in `tls`.
///
/// # Errors
/// If `tls` has no cipher that QUIC begins with.
pub(crate) fn quic_config(
    tls: rustls::ServerConfig,
    max_frame: usize,
) -> Result<quinn::ServerConfig, NoInitialCipherSuite> {
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config
        .transport_config(Arc::new(transport(max_frame)))
        .max_incoming(4_096)
        .incoming_buffer_size(64 * 1024)
        .incoming_buffer_size_total(16 * 1024 * 1024);
    Ok(config)
}

/// An endpoint on this socket, which counts what comes in for nobody, and the accounts of those
/// whom it may send little.
///
/// # Errors
/// If the socket cannot be used.
pub(crate) fn endpoint(
    socket: UdpSocket,
    config: quinn::ServerConfig,
    metrics: &Arc<Metrics>,
) -> std::io::Result<(quinn::Endpoint, Arc<Addresses>)> {
    let runtime = Arc::new(quinn::TokioRuntime);
    let socket = runtime.wrap_udp_socket(socket)?;
    let addresses = Addresses::new(Arc::clone(metrics));
    let counting =
        Counting { socket, metrics: Arc::clone(metrics), addresses: Arc::clone(&addresses) };
    let mut own = quinn::EndpointConfig::default();
    let metrics = Arc::clone(metrics);
    own.supported_versions(vec![strays::VERSION])
        .cid_generator(move || Box::new(Names::new(Arc::clone(&metrics))));
    let endpoint =
        quinn::Endpoint::new_with_abstract_socket(own, Some(config), Arc::new(counting), runtime)?;
    Ok((endpoint, addresses))
}

/// Accepts sessions until the endpoint is closed.
pub(crate) async fn accept(
    endpoint: quinn::Endpoint,
    addresses: Arc<Addresses>,
    shared: Arc<Shared>,
) {
    while let Some(incoming) = endpoint.accept().await {
        if shared.gate.is_pressed() && incoming.may_retry() {
            shared.metrics.retried();
            // A retry fails only for a client that has answered one, which has been ruled out.
            drop(incoming.retry());
            continue;
        }
        let Some(permit) = shared.admit(incoming.remote_address().ip()) else {
            incoming.refuse();
            continue;
        };
        let (addresses, shared) = (Arc::clone(&addresses), Arc::clone(&shared));
        tokio::spawn(async move {
            let _counted = shared.count_session();
            let session = async {
                match request(incoming, addresses, &permit, &shared).await {
                    Ok((connection, proof)) => serve(connection, proof, &permit, &shared).await,
                    Err(failure) => shared.metrics.failed(failure),
                }
            };
            // What failed has been told.
            drop(caught(&shared.metrics, Part::Connection, session).await);
        });
    }
}

/// Lets QUIC shake hands, and accepts a session that asks for the right path from a page that may
/// connect. All of that has one deadline, and whoever does not meet it is disconnected.
async fn request(
    incoming: quinn::Incoming,
    addresses: Arc<Addresses>,
    permit: &Permit,
    shared: &Shared,
) -> Result<(Http3, Proof), Failure> {
    let deadline = Instant::now() + shared.deadline;
    let address = incoming.remote_address();
    let quic = match timeout_at(deadline, incoming.into_future()).await {
        Ok(connected) => connected.map_err(|_| Failure::Quic)?,
        Err(_) => return Err(Failure::QuicTimeout),
    };
    let proof = Proof::new(addresses, address);
    let (failure, fault) = match timeout_at(deadline, accepted(quic.clone(), shared)).await {
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

/// Answers the first request for a session.
async fn accepted(quic: quinn::Connection, shared: &Shared) -> Result<Http3, (Failure, Fault)> {
    let failed = |fault| (Failure::Quic, fault);
    let mut http = Http3::open(quic).await.map_err(failed)?;
    let request = http.request().await.map_err(failed)?;
    let (origin, authority) = (request.origin.as_deref(), request.authority.as_str());
    let (response, failure) = if request.path != PATH {
        (SessionResponse::not_found(), Some(Failure::Path))
    } else if !shared.origins.admit(origin, Some(authority)) {
        tracing::warn!(
            origin,
            authority,
            "a page of another site, or a client that names none, was refused"
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

async fn serve(mut http: Http3, proof: Proof, permit: &Permit, shared: &Arc<Shared>) {
    let quic = http.quic().clone();
    let Lane { send, recv, read, .. } = match timeout(shared.deadline, http.lane()).await {
        Ok(Ok(lane)) => lane,
        Ok(Err(fault)) => {
            shared.metrics.failed(Failure::Gone);
            return fault.close(&quic);
        }
        Err(_) => {
            shared.metrics.failed(Failure::StreamTimeout);
            return close(&quic, &Ending::new(CloseCode::Timeout, "no stream in time"));
        }
    };
    let prefix = session_prefix(http.session_id());
    let (link, end) = Link::web_transport(quic.clone(), proof, prefix.clone(), shared.clock);
    link.count_for(permit.network());
    let ending = end.ending.clone();
    let buffer = read.as_slice().into();
    let mut source =
        QuicSource { quic: quic.clone(), link: link.clone(), http, recv, buffer, prefix };
    let writer = async {
        if caught(&shared.metrics, Part::Session, write(&quic, send, end, &link)).await.is_err() {
            link.close(Ending::failed());
            close(&quic, &Ending::failed());
        }
    };
    tokio::join!(session::run(shared, &link, ending, &mut source), writer);
}

/// The number of a session as its datagrams begin with it: a quarter of its stream's number, as
/// a QUIC variable-length integer (RFC 9297, section 2.1).
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

/// Writes the reliable lane until the link ends, tells the client why, and closes.
async fn write(quic: &quinn::Connection, mut send: SendStream, mut end: LinkEnd, link: &Link) {
    let ending = loop {
        let message = tokio::select! {
            biased;
            ending = ended(&mut end.ending) => break ending,
            message = end.reliable.recv() => message.unwrap_or_default(),
        };
        link.look();
        let write = link.writing(send.write_all(&message));
        tokio::pin!(write);
        let written = tokio::select! {
            written = &mut write => written,
            // Half a message would garble the one that says why.
            _ = ended(&mut end.ending) => timeout(CLOSE_DEADLINE, write).await.unwrap_or(Ok(())),
        };
        // Who does not take any more of the stream may have closed the session: the reader knows.
        if written.is_err() && timeout(LINGER, ended(&mut end.ending)).await.is_err() {
            link.close(Ending::gone("the stream is gone"));
        }
    };
    let Some(ending) = ending else { return };
    let told = async {
        send.write_all(&ending.message()).await.ok()?;
        send.finish().ok()?;
        send.stopped().await.ok()
    };
    // The client has all of it, unless it does not want any more.
    if let Ok(Some(None)) = timeout(CLOSE_DEADLINE, told).await {
        drop(timeout(LINGER, quic.closed()).await);
    }
    close(quic, &ending);
}

fn close(quic: &quinn::Connection, ending: &Ending) {
    quic.close(VarInt::from_u32(ending.code as u32), ending.reason.as_bytes());
}

/// The receiving half of a session.
struct QuicSource {
    quic: quinn::Connection,
    link: Link,
    http: Http3,
    recv: RecvStream,
    buffer: BytesMut,
    prefix: Bytes,
}

impl Source for QuicSource {
    async fn next(&mut self) -> Result<Input, Over> {
        let Self { quic, link, http, recv, buffer, prefix } = self;
        link.look();
        let datagram = tokio::select! {
            biased;
            datagram = quic.read_datagram() => datagram.map_err(|error| lost(&error))?,
            message = next_message(quic, recv, buffer) => return message.map(Input::Reliable),
            step = http.step() => {
                return match step {
                    Ok(said) => Ok(Input::Other(said)),
                    Err(fault) => {
                        fault.close(quic);
                        Err(over(fault, quic))
                    }
                };
            }
        };
        if datagram.starts_with(&prefix[..]) {
            return Ok(Input::Datagram(datagram.slice(prefix.len()..)));
        }
        // Another session's, or nobody's: this connection has one session.
        if Datagram::read(&datagram).is_err() {
            Fault::Http(ErrorCode::Datagram).close(quic);
            return Err(Over::Gone);
        }
        Ok(Input::Stray)
    }
}

/// Why a session is over whose connection ended. Chromium closes that of a page that goes away with
/// QUIC's own code for that, other clients with HTTP/3's or with 0; any other code is a mistake's.
fn lost(error: &ConnectionError) -> Over {
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

/// Why a session is over that ended like this.
fn over(fault: Fault, quic: &quinn::Connection) -> Over {
    match fault {
        Fault::Closed => Over::Closed,
        Fault::Lost => quic.close_reason().map_or(Over::Gone, |error| lost(&error)),
        Fault::Http(_) | Fault::Qpack(_) => Over::Gone,
    }
}

/// The stream's next message. Dropping the future loses nothing, for what was read is in `buffer`.
async fn next_message(
    quic: &quinn::Connection,
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
        match recv.read_buf(buffer).await {
            // Whoever ends the stream ends the session.
            Ok(0) => return Err(Over::Closed),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Err(Over::Closed),
            Err(_) => return Err(over(Fault::Lost, quic)),
            Ok(_) => {}
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
