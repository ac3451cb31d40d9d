//! How a client joins, what it sends, and what it receives.

use crate::access::Access;
use crate::error::Ended;
use gpys_proto::geo::{Position, Viewport};
use gpys_proto::kind::Claim;
use gpys_proto::pose::{Accuracy, Orientation};
use gpys_proto::time::Stamp;
use gpys_proto::view::Figure;
use gpys_proto::wire::{PeerId, Presence, ResumeToken, Said, ServerMessage, Sharing};

/// The transport that carries a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// WebTransport over HTTP/3.
    #[default]
    WebTransport,
    /// WebSocket over TCP.
    WebSocket,
}

/// How a client joins.
pub struct Options {
    /// The transport of the link.
    pub transport: Transport,
    /// Whether the other transport is tried as well, 150 ms later or once this one has failed; the
    /// one that opens first carries the link.
    pub races: bool,
    /// The room, 1 to 64 of a-z, 0-9 and `-`.
    pub room: String,
    /// The name that others see, as [`text::name`](gpys_proto::text::name) cleans it, which may
    /// leave nothing.
    pub name: String,
    /// What the client says of itself, as JSON of at most 512 bytes; may be empty.
    pub profile: String,
    /// What it takes the room to be.
    pub claim: Claim,
    /// The initial presence.
    pub presence: Presence,
    /// The token of an earlier [`Client::welcome`](crate::Client::welcome), to come back as the same
    /// peer.
    pub resume: Option<ResumeToken>,
    /// Maximum bytes of frames per second; 0 for the server's default.
    pub budget: u32,
    /// What the client shows, if already known.
    pub viewport: Option<Viewport>,
    /// The access token, for a room that needs one.
    pub access: Option<Access>,
    /// The origin to name, as a page would. Servers take clients without one unless they run with
    /// `--require-origin`.
    pub origin: Option<String>,
    /// The terms on which the client shares.
    pub sharing: Sharing,
    /// Whether a WebTransport link gets a UDP socket of its own, which
    /// [`Client::cut`](crate::Client::cut) needs.
    pub own_socket: bool,
    /// Whether the client opens another link by itself, in the same way and as the same peer, when its link is silent or over. Without, [`Client::closed`](crate::Client::closed)
    /// returns when the first link ends.
    pub redials: bool,
    /// Called with everything that arrives.
    pub events: Option<Events>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            transport: Transport::WebTransport,
            races: false,
            room: "lobby".to_owned(),
            name: String::new(),
            profile: String::new(),
            claim: Claim::default(),
            presence: Presence::Sharing,
            resume: None,
            budget: 0,
            viewport: None,
            access: None,
            origin: None,
            sharing: Sharing::default(),
            own_socket: false,
            redials: false,
            events: None,
        }
    }
}

/// Something that arrived, or became of the link.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A frame shows a newer figure of a peer.
    Figure {
        /// The peer.
        id: PeerId,
        /// Its position, orientation and time.
        figure: &'a Figure,
        /// The server's clock at the frame's arrival, as the client estimates it.
        now: Stamp,
    },
    /// A message of the reliable lane.
    Message(&'a ServerMessage),
    /// A message from another on the datagram lane. Of two from one sender on one topic, the one
    /// with the later `time` is newer; two of the same are one.
    Said {
        /// When the server sent it, on its clock.
        time: Stamp,
        /// The message.
        said: &'a Said,
    },
    /// The link is over, while no other has taken its place.
    Ended {
        /// How it ended.
        ended: &'a Ended,
        /// Whether the client opens another.
        comes_back: bool,
    },
}

/// A callback for events. It runs on the task that reads the link: it must be quick, and must
/// not call [`Client::view`](crate::Client::view), which is locked meanwhile.
pub type Events = Box<dyn FnMut(Event<'_>) + Send>;

/// Where a device is and how it is held, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The position.
    pub position: Position,
    /// The orientation; `None` without such a sensor.
    pub orientation: Option<Orientation>,
    /// The accuracy of the position.
    pub accuracy: Accuracy,
}

/// Counts of what a link has carried so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// New poses sent.
    pub poses: u64,
    /// Repeats of poses sent.
    pub repeats: u64,
    /// Frames received.
    pub frames: u64,
    /// Bytes of those frames.
    pub frame_bytes: u64,
    /// Received datagrams that do not decode.
    pub bad: u64,
    /// Values that the server refused.
    pub refused: u64,
}
