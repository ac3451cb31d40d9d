//! How much peers may say, and what of it waits.

use std::collections::BTreeMap;

use crate::bucket::Bucket;
use crate::time::Time;
use crate::wire::{PeerId, Say};

/// Messages a second that a peer may send on the reliable lane, and the burst: a person types and
/// taps less.
const RELIABLE: (u64, u64) = (10, 20);
/// The same on the datagram lane: as many as frames are drawn, for what moves.
const QUICK: (u64, u64) = (60, 120);
/// Changes of its name and profile that a peer may make a second, and the burst.
const FACTS: (u64, u64) = (2, 10);
/// Refusals of these reported to a peer a second, and the burst.
const REFUSALS: (u64, u64) = (1, 5);
/// Deliveries a second in a room, and the burst: as many as 667 people get frames at 30 Hz.
const DELIVERIES: (u64, u64) = (20_000, 40_000);
/// What a sender is told in a room where more is said.
pub const TOO_MUCH: &str = "too many messages in this room";
/// Most topics of a peer on the datagram lane.
const MAX_TOPICS: usize = 16;

/// How much a peer has said.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    pub(crate) reliable: Bucket,
    pub(crate) quick: Bucket,
    pub(crate) facts: Bucket,
    pub(crate) refusals: Bucket,
    /// The newest number by topic, on the datagram lane.
    newest: BTreeMap<String, u32>,
}

/// What is said in a room.
#[derive(Debug)]
pub(crate) struct Talks {
    pub(crate) deliveries: Bucket,
    /// What goes out on the datagram lane with the next tick: the newest of each sender and topic.
    pub(crate) waiting: BTreeMap<(PeerId, String), Say>,
    pub(crate) over: Over,
}

/// Messages that were refused because there were too many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Over {
    /// Of one peer.
    pub peers: u64,
    /// In the room.
    pub rooms: u64,
}

impl Talk {
    pub(crate) fn new(now: Time) -> Self {
        let bucket = |(per_second, burst)| Bucket::new(per_second, burst, now);
        let [reliable, quick, facts, refusals] = [RELIABLE, QUICK, FACTS, REFUSALS].map(bucket);
        Self { reliable, quick, facts, refusals, newest: BTreeMap::new() }
    }

    /// Forgets the numbers of an earlier link.
    pub(crate) fn restart(&mut self) {
        self.newest.clear();
    }

    /// Whether a message with this number is the newest on its topic.
    pub(crate) fn is_newest(&mut self, topic: &str, seq: u32) -> bool {
        if let Some(newest) = self.newest.get_mut(topic) {
            let is_newer = seq > *newest;
            *newest = seq.max(*newest);
            return is_newer;
        }
        let has_room = self.newest.len() < MAX_TOPICS;
        if has_room {
            self.newest.insert(topic.to_owned(), seq);
        }
        has_room
    }
}

impl Talks {
    pub(crate) fn new() -> Self {
        let (per_second, burst) = DELIVERIES;
        let deliveries = Bucket::new(per_second, burst, Time::default());
        Self { deliveries, waiting: BTreeMap::new(), over: Over::default() }
    }

    /// Forgets what a peer has said.
    pub(crate) fn forget(&mut self, id: PeerId) {
        self.waiting.retain(|&(from, _), _| from != id);
    }
}
