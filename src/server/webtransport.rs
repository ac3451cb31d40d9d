//! WebTransport: accept, then a session over one stream and datagrams.
//!
//! The limits here are the first defence: a client that has not said anything yet costs a few
//! kilobytes and is gone after a deadline.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use wtransport::endpoint::{IncomingSessionFuture, SessionRequest};
use wtransport::quinn::crypto::rustls::{NoInitialCipherSuite, QuicServerConfig};
use wtransport::quinn::{self, IdleTimeout, VarInt};
use wtransport::{Connection, RecvStream, SendStream};

use super::Shared;
use super::gate::Permit;
use super::link::{Ending, LENGTH_PREFIX, Link, LinkEnd, ended};
use super::metrics::{Failure, Part};
use super::panics::caught;
use super::session::{self, CLOSE_DEADLINE, Input, Over, Source};
use crate::proto::wire::{CloseCode, DecodeError, MAX_CLIENT_MESSAGE};

/// The one path that has sessions.
const PATH: &str = "/wt";
/// Memory of a datagram that waits to be sent, beside its bytes.
const DATAGRAM_OVERHEAD: usize = 64;
/// Datagrams read through wtransport's own queue before the queue is bypassed.
const QUEUED_DATAGRAMS: u32 = 64;
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
        .initial_mtu(1_200)
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

/// An endpoint on this socket.
///
/// # Errors
/// If the socket cannot be used.
pub(crate) fn endpoint(
    socket: UdpSocket,
    config: quinn::ServerConfig,
) -> std::io::Result<quinn::Endpoint> {
    let runtime = Arc::new(quinn::TokioRuntime);
    quinn::Endpoint::new(quinn::EndpointConfig::default(), Some(config), socket, runtime)
}

/// Accepts sessions until the endpoint is closed.
pub(crate) async fn accept(endpoint: quinn::Endpoint, shared: Arc<Shared>) {
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
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let _counted = shared.count_session();
            let session = async {
                match request(incoming, &permit, &shared).await {
                    Ok(connection) => serve(connection, &shared).await,
                    Err(failure) => shared.metrics.failed(failure),
                }
            };
            // What failed has been told.
            drop(caught(&shared.metrics, Part::Connection, session).await);
        });
    }
}

/// Lets QUIC shake hands, and accepts a session that asks for the right path from a page that may
/// connect.
async fn request(
    incoming: quinn::Incoming,
    permit: &Permit,
    shared: &Shared,
) -> Result<Connection, Failure> {
    let request = timeout(shared.deadline, IncomingSessionFuture::with_quic_incoming(incoming));
    let request: SessionRequest = match request.await {
        Ok(Ok(request)) => request,
        Ok(Err(_)) => return Err(Failure::Quic),
        Err(_) => return Err(Failure::QuicTimeout),
    };
    if request.path() != PATH {
        drop(timeout(shared.deadline, request.not_found()).await);
        return Err(Failure::Path);
    }
    if !shared.origins.admit(request.origin(), Some(request.authority())) {
        tracing::warn!(
            origin = request.origin(),
            "a page of another site, or a client that names none, was refused"
        );
        drop(timeout(shared.deadline, request.forbidden()).await);
        return Err(Failure::Origin);
    }
    let accepted = match timeout(shared.deadline, request.accept()).await {
        Ok(accepted) => accepted.map_err(|_| Failure::Quic),
        Err(_) => Err(Failure::QuicTimeout),
    };
    permit.settle();
    accepted
}

async fn serve(connection: Connection, shared: &Arc<Shared>) {
    let quic = connection.quic_connection().clone();
    let (send, recv) = match timeout(shared.deadline, connection.accept_bi()).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(_)) => return shared.metrics.failed(Failure::Gone),
        Err(_) => {
            shared.metrics.failed(Failure::StreamTimeout);
            return close(&quic, &Ending::new(CloseCode::Timeout, "no stream in time"));
        }
    };
    let prefix = session_prefix(connection.session_id().into_u64());
    let (link, end) = Link::web_transport(quic.clone(), prefix.clone(), shared.clock);
    let ending = end.ending.clone();
    let mut source = QuicSource {
        connection: &connection,
        recv,
        buffer: BytesMut::with_capacity(LENGTH_PREFIX + MAX_CLIENT_MESSAGE),
        prefix,
        queued: QUEUED_DATAGRAMS,
    };
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
        let write = send.write_all(&message);
        tokio::pin!(write);
        let written = tokio::select! {
            written = &mut write => written,
            // Half a message would garble the one that says why.
            _ = ended(&mut end.ending) => timeout(CLOSE_DEADLINE, write).await.unwrap_or(Ok(())),
        };
        if written.is_err() {
            link.close(Ending::gone("the stream is gone"));
        }
    };
    let Some(ending) = ending else { return };
    let told = async {
        send.write_all(&ending.message()).await?;
        send.finish().await
    };
    if let Ok(Ok(())) = timeout(CLOSE_DEADLINE, told).await {
        drop(timeout(LINGER, quic.closed()).await);
    }
    close(quic, &ending);
}

fn close(quic: &quinn::Connection, ending: &Ending) {
    quic.close(VarInt::from_u32(ending.code as u32), ending.reason.as_bytes());
}

/// The receiving half of a session.
struct QuicSource<'a> {
    connection: &'a Connection,
    recv: RecvStream,
    buffer: BytesMut,
    prefix: Bytes,
    /// Datagrams still to be read through wtransport's queue.
    ///
    /// Its driver holds one datagram back until the queue is read, and three tasks wake for each
    /// one. A link that sends few is read there as well, so that none is lost; one that sends
    /// many is then read from QUIC alone, and loses a single one, as datagrams may be.
    queued: u32,
}

impl Source for QuicSource<'_> {
    async fn next(&mut self) -> Result<Input, Over> {
        let quic = self.connection.quic_connection();
        loop {
            let datagram = tokio::select! {
                message = next_message(&mut self.recv, &mut self.buffer) => {
                    return message.map(Input::Reliable);
                }
                datagram = quic.read_datagram() => datagram.map_err(|_| Over::Gone)?,
                datagram = self.connection.receive_datagram(), if self.queued > 0 => {
                    self.queued -= 1;
                    let datagram = datagram.map_err(|_| Over::Gone)?;
                    return Ok(Input::Datagram(datagram.payload()));
                }
            };
            // Another session's, or nobody's: this connection has one session.
            if datagram.starts_with(&self.prefix) {
                return Ok(Input::Datagram(datagram.slice(self.prefix.len()..)));
            }
        }
    }
}

/// The stream's next message. Dropping the future loses nothing, for what was read is in `buffer`.
async fn next_message(recv: &mut RecvStream, buffer: &mut BytesMut) -> Result<Bytes, Over> {
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
            Ok(0) | Err(_) => return Err(Over::Gone),
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
