//! Opening links to one server, and joining over them.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OnceCell};
use tokio_rustls::TlsConnector;
use wtransport::Endpoint;
use wtransport::endpoint::endpoint_side;

use gpys_proto::text;
use gpys_proto::wire::{Closing, Hello, ServerMessage, VERSION};

use crate::client::Client;
use crate::error::ConnectError;
use crate::link::greeting::{JoinError, greet};
use crate::link::{Link, websocket, webtransport};
use crate::options::{Options, Transport};
use crate::server_info::{self, Config, Target};
use crate::session::{ClientState, Session, lock};
use crate::trust::Trust;

/// How long a link and the welcome may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Links that share a UDP socket. One task reads a socket, for 50 us at a time, so in a process
/// of many busy clients a socket for all would be read too slowly; a socket for each would cost
/// a large read buffer each.
const LINKS_PER_ENDPOINT: usize = 16;

/// The endpoint that takes new links. Older ones live as long as their links.
#[derive(Default)]
struct Endpoints {
    newest: Option<Arc<Endpoint<endpoint_side::Client>>>,
    /// Links that it was used for.
    links: usize,
}

/// What the links to one server share.
pub struct Connector {
    config: Config,
    trust: Trust,
    /// An address at which the server answers.
    known: std::net::SocketAddr,
    endpoints: Mutex<Endpoints>,
    websocket: OnceCell<(Target, Option<TlsConnector>)>,
}

impl Connector {
    /// Asks the server at `url` (such as `https://localhost:4433`) how it can be reached.
    ///
    /// The certificate hashes in the answer are kept for the connector's life; the server's
    /// change after some days, and then a new connector is due.
    ///
    /// # Errors
    /// If the server cannot be reached or its answer is not right.
    pub async fn new(url: &str, trust: Trust) -> Result<Self, ConnectError> {
        let (config, known) = server_info::fetch(url, trust).await?;
        let (endpoints, websocket) = (Mutex::default(), OnceCell::new());
        Ok(Self { config, trust, known, endpoints, websocket })
    }

    /// What the server's `/config.json` says.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Joins; returns after the welcome.
    ///
    /// # Errors
    /// If the link cannot be opened within 10 s, or the server refuses.
    pub async fn connect(&self, options: Options) -> Result<Client, ConnectError> {
        let url = match options.transport {
            Transport::WebTransport => &self.config.webtransport,
            Transport::WebSocket => &self.config.websocket,
        };
        let failed = |reason: String| ConnectError::Link { url: url.clone(), reason };
        let joined = tokio::time::timeout(PATIENCE, async {
            let opened = self.open(options.transport, options.own_socket).await;
            let link = opened.map_err(failed)?;
            join(link, options).await.map_err(|error| match error {
                JoinError::Link(reason) => failed(reason),
                JoinError::Refused(Closing { code, retry_ms, reason }) => {
                    ConnectError::Refused { code, reason, retry_ms }
                }
            })
        });
        joined.await.map_err(|_| failed(format!("no welcome within {PATIENCE:?}")))?
    }

    async fn open(&self, transport: Transport, own_socket: bool) -> Result<Link, String> {
        match transport {
            Transport::WebTransport => {
                let (endpoint, own) = if own_socket {
                    let (endpoint, socket) = self.new_endpoint().await?;
                    (Arc::new(endpoint), Some(socket))
                } else {
                    (self.endpoint().await?, None)
                };
                let url = &self.config.webtransport;
                let link = webtransport::Link::open(&endpoint, url, None, own)
                    .await
                    .map_err(|error| error.to_string())?;
                Ok(Link::WebTransport(Box::new(link)))
            }
            Transport::WebSocket => {
                let prepare = || async { self.config.websocket_target(self.trust) };
                let (target, tls) = self.websocket.get_or_try_init(prepare).await?;
                let (stream, _) = target.open_with(tls.as_ref()).await?;
                let link = websocket::Link::open(stream, target, None)
                    .await
                    .map_err(|error| error.to_string())?;
                Ok(Link::WebSocket(Box::new(link)))
            }
        }
    }

    /// The endpoint for one more link.
    async fn endpoint(&self) -> Result<Arc<Endpoint<endpoint_side::Client>>, String> {
        let mut endpoints = self.endpoints.lock().await;
        let room = endpoints.newest.as_ref().filter(|_| endpoints.links < LINKS_PER_ENDPOINT);
        let endpoint = match room {
            Some(endpoint) => Arc::clone(endpoint),
            None => {
                endpoints.links = 0;
                let (opened, _) = self.new_endpoint().await?;
                Arc::clone(endpoints.newest.insert(Arc::new(opened)))
            }
        };
        endpoints.links += 1;
        Ok(endpoint)
    }

    async fn new_endpoint(&self) -> Result<(Endpoint<endpoint_side::Client>, UdpSocket), String> {
        webtransport::endpoint(&self.config, self.trust, self.known).await
    }
}

impl Client {
    /// Joins the server at `url` alone; who joins many times shares a [`Connector`].
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

/// Becomes a peer on an open link.
async fn join(mut link: Link, options: Options) -> Result<Client, JoinError> {
    let Options { room, name, presence, resume, budget, viewport, access, sharing, events, .. } =
        options;
    let (version, name) = (VERSION, text::name(&name));
    let hello = Hello { version, room, name, presence, resume, budget, viewport, access, sharing };
    let shared = Arc::new(ClientState::new());
    let sent = shared.local();
    let welcome = greet(&mut link, hello).await?;
    shared.note_clock(sent, shared.local(), welcome.time);
    lock(&shared.view).handle_message(&ServerMessage::Welcome(welcome.clone()));
    let session = Session::new(link, Arc::clone(&shared), events, &welcome, presence);
    tokio::spawn(session.run());
    Ok(Client::new(shared, welcome))
}
