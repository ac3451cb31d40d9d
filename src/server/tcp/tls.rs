//! TLS over a stream, without a buffer that outlives what is in it.
//!
//! The library's own stream keeps 4 KiB for incoming records as long as it lives, a quarter of
//! what an idle WebSocket costs. Its unbuffered interface leaves the bytes to the caller: here they
//! are read into the stack, and only an incomplete record, or what the other side has yet to take,
//! is kept.

use std::fmt;
use std::io::{Error, ErrorKind, Result};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes to read from the stream at a time.
const READ: usize = 4 * 1024;
/// Longest plaintext of a record, in bytes (RFC 8446, section 5.1).
const PLAIN: usize = 16 * 1024;
/// Bytes that a record may be longer than its plaintext (RFC 5246, section 6.2.3, and the header).
const OVERHEAD: usize = 2_048 + 5;
/// Expected overhead of a record, in bytes: header, nonce, type and tag of today's ciphers.
const EXPECTED: usize = 32;

/// A TLS connection over `stream`, as the server.
pub(crate) struct TlsStream<S> {
    stream: S,
    tls: UnbufferedServerConnection,
    /// Records that are not complete yet.
    incoming: Vec<u8>,
    /// What the client sent and nobody has read yet.
    plain: Bytes,
    /// Records that the stream has not taken yet.
    outgoing: Bytes,
    is_established: bool,
    /// Whether the client has said that nothing follows.
    is_finished: bool,
    /// Whether the server has said so.
    is_closed: bool,
    /// Whether the client has broken the rules, after which nothing is handled any more.
    is_broken: bool,
}

impl<S> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").finish_non_exhaustive()
    }
}

/// What the server sends next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Say<'a> {
    /// Only what TLS itself has to say.
    Nothing,
    /// Bytes of the application.
    Bytes(&'a [u8]),
    /// That nothing follows.
    Close,
}

/// What came of handling records.
#[derive(Debug, Default)]
struct Progress {
    /// Number of bytes handled.
    discard: usize,
    plain: BytesMut,
    outgoing: BytesMut,
    is_established: bool,
    is_finished: bool,
    /// Whether what was to be sent is in `outgoing`.
    has_sent: bool,
}

/// Handles `incoming` until the connection needs more, and encrypts what is to be sent if that is
/// possible by now.
fn process(
    tls: &mut UnbufferedServerConnection,
    incoming: &mut [u8],
    say: Say<'_>,
    progress: &mut Progress,
) -> std::result::Result<(), rustls::Error> {
    loop {
        let rest = incoming.get_mut(progress.discard..).unwrap_or_default();
        let UnbufferedStatus { discard, state, .. } = tls.process_tls_records(rest);
        progress.discard += discard;
        match state? {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    progress.discard += record.discard;
                    progress.plain.extend_from_slice(record.payload);
                }
            }
            ConnectionState::EncodeTlsData(data) => encode(data, &mut progress.outgoing),
            // What has been encoded waits in the stream's own buffer.
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::WriteTraffic(mut traffic) => {
                progress.is_established = true;
                let expected = match say {
                    _ if progress.has_sent => return Ok(()),
                    Say::Nothing => return Ok(()),
                    Say::Bytes(bytes) => bytes.len() + EXPECTED,
                    Say::Close => EXPECTED,
                };
                progress.has_sent = append(&mut progress.outgoing, expected, |space| {
                    let written = match say {
                        Say::Bytes(bytes) => traffic.encrypt(bytes, space),
                        Say::Nothing | Say::Close => traffic.queue_close_notify(space),
                    };
                    written.map_err(|error| match error {
                        EncryptError::InsufficientSize(error) => Some(error.required_size),
                        EncryptError::EncryptExhausted => None,
                    })
                });
                if !progress.has_sent {
                    return Err(rustls::Error::EncryptError);
                }
            }
            ConnectionState::PeerClosed => progress.is_finished = true,
            ConnectionState::Closed => {
                progress.is_finished = true;
                return Ok(());
            }
            ConnectionState::BlockedHandshake => return Ok(()),
            // The server accepts no early data, and no other state is known.
            _ => return Err(rustls::Error::General("a state of TLS without meaning".into())),
        }
    }
}

