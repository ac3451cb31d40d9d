//! State shared by every session of the server, and admission of connections to it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use crate::access::Access;
use crate::alarm::Alarms;
use crate::clock::Clock;
use crate::config::{Config, Guard};
use crate::files::Shown;
use crate::limits::forwarded::Proxies;
use crate::limits::gate::{Bounds, Gate, Permit};
use crate::limits::names::Names;
use crate::limits::origin::Origins;
use crate::load::Load;
use crate::metrics::{Limit, Metrics};
use crate::room::Means;
use crate::room::directory::Rooms;
use crate::room::identity::Mint;
use crate::room::places::Places;
use gpys_proto::wire::Limits;

/// Connections allowed in addition to those of peers: pages that load.
const PAGES: u32 = 1_024;

/// State shared by every session of the server.
#[derive(Debug)]
pub(super) struct ServerContext {
    pub(super) clock: Clock,
    pub(super) rooms: Arc<Rooms>,
    pub(super) gate: Arc<Gate>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) access: Access,
    pub(super) origins: Origins,
    /// Host names accepted on plain HTTP.
    pub(super) names: Names,
    /// Proxies trusted to name their clients.
    pub(super) proxies: Proxies,
    pub(super) limits: Limits,
    /// How long a client may take for each step up to its hello.
    pub(super) deadline: Duration,
    /// Whether the server is about to stop.
    pub(super) draining: watch::Sender<bool>,
    /// Number of sessions.
    pub(super) sessions: watch::Sender<usize>,
    /// Number of readers of the API's events.
    pub(super) readers: watch::Sender<usize>,
}

/// Counts a session or a reader until dropped.
pub(super) struct Counted(watch::Sender<usize>);

/// What the pace of rooms rests on.
#[derive(Debug, Default)]
pub(super) struct Timing {
    /// What frames cost.
    pub(super) load: Load,
    /// The timers of rooms.
    pub(super) alarms: Alarms,
}

impl Timing {
    /// The processor time that the program uses, and the kernel's timer.
    pub(super) fn system() -> Self {
        Self { load: Load::new(), alarms: Alarms::start() }
    }

    /// For a server whose run must follow from its seed: a fixed price, and the runtime's clock.
    pub(super) fn virtual_time() -> Self {
        Self { load: Load::fixed(), alarms: Alarms::coarse() }
    }
}

/// Where the server's own pages are served.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// For each listener, whether it speaks TLS, and its port.
    pub(super) listeners: Vec<(bool, u16)>,
    /// Domains for which certificates are ordered.
    pub(super) domains: Vec<String>,
    /// The HTTPS certificate, if it comes from files.
    pub(super) certificate: Option<Arc<Shown<CertifiedKey>>>,
}

impl ServerContext {
    /// The initial state of a server whose pages are served at `own`.
    pub(super) fn new(
        config: &Config,
        own: Own,
        access: Access,
        mint: Mint,
        timing: Timing,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let clock = Clock::start();
        let gate = Gate::new(bounds(config));
        let means = Means {
            clock,
            mint: Arc::new(mint),
            places: Places::new(Arc::clone(&gate)),
            metrics: Arc::clone(&metrics),
            load: Arc::new(timing.load),
            alarms: timing.alarms,
            journal: Arc::default(),
        };
        let (allowed, required) = (config.allow_origins.clone(), config.require_origin);
        let public = config.front.public_url.clone();
        let Own { listeners, domains, certificate } = own;
        Arc::new(Self {
            clock,
            rooms: Rooms::new(
                config.room,
                config.guard.rooms,
                config.room_kinds.kinds.clone(),
                means,
            ),
            gate,
            metrics,
            access,
            names: Names::new(public.as_ref(), &allowed, &domains, certificate),
            proxies: Proxies(config.front.trusted_proxies.clone()),
            origins: Origins { listeners, public, allowed, required, ..Origins::default() },
            limits: config.room.limits,
            deadline: config.guard.deadline,
            draining: watch::Sender::new(false),
            sessions: watch::Sender::new(0),
            readers: watch::Sender::new(0),
        })
    }

    /// Admits a connection, or counts the limit that refuses it.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Permit> {
        self.admitted(self.gate.admit(address, self.clock.now()))
    }

    /// Like [`admit`](Self::admit), at another gate than that of sessions and pages, or for a proxy
    /// that carries many clients.
    pub(super) fn admit_by(
        &self,
        gate: &Arc<Gate>,
        address: IpAddr,
        is_proxy: bool,
    ) -> Option<Permit> {
        let now = self.clock.now();
        self.admitted(if is_proxy { gate.admit_proxy(now) } else { gate.admit(address, now) })
    }

    /// Admits a client behind a proxy as a connection of its own.
    pub(super) fn admit_behind(&self, proxy: &Arc<Permit>, client: IpAddr) -> Option<Permit> {
        self.admitted(self.gate.admit_behind(proxy, client, self.clock.now()))
    }

    fn admitted(&self, admitted: Result<Permit, Limit>) -> Option<Permit> {
        let refused = |limit| {
            self.metrics.hit(limit);
            tracing::debug!(?limit, "a connection was refused");
        };
        admitted.map_err(refused).ok()
    }

    pub(super) fn count_session(&self) -> Counted {
        self.sessions.send_modify(|sessions| *sessions += 1);
        Counted(self.sessions.clone())
    }

    /// Counts a reader of events, unless there are `most`.
    pub(super) fn count_reader(&self, most: usize) -> Option<Counted> {
        let counted = self.readers.send_if_modified(|readers| {
            let has_room = *readers < most;
            *readers += usize::from(has_room);
            has_room
        });
        counted.then(|| Counted(self.readers.clone()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// The bounds that the configuration sets.
pub(super) fn bounds(config: &Config) -> Bounds {
    let Guard { connections, per_network, handshakes, half_open, local, .. } = config.guard;
    let connections = connections.unwrap_or_else(|| config.room.max_people.saturating_add(PAGES));
    Bounds { connections, per_network, handshakes, half_open, local }
}
