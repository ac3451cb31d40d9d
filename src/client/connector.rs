//! Opening links to one server, and joining over them.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OnceCell};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use gpys_proto::kind::Claim;
use gpys_proto::text;
use gpys_proto::wire::{Hello, VERSION};

use crate::access::Access;
use crate::client::Client;
use crate::error::ConnectError;
use crate::link::dial::{Attempt, Dial, Token};
use crate::link::greeting::greet;
use crate::link::race::{HEAD_START, race};
use crate::link::webtransport::{Dialer, Udp};
use crate::link::{Link, websocket, webtransport};
use crate::options::{Options, Transport};
use crate::server_info::{self, Config, Target};
use crate::session::Session;
use crate::session::state::ClientState;
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
/// Clones share it, too.
#[derive(Clone)]
pub struct Connector(Arc<Shared>);

struct Shared {
    config: Config,
    /// Where that comes from; `None` if the program has it.
    target: Option<Target>,
    trust: Trust,
    /// An address at which the server answers.
    known: SocketAddr,
    /// Where UDP sockets come from, if not from the system.
    sockets: Option<Sockets>,
    dialers: Mutex<Dialers>,
    websocket: OnceCell<(Target, Option<TlsConnector>)>,
    /// The connector for clients that come back, once the server has other certificates.
    renewed: Mutex<Option<Connector>>,
}

impl Connector {
    /// Asks the server at `url` (such as `https://localhost:4433`) how to reach it.
    ///
    /// The connector keeps the certificate hashes of that answer for its life. The server's
    /// certificates change after some days; then make a new connector. Clients that
    /// [redial](Options::redials) ask again by themselves.
    ///
    /// # Errors
    /// If the server cannot be reached or its answer is not right.
    pub async fn new(url: &str, trust: Trust) -> Result<Self, ConnectError> {
        let target = Target::parse(url)?;
        Self::fetch(target, trust).await
    }

    async fn fetch(target: Target, trust: Trust) -> Result<Self, ConnectError> {
        let (config, known) = server_info::fetch(&target, trust).await?;
        Ok(Self::with(config, Some(target), trust, known, None))
    }

    fn with(
        config: Config,
        target: Option<Target>,
        trust: Trust,
        known: SocketAddr,
        sockets: Option<Sockets>,
    ) -> Self {
        let (dialers, renewed) = (Mutex::default(), Mutex::default());
        let websocket = OnceCell::new();
        let shared = Shared { config, target, trust, known, sockets, dialers, websocket, renewed };
        Self(Arc::new(shared))
    }

    /// A connector to the server that `config` describes, whose WebTransport links go over sockets
    /// that the program provides, to the server at `address`. WebSocket links are the system's.
    #[must_use]
    pub fn over(config: Config, trust: Trust, address: SocketAddr, sockets: Sockets) -> Self {
        Self::with(config, None, trust, address, Some(sockets))
    }

    /// The server's `/config.json`.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Joins a room; returns after the welcome.
    ///
    /// # Errors
    /// If the link cannot be opened within 10 s, or the server refuses.
    pub async fn connect(&self, options: Options) -> Result<Client, ConnectError> {
        let deadline = Instant::now() + PATIENCE;
        let way = Way {
            transport: options.transport,
            races: options.races,
            own_socket: options.own_socket,
            origin: options.origin.clone(),
            access: options.access.clone(),
        };
        let link = way.open(|transport| self.open(transport, &way, deadline)).await?;
        let url = self.url(link.transport());
        timeout_at(deadline, self.join(link, way, options))
            .await
            .unwrap_or_else(|_| Err(timed_out(url)))
    }

    /// Opens a link over one transport.
    ///
    /// # Errors
    /// If that fails or takes until `deadline`.
    async fn open(
        &self,
        transport: Transport,
        way: &Way,
        deadline: Instant,
    ) -> Result<Link, ConnectError> {
        let (shared, origin) = (&self.0, way.origin.as_deref());
        match transport {
            Transport::WebTransport => {
                shared.open_webtransport(way.own_socket, origin, deadline).await
            }
            Transport::WebSocket => timeout_at(deadline, shared.open_websocket(origin))
                .await
                .unwrap_or_else(|_| Err(timed_out(self.url(transport)))),
        }
    }

