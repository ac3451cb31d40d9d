//! The IO shell of the server: sockets, tasks and time around the core in [`proto`](crate::proto).
//!
//! Reading order: `listen`, `webtransport` and `websocket` accept; `session` is what both do with
//! what a client sends; `mailbox` and `link` are the ways in and out of a room; `rooms` and
//! `room` own the worlds. `http`, `assets`, `pmtiles` deliver the page; `tls`, `reload`, `acme`
//! and [`certs`] are identities; `gate`, `rate` and `origin` are the limits, `metrics` counts how often they are hit,
//! and `panics` confines bugs.

#[cfg(feature = "acme")]
mod acme;
mod addresses;
mod assets;
mod banner;
pub mod certs;
mod clock;
mod gate;
mod http;
mod link;
mod listen;
mod mailbox;
mod metrics;
mod origin;
pub mod panics;
mod pmtiles;
mod rate;
mod reload;
mod room;
mod rooms;
mod session;
pub mod signals;
mod tls;
mod websocket;
mod webtransport;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::server::ResolvesServerCert;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use wtransport::quinn::{self, VarInt};

use crate::config::{Certificate, Config, Guard};
use crate::proto::wire::{CloseCode, Limits};

#[cfg(feature = "acme")]
use self::acme::Acme;
use self::assets::Assets;
use self::banner::Banner;
use self::clock::Clock;
use self::gate::{Bounds, Gate, Permit};
use self::http::Site;
use self::listen::{ListenError, Tcp};
use self::metrics::Metrics;
use self::origin::Origins;
use self::reload::Files;
use self::rooms::Rooms;
use self::tls::{Identity, IdentityError, Rotation};

/// Connections beside those of people: pages that load.
const PAGES: u32 = 1_024;
/// Most connections of those who read the metrics.
const SCRAPERS: u32 = 16;
/// How long sessions have to end by themselves when the server stops.
const DRAIN: Duration = Duration::from_secs(7);
/// How long QUIC has to say goodbye to those that did not.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A certificate cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The settings ask for what this program was built without.
    #[cfg(not(feature = "acme"))]
    #[error("this program was built without `--features acme`")]
    NoAcme,
    /// A socket cannot be used.
    #[error("a socket cannot be used: {0}")]
    Socket(#[from] std::io::Error),
}

/// What every session of the server shares.
#[derive(Debug)]
struct Shared {
    clock: Clock,
    rooms: Arc<Rooms>,
    gate: Arc<Gate>,
    metrics: Arc<Metrics>,
    origins: Origins,
    limits: Limits,
    /// How long a client has for each step until it has said hello.
    deadline: Duration,
    /// Whether the server is about to stop.
    draining: AtomicBool,
    /// How many sessions there are.
    sessions: watch::Sender<usize>,
}

/// Counts a session for as long as it is kept.
struct Counted(watch::Sender<usize>);

impl Shared {
    /// What a server begins with whose own pages are at these ports.
    fn new(config: &Config, ports: Vec<u16>) -> Arc<Self> {
        let clock = Clock::start();
        let metrics = Metrics::new();
        Arc::new(Self {
            clock,
            rooms: Rooms::new(config.room, config.guard.rooms, clock, Arc::clone(&metrics)),
            gate: Gate::new(bounds(config)),
            metrics,
            origins: Origins { ports, allowed: config.allow_origins.clone() },
            limits: config.room.limits,
            deadline: config.guard.deadline,
            draining: AtomicBool::new(false),
            sessions: watch::Sender::new(0),
        })
    }

    /// Admits a connection, or counts which limit refuses it.
    fn admit(&self, address: IpAddr) -> Option<Permit> {
        self.admit_by(&self.gate, address)
    }

    /// The same at another gate than that of sessions and pages.
    fn admit_by(&self, gate: &Arc<Gate>, address: IpAddr) -> Option<Permit> {
        let refused = |limit| {
            self.metrics.hit(limit);
            tracing::debug!(?limit, "a connection was refused");
        };
        gate.admit(address, self.clock.now()).map_err(refused).ok()
    }

    fn count_session(&self) -> Counted {
        self.sessions.send_modify(|sessions| *sessions += 1);
        Counted(self.sessions.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|sessions| *sessions -= 1);
    }
}

