//! The types in which the shell and the world speak.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::geo::Viewport;
use crate::kind::{Claim, Mismatch};
use crate::pose::{Extra, Pose};
use crate::time::Time;
use crate::wire::{
    CloseCode, Limits, MAX_CLIENT_MESSAGE, PeerId, Person, Presence, PublicId, ResumeToken, Sharing,
};

/// Silence after which a peer counts as gone, in ms.
pub const SILENCE_MS: u64 = 15_000;
/// Time after which a peer that closed its link counts as gone, in ms: enough to reload a page on a
/// slow phone, and shorter than the wait for a phone in a tunnel.
pub const CLOSED_MS: u64 = 5_000;

/// How long a peer's program may be silent while its link is alive until others see it hidden, in
/// ms: background pages may run once a minute, but those say themselves that they are hidden.
pub const FROZEN_MS: u64 = 15_000;
/// How long until it has left, in ms.
pub const FROZEN_OUT_MS: u64 = 600_000;

/// Viewports a second that a peer may set.
pub(crate) const VIEWPORTS_PER_SECOND: u64 = 10;
/// Viewports that it may set at once.
pub(crate) const VIEWPORT_BURST: u16 = 20;

/// How a room runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomSettings {
    /// Ticks per second at the slowest pace, 1 to 120.
    pub tick_hz: u8,
    /// Most people in the room, hosts aside.
    pub max_people: u32,
    /// Most things in the room.
    pub max_things: u32,
    /// Budget of a viewer that asks for none, in bytes per second.
    pub default_budget: u32,
    /// What welcomes tell clients.
    pub limits: Limits,
}

impl RoomSettings {
    /// The budget of a viewer that asks for this many bytes per second; 0 asks for the default.
    pub(crate) fn clamp_budget(&self, asked: u32) -> u32 {
        let asked = if asked == 0 { self.default_budget } else { asked };
        asked.clamp(self.limits.min_budget, self.limits.max_budget)
    }
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self {
            tick_hz: 30,
            max_people: 100_000,
            max_things: 10_000,
            default_budget: 64 * 1024,
            limits: Limits {
                max_message: MAX_CLIENT_MESSAGE as u16,
                pose_hz: 60,
                max_frame: 1000,
                min_budget: 4 * 1024,
                max_budget: 1024 * 1024,
                refresh_ms: 1000,
                resume_ms: 30_000,
            },
        }
    }
}

/// A peer that joins: what the shell mints, and what its hello says.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// A number never used before.
    pub id: PeerId,
    /// Its public identity.
    pub uuid: PublicId,
    /// Its secret, minted with [`ResumeToken::mint`] for this id.
    pub token: ResumeToken,
    /// What its hello says.
    pub arrival: Arrival,
}

/// What a hello says of a peer that joins or comes back, and what the peer may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its name.
    pub name: String,
    /// What it says of itself, as JSON; may be empty.
    pub profile: String,
    /// The same for all devices of one person; `None` if unknown.
    pub subject: Option<PublicId>,
    /// Its presence.
    pub presence: Presence,
    /// The budget it asked for, in bytes per second; 0 for the default.
    pub budget: u32,
    /// Its viewport.
    pub viewport: Option<Viewport>,
    /// The terms on which it shares.
    pub sharing: Sharing,
    /// Whether it may share; if not, it joins as watching, whatever its hello says.
    pub may_share: bool,
    /// Whether it is a host, who gets in although the room is full, and may do what
    /// [`HostAction`](crate::wire::HostAction) lists.
    pub host: bool,
    /// What it takes the room to be.
    pub claim: Claim,
}

impl Default for Arrival {
    fn default() -> Self {
        Self {
            name: String::new(),
            profile: String::new(),
            subject: None,
            presence: Presence::Sharing,
            budget: 0,
            viewport: None,
            sharing: Sharing::default(),
            may_share: true,
            host: false,
            claim: Claim::default(),
        }
    }
}

impl Arrival {
    /// Returns the presence that it may have. A hidden peer may have shared before, and is drawn,
    /// so hidden needs the right to share as well.
    pub(crate) const fn allowed_presence(&self) -> Presence {
        if self.may_share { self.presence } else { Presence::Watching }
    }
}

/// Somebody or something in a room, as viewers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its roster entry.
    pub person: Person,
    /// What its program calls a thing; `None` for a peer.
    pub key: Option<String>,
    /// Its pose, at the precision at which it is shared, and what goes with it; `None` unless it
    /// shares.
    pub pose: Option<(Pose, Extra)>,
}

/// How a link ended without a leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// The link was lost, or the server ended it; the peer was last heard at this time.
    Lost(Time),
    /// The client closed the link in good order.
    Closed,
}

/// Why a peer cannot join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// The room is full, with so many people.
    Full(u32),
    /// The room is of another kind than the peer takes it to be.
    Kind(Mismatch),
    /// A host removed it.
    Removed,
    /// A host closed the room.
    Ended,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(people) => write!(f, "the room is full ({people} people)"),
            Self::Kind(mismatch) => mismatch.fmt(f),
            Self::Removed => f.write_str("a host removed you from this room"),
            Self::Ended => f.write_str("a host closed this room"),
        }
    }
}

impl Error for JoinError {}

impl JoinError {
    /// The close code that tells the peer.
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Full(_) => CloseCode::Full,
            Self::Kind(_) => CloseCode::WrongKind,
            Self::Removed => CloseCode::Removed,
            Self::Ended => CloseCode::Ended,
        }
    }
}

/// What ends a peer's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A message at the wrong time (a second hello).
    OutOfTurn,
    /// More viewports than allowed.
    TooFast,
    /// Sharing without the right to.
    MayNotShare,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfTurn => f.write_str("a link says hello once"),
            Self::TooFast => write!(f, "more than {VIEWPORTS_PER_SECOND} viewports a second"),
            Self::MayNotShare => f.write_str("this access token lets you watch, not share"),
        }
    }
}

impl Error for Violation {}

impl Violation {
    /// The close code that tells the peer.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::OutOfTurn => CloseCode::BadMessage,
            Self::TooFast => CloseCode::TooFast,
            Self::MayNotShare => CloseCode::Forbidden,
        }
    }
}

/// The peers that get a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// One peer.
    One(PeerId),
    /// These peers.
    These(Arc<[PeerId]>),
    /// Every peer with a link but this one.
    Others(PeerId),
    /// Every peer with a link.
    Everyone,
}

impl Audience {
    /// Whether the peer belongs to it.
    #[must_use]
    pub fn includes(&self, id: PeerId) -> bool {
        match self {
            Self::One(one) => *one == id,
            Self::These(these) => these.contains(&id),
            Self::Others(but) => *but != id,
            Self::Everyone => true,
        }
    }
}

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Nothing is lost.
    Reliable,
    /// It may be lost; one that finds no room in the link is dropped.
    Datagram,
}

/// A message for links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The peers that get it.
    pub to: Audience,
    /// How it travels.
    pub lane: Lane,
    /// The bytes of a [`ServerMessage`](crate::wire::ServerMessage), or of a datagram, encoded once
    /// for all who get it.
    pub message: Arc<[u8]>,
}

/// A peer whose link is to be closed for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dismissal {
    /// The peer.
    pub peer: PeerId,
    /// The code that tells it.
    pub code: CloseCode,
    /// The reason, fit to be shown.
    pub reason: String,
}
