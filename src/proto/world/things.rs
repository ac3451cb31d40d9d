//! Things: what programs put into a room, such as buses, drones and phones whose screens are off.
//!
//! A thing has a place in the roster and a pose in frames, as people have, but neither a link nor a
//! viewer. It stays until its time to live is over, unless it is put again before that.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use crate::bucket::Bucket;
use crate::geo::Position;
use crate::pose::{Accuracy, Extra, Orientation};
use crate::time::Time;
use crate::wire::PeerId;
use crate::world::bulletin::thing_len;
use crate::world::peer::Peer;

/// Longest key of a thing, in bytes.
pub const MAX_KEY: usize = 64;
/// Age of a sample, in ms, from which a thing is shown as last seen there (hidden, on the wire).
pub const LAST_SEEN_MS: u64 = 60_000;
/// Puts a second in a room, and the burst: every thing of a full room once a second.
const PUTS: (u64, u64) = (10_000, 20_000);
/// Bytes a second of roster entries that new things and changed ones may take, and the burst: every
/// peer gets them reliably, and its default budget for frames is 64 KiB a second. The burst holds
/// 10,000 things with short names.
const NEWS: (u64, u64) = (32 * 1024, 1024 * 1024);

/// Whether a program may call a thing so: 1 to [`MAX_KEY`] of a-z, A-Z, 0-9, `_`, `-`, `.` and `:`.
#[must_use]
pub fn is_thing_key(key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(allowed)
}

/// A thing as a program puts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// What the program calls it, unique in the room; see [`is_thing_key`].
    pub key: String,
    /// The name that people see; made fit to be shown.
    pub name: String,
    /// What it says of itself, as JSON of at most [`MAX_PROFILE`](crate::wire::MAX_PROFILE) bytes;
    /// may be empty.
    pub profile: String,
    /// Where it is.
    pub position: Position,
    /// How it is turned, if that is known.
    pub orientation: Option<Orientation>,
    /// How exact the position is.
    pub accuracy: Accuracy,
    /// How it moves, and the room's state.
    pub extra: Extra,
    /// How old all this is, in ms.
    pub age_ms: u64,
    /// How long it stays unless it is put again, in ms.
    pub ttl_ms: u64,
}

/// A thing that has been put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its number on the wire, the same for as long as it lives.
    pub id: PeerId,
    /// Whether it was not in the room before.
    pub is_new: bool,
    /// Whether its pose counts: one that is older than the last does not.
    pub is_newest: bool,
}

/// Why a thing is not put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutError {
    /// The room has so many things, the most that it may have.
    Full(u32),
    /// Too many puts in this room.
    TooFast,
    /// Too many things that are new, or have other names or profiles.
    TooMuchNews,
    /// A host removed this thing.
    Removed,
    /// A host closed the room.
    Ended,
    /// The server has no numbers left.
    Numbers,
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(most) => write!(
                f,
                "the room has {most} things already; remove some, let them expire, or raise \
                 max-things"
            ),
            Self::TooFast => write!(f, "more than {} puts a second in this room", PUTS.0),
            Self::TooMuchNews => write!(
                f,
                "new things, and ones with other names or profiles, come too fast: more than {} \
                 bytes a second in this room",
                NEWS.0
            ),
            Self::Removed => f.write_str("a host removed this thing from the room"),
            Self::Ended => f.write_str("a host closed this room"),
            Self::Numbers => f.write_str("the server has run out of numbers; restart it"),
        }
    }
}

impl Error for PutError {}

/// The things of a room by key, and how fast they come.
#[derive(Debug)]
pub(crate) struct Things {
    pub(crate) ids: BTreeMap<Box<str>, PeerId>,
    pub(crate) puts: Bucket,
    news: Bucket,
}

impl Things {
    pub(crate) fn new() -> Self {
        let [puts, news] =
            [PUTS, NEWS].map(|(rate, burst)| Bucket::new(rate, burst, Time::default()));
        Self { ids: BTreeMap::new(), puts, news }
    }

    /// Forgets a peer if it is a thing.
    pub(crate) fn forget(&mut self, peer: &Peer) {
        if let Some(key) = peer.key() {
            self.ids.remove(key);
        }
    }

    /// Counts the roster entry of a thing that is new or has changed.
    ///
    /// # Errors
    /// If there were too many lately.
    pub(crate) fn spend_news(
        &mut self,
        name: &str,
        profile: &str,
        now: Time,
    ) -> Result<(), PutError> {
        let len = thing_len(name, profile) as u64;
        if self.news.take_many(len, now) { Ok(()) } else { Err(PutError::TooMuchNews) }
    }
}
