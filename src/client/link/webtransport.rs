//! A link over WebTransport: datagrams, and one bidirectional stream of messages with 16-bit length
//! prefixes.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use rustls::CertificateError;
use socket2::SockRef;
use wtransport::config::{DnsLookupFuture, DnsResolver};
use wtransport::endpoint::{ConnectOptions, endpoint_side};
use wtransport::error::{ConnectingError, ConnectionError};
use wtransport::quinn::congestion::NewRenoConfig;
use wtransport::quinn::{IdleTimeout, TransportConfig, VarInt};
use wtransport::tls::client::ServerHashVerification;
use wtransport::tls::{Sha256Digest, WEBTRANSPORT_ALPN};
use wtransport::{ClientConfig, Connection, Endpoint, RecvStream, SendStream};

use crate::error::ConnectError;
use crate::link::end::{End, Incoming};
use crate::server_info::{CertificateHash, Config, Target};
use crate::trust::{self, Trust, TrustError, Witness};

/// A link on which nothing arrives for this long is dead (docs/PROTOCOL.md, section 8).
const IDLE_MS: u32 = 15_000;
/// Keeps the path open through NATs and finds dead links.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Buffer for received datagrams, in bytes. When a client falls behind, newer frames push out older
/// ones: a few frames may wait, but not a second of them.
const RECEIVE_BUFFER: usize = 16 * 1024;
/// Buffer for datagrams that wait for the congestion window, in bytes. Newer poses push out older
/// ones, so it holds only a few.
const SEND_BUFFER: usize = 256;
/// Tries for a session when the server seems to break HTTP/3. When something else arrives amid a
/// frame, as on a lossy path, the library forgets the part it has read and takes the rest for
/// another frame; a new connection starts afresh.
const TRIES: u32 = 3;
/// With this variable in its environment, QUIC runs NewReno instead of CUBIC. For the latency
/// benchmark alone, which pairs it with TCP's Reno, so it is no option.
const NEW_RENO: &str = "GPYS_BENCH_NEWRENO";
/// Bytes to read from the stream at a time.
const CHUNK: usize = 2_048;

/// Opens WebTransport links to one server, over one UDP socket.
pub struct Dialer {
    endpoint: Endpoint<endpoint_side::Client>,
    url: String,
    host: String,
    /// Whether the certificate is known by its hash.
    hashes: bool,
    witness: Arc<Witness>,
}

