//! A link over WebTransport: datagrams, and one bidirectional stream of messages with 16-bit length
//! prefixes.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::StatusCode;
use rustls::CertificateError;
use socket2::SockRef;
use wtransport::quinn::congestion::NewRenoConfig;
use wtransport::quinn::crypto::rustls::QuicClientConfig;
use wtransport::quinn::{
    AsyncUdpSocket, ClientConfig, ConnectError as DialError, ConnectionError, Endpoint,
    EndpointConfig, IdleTimeout, TokioRuntime, TransportConfig, VarInt,
};
use wtransport::tls::client::ServerHashVerification;
use wtransport::tls::{Sha256Digest, WEBTRANSPORT_ALPN};

use crate::error::ConnectError;
use crate::link::end::{End, Incoming};
use crate::link::http3::{Fault, Session};
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
/// With this variable in its environment, QUIC runs NewReno instead of CUBIC. For the latency
/// benchmark alone, which pairs it with TCP's Reno, so it is no option.
const NEW_RENO: &str = "GPYS_BENCH_NEWRENO";
/// Bytes to read from the stream at a time.
const CHUNK: usize = 2_048;

/// A UDP socket that the program provides in place of the system's: an emulated network, or a
/// relay of its own.
#[derive(Debug)]
pub struct Udp {
    /// The socket.
    pub socket: Arc<dyn AsyncUdpSocket>,
    /// The seed of QUIC's own choices, such as the order of its parameters. Keys and connection ids
    /// are random all the same.
    pub seed: [u8; 32],
}

/// Opens WebTransport links to one server, over one UDP socket.
pub struct Dialer {
    endpoint: Endpoint,
    address: SocketAddr,
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
        let address = resolve(&Target::parse(&config.webtransport)?, known.ip()).await?;
        // The socket keeps the system's own buffer: few links share it, and in a larger one frames
        // would only grow old when the process falls behind.
        let any: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0)).map_err(ConnectError::Socket)?;
        let handle = socket.try_clone().map_err(ConnectError::Socket)?;
        let runtime = Arc::new(TokioRuntime);
        let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, runtime);
        let endpoint = endpoint.map_err(ConnectError::Socket)?;
        Ok((Self::with_endpoint(endpoint, config, trust, address)?, handle))
    }

    /// Opens links over `udp` to the server at `address` that `config` describes.
    ///
    /// # Errors
    /// If no TLS configuration can be made.
    pub fn over(
        udp: Udp,
        config: &Config,
        trust: Trust,
        address: SocketAddr,
    ) -> Result<Self, ConnectError> {
        let mut settings = EndpointConfig::default();
        settings.rng_seed(Some(udp.seed));
        let runtime = Arc::new(TokioRuntime);
        let endpoint = Endpoint::new_with_abstract_socket(settings, None, udp.socket, runtime);
        let endpoint = endpoint.map_err(ConnectError::Socket)?;
        Self::with_endpoint(endpoint, config, trust, address)
    }

    fn with_endpoint(
        mut endpoint: Endpoint,
        config: &Config,
        trust: Trust,
        address: SocketAddr,
    ) -> Result<Self, ConnectError> {
        let (url, host) = (config.webtransport.clone(), Target::parse(&config.webtransport)?.host);
        let digests = config.server_certificate_hashes.iter().filter_map(CertificateHash::sha256);
        let digests: Vec<_> = digests.map(Sha256Digest::new).collect();
        let hashes = !digests.is_empty();
        let witness = Arc::new(Witness::new(if hashes {
            Arc::new(ServerHashVerification::new(digests))
        } else {
            trust::verifier(trust.verifies(&host))?
        }));
        let tls = trust::tls_with(Arc::<Witness>::clone(&witness), WEBTRANSPORT_ALPN);
        let crypto = QuicClientConfig::try_from(tls.map_err(TrustError::from)?);
        let crypto = crypto.map_err(|error| ConnectError::broken(&url, error))?;
        let mut client = ClientConfig::new(Arc::new(crypto));
        client.transport_config(Arc::new(transport()));
        endpoint.set_default_client_config(client);
        Ok(Self { endpoint, address, url, host, hashes, witness })
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

/// One link over WebTransport.
#[derive(Debug)]
pub struct WebTransportLink {
    session: Session,
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
        let dialling = dialer.endpoint.connect(dialer.address, &dialer.host);
        let dialling = dialling.map_err(|error| match error {
            DialError::InvalidServerName(_) | DialError::InvalidRemoteAddress(_) => {
                ConnectError::InvalidUrl { url: url.clone() }
            }
            error => ConnectError::broken(url, error),
        })?;
        let quic = dialling.await.map_err(|error| dialer.failed(error))?;
        let session = Session::open(quic, url, origin).await.map_err(|fault| match fault {
            Fault::Url => ConnectError::InvalidUrl { url: url.clone() },
            Fault::Refused(StatusCode::FORBIDDEN) => {
                ConnectError::Origin { url: url.clone(), origin: origin.map(str::to_owned) }
            }
            Fault::Refused(status) => ConnectError::Rejected { url: url.clone(), status },
            Fault::Lost(error) => dialer.failed(error),
            Fault::Broken(what) => ConnectError::broken(url, what),
        })?;
        let (pending, chunk) = (BytesMut::new(), [0; CHUNK]);
        Ok(Self { session, pending, chunk, ended: None, own })
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
                match self.session.receiving.read(&mut self.chunk).await {
                    Ok(Some(length)) => self.pending.extend_from_slice(&self.chunk[..length]),
                    Ok(None) | Err(_) => return Err(end.clone()),
                }
                continue;
            }
            let Session { quic, receiving, prefix, .. } = &mut self.session;
            tokio::select! {
                // The lane first: its messages are few, and explain what the datagrams show.
                biased;
                read = receiving.read(&mut self.chunk) => match read {
                    Ok(Some(length)) => self.pending.extend_from_slice(&self.chunk[..length]),
                    Ok(None) | Err(_) => self.ended = Some(self.wait_closed().await),
                },
                datagram = quic.read_datagram() => match datagram {
                    Ok(datagram) if datagram.starts_with(prefix) => {
                        return Ok(Incoming::Datagram(datagram.slice(prefix.len()..)));
                    }
                    // For no session of this connection.
                    Ok(_) => {}
                    Err(error) => self.ended = Some(end(&error)),
                },
            }
        }
    }

    /// Waits for the connection to end after its stream has.
    async fn wait_closed(&self) -> End {
        match tokio::time::timeout(Duration::from_secs(1), self.session.quic.closed()).await {
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
        self.session.sending.write_all(&framed).await.map_err(|error| End::because(&error))
    }

    /// Sends a datagram; in a full buffer it pushes out an older one.
    ///
    /// # Errors
    /// When the link is over.
    pub fn send_datagram(&self, datagram: &[u8]) -> Result<(), End> {
        let Session { quic, prefix, .. } = &self.session;
        let datagram = [prefix, datagram].concat().into();
        quic.send_datagram(datagram).map_err(|error| End::because(&error))
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
        let Session { quic, prefix, .. } = &self.session;
        Some(quic.max_datagram_size()?.saturating_sub(prefix.len()))
    }

    /// Closes the link in good order.
    pub fn close(&self) {
        self.session.quic.close(VarInt::from_u32(0), b"");
    }
}

fn end(error: &ConnectionError) -> End {
    let code = match error {
        ConnectionError::ApplicationClosed(close) => {
            u8::try_from(close.error_code.into_inner()).ok()
        }
        _ => None,
    };
    End { code, ..End::because(error) }
}
