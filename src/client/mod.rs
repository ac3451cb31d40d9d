//! A native client, for programs that walk on the map without a browser.
//!
//! ```no_run
//! # async fn example() -> Result<(), gpys::client::ConnectError> {
//! use gpys::client::{Connector, Options, Reading, Trust};
//! use gpys::proto::geo::Position;
//! use gpys::proto::pose::Accuracy;
//!
//! let server = Connector::new("https://localhost:4433", Trust::Public).await?;
//! let client = server.connect(Options::default()).await?;
//! if let Ok(position) = Position::from_degrees(45.75, 14.36) {
//!     client.send(Reading { position, orientation: None, accuracy: Accuracy::UNKNOWN });
//! }
//! for (id, figure) in client.view().figures() {
//!     println!("{id} is at {:?}", figure.position.degrees());
//! }
//! client.leave().await;
//! # Ok(()) }
//! ```
//!
//! A [`Connector`] holds what links to one server share (its configuration, a few UDP sockets, one
//! TLS configuration), so that a process can be thousands of clients; a [`Client`] is one peer on
//! one link. It does not reconnect by itself: [`Client::closed`] tells how the link ended, and
//! [`Options::resume`] comes back as the same peer.
//!
//! Reading order: `config` and `trust` (where the server is, and whether to believe it), `link`
//! with `webtransport` and `websocket`, `session` (the loop), [`clock`] and [`sender`] (its pure
//! parts). Beside them, [`gpx`] and [`walk`] are people who walk, [`swarm`] is many of them, and
//! [`doctor`] tells why a server cannot be reached.

pub mod clock;
pub mod config;
mod connector;
pub mod doctor;
pub mod gpx;
mod link;
pub mod sender;
mod session;
pub mod swarm;
pub mod trust;
pub mod walk;
mod websocket;
mod webtransport;

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

pub use self::config::{Config, ConfigError};
pub use self::connector::Connector;
pub use self::trust::Trust;

use crate::client::session::{Shared, lock};
use gpys_proto::geo::{Position, Viewport};
use gpys_proto::pose::{Accuracy, Orientation, Pose};
use gpys_proto::time::{Stamp, Time};
use gpys_proto::view::{Figure, View};
use gpys_proto::wire::{PeerId, Presence, ServerMessage, Sharing, Token, Welcome};

/// Which transport carries a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// WebTransport over HTTP/3.
    #[default]
    WebTransport,
    /// WebSocket.
    WebSocket,
}

/// How a client joins.
pub struct Options {
    /// The transport.
    pub transport: Transport,
    /// The room, 1 to 64 of a-z, 0-9 and `-`.
    pub room: String,
    /// The name to show to others; others see what [`text::name`](gpys_proto::text::name) makes
    /// of it, which may be nothing.
    pub name: String,
    /// The presence to begin with.
    pub presence: Presence,
    /// The token of an earlier [`Client::welcome`], to come back as the same peer.
    pub resume: Option<Token>,
    /// Most bytes of frames per second; 0 for the server's default.
    pub budget: u32,
    /// What the client shows, if it knows already.
    pub viewport: Option<Viewport>,
    /// The access token, for a room that asks for one.
    pub access: Option<String>,
    /// The terms on which the client shares.
    pub sharing: Sharing,
    /// Whether a WebTransport link has a UDP socket to itself, as [`Client::cut`] needs it.
    pub own_socket: bool,
    /// Is told what arrives.
    pub events: Option<Events>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            transport: Transport::WebTransport,
            room: "lobby".to_owned(),
            name: String::new(),
            presence: Presence::Sharing,
            resume: None,
            budget: 0,
            viewport: None,
            access: None,
            sharing: Sharing::default(),
            own_socket: false,
            events: None,
        }
    }
}

/// Something arrived.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A frame shows somebody anew.
    Figure {
        /// Who.
        id: PeerId,
        /// How.
        figure: &'a Figure,
        /// The server's clock at the frame's arrival, as the client estimates it.
        now: Stamp,
    },
    /// A message of the reliable lane.
    Message(&'a ServerMessage),
}

/// Is told what arrives, at once, on the task that reads the link: it must be quick, and must not
/// ask for [`Client::view`], which is locked while it runs.
pub type Events = Box<dyn FnMut(Event<'_>) + Send>;

/// Where somebody is and how they hold their device, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Where.
    pub position: Position,
    /// How the device is held; `None` without such a sensor.
    pub orientation: Option<Orientation>,
    /// How sure the position is.
    pub accuracy: Accuracy,
}