impl Dialer {
    /// Opens a socket for links to the server that `config` describes.
    ///
    /// `known` is an address at which the server's host has answered. The second value is another
    /// handle on the socket, for [`WebTransportLink::cut`].
    ///
    /// # Errors
    /// If the host has no address, or no socket or TLS configuration can be made.
    pub async fn new(
        config: &Config,
        trust: Trust,
        known: SocketAddr,
    ) -> Result<(Self, UdpSocket), ConnectError> {
        let target = Target::parse(&config.webtransport)?;
        let address = resolve(&target, known.ip()).await?;
        // The socket keeps the system's own buffer: few links share it, and in a larger one frames
        // would only grow old when the process falls behind.
        let any: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0)).map_err(ConnectError::Socket)?;
        let handle = socket.try_clone().map_err(ConnectError::Socket)?;
        let digests = config.server_certificate_hashes.iter().filter_map(CertificateHash::sha256);
        let digests: Vec<_> = digests.map(Sha256Digest::new).collect();
        let hashes = !digests.is_empty();
        let witness = Arc::new(Witness::new(if hashes {
            Arc::new(ServerHashVerification::new(digests))
        } else {
            trust::verifier(trust.verifies(&target.host))?
        }));
        let tls = trust::tls_with(Arc::<Witness>::clone(&witness), WEBTRANSPORT_ALPN);
        let mut client = ClientConfig::builder()
            .with_bind_socket(socket)
            .with_custom_tls(tls.map_err(TrustError::from)?)
            .dns_resolver(Fixed(address))
            .build();
        client.quic_config_mut().transport_config(Arc::new(transport()));
        let endpoint = Endpoint::client(client).map_err(ConnectError::Socket)?;
        let (url, host) = (config.webtransport.clone(), target.host);
        Ok((Self { endpoint, url, host, hashes, witness }, handle))
    }

    /// The error of a link that was not open `after` this time: blocked UDP if nothing has ever
    /// come from the server over it.
    #[must_use]
    pub fn timed_out(&self, after: Duration) -> ConnectError {
        let url = self.url.clone();
        if self.witness.verdict().is_none() {
            ConnectError::UdpBlocked { url }
        } else {
            ConnectError::TimedOut { url, after }
        }
    }

    fn failed(&self, error: ConnectionError) -> ConnectError {
        if matches!(error, ConnectionError::TimedOut) {
            return self.timed_out(Duration::from_millis(IDLE_MS.into()));
        }
        match self.witness.verdict() {
            Some(Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)))
                if self.hashes =>
            {
                ConnectError::CertificateHash { url: self.url.clone() }
            }
            Some(Err(error)) => {
                let source = io::Error::new(io::ErrorKind::InvalidData, error);
                ConnectError::Tls { host: self.host.clone(), source }
            }
            Some(Ok(())) | None => ConnectError::broken(&self.url, error),
        }
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("url", &self.url).finish_non_exhaustive()
    }
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MS))))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .datagram_receive_buffer_size(Some(RECEIVE_BUFFER))
        .datagram_send_buffer_size(SEND_BUFFER);
    if std::env::var_os(NEW_RENO).is_some() {
        transport.congestion_controller_factory(Arc::new(NewRenoConfig::default()));
    }
    transport
}

/// The host's address: the one that answered already, if it is among them, because a server may
/// listen on one family only.
async fn resolve(target: &Target, known: IpAddr) -> Result<SocketAddr, ConnectError> {
    let found = target.addresses().await?;
    let same = found.iter().find(|address| address.ip() == known);
    Ok(*same.unwrap_or(&found[0]))
}

/// Resolves every name to the address that is already known.
#[derive(Debug)]
struct Fixed(SocketAddr);

impl DnsResolver for Fixed {
    fn resolve(&self, _host: &str) -> std::pin::Pin<Box<dyn DnsLookupFuture>> {
        let address = self.0;
        Box::pin(async move { Ok(Some(address)) })
    }
}

/// One link over WebTransport.
#[derive(Debug)]
pub struct WebTransportLink {
    connection: Connection,
    sending: SendStream,
    receiving: RecvStream,
    /// Bytes of the stream that are not yet a whole message.
    pending: BytesMut,
    chunk: [u8; CHUNK],
    /// Set once the connection is closed; the stream may have more to read.
    ended: Option<End>,
    /// A handle on the UDP socket, if the link has its own.
    own: Option<UdpSocket>,
}

impl WebTransportLink {
    /// Opens a session and its stream, as a page of `origin` or as a program without one.
    ///
    /// # Errors
    /// If the server rejects the session, or cannot be reached.
    pub async fn open(
        dialer: &Dialer,
        origin: Option<&str>,
        own: Option<UdpSocket>,
    ) -> Result<Self, ConnectError> {
        let url = &dialer.url;
        let mut options = ConnectOptions::builder(url);
        if let Some(origin) = origin {
            options = options.add_header("origin", origin);
        }
        let options = options.build();
        let mut tries = TRIES;
        let connection = loop {
            tries -= 1;
            match dialer.endpoint.connect(options.clone()).await {
                Ok(connection) => break connection,
                // The library does not pass on the status.
                Err(ConnectingError::SessionRejected) => {
                    return Err(ConnectError::Rejected { url: url.clone(), status: None });
                }
                Err(ConnectingError::ConnectionError(ConnectionError::LocalH3Error(_)))
                    if tries > 0 => {}
                Err(ConnectingError::ConnectionError(error)) => return Err(dialer.failed(error)),
                Err(ConnectingError::InvalidUrl(_)) => {
                    return Err(ConnectError::InvalidUrl { url: url.clone() });
                }
                Err(error) => return Err(ConnectError::broken(url, error)),
            }
        };
        let opening = connection.open_bi().await.map_err(|error| dialer.failed(error))?;
        let opened = opening.await.map_err(|error| ConnectError::broken(url, error));
        let (sending, receiving) = opened?;
        let pending = BytesMut::new();
        let chunk = [0; CHUNK];
        Ok(Self { connection, sending, receiving, pending, chunk, ended: None, own })
    }

