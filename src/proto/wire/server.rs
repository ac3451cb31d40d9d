//! Messages from the server on the reliable lane (docs/PROTOCOL.md, section 3).

use serde::{Deserialize, Serialize};

use crate::kind::Kind;
use crate::text;
use crate::time::Stamp;
use crate::wire::codes::{CloseCode, DecodeError};
use crate::wire::encoding::{decode, encode};
use crate::wire::limits::MAX_SERVER_MESSAGE;
use crate::wire::peer::{Change, Online, PeerId, Person, PublicId, ResumeToken};
use crate::wire::say::Said;

/// What the server allows, as its welcome tells clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest reliable message from a client, in bytes.
    pub max_message: u16,
    /// Poses per second that the server reads.
    pub pose_hz: u8,
    /// Longest frame, in bytes.
    pub max_frame: u16,
    /// Least bytes per second of frames that a client can ask for.
    pub min_budget: u32,
    /// Most bytes per second of frames that a client can ask for.
    pub max_budget: u32,
    /// Every cell is repeated within this time, in ms.
    pub refresh_ms: u16,
    /// Longest absence after which a peer may come back as itself, in ms.
    pub resume_ms: u32,
}

/// The first message of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// [`VERSION`](crate::wire::VERSION).
    pub version: u16,
    /// The client's own number.
    pub id: PeerId,
    /// The client's public identity.
    pub uuid: PublicId,
    /// The secret to come back with.
    pub token: ResumeToken,
    /// Whether the client came back as the peer it was.
    pub resumed: bool,
    /// The server's clock.
    pub time: Stamp,
    /// Ticks per second at a room's slowest pace.
    pub tick_hz: u8,
    /// What the server allows.
    pub limits: Limits,
    /// Whether the client may share, or only watch.
    pub may_share: bool,
    /// The kind of the room.
    pub kind: Kind,
    /// Number of [`Roster`] messages that follow and make the first list of who is here.
    pub rosters: u16,
}

/// Who is in the room: a change, or a part of the first list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// The server's clock.
    pub time: Stamp,
    /// People who are new, or whose facts are newer.
    pub joined: Vec<Person>,
    /// People who left for good.
    pub left: Vec<PeerId>,
    /// People whose presence changed.
    pub presence: Vec<Change>,
    /// How many people are here.
    pub online: Online,
}

/// Why and how the link ends; the last message of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// The reason, as a code.
    pub code: u8,
    /// Come back after this long plus a random part of as much again, in ms; `None` for never.
    pub retry_ms: Option<u32>,
    /// The reason, in words.
    pub reason: String,
}

/// A value from the client that the server does not take; the link goes on without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The [`Field`](crate::wire::Field) of the value, as its number.
    pub field: u8,
    /// What is wrong with it, in words.
    pub reason: String,
}

/// Whether the client is to send copies of its poses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// Whether too many of its poses are lost on their way.
    pub wanted: bool,
}

impl Refused {
    /// The reason as it is fit to be shown, whatever the server wrote.
    #[must_use]
    pub fn words(&self) -> String {
        text::clean(&self.reason, text::MAX_REASON)
    }
}

impl Closing {
    /// The reason as it is fit to be shown, whatever the server wrote.
    #[must_use]
    pub fn words(&self) -> String {
        text::clean(&self.reason, text::MAX_REASON)
    }
}

/// A message of the reliable lane from the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerMessage {
    /// The client has joined.
    Welcome(Welcome),
    /// Who is here.
    Roster(Roster),
    /// The link ends.
    Closing(Closing),
    /// A value is not taken.
    Refused(Refused),
    /// Whether to send copies of poses from now on.
    Copies(Copies),
    /// A message from another peer.
    Said(Said),
    /// What a host shows everybody, as it is fit to be shown; empty for nothing.
    Announcement(String),
}

impl ServerMessage {
    /// Encodes the message for the reliable lane.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Decodes a message.
    ///
    /// # Errors
    /// If the bytes are not a message.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes, MAX_SERVER_MESSAGE)
    }

    /// Makes the last message of a link.
    #[must_use]
    pub fn closing(code: CloseCode, reason: &str, retry_ms: Option<u32>) -> Self {
        Self::Closing(Closing { code: code as u8, retry_ms, reason: reason.to_owned() })
    }
}
