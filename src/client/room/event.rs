//! What happens in a room.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use gpys_proto::wire::{self, CloseCode, PeerId, Say, To};

use crate::error::{Ended, SayError};
use crate::options::Transport;
use crate::room::person::Person;

/// What happens in a room. Each has the newest facts at the time when it is taken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RoomEvent {
    /// Somebody came, or a thing was put here. Not those who come back on another link.
    Enter(Person),
    /// Somebody left, for good.
    Leave(Person),
    /// Somebody has another name, profile, presence or role.
    Change(Person),
    /// Somebody has a newer pose.
    Moved(Person),
    /// Somebody said something.
    Said(Said),
    /// A host shows everybody this text; empty for nothing.
    Announcement(String),
    /// The server does not take something that this client sent, and says why.
    Refused(String),
    /// The room is in another phase, or has another transport.
    Status(Status),
    /// The link is over.
    Closed(Closed),
}

/// A message from another.
#[derive(Clone, Debug)]
pub struct Said {
    /// Who said it; [`Room::person`](crate::Room::person) knows more. A newcomer's first words may
    /// come before its [`RoomEvent::Enter`].
    pub from: PeerId,
    /// Whom it is for.
    pub to: To,
    /// What it is about.
    pub topic: String,
    /// What it says, usually JSON.
    pub body: Vec<u8>,
}

impl Said {
    /// What it says, from JSON.
    ///
    /// # Errors
    /// If it is not a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

impl From<wire::Said> for Said {
    fn from(said: wire::Said) -> Self {
        let wire::Said { from, to, topic, body } = said;
        Self { from, to, topic, body }
    }
}

/// A message to others, with its body as JSON.
pub(crate) fn say(topic: &str, body: &impl Serialize, to: To) -> Result<Say, SayError> {
    Ok(Say { to, topic: topic.to_owned(), body: serde_json::to_vec(body)? })
}

/// How a room's connection is.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The phase.
    pub phase: Phase,
    /// The transport of the latest link.
    pub transport: Transport,
    /// The shortest of the last round trips.
    pub round_trip: Option<Duration>,
    /// Age of information: the median of how old samples were on arrival, over the last 5 s.
    pub age: Option<Duration>,
    /// How the last link ended, unless the room is live.
    pub reason: Option<Ended>,
}

/// The phase of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// There is a link.
    Live,
    /// The link is over; another is dialled. Others still see this client where it was.
    Waiting,
    /// It is over.
    Ended,
}

/// The end of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// How it ended.
    pub ended: Ended,
    /// Whether that is the end of the room, too: nothing follows. Otherwise the room dials another
    /// link.
    pub terminal: bool,
}

impl Closed {
    /// The server's close code, if it gave one that this version knows.
    #[must_use]
    pub const fn code(&self) -> Option<CloseCode> {
        match self.ended {
            Ended::Closed { code, .. } => CloseCode::from_code(code),
            Ended::Left | Ended::Lost(_) | Ended::Silent => None,
        }
    }
}