/// Why a client cannot join.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is no server, or it is not one.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The link cannot be opened, or breaks before the welcome.
    #[error("cannot connect to {url}: {reason}")]
    Link {
        /// Where to.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The server closes the link instead of a welcome.
    #[error("the server refuses: {reason} (code {code})")]
    Refused {
        /// The close code (docs/PROTOCOL.md, section 3).
        code: u8,
        /// In words.
        reason: String,
        /// Come back after this long plus a random part of as much again, in ms; `None`: do not.
        retry_ms: Option<u32>,
    },
}

/// How a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client left, or was dropped.
    Left,
    /// The server closed it.
    Closed {
        /// The close code (docs/PROTOCOL.md, section 3).
        code: u8,
        /// In words.
        reason: String,
        /// Come back after this long plus a random part of as much again, in ms; `None`: do not.
        retry_ms: Option<u32>,
    },
    /// The link broke.
    Lost(String),
    /// Nothing arrived for 15 s.
    Silent,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Left => f.write_str("left"),
            Self::Closed { code, reason, .. } => {
                write!(f, "closed by the server: {reason} ({code})")
            }
            Self::Lost(reason) => write!(f, "lost: {reason}"),
            Self::Silent => f.write_str("nothing arrived for 15 s"),
        }
    }
}

/// What went over a link so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// New poses sent.
    pub poses: u64,
    /// Repeats of poses sent.
    pub repeats: u64,
    /// Frames received.
    pub frames: u64,
    /// Their bytes.
    pub frame_bytes: u64,
    /// Datagrams received that the protocol does not allow.
    pub bad: u64,
    /// Times that the server said that it did not take a value.
    pub refused: u64,
}

/// One peer on one link. Dropping it breaks the link without a word; others see the peer fade
/// after a while, and it may come back. [`Client::leave`] is for good.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    welcome: Welcome,
}

impl Client {
    /// Joins the server at `url` alone; who joins many times shares a [`Connector`].
    ///
    /// # Errors
    /// If the server cannot be reached or refuses.
    pub async fn connect(url: &str, trust: Trust, options: Options) -> Result<Self, ConnectError> {
        Connector::new(url, trust).await?.connect(options).await
    }

    /// What the server said first: who this client is, and what is allowed.
    #[must_use]
    pub const fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// The server's clock, as estimated.
    #[must_use]
    pub fn now(&self) -> Stamp {
        self.shared.now()
    }

    /// The shortest of the last round trips, in ms.
    #[must_use]
    pub fn round_trip(&self) -> Option<f64> {
        self.shared.round_trip()
    }

    /// Sends where this client is, now. The newest reading wins: one that still waits for its
    /// turn is replaced. A reading that says the same as the last one is not sent.
    pub fn send(&self, reading: Reading) {
        let Reading { position, orientation, accuracy } = reading;
        let sampled = Time(u64::from(self.now().0));
        let pose = Pose { position, orientation, accuracy, sampled };
        self.shared.ask(|outbox| outbox.pose = Some(pose));
    }

    /// Says what the client shows now. More than ten a second end the link; four are plenty.
    pub fn set_viewport(&self, viewport: Viewport) {
        self.shared.ask(|outbox| outbox.viewport = Some(viewport));
    }

    /// Says whether the client shares, watches or is hidden.
    pub fn set_presence(&self, presence: Presence) {
        self.shared.ask(|outbox| outbox.presence = Some(presence));
    }

    /// Who is where. What arrives waits while this is held, so hold it briefly.
    pub fn view(&self) -> MutexGuard<'_, View> {
        lock(&self.shared.view)
    }

    /// What went over the link so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let counters = &self.shared.counters;
        Traffic {
            poses: counters.poses.load(Ordering::Relaxed),
            repeats: counters.repeats.load(Ordering::Relaxed),
            frames: counters.frames.load(Ordering::Relaxed),
            frame_bytes: counters.frame_bytes.load(Ordering::Relaxed),
            bad: counters.bad.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
        }
    }

    /// Waits until the link ends, and tells how.
    pub async fn closed(&self) -> Ended {
        let mut ended = self.shared.ended.subscribe();
        // The sender lives as long as `self` does, so waiting cannot fail.
        match ended.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone().unwrap_or(Ended::Left),
            Err(_) => Ended::Left,
        }
    }

    /// Makes the network vanish: nothing goes over the link any more, nobody says farewell, and
    /// the server has to find out. Over WebTransport that is so on Linux, with
    /// [`Options::own_socket`]; otherwise the link is closed as by dropping the client.
    pub async fn cut(&self) {
        self.shared.ask(|outbox| outbox.cut = true);
        self.closed().await;
    }

    /// Leaves for good, and waits until the server knows (2 s at most).
    pub async fn leave(&self) {
        self.shared.ask(|outbox| outbox.leave = true);
        self.closed().await;
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.ask(|outbox| outbox.abandoned = true);
    }
}
