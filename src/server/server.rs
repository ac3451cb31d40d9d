//! Opens the ports, runs the server, and drains it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use quinn_proto::{ServerConfig, VarInt};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;
use wtransport::quinn::{Runtime as _, TokioRuntime};

use gpys_proto::wire::CloseCode;

use crate::access::{Access, AnyGate, Keys, KeysError, Tokens};
use crate::api::{self, ApiKeys, ApiKeysError};
use crate::census::Census;
use crate::config::Config;
use crate::context::{Own, ServerContext, Timing, bounds};
use crate::events::Events;
use crate::files::{self, Files, Watched};
use crate::handle::Handle;
use crate::host::Origin;
use crate::http::assets::{Assets, Page};
use crate::http::reach::Reach;
use crate::http::{self, Site};
use crate::limits::amplification::Addresses;
use crate::limits::gate::{Bounds, Gate};
use crate::metrics::{self, Metrics};
use crate::quic::endpoint::Endpoint;
use crate::room::identity::{Mint, Secret, SecretError};
use crate::tcp::{self, ListenError, Tcp};
use crate::tls::CertificateError;
use crate::tls::certificates::Certificates;
use crate::webtransport;
use crate::webtransport::endpoint::{self, Udp};
use crate::webtransport::rotation::Rotation;

