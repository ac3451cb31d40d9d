//! The IO shell of the server: sockets, tasks and time around the core in [`proto`](gpys_proto).
//!
//! Reading order: `listen`, `webtransport` (over `h3`) and `websocket` accept; `session` is what
//! both do with what a client sends; `mailbox` and `link` are the ways in and out of a room, and
//! `ending` is why a link is over; `rooms` and `room` (with `member`) own the worlds. `http`
//! (with `asked`, `policy` and `upgrade`), `assets`, `words`, `files` and `answers` deliver the page; `tls`, `rotation`, `reload`, `acme` and
//! [`certs`] are the server's identities, `identity` is those of people; `access` and [`token`] say
//! who may enter; `gate`, `places`, `rate`, `origin`, `host`, `forwarded` and `pace` are the limits,
//! `metrics` counts how often they are hit, `udp` is QUIC's socket, `strays` counts what is for nobody,
//! `amplification` holds back what is for somebody who may not be there, and `panics` confines bugs.

mod access;
#[cfg_attr(not(feature = "acme"), path = "acme_absent.rs")]
mod acme;
mod addresses;
mod amplification;
mod answers;
mod asked;
mod assets;
mod banner;
pub mod certs;
mod chain;
mod clock;
mod command;
mod ending;
mod files;
mod forwarded;
mod gate;
mod h3;
pub(crate) mod host;
mod http;
mod identity;
mod link;
mod listen;
mod mailbox;
mod member;
mod metrics;
mod origin;
mod pace;
pub mod panics;
mod pem;
mod places;
mod policy;
mod probe;
mod rate;
mod reach;
mod reload;
mod room;
mod rooms;
mod rotation;
mod session;
mod shared;
pub mod signals;
mod strays;
mod tls;
pub mod token;
mod udp;
mod upgrade;
mod websocket;
mod webtransport;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use wtransport::quinn::{self, VarInt};

use crate::config::{Certificate, Config};
use gpys_proto::wire::CloseCode;

use crate::server::access::{Access, Keys, KeysError};
use crate::server::acme::Acme;
use crate::server::amplification::Addresses;
use crate::server::assets::Assets;
use crate::server::banner::Banner;
use crate::server::gate::{Bounds, Gate};
use crate::server::http::Site;
use crate::server::identity::{Secret, SecretError};
use crate::server::listen::{ListenError, Tcp};
use crate::server::metrics::Metrics;
use crate::server::reach::Reach;
use crate::server::reload::{Files, Watched};
use crate::server::rotation::Rotation;
use crate::server::shared::{Own, Shared, bounds};
use crate::server::tls::{Identity, IdentityError};

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
    /// The keys of access tokens cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The secret of identities cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A socket cannot be used.
    #[error("a socket cannot be used: {0}")]
    Socket(#[from] std::io::Error),
}

/// Reads the files of the certificate and of access keys again, if the server has any. It does
/// so by itself within 10 s of a change.
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
    scrapes: Option<tokio::net::TcpListener>,
    metrics: Arc<Metrics>,
    endpoint: quinn::Endpoint,
    addresses: Arc<Addresses>,
    acceptor: TlsAcceptorConfig,
    rotation: Option<Rotation>,
    acme: Option<Acme>,
    files: Option<Files<CertifiedKey, 2>>,
    keys: Option<Files<Keys, 1>>,
    secret: Secret,
    reload: Arc<Notify>,
    warns: bool,
}

type TlsAcceptorConfig = Arc<rustls::ServerConfig>;