/// Reads the certificate's files again, if the server has it from files. It does so by itself
/// within 10 s of a change.
#[derive(Clone, Debug)]
pub struct Reloader(Arc<Notify>);

impl Reloader {
    /// Reads them now.
    pub fn now(&self) {
        self.0.notify_one();
    }
}

/// A server whose ports are open.
#[derive(Debug)]
pub struct Server {
    config: Config,
    https: tokio::net::TcpListener,
    http: Option<tokio::net::TcpListener>,
    metrics: Option<tokio::net::TcpListener>,
    endpoint: quinn::Endpoint,
    acceptor: TlsAcceptorConfig,
    rotation: Option<Rotation>,
    #[cfg(feature = "acme")]
    acme: Option<Acme>,
    files: Option<Files>,
    reload: Arc<Notify>,
    warns: bool,
}

type TlsAcceptorConfig = Arc<rustls::ServerConfig>;

impl Server {
    /// Opens the ports and gets the certificates. Needs a tokio runtime.
    ///
    /// # Errors
    /// If a port cannot be had, or a certificate cannot be used.
    pub fn bind(config: Config) -> Result<Self, StartError> {
        let (tcp, udp) = listen::bind(config.listen)?;
        let http = config.http.map(listen::bind_tcp).transpose()?;
        let metrics = config.metrics.map(listen::bind_tcp).transpose()?;
        let files = match &config.certificate {
            Certificate::Files { chain, key, .. } => Some(Files::load(chain.clone(), key.clone())?),
            Certificate::Acme(_) | Certificate::ThisRun => None,
        };
        #[cfg(feature = "acme")]
        let acme = match &config.certificate {
            Certificate::Acme(settings) => Some(Acme::load(settings.clone())?),
            _ => None,
        };
        #[cfg(feature = "acme")]
        let got = acme.as_ref().map(Acme::resolver);
        #[cfg(not(feature = "acme"))]
        let got: Option<Arc<dyn ResolvesServerCert>> = match &config.certificate {
            Certificate::Acme(_) => return Err(StartError::NoAcme),
            _ => None,
        };
        let https: Arc<dyn ResolvesServerCert> = match (&files, got) {
            (Some(files), _) => files.shown(),
            (None, Some(got)) => got,
            (None, None) => Identity::for_this_run(addresses::names())?.single()?,
        };
        let max_frame = usize::from(config.room.limits.max_frame);
        let (rotation, quic) = match &config.certificate {
            Certificate::Files { public: true, .. } | Certificate::Acme(_) => {
                (None, Arc::clone(&https))
            }
            _ => {
                let rotation = Rotation::start()?;
                let current = rotation.current().single()?;
                (Some(rotation), current)
            }
        };
        Ok(Self {
            endpoint: webtransport::endpoint(udp, tls::quic(quic, max_frame)?)?,
            https: tokio::net::TcpListener::from_std(tcp)?,
            http: http.map(tokio::net::TcpListener::from_std).transpose()?,
            metrics: metrics.map(tokio::net::TcpListener::from_std).transpose()?,
            acceptor: Arc::new(tls::https(
                https,
                matches!(config.certificate, Certificate::Acme(_)),
            )?),
            rotation,
            #[cfg(feature = "acme")]
            acme,
            files,
            reload: Arc::default(),
            warns: matches!(config.certificate, Certificate::ThisRun),
            config,
        })
    }

    /// Where HTTPS and `wss:` listen.
    ///
    /// # Errors
    /// If the socket is gone.
    pub fn https_address(&self) -> std::io::Result<SocketAddr> {
        self.https.local_addr()
    }

    /// Where WebTransport listens.
    ///
    /// # Errors
    /// If the socket is gone.
    pub fn web_transport_address(&self) -> std::io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Where plain HTTP and `ws:` listen, if they do.
    ///
    /// # Errors
    /// If the socket is gone.
    pub fn http_address(&self) -> std::io::Result<Option<SocketAddr>> {
        self.http.as_ref().map(tokio::net::TcpListener::local_addr).transpose()
    }

    /// Where metrics are read, if they are.
    ///
    /// # Errors
    /// If the socket is gone.
    pub fn metrics_address(&self) -> std::io::Result<Option<SocketAddr>> {
        self.metrics.as_ref().map(tokio::net::TcpListener::local_addr).transpose()
    }