/// Maximum number of connections to the metrics listener, and to that of the API.
const SCRAPERS: u32 = 16;
const PROGRAMS: u32 = 1_024;
/// How long sessions have to end on their own when the server stops.
const DRAIN: Duration = Duration::from_secs(7);
/// How long QUIC has to close the remaining connections.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A certificate is unusable.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The access keys are unusable.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The API keys are unusable.
    #[error(transparent)]
    ApiKeys(#[from] ApiKeysError),
    /// The identity secret is unusable.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A socket is unusable.
    #[error("socket error: {0}")]
    Socket(#[from] std::io::Error),
    /// Two decide who may enter.
    #[error("access-keys is set, but the program has a gate of its own; leave out one of the two")]
    TwoGates,
    /// The program's own pages are at paths of the server.
    #[error(transparent)]
    Paths(#[from] http::PathsError),
}

/// What the program around a server brings.
#[derive(Default)]
pub(crate) struct Parts {
    /// Decides who may enter, in place of access keys.
    pub(crate) gate: Option<Arc<dyn AnyGate>>,
    /// Pages beside the server's.
    pub(crate) router: Option<Router>,
}

/// A handle that reloads the certificate and access key files, if there are any. The server also
/// reloads them itself within 10 s of a change.
#[derive(Clone, Debug)]
pub struct Reloader(Arc<Notify>);

impl Reloader {
    /// Reloads the files now.
    pub fn now(&self) {
        self.0.notify_one();
    }
}

/// A server whose ports are open.
#[derive(Debug)]
pub struct Server {
    config: Config,
    context: Arc<ServerContext>,
    https: tokio::net::TcpListener,
    http: Option<tokio::net::TcpListener>,
    scrapes: Option<tokio::net::TcpListener>,
    /// The API's own listener and its routes.
    api: Option<(tokio::net::TcpListener, Router)>,
    endpoint: Endpoint,
    addresses: Arc<Addresses>,
    tls: Arc<rustls::ServerConfig>,
    rotation: Option<Rotation>,
    certificates: Certificates,
    keys: Option<Files<Keys, 1>>,
    api_keys: Option<Files<ApiKeys, 1>>,
    reload: Arc<Notify>,
    router: Router,
}

impl Server {
    /// Opens the ports and loads the certificates. Serves `page` unless the configuration names a
    /// directory.
    pub(crate) fn bind(config: Config, page: Page, parts: Parts) -> Result<Self, StartError> {
        let (tcp, udp) = tcp::bind(config.listen)?;
        let udp = TokioRuntime.wrap_udp_socket(udp)?;
        let (seed, _) = Uuid::new_v4().as_u64_pair();
        let metrics = Metrics::new();
        let open = |config| endpoint::open(udp, None, config, &metrics);
        Self::open(config, (page, parts), tcp, open, (seed, Timing::system()), &metrics)
    }

    /// The same with WebTransport over `udp`.
    pub(crate) fn bind_over(
        config: Config,
        page: Page,
        parts: Parts,
        udp: Udp,
    ) -> Result<Self, StartError> {
        let (tcp, _) = tcp::bind(config.listen)?;
        let Udp { socket, seed } = udp;
        let [a, b, c, d, e, f, g, h, ..] = seed;
        let rooms = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let metrics = Metrics::new();
        let open = |config| endpoint::open(socket, Some(seed), config, &metrics);
        Self::open(config, (page, parts), tcp, open, (rooms, Timing::virtual_time()), &metrics)
    }

    fn open(
        config: Config,
        (page, parts): (Page, Parts),
        tcp: std::net::TcpListener,
        udp: impl FnOnce(ServerConfig) -> (Endpoint, Arc<Addresses>),
        (seed, timing): (u64, Timing),
        metrics: &Arc<Metrics>,
    ) -> Result<Self, StartError> {
        let http = config.http.map(tcp::bind_tcp).transpose()?;
        let scrapes = config.metrics.map(tcp::bind_tcp).transpose()?;
        let programs = config.api_listen.map(tcp::bind_tcp).transpose()?;
        let certificates = Certificates::new(&config.certificate)?;
        if parts.gate.is_some() && config.access_keys.is_some() {
            return Err(StartError::TwoGates);
        }
        let keys = config.access_keys.clone().map(|path| Files::load([path])).transpose()?;
        let api_keys = config.api_keys.clone().map(|path| Files::load([path])).transpose()?;
        let secret = config.identity_secret.as_deref().map(Secret::read).transpose()?;
        let max_frame = usize::from(config.room.limits.max_frame);
        // A page cannot ask the user to accept a certificate over WebTransport: it pins the hash,
        // unless an authority vouches for the certificate.
        let (rotation, resolver) = if certificates.is_public {
            (None, Arc::clone(&certificates.https))
        } else {
            let rotation = Rotation::start()?;
            let current = rotation.current().single()?;
            (Some(rotation), current)
        };
        let (endpoint, addresses) = udp(endpoint::config(resolver, max_frame)?);
        let port = |listener: &std::net::TcpListener| listener.local_addr().map(|it| it.port());
        let plain = http.as_ref().map(port).transpose()?.map(|port| (false, port));
        let own = Own {
            listeners: [(true, port(&tcp)?)].into_iter().chain(plain).collect(),
            domains: certificates.domains().to_vec(),
            certificate: certificates.files.as_ref().map(Files::shown),
        };
        let tokens = || Access::Tokens(Tokens::new(keys.as_ref().map(Files::shown)));
        let access = parts.gate.map_or_else(tokens, Access::Gate);
        let mint = Mint::new(secret.unwrap_or_else(Secret::random), seed);
        let context = ServerContext::new(&config, own, access, mint, timing, Arc::clone(metrics));
        let site = site(&config, page, Arc::clone(&context), &endpoint, rotation.as_ref())?;
        let api = api_keys.as_ref().map(|keys| api::router(Arc::clone(&context), keys.shown()));
        let (shared, api) = match programs.map(tokio::net::TcpListener::from_std).transpose()? {
            Some(listener) => (None, api.map(|api| (listener, http::programs(api, &context)))),
            None => (api, None),
        };
        Ok(Self {
            router: http::router(site, parts.router, shared)?,
            api,
            api_keys,
            context,
            endpoint,
            addresses,
            https: tokio::net::TcpListener::from_std(tcp)?,
            http: http.map(tokio::net::TcpListener::from_std).transpose()?,
            scrapes: scrapes.map(tokio::net::TcpListener::from_std).transpose()?,
            tls: Arc::new(certificates.tls()?),
            rotation,
            certificates,
            keys,
            reload: Arc::default(),
            config,
        })
    }

    /// The address of HTTPS and `wss:`.
    ///
    /// # Errors
    /// If the socket is gone.
    pub fn https_address(&self) -> std::io::Result<SocketAddr> {
        self.https.local_addr()
    }

    /// The address of WebTransport.
    ///
    /// # Errors
    /// If the socket is gone.
    pub fn web_transport_address(&self) -> std::io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// The address of plain HTTP and `ws:`, if they are enabled.
    ///
    /// # Errors
    /// If the socket is gone.
    pub fn http_address(&self) -> std::io::Result<Option<SocketAddr>> {
        self.http.as_ref().map(tokio::net::TcpListener::local_addr).transpose()
    }

    /// The address of the metrics listener, if it is enabled.
    ///
    /// # Errors
    /// If the socket is gone.
    pub fn metrics_address(&self) -> std::io::Result<Option<SocketAddr>> {
        self.scrapes.as_ref().map(tokio::net::TcpListener::local_addr).transpose()
    }

    /// The address of the API's own listener, if it has one.
    ///
    /// # Errors
    /// If the socket is gone.
    pub fn api_address(&self) -> std::io::Result<Option<SocketAddr>> {
        self.api.as_ref().map(|(listener, _)| listener.local_addr()).transpose()
    }

    /// Returns a handle that reloads certificate and key files on demand.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        Reloader(Arc::clone(&self.reload))
    }

    /// Returns a handle that counts what the server holds.
    #[must_use]
    pub fn census(&self) -> Census {
        let (context, addresses) = (Arc::clone(&self.context), Arc::clone(&self.addresses));
        Census { context, addresses }
    }

    /// What happens in the rooms from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.context.rooms.events()
    }

    /// Returns a handle on the server's rooms.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.context))
    }

    /// Whether browsers warn about the certificate because it was self-signed at startup.
    #[must_use]
    pub const fn warns(&self) -> bool {
        self.certificates.is_for_this_run()
    }

    /// The address at which users open the page, if configured.
    #[must_use]
    pub const fn public_url(&self) -> Option<&Origin> {
        self.config.front.public_url.as_ref()
    }

    /// The domains for which certificates are ordered by ACME.
    #[must_use]
    pub fn domains(&self) -> &[String] {
        self.certificates.domains()
    }

    /// Serves until `stop` completes, then asks every client to reconnect and returns within 10 s.
    ///
    /// # Errors
    /// If a socket fails before the first connection.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> std::io::Result<()> {
        let context = Arc::clone(&self.context);
        for warning in &self.config.map.warnings {
            tracing::warn!("{warning}");
        }
        let (stop_tcp, stopped) = watch::channel(false);
        let watch = self.watch_files(Arc::clone(&context.metrics));
        let router = self.router;
        let tls = Some(self.tls);
        let gate = Arc::clone(&context.gate);
        let lifetime = tcp::LIFETIME;
        let tcp = Tcp { router, tls, gate, context: Arc::clone(&context), lifetime, stop: stopped };
        let scrapes = self.scrapes.map(|listener| {
            let router = metrics::router(Arc::clone(&context.metrics));
            (listener, http::apart(router, &context))
        });
        for (own, most) in [(scrapes, SCRAPERS), (self.api, PROGRAMS)] {
            let Some((listener, router)) = own else { continue };
            // Separate gates, so an operator is not kept out while the main gate is crowded.
            let bounds = Bounds { connections: most, local: false, ..bounds(&self.config) };
            let tcp = Tcp { router, tls: None, gate: Gate::new(bounds), ..tcp.clone() };
            tokio::spawn(tcp.accept(listener));
        }
        if let Some(http) = self.http {
            tokio::spawn(Tcp { tls: None, ..tcp.clone() }.accept(http));
        }
        let port = self.https.local_addr()?.port();
        tokio::spawn(tcp.accept(self.https));
        tokio::spawn(webtransport::accept(
            self.endpoint.clone(),
            self.addresses,
            Arc::clone(&context),
        ));
        let max_frame = usize::from(self.config.room.limits.max_frame);
        let rotation =
            self.rotation.map(|it| tokio::spawn(it.run(self.endpoint.clone(), max_frame)));
        let orders = self
            .certificates
            .acme
            .map(|it| tokio::spawn(it.watch(port, Arc::clone(&context.metrics))));

        stop.await;
        tracing::info!(sessions = *context.sessions.borrow(), "stopping");
        context.draining.send_replace(true);
        let mut sessions = context.sessions.subscribe();
        let mut readers = context.readers.subscribe();
        let drained = async {
            context.rooms.drain().await;
            sessions.wait_for(|sessions| *sessions == 0).await.is_ok()
                && readers.wait_for(|readers| *readers == 0).await.is_ok()
        };
        if timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("some sessions did not end in time; closing them");
        }
        let _ = stop_tcp.send(true);
        let code = VarInt::from_u32(CloseCode::Restarting as u32);
        self.endpoint.close(code, b"the server is restarting");
        let _ = timeout(GOODBYE, self.endpoint.wait_idle()).await;
        for task in [rotation, orders, watch].into_iter().flatten() {
            task.abort();
        }
        Ok(())
    }

    /// Starts watching the files that may change, if there are any.
    fn watch_files(&mut self, metrics: Arc<Metrics>) -> Option<JoinHandle<()>> {
        let certificate = self.certificates.files.take().map(|it| Box::new(it) as Box<dyn Watched>);
        let keys = self.keys.take().map(|it| Box::new(it) as Box<dyn Watched>);
        let api_keys = self.api_keys.take().map(|it| Box::new(it) as Box<dyn Watched>);
        let files: Vec<_> = certificate.into_iter().chain(keys).chain(api_keys).collect();
        if files.is_empty() {
            return None;
        }
        Some(tokio::spawn(files::watch(files, Arc::clone(&self.reload), metrics)))
    }
}

/// The state of the routes.
fn site(
    config: &Config,
    page: Page,
    context: Arc<ServerContext>,
    endpoint: &Endpoint,
    rotation: Option<&Rotation>,
) -> std::io::Result<Site> {
    let files = http::files::Files::new(Arc::clone(&context.metrics));
    let web_dir = config.web_dir.clone();
    Ok(Site {
        context,
        assets: web_dir
            .map_or_else(|| Assets::Built(page), |dir| Assets::Directory(dir, files.clone())),
        reach: Reach {
            web_transport: endpoint.local_addr()?,
            by_hash: rotation.is_some(),
            front: config.front.clone(),
        },
        hashes: rotation.map(Rotation::hashes),
        venue: config.venue.clone(),
        map: config.map.clone(),
        files,
    })
}
