//! The state of a room.

use super::geo::Viewport;
use super::time::Time;
use super::wire::{
    ClientMessage, CloseCode, Limits, Online, PeerId, Presence, PublicId, Sample, ServerMessage, Token,
};

/// How a room runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Ticks per second, 1 to 120.
    pub tick_hz: u8,
    /// Most people in the room.
    pub max_people: u32,
    /// Budget of a viewer that asks for none, in bytes per second.
    pub default_budget: u32,
    /// What clients are told.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tick_hz: 30,
            max_people: 100_000,
            default_budget: 64 * 1024,
            limits: Limits {
                max_message: super::wire::MAX_CLIENT_MESSAGE as u16,
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

/// Somebody who joins: what the shell mints, and what the hello said.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// A number that was never used before.
    pub id: PeerId,
    /// Its public identity.
    pub uuid: PublicId,
    /// Its secret.
    pub token: Token,
    /// The name it gave.
    pub name: String,
    /// Its presence.
    pub presence: Presence,
    /// The budget it asked for, in bytes per second; 0 for the default.
    pub budget: u32,
    /// What it shows.
    pub viewport: Option<Viewport>,
}

/// Why somebody cannot join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The room is full.
    #[error("the room is full ({0} people)")]
    Full(u32),
}

/// What ends a peer's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A message at the wrong time (a second hello).
    #[error("a link says hello once")]
    OutOfTurn,
    /// More viewports than allowed.
    #[error("more than 10 viewports a second")]
    TooFast,
}

impl Violation {
    /// The close code that tells the peer.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::OutOfTurn => CloseCode::BadMessage,
            Self::TooFast => CloseCode::TooFast,
        }
    }
}

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// One peer.
    One(PeerId),
    /// Every peer with a link.
    Everyone,
}

/// A message for the reliable lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who is told.
    pub to: Audience,
    /// What.
    pub message: ServerMessage,
}

/// What a link learned of its path, for the budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// Packets sent since the last feedback.
    pub sent: u64,
    /// Packets found lost since the last feedback.
    pub lost: u64,
    /// Round trip now, in ms; 0 if unknown.
    pub rtt_ms: u32,
    /// Frames that found no room in the link since the last feedback.
    pub refused: u32,
}

/// The state of a room.
#[derive(Debug)]
pub struct World {}

impl World {
    /// An empty room. `seed` is drawn at random by the shell; it decides which people are shown
    /// as the sample of a crowd.
    #[must_use]
    pub fn new(settings: Settings, seed: u64) -> Self { todo!() }

    /// Lets somebody in; their welcome and roster follow by [`World::poll_event`].
    ///
    /// # Errors
    /// If the room is full.
    pub fn join(&mut self, newcomer: Newcomer, now: Time) -> Result<(), JoinError> { todo!() }

    /// Somebody is back on a new link: `None` if nobody with this token is known any more.
    /// The welcome and roster follow by [`World::poll_event`]. The caller closes the old link.
    pub fn resume(&mut self, token: Token, presence: Presence, budget: u32, viewport: Option<Viewport>, now: Time) -> Option<PeerId> { todo!() }

    /// Somebody leaves for good. Unknown peers are ignored.
    pub fn leave(&mut self, id: PeerId, now: Time) { todo!() }

    /// Somebody's link is gone without a leave; it was last heard at `heard`.
    pub fn detach(&mut self, id: PeerId, heard: Time, now: Time) { todo!() }

    /// Takes a pose into the peer's mailbox: latest wins. Old and unexpected ones are dropped.
    pub fn handle_pose(&mut self, id: PeerId, sample: Sample, now: Time) { todo!() }

    /// Takes a message of the reliable lane.
    ///
    /// # Errors
    /// If it ends the link. The peer stays until [`World::leave`] or [`World::detach`].
    pub fn handle_message(&mut self, id: PeerId, message: ClientMessage, now: Time) -> Result<(), Violation> { todo!() }

    /// Takes what a link learned of its path.
    pub fn handle_feedback(&mut self, id: PeerId, feedback: Feedback, now: Time) { todo!() }

    /// When [`World::handle_timeout`] must be called next; `None` while nothing is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> { todo!() }

    /// Runs whatever is due at `now`: the tick, sending slots, expiry.
    pub fn handle_timeout(&mut self, now: Time) { todo!() }

    /// The next message for the reliable lane.
    pub fn poll_event(&mut self) -> Option<Event> { todo!() }

    /// The next viewer whose turn it is; call [`World::poll_frame`] or [`World::refuse`] for it.
    pub fn poll_viewer(&mut self) -> Option<PeerId> { todo!() }

    /// Writes the viewer's next frame of at most `max_len` bytes behind what is in `out`, and
    /// tells whether there is one.
    pub fn poll_frame(&mut self, id: PeerId, max_len: usize, now: Time, out: &mut Vec<u8>) -> bool { todo!() }

    /// The viewer's link had no room: nothing was lost, the next frame tells all that is new.
    pub fn refuse(&mut self, id: PeerId) { todo!() }

    /// Whether nobody is here, not even somebody who may come back.
    #[must_use]
    pub fn is_empty(&self) -> bool { todo!() }

    /// How many people are here.
    #[must_use]
    pub fn online(&self) -> Online { todo!() }
}