/// Encodes the alert that says why the connection has failed, if there is one. The library panics
/// if it meets the same error twice, so nothing may be handled afterwards.
fn alert(tls: &mut UnbufferedServerConnection, incoming: &mut [u8], progress: &mut Progress) {
    loop {
        let rest = incoming.get_mut(progress.discard..).unwrap_or_default();
        let UnbufferedStatus { discard, state, .. } = tls.process_tls_records(rest);
        progress.discard += discard;
        match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while traffic.next_record().is_some() {}
            }
            Ok(ConnectionState::EncodeTlsData(data)) => {
                return encode(data, &mut progress.outgoing);
            }
            _ => return,
        }
    }
}

fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, outgoing: &mut BytesMut) {
    append(outgoing, EXPECTED, |space| match data.encode(space) {
        Ok(length) => Ok(length),
        Err(EncodeError::InsufficientSize(error)) => Err(Some(error.required_size)),
        Err(EncodeError::AlreadyEncoded) => Err(None),
    });
}

/// Lets `write` append to `buffer`, first with space for `expected` bytes and then with as much as
/// it asks for. Returns whether it wrote.
fn append(
    buffer: &mut BytesMut,
    expected: usize,
    mut write: impl FnMut(&mut [u8]) -> std::result::Result<usize, Option<usize>>,
) -> bool {
    let start = buffer.len();
    let mut size = expected;
    for _ in 0..2 {
        buffer.resize(start + size, 0);
        match write(buffer.get_mut(start..).unwrap_or_default()) {
            Ok(length) => {
                buffer.truncate(start + length);
                return true;
            }
            Err(Some(required)) => size = required,
            Err(None) => break,
        }
    }
    buffer.truncate(start);
    false
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Completes a handshake as the server.
    ///
    /// # Errors
    /// If the client breaks the rules of TLS, offers nothing that the server takes, or goes away.
    pub(crate) async fn accept(config: Arc<ServerConfig>, stream: S) -> Result<Self> {
        let tls = UnbufferedServerConnection::new(config).map_err(broken)?;
        let mut stream = Self {
            stream,
            tls,
            incoming: Vec::new(),
            plain: Bytes::new(),
            outgoing: Bytes::new(),
            is_established: false,
            is_finished: false,
            is_closed: false,
            is_broken: false,
        };
        std::future::poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            ready!(self.poll_drain(cx))?;
            if self.is_established {
                return Pin::new(&mut self.stream).poll_flush(cx);
            }
            if !ready!(self.poll_records(cx))? {
                return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Reads what has arrived and handles it. Returns whether anything has, or the end of the
    /// stream.
    fn poll_records(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        if self.is_broken {
            return Poll::Ready(Err(ErrorKind::InvalidData.into()));
        }
        let mut space = [const { MaybeUninit::uninit() }; READ];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        if read.filled().is_empty() {
            return Poll::Ready(Ok(false));
        }
        if self.incoming.is_empty() {
            let (handled, discard) = self.handle(read.filled_mut());
            let rest = read.filled().get(discard..).unwrap_or_default();
            self.incoming = rest.to_vec();
            handled
        } else {
            self.incoming.extend_from_slice(read.filled());
            let mut incoming = std::mem::take(&mut self.incoming);
            let (handled, discard) = self.handle(&mut incoming);
            if discard < incoming.len() {
                incoming.drain(..discard);
                self.incoming = incoming;
            }
            handled
        }
        .map_err(|error| {
            // The alert that says why; a client that takes nothing misses it.
            let _ = self.poll_drain(cx);
            broken(error)
        })?;
        // The library bounds a record, but not a handshake message in several.
        if self.incoming.len() > PLAIN + OVERHEAD {
            return Poll::Ready(Err(ErrorKind::InvalidData.into()));
        }
        Poll::Ready(Ok(true))
    }

    /// Handles records; also returns the number of bytes that are done with.
    fn handle(&mut self, incoming: &mut [u8]) -> (std::result::Result<(), rustls::Error>, usize) {
        let mut progress = Progress::default();
        let handled = process(&mut self.tls, incoming, Say::Nothing, &mut progress);
        if handled.is_err() {
            self.is_broken = true;
            alert(&mut self.tls, incoming, &mut progress);
        }
        (handled, self.keep(progress))
    }

    /// Keeps what came of handling records, and returns the number of bytes handled.
    fn keep(&mut self, progress: Progress) -> usize {
        let Progress { discard, plain, outgoing, is_established, is_finished, .. } = progress;
        self.plain = joined(std::mem::take(&mut self.plain), plain);
        self.outgoing = joined(std::mem::take(&mut self.outgoing), outgoing);
        self.is_established |= is_established;
        self.is_finished |= is_finished;
        discard
    }

    /// Encrypts what is to be sent.
    fn send(&mut self, say: Say<'_>) -> Result<()> {
        if self.is_broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut progress = Progress::default();
        let mut incoming = std::mem::take(&mut self.incoming);
        let sent = process(&mut self.tls, &mut incoming, say, &mut progress);
        let has_sent = progress.has_sent;
        let discard = self.keep(progress);
        incoming.drain(..discard.min(incoming.len()));
        self.incoming = incoming;
        self.is_broken |= sent.is_err();
        sent.map_err(broken)?;
        if has_sent { Ok(()) } else { Err(ErrorKind::BrokenPipe.into()) }
    }

    /// Writes what waits until the stream has taken all of it.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !self.outgoing.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.outgoing))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                written => self.outgoing.advance(written),
            }
        }
        self.outgoing = Bytes::new();
        Poll::Ready(Ok(()))
    }
}

