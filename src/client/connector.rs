//! Opening links to one server, and joining over them.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OnceCell};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use gpys_proto::text;
use gpys_proto::wire::{Hello, ServerMessage, VERSION};

use crate::client::Client;
use crate::error::ConnectError;
use crate::link::greeting::greet;
use crate::link::webtransport::{Dialer, Udp};
use crate::link::{Link, websocket, webtransport};
use crate::options::{Options, Transport};
use crate::server_info::{self, Config, Target};
use crate::session::{ClientState, Session, lock};
use crate::trust::Trust;

/// How long opening a link and the welcome may take together.
const PATIENCE: Duration = Duration::from_secs(10);

/// Links that share a UDP socket. One task reads a socket, for 50 us at a time, so in a process
/// of many busy clients one socket for all would be read too slowly, and one for each would cost
/// a large read buffer each.
const LINKS_PER_SOCKET: usize = 16;

/// The dialer that opens new links. Older ones live as long as their links.
#[derive(Default)]
struct Dialers {
    newest: Option<Arc<Dialer>>,
    /// Links that it was used for.
    links: usize,
}

/// Provides a UDP socket whenever it is called.
pub type Sockets = Box<dyn Fn() -> io::Result<Udp> + Send + Sync>;

/// What the links to one server share: its configuration, a few UDP sockets, one TLS configuration.
pub struct Connector {
    config: Config,
    trust: Trust,
    /// An address at which the server answers.
    known: SocketAddr,
    /// Where UDP sockets come from, if not from the system.
    sockets: Option<Sockets>,
    dialers: Mutex<Dialers>,
    websocket: OnceCell<(Target, Option<TlsConnector>)>,
}

impl Connector {
    /// Asks the server at `url` (such as `https://localhost:4433`) how to reach it.
    ///
    /// The connector keeps the certificate hashes of that answer for its life. The server's
    /// certificates change after some days; then make a new connector.
    ///
    /// # Errors
    /// If the server cannot be reached or its answer is not right.
    pub async fn new(url: &str, trust: Trust) -> Result<Self, ConnectError> {
        let target = Target::parse(url)?;
        let (config, known) = server_info::fetch(&target, trust).await?;
        let (dialers, websocket) = (Mutex::default(), OnceCell::new());
        Ok(Self { config, trust, known, sockets: None, dialers, websocket })
    }

    /// A connector to the server that `config` describes, whose WebTransport links go over sockets
    /// that the program provides, to the server at `address`. WebSocket links are the system's.
    #[must_use]
    pub fn over(config: Config, trust: Trust, address: SocketAddr, sockets: Sockets) -> Self {
        let (dialers, websocket) = (Mutex::default(), OnceCell::new());
        Self { config, trust, known: address, sockets: Some(sockets), dialers, websocket }
    }

    /// The server's `/config.json`.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Joins a room; returns after the welcome.
    ///
    /// # Errors
    /// If the link cannot be opened within 10 s, or the server refuses.
    pub async fn connect(&self, options: Options) -> Result<Client, ConnectError> {
        let deadline = Instant::now() + PATIENCE;
        let url = match options.transport {
            Transport::WebTransport => &self.config.webtransport,
            Transport::WebSocket => &self.config.websocket,
        };
        let (own, origin) = (options.own_socket, options.origin.as_deref());
        let link = match options.transport {
            Transport::WebTransport => self.open_webtransport(own, origin, deadline).await,
            Transport::WebSocket => timeout_at(deadline, self.open_websocket(origin))
                .await
                .unwrap_or_else(|_| Err(timed_out(url))),
        };
        timeout_at(deadline, join(link?, options, url))
            .await
            .unwrap_or_else(|_| Err(timed_out(url)))
    }

    async fn open_webtransport(
        &self,
        own: bool,
        origin: Option<&str>,
        deadline: Instant,
    ) -> Result<Link, ConnectError> {
        let late = |_| Err(timed_out(&self.config.webtransport));
        let dialing = self.dialer(own);
        let (dialer, own) = timeout_at(deadline, dialing).await.unwrap_or_else(late)?;
        let opening = webtransport::WebTransportLink::open(&dialer, origin, own);
        let opened = timeout_at(deadline, opening).await;
        let link = opened.unwrap_or_else(|_| Err(dialer.timed_out(PATIENCE)))?;
        Ok(Link::WebTransport(Box::new(link)))
    }

    async fn open_websocket(&self, origin: Option<&str>) -> Result<Link, ConnectError> {
        let prepare = || async { self.config.websocket_target(self.trust) };
        let (target, tls) = self.websocket.get_or_try_init(prepare).await?;
        let (stream, _) = target.open_with(tls.as_ref()).await?;
        let link = websocket::WebSocketLink::open(stream, target, origin).await?;
        Ok(Link::WebSocket(Box::new(link)))
    }

    /// The dialer for one more link, with its socket if the link has that to itself.
    async fn dialer(&self, own: bool) -> Result<(Arc<Dialer>, Option<UdpSocket>), ConnectError> {
        if own {
            let (dialer, socket) = self.new_dialer().await?;
            return Ok((Arc::new(dialer), socket));
        }
        let mut dialers = self.dialers.lock().await;
        let room = dialers.newest.as_ref().filter(|_| dialers.links < LINKS_PER_SOCKET);
        let dialer = match room {
            Some(dialer) => Arc::clone(dialer),
            None => {
                dialers.links = 0;
                let (opened, _) = self.new_dialer().await?;
                Arc::clone(dialers.newest.insert(Arc::new(opened)))
            }
        };
        dialers.links += 1;
        Ok((dialer, None))
    }

    async fn new_dialer(&self) -> Result<(Dialer, Option<UdpSocket>), ConnectError> {
        let Self { config, trust, known, sockets, .. } = self;
        if let Some(sockets) = sockets {
            let udp = sockets().map_err(ConnectError::Socket)?;
            return Ok((Dialer::over(udp, config, *trust, *known)?, None));
        }
        let (dialer, socket) = Dialer::new(config, *trust, *known).await?;
        Ok((dialer, Some(socket)))
    }
}

fn timed_out(url: &str) -> ConnectError {
    ConnectError::TimedOut { url: url.to_owned(), after: PATIENCE }
}

impl Client {
    /// Joins the server at `url`. To join many times, share a [`Connector`].
    ///
    /// # Errors
    /// If the server cannot be reached or refuses.
    pub async fn connect(url: &str, trust: Trust, options: Options) -> Result<Self, ConnectError> {
        Connector::new(url, trust).await?.connect(options).await
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Becomes a peer on an open link to `url`.
async fn join(mut link: Link, options: Options, url: &str) -> Result<Client, ConnectError> {
    let Options { room, name, presence, resume, budget, viewport, access, sharing, events, .. } =
        options;
    let (version, name) = (VERSION, text::name(&name));
    let hello = Hello { version, room, name, presence, resume, budget, viewport, access, sharing };
    let shared = Arc::new(ClientState::new());
    let sent = shared.local();
    let welcome = greet(&mut link, hello, url).await?;
    shared.note_clock(sent, shared.local(), welcome.time);
    lock(&shared.view).handle_message(&ServerMessage::Welcome(welcome.clone()));
    let session = Session::new(link, Arc::clone(&shared), events, &welcome, presence);
    tokio::spawn(session.run());
    Ok(Client::new(shared, welcome))
}