    /// Receives the next message of either lane. Cancel safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// When the link is over.
    pub async fn recv(&mut self) -> Result<Incoming, End> {
        loop {
            if let Some(message) = self.message() {
                return Ok(Incoming::Message(message));
            }
            if let Some(end) = &self.ended {
                // The server's closing may still be in the stream.
                match self.receiving.read(&mut self.chunk).await {
                    Ok(Some(length)) => self.pending.extend_from_slice(&self.chunk[..length]),
                    Ok(None) | Err(_) => return Err(end.clone()),
                }
                continue;
            }
            tokio::select! {
                datagram = self.connection.receive_datagram() => match datagram {
                    Ok(datagram) => return Ok(Incoming::Datagram(datagram.payload())),
                    Err(error) => self.ended = Some(end(&error)),
                },
                read = self.receiving.read(&mut self.chunk) => match read {
                    Ok(Some(length)) => self.pending.extend_from_slice(&self.chunk[..length]),
                    Ok(None) | Err(_) => self.ended = Some(self.wait_closed().await),
                },
            }
        }
    }

    /// Waits for the connection to end after its stream has.
    async fn wait_closed(&self) -> End {
        match tokio::time::timeout(Duration::from_secs(1), self.connection.closed()).await {
            Ok(error) => end(&error),
            Err(_) => End::because(&"the server ended the stream"),
        }
    }

    fn message(&mut self) -> Option<Bytes> {
        let prefix = self.pending.first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*prefix));
        if self.pending.len() < 2 + length {
            return None;
        }
        self.pending.advance(2);
        Some(self.pending.split_to(length).freeze())
    }

    /// Sends a message of the reliable lane.
    ///
    /// # Errors
    /// When the link is over.
    pub async fn send_message(&mut self, message: &[u8]) -> Result<(), End> {
        let length = u16::try_from(message.len()).map_err(|error| End::because(&error))?;
        let framed = [&length.to_le_bytes(), message].concat();
        self.sending.write_all(&framed).await.map_err(|error| End::because(&error))
    }

    /// Sends a datagram; in a full buffer it pushes out an older one.
    ///
    /// # Errors
    /// When the link is over.
    pub fn send_datagram(&self, datagram: &[u8]) -> Result<(), End> {
        self.connection.send_datagram(datagram).map_err(|error| End::because(&error))
    }

    /// Shuts the socket's sending side, so that the connection's farewell goes nowhere. A shared
    /// socket stays as it is.
    pub fn cut(self) {
        if let Some(socket) = &self.own {
            // Linux does this even for a UDP socket without a peer, although it reports an error.
            let _ = SockRef::from(socket).shutdown(Shutdown::Write);
        }
    }

    /// The largest datagram to the server, in bytes.
    pub fn max_datagram(&self) -> Option<usize> {
        self.connection.max_datagram_size()
    }

    /// Closes the link in good order.
    pub fn close(&self) {
        self.connection.close(wtransport::VarInt::from_u32(0), b"");
    }
}

fn end(error: &ConnectionError) -> End {
    let code = match error {
        ConnectionError::ApplicationClosed(close) => u8::try_from(close.code().into_inner()).ok(),
        _ => None,
    };
    End { code, ..End::because(error) }
}