    /// The same for a client that comes back: the server may have other certificates by now.
    async fn reopen(
        &self,
        transport: Transport,
        way: &Way,
        deadline: Instant,
    ) -> Result<Link, ConnectError> {
        let newest = self.0.renewed.lock().await.clone().unwrap_or_else(|| self.clone());
        match (newest.open(transport, way, deadline).await, &self.0.target) {
            (Err(ConnectError::CertificateHash { .. }), Some(target)) => {
                let late = |_| Err(timed_out(&target.base()));
                let renewing = self.renew(target, &newest);
                let renewed = timeout_at(deadline, renewing).await.unwrap_or_else(late)?;
                renewed.open(transport, way, deadline).await
            }
            (opened, _) => opened,
        }
    }

    /// The connector in place of a stale one; the first client to come back asks for all.
    async fn renew(&self, target: &Target, stale: &Self) -> Result<Self, ConnectError> {
        let mut renewed = self.0.renewed.lock().await;
        if let Some(newest) = renewed.as_ref().filter(|it| !Arc::ptr_eq(&it.0, &stale.0)) {
            return Ok(newest.clone());
        }
        Ok(renewed.insert(Self::fetch(target.clone(), self.0.trust).await?).clone())
    }

    /// Where links over `transport` lead.
    fn url(&self, transport: Transport) -> &str {
        match transport {
            Transport::WebTransport => &self.0.config.webtransport,
            Transport::WebSocket => &self.0.config.websocket,
        }
    }

    /// Becomes a peer on an open link.
    async fn join(
        &self,
        mut link: Link,
        way: Way,
        options: Options,
    ) -> Result<Client, ConnectError> {
        let Options { redials, events, .. } = options;
        let Options { room, name, presence, resume, budget, viewport, sharing, .. } = options;
        let Options { claim: Claim { space, layout }, profile, .. } = options;
        let (version, name) = (VERSION, text::name(&name));
        let access = way.token().await?;
        let hello = Hello {
            version,
            room,
            name,
            presence,
            resume,
            budget,
            viewport,
            access,
            sharing,
            space,
            layout,
            profile,
        };
        let (sent, transport) = (Instant::now(), link.transport());
        let welcome = greet(&mut link, hello.clone(), self.url(transport)).await?;
        let shared = Arc::new(ClientState::new(welcome, transport, sent));
        let server = redials.then(|| -> Box<dyn Dial> {
            Box::new(Redialer { server: self.clone(), way: Arc::new(way) })
        });
        let session = Session::new(link, Arc::clone(&shared), events, hello);
        tokio::spawn(session.run(server));
        Ok(Client::new(shared))
    }
}

/// How a client's links are opened.
#[derive(Debug)]
struct Way {
    transport: Transport,
    races: bool,
    own_socket: bool,
    origin: Option<String>,
    access: Option<Access>,
}

impl Way {
    /// Opens a link over the client's transport, or over the better of the two.
    async fn open<F>(&self, open: impl Fn(Transport) -> F) -> Result<Link, ConnectError>
    where
        F: Future<Output = Result<Link, ConnectError>>,
    {
        let other = match self.transport {
            Transport::WebTransport => Transport::WebSocket,
            Transport::WebSocket => Transport::WebTransport,
        };
        let first = open(self.transport);
        if self.races { race(first, open(other), HEAD_START).await } else { first.await }
    }

    /// The access token for the next link, if the client has any.
    async fn token(&self) -> Result<Option<String>, ConnectError> {
        match &self.access {
            Some(access) => access.token().await.map(Some),
            None => Ok(None),
        }
    }
}

/// Opens further links for one client.
struct Redialer {
    server: Connector,
    way: Arc<Way>,
}

impl Dial for Redialer {
    fn dial(&self, deadline: Instant) -> Attempt {
        let (server, way) = (self.server.clone(), Arc::clone(&self.way));
        Box::pin(
            async move { way.open(|transport| server.reopen(transport, &way, deadline)).await },
        )
    }

    fn token(&self) -> Token {
        let way = Arc::clone(&self.way);
        Box::pin(async move { way.token().await })
    }

    fn renews_token(&self) -> bool {
        matches!(self.way.access, Some(Access::Source(_)))
    }

    fn url(&self, transport: Transport) -> &str {
        self.server.url(transport)
    }
}

impl Shared {
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
        f.debug_struct("Connector").field("config", &self.0.config).finish_non_exhaustive()
    }
}
