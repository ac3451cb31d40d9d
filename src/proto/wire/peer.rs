//! The parts of messages that describe a peer.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Number of a peer on the wire, never reused while the server lives.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct PeerId(pub u32);

impl PeerId {
    /// Stands for a program at the server as the sender of a message; no peer has this number.
    pub const PROGRAM: Self = Self(u32::MAX);
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The public identity of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PublicId(#[serde(with = "uuid::serde::compact")] pub Uuid);

/// The secret with which a peer comes back on another link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResumeToken(pub [u8; 16]);

impl ResumeToken {
    /// Makes a token for the peer `id`: the id, to find the peer at once, and a secret that cannot
    /// be guessed.
    #[must_use]
    pub const fn mint(id: PeerId, secret: [u8; 12]) -> Self {
        let ([a, b, c, d], [e, f, g, h, i, j, k, l, m, n, o, p]) = (id.0.to_le_bytes(), secret);
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// Returns the secret behind the id.
    #[must_use]
    pub const fn secret(self) -> [u8; 12] {
        let [_, _, _, _, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        [e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// Returns the id of the peer that a token claims to belong to.
    #[must_use]
    pub const fn id(self) -> PeerId {
        let [a, b, c, d, ..] = self.0;
        PeerId(u32::from_le_bytes([a, b, c, d]))
    }
}

impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken(..)")
    }
}

/// Whether a peer is there, as others may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Presence {
    /// Sends its position.
    Sharing,
    /// Looks on; has no pin.
    Watching,
    /// Its page is in the background; drawn faded if it shared.
    Hidden,
    /// Its link is silent; neither counted nor drawn, but it may come back.
    Gone,
}

/// What somebody in a room is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// A peer without further rights.
    #[default]
    Guest,
    /// A peer that may announce, remove and close.
    Host,
    /// No peer: a program put it here, and it has no viewer.
    Thing,
}

/// One person in a roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Its number on the wire.
    pub id: PeerId,
    /// Its public identity.
    pub uuid: PublicId,
    /// The name it gave; may be empty.
    pub name: String,
    /// Its presence.
    pub presence: Presence,
    /// What it is.
    pub role: Role,
    /// The same for all devices of one person, by the subject of their access tokens; `None`
    /// without one.
    pub subject: Option<PublicId>,
    /// What it says of itself, as JSON; may be empty.
    pub profile: String,
}

/// A change of a peer's presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The peer.
    pub id: PeerId,
    /// The new presence.
    pub presence: Presence,
}

/// How many people are in the room, by presence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Online {
    /// Sharing their position.
    pub sharing: u32,
    /// Watching.
    pub watching: u32,
    /// Hidden.
    pub hidden: u32,
    /// Things.
    pub things: u32,
}

impl Online {
    /// The sum of the people, without things.
    #[must_use]
    pub const fn total(self) -> u32 {
        self.sharing + self.watching + self.hidden
    }
}

/// The terms on which a peer shares its position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sharing {
    /// Whether others, and all that the server computes, get the middle of a cell of about 1 km
    /// in place of the position.
    pub approximate: bool,
    /// Seconds after which sharing ends by itself; 0 for never.
    pub seconds: u32,
}