    /// A handle with which the certificate's files are read again at once.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        Reloader(Arc::clone(&self.reload))
    }

    /// What a person is told: where to open the page, with a QR code for a phone.
    ///
    /// # Errors
    /// If a socket is gone.
    pub fn banner(&self) -> std::io::Result<String> {
        let banner = Banner {
            https: self.https_address()?,
            web_transport: self.web_transport_address()?,
            http: self.http_address()?,
            warns: self.warns,
            domains: match &self.config.certificate {
                Certificate::Acme(acme) => &acme.domains,
                _ => &[],
            },
        };
        Ok(banner.text())
    }

    /// Serves until `stop`, then tells everybody to come back, and ends within 10 s.
    ///
    /// # Errors
    /// If a socket is gone before the first connection.
    pub async fn run(self, stop: impl Future<Output = ()>) -> std::io::Result<()> {
        let shared = self.shared()?;
        let (stop_tcp, stopped) = watch::channel(false);
        let site = self.site(Arc::clone(&shared))?;
        let router = http::router(site);
        let tls = Some(TlsAcceptor::from(self.acceptor));
        let gate = Arc::clone(&shared.gate);
        let tcp = Tcp { router, tls, gate, shared: Arc::clone(&shared), stop: stopped };
        if let Some(metrics) = self.metrics {
            // A gate of its own: whoever crowds the other one is what an operator looks for.
            let bounds = Bounds { connections: SCRAPERS, local: false, ..bounds(&self.config) };
            let router = metrics::router(Arc::clone(&shared.metrics));
            let tcp = Tcp { router, tls: None, gate: Gate::new(bounds), ..tcp.clone() };
            tokio::spawn(tcp.accept(metrics));
        }
        if let Some(http) = self.http {
            tokio::spawn(Tcp { tls: None, ..tcp.clone() }.accept(http));
        }
        #[cfg(feature = "acme")]
        let port = self.https.local_addr()?.port();
        tokio::spawn(tcp.accept(self.https));
        tokio::spawn(webtransport::accept(self.endpoint.clone(), Arc::clone(&shared)));
        let max_frame = usize::from(self.config.room.limits.max_frame);
        let rotation =
            self.rotation.map(|it| tokio::spawn(it.run(self.endpoint.clone(), max_frame)));
        let metrics = Arc::clone(&shared.metrics);
        #[cfg(feature = "acme")]
        let orders = self.acme.map(|it| tokio::spawn(it.watch(port, Arc::clone(&shared.metrics))));
        #[cfg(not(feature = "acme"))]
        let orders: Option<tokio::task::JoinHandle<()>> = None;
        let watch = self.files.map(|it| tokio::spawn(it.watch(self.reload, metrics)));

        stop.await;
        tracing::info!(sessions = *shared.sessions.borrow(), "the server stops");
        shared.draining.store(true, Ordering::Relaxed);
        let mut sessions = shared.sessions.subscribe();
        let drained = async {
            shared.rooms.drain().await;
            sessions.wait_for(|sessions| *sessions == 0).await.is_ok()
        };
        if timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("some sessions did not end in time");
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

    fn shared(&self) -> std::io::Result<Arc<Shared>> {
        let http = self.http_address()?.map(|address| address.port());
        let ports = [Some(self.https_address()?.port()), http].into_iter().flatten().collect();
        Ok(Shared::new(&self.config, ports))
    }

    fn site(&self, shared: Arc<Shared>) -> std::io::Result<Site> {
        Ok(Site {
            shared,
            assets: self.config.web_dir.clone().map_or(Assets::Built, Assets::Directory),
            web_transport: self.web_transport_address()?,
            hashes: self.rotation.as_ref().map(Rotation::hashes),
            venue: self.config.venue.clone(),
            map_style: self.config.map_style.clone(),
            pmtiles: self.config.pmtiles.clone(),
        })
    }
}

/// What the configuration lets in.
fn bounds(config: &Config) -> Bounds {
    let Guard { connections, per_network, handshakes, half_open, local, .. } = config.guard;
    let connections = connections.unwrap_or_else(|| config.room.max_people.saturating_add(PAGES));
    Bounds { connections, per_network, handshakes, half_open, local }
}
