//! What messages say of a peer.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Number of a peer on the wire; never given out twice while the server lives.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct PeerId(pub u32);

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
    /// A token for the peer `id`: the id, so that it is found at once, and a secret that nobody
    /// can guess.
    #[must_use]
    pub const fn mint(id: PeerId, secret: [u8; 12]) -> Self {
        let ([a, b, c, d], [e, f, g, h, i, j, k, l, m, n, o, p]) = (id.0.to_le_bytes(), secret);
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// What follows the id.
    #[must_use]
    pub const fn secret(self) -> [u8; 12] {
        let [_, _, _, _, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        [e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// The peer whose token this is, if it is anybody's.
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

/// What others may know of somebody's being there.
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
}

/// Somebody's presence changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Whose.
    pub id: PeerId,
    /// To what.
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
}

impl Online {
    /// Everybody.
    #[must_use]
    pub const fn total(self) -> u32 {
        self.sharing + self.watching + self.hidden
    }
}

/// On which terms a peer shares where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sharing {
    /// Whether others, and all that the server computes, get the middle of a cell of about 1 km
    /// in place of the position.
    pub approximate: bool,
    /// After how many seconds the sharing ends by itself; 0: it does not.
    pub seconds: u32,
}