impl Server {
    /// Opens the ports and gets the certificates. Needs a tokio runtime.
    ///
    /// # Errors
    /// If a port cannot be had, or a certificate or another secret cannot be used.
    pub fn bind(config: Config) -> Result<Self, StartError> {
        let (tcp, udp) = listen::bind(config.listen)?;
        let http = config.http.map(listen::bind_tcp).transpose()?;
        let scrapes = config.metrics.map(listen::bind_tcp).transpose()?;
        let metrics = Metrics::new();
        let files = match &config.certificate {
            Certificate::Files { chain, key, .. } => {
                Some(Files::load([chain.clone(), key.clone()]).map_err(IdentityError::from)?)
            }
            Certificate::Acme(_) | Certificate::ThisRun => None,
        };
        let keys = config.access_keys.clone().map(|path| Files::load([path])).transpose()?;
        let secret = config.identity_secret.as_deref().map(Secret::read).transpose()?;
        let acme = match &config.certificate {
            Certificate::Acme(settings) => Some(Acme::load(settings.clone())?),
            _ => None,
        };
        let https: Arc<dyn ResolvesServerCert> = match (&files, &acme) {
            (Some(files), _) => files.shown(),
            (None, Some(acme)) => acme.resolver(),
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
        let (endpoint, addresses) =
            webtransport::endpoint(udp, tls::quic(quic, max_frame)?, &metrics)?;
        Ok(Self {
            endpoint,
            addresses,
            https: tokio::net::TcpListener::from_std(tcp)?,
            http: http.map(tokio::net::TcpListener::from_std).transpose()?,
            scrapes: scrapes.map(tokio::net::TcpListener::from_std).transpose()?,
            metrics,
            acceptor: Arc::new(tls::https(
                https,
                matches!(config.certificate, Certificate::Acme(_)),
            )?),
            rotation,
            acme,
            files,
            keys,
            secret: secret.unwrap_or_else(Secret::drawn),
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
        self.scrapes.as_ref().map(tokio::net::TcpListener::local_addr).transpose()
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
            public: self.config.front.public_url.as_ref(),
            domains: self.domains(),
        };
        Ok(banner.text())
    }

    /// The names for which an authority is asked for a certificate.
    fn domains(&self) -> &[String] {
        match &self.config.certificate {
            Certificate::Acme(acme) => &acme.domains,
            _ => &[],
        }
    }

    /// Serves until `stop`, then tells everybody to come back, and ends within 10 s.
    ///
    /// # Errors
    /// If a socket is gone before the first connection.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> std::io::Result<()> {
        let shared = self.shared()?;
        for warning in &self.config.map.warnings {
            tracing::warn!("{warning}");
        }
        let (stop_tcp, stopped) = watch::channel(false);
        let site = self.site(Arc::clone(&shared))?;
        let watch = self.watch_files(Arc::clone(&shared.metrics));
        let router = http::router(site);
        let tls = Some(TlsAcceptor::from(self.acceptor));
        let gate = Arc::clone(&shared.gate);
        let lifetime = listen::LIFETIME;
        let tcp = Tcp { router, tls, gate, shared: Arc::clone(&shared), lifetime, stop: stopped };
        if let Some(scrapes) = self.scrapes {
            // A gate of its own: whoever crowds the other one is what an operator looks for.
            let bounds = Bounds { connections: SCRAPERS, local: false, ..bounds(&self.config) };
            let router = metrics::router(Arc::clone(&shared.metrics))
                .layer(from_fn_with_state(Arc::clone(&shared), asked::named));
            let tcp = Tcp { router, tls: None, gate: Gate::new(bounds), ..tcp.clone() };
            tokio::spawn(tcp.accept(scrapes));
        }
        if let Some(http) = self.http {
            tokio::spawn(Tcp { tls: None, ..tcp.clone() }.accept(http));
        }
        let port = self.https.local_addr()?.port();
        tokio::spawn(tcp.accept(self.https));
        tokio::spawn(webtransport::accept(
            self.endpoint.clone(),
            self.addresses,
            Arc::clone(&shared),
        ));
        let max_frame = usize::from(self.config.room.limits.max_frame);
        let rotation =
            self.rotation.map(|it| tokio::spawn(it.run(self.endpoint.clone(), max_frame)));
        let orders = self.acme.map(|it| tokio::spawn(it.watch(port, Arc::clone(&shared.metrics))));

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

    /// Begins to look at the files that may change, if there are any.
    fn watch_files(&mut self, metrics: Arc<Metrics>) -> Option<JoinHandle<()>> {
        let certificate = self.files.take().map(|it| Box::new(it) as Box<dyn Watched>);
        let keys = self.keys.take().map(|it| Box::new(it) as Box<dyn Watched>);
        let files: Vec<_> = certificate.into_iter().chain(keys).collect();
        if files.is_empty() {
            return None;
        }
        Some(tokio::spawn(reload::watch(files, Arc::clone(&self.reload), metrics)))
    }

    fn shared(&self) -> std::io::Result<Arc<Shared>> {
        let http = self.http_address()?.map(|address| address.port());
        let https = self.https_address()?.port();
        let listeners = [Some((true, https)), http.map(|port| (false, port))];
        let own = Own {
            listeners: listeners.into_iter().flatten().collect(),
            domains: self.domains().to_vec(),
            certificate: self.files.as_ref().map(Files::shown),
        };
        let access = Access::new(self.keys.as_ref().map(Files::shown));
        let metrics = Arc::clone(&self.metrics);
        Ok(Shared::new(&self.config, own, access, self.secret.clone(), metrics))
    }

    fn site(&self, shared: Arc<Shared>) -> std::io::Result<Site> {
        let files = files::Files::new(Arc::clone(&shared.metrics));
        let web_dir = self.config.web_dir.clone();
        Ok(Site {
            shared,
            assets: web_dir.map_or(Assets::Built, |dir| Assets::Directory(dir, files.clone())),
            reach: Reach {
                web_transport: self.web_transport_address()?,
                by_hash: self.rotation.is_some(),
                front: self.config.front.clone(),
            },
            hashes: self.rotation.as_ref().map(Rotation::hashes),
            venue: self.config.venue.clone(),
            map: self.config.map.clone(),
            files,
        })
    }
}