/// One after the other, in a buffer of their size.
fn joined(first: Bytes, second: BytesMut) -> Bytes {
    match (first.is_empty(), second.is_empty()) {
        (_, true) => first,
        (true, false) => second.freeze(),
        (false, false) => [first.as_ref(), second.as_ref()].concat().into(),
    }
}

fn broken(error: rustls::Error) -> Error {
    Error::new(ErrorKind::InvalidData, error)
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        while self.plain.is_empty() {
            if self.is_finished {
                return Poll::Ready(Ok(()));
            }
            if !ready!(self.poll_records(cx))? {
                // Only the client's word that nothing follows is an end; anybody can end TCP.
                return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
            }
            // Answers of TLS itself; if they do not fit now, the next write takes them along. A
            // stream that takes nothing more may still have something to read, such as a farewell.
            let _ = self.poll_drain(cx);
        }
        let count = buffer.remaining().min(self.plain.len());
        buffer.put_slice(&self.plain.split_to(count));
        if self.plain.is_empty() {
            self.plain = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let bytes = bytes.get(..PLAIN).unwrap_or(bytes);
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        // One record waits, not two: what waits cannot be replaced.
        ready!(self.poll_drain(cx))?;
        self.send(Say::Bytes(bytes))?;
        if let Poll::Ready(drained) = self.poll_drain(cx) {
            drained?;
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_drain(cx))?;
        if !self.is_broken && !std::mem::replace(&mut self.is_closed, true) {
            self.send(Say::Close)?;
            ready!(self.poll_drain(cx))?;
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{AlertDescription, ClientConfig, RootCertStore, SupportedProtocolVersion};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream as Client;

    use super::*;
    use crate::tls::provider::provider;

    type Served = Result<TlsStream<DuplexStream>>;
    type Dialled = Result<Client<DuplexStream>>;

    /// A server with a certificate, and a client that trusts it and speaks `versions`.
    fn configs(
        versions: &[&'static SupportedProtocolVersion],
    ) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(signed.cert.der().clone()).unwrap();
        let server = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key);
        let client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        (Arc::new(server.unwrap()), Arc::new(client))
    }

    /// Both ends of a handshake over a stream that holds this many bytes each way.
    async fn shake(
        versions: &[&'static SupportedProtocolVersion],
        len: usize,
    ) -> (Served, Dialled) {
        let (server, client) = configs(versions);
        let (near, far) = duplex(len);
        let name = ServerName::try_from("localhost").unwrap();
        tokio::join!(TlsStream::accept(server, near), TlsConnector::from(client).connect(name, far))
    }

    async fn connected(len: usize) -> (TlsStream<DuplexStream>, Client<DuplexStream>) {
        let (served, dialled) = shake(rustls::ALL_VERSIONS, len).await;
        (served.unwrap(), dialled.unwrap())
    }

    fn is_empty<S>(stream: &TlsStream<S>) -> bool {
        stream.incoming.capacity() == 0 && stream.plain.is_empty() && stream.outgoing.is_empty()
    }

    #[tokio::test]
    async fn bytes_go_both_ways_in_any_pieces_and_leave_no_buffer() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            for len in [250, 1_000, 65_536] {
                let (served, dialled) = shake(&[version], len).await;
                let (mut server, mut client) = (served.unwrap(), dialled.unwrap());
                let (up, down) = (
                    async {
                        client.write_all(&bytes).await.unwrap();
                        client.flush().await.unwrap();
                        let mut read = vec![0; bytes.len()];
                        client.read_exact(&mut read).await.unwrap();
                        read
                    },
                    async {
                        let mut read = vec![0; bytes.len()];
                        server.read_exact(&mut read).await.unwrap();
                        server.write_all(&read).await.unwrap();
                        server.flush().await.unwrap();
                        read
                    },
                );
                let (down, up) = tokio::join!(up, down);
                assert!(up == bytes && down == bytes, "{version:?} {len}");
                assert!(is_empty(&server), "{version:?} {len}");
            }
        }
    }

    #[tokio::test]
    async fn a_farewell_ends_the_stream_and_silence_does_not() {
        let (mut server, mut client) = connected(1_000).await;
        client.write_all(b"last").await.unwrap();
        client.shutdown().await.unwrap();
        let mut read = Vec::new();
        server.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"last");
        server.write_all(b"mine").await.unwrap();
        server.shutdown().await.unwrap();
        let mut read = Vec::new();
        client.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"mine");

        let (mut server, client) = connected(1_000).await;
        drop(client);
        let error = server.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn new_keys_are_answered() {
        let (mut server, mut client) = connected(1_000).await;
        for round in 0..3_u8 {
            client.get_mut().1.refresh_traffic_keys().unwrap();
            client.write_all(&[round]).await.unwrap();
            client.flush().await.unwrap();
            assert_eq!(server.read_u8().await.unwrap(), round);
            server.write_all(&[round]).await.unwrap();
            server.flush().await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), round);
        }
        assert!(is_empty(&server));
    }

    #[tokio::test]
    async fn garbage_is_answered_with_an_alert_before_and_after_the_handshake() {
        let (server, _) = configs(rustls::ALL_VERSIONS);
        for garbage in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &[0x16, 3, 1, 0xFF, 0xFF, 1]] {
            let (near, mut far) = duplex(1_000);
            far.write_all(garbage).await.unwrap();
            let error = TlsStream::accept(Arc::clone(&server), near).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            let mut alert = Vec::new();
            far.read_to_end(&mut alert).await.unwrap();
            assert_eq!((alert.first(), alert.len()), (Some(&0x15), 7), "{garbage:?}");
        }

        let (mut server, client) = connected(1_000).await;
        let (mut raw, mut tls) = client.into_inner();
        raw.write_all(&[0x17, 3, 3, 0, 40]).await.unwrap();
        raw.write_all(&[9; 40]).await.unwrap();
        let error = server.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(server.read_u8().await.is_err() && server.write_u8(0).await.is_err());
        server.shutdown().await.unwrap();
        drop(server);
        let mut alert = Vec::new();
        raw.read_to_end(&mut alert).await.unwrap();
        tls.read_tls(&mut alert.as_slice()).unwrap();
        let told = tls.process_new_packets().unwrap_err();
        assert_eq!(told, rustls::Error::AlertReceived(AlertDescription::BadRecordMac));
    }

    #[tokio::test]
    async fn a_handshake_message_that_never_ends_is_bounded() {
        let (server, _) = configs(rustls::ALL_VERSIONS);
        let (near, mut far) = duplex(1_000);
        let flood = async move {
            // A ClientHello of 64 KiB, in records of a hundred bytes.
            let mut first = vec![0x16, 3, 1, 0, 100, 1, 0, 0xFF, 0xFF];
            first.resize(5 + 100, 0);
            while far.write_all(&first).await.is_ok() {
                (first[5], first[7], first[8]) = (0, 0, 0);
            }
        };
        let (accepted, ()) = tokio::join!(TlsStream::accept(server, near), flood);
        assert_eq!(accepted.unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
