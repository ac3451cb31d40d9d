//! How a client joins, what it says of itself, and what it hears.

use gpys_proto::geo::{Position, Viewport};
use gpys_proto::pose::{Accuracy, Orientation};
use gpys_proto::time::Stamp;
use gpys_proto::view::Figure;
use gpys_proto::wire::{PeerId, Presence, ResumeToken, ServerMessage, Sharing};

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
    /// The token of an earlier [`Client::welcome`](crate::Client::welcome), to come back as the same peer.
    pub resume: Option<ResumeToken>,
    /// Most bytes of frames per second; 0 for the server's default.
    pub budget: u32,
    /// What the client shows, if it knows already.
    pub viewport: Option<Viewport>,
    /// The access token, for a room that asks for one.
    pub access: Option<String>,
    /// The origin to name, as a page would. Servers take clients without one unless they run with
    /// `--require-origin`.
    pub origin: Option<String>,
    /// The terms on which the client shares.
    pub sharing: Sharing,
    /// Whether a WebTransport link has a UDP socket to itself, as [`Client::cut`](crate::Client::cut) needs it.
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
            origin: None,
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
/// ask for [`Client::view`](crate::Client::view), which is locked while it runs.
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
