//! The people of a room as the grid and the encoder see them: a slab, and a way from ids to it.

#![expect(
    clippy::disallowed_types,
    reason = "the map is only looked up, never iterated; its keys are minted by the server, so \
              nobody can aim for collisions"
)]

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::pose::Pose;
use crate::time::Time;
use crate::wire::PeerId;
use crate::wire::frame::{self, Entry};

/// No slot, no node.
pub(crate) const NONE: u32 = u32::MAX;

/// Somebody's place in the slab; used again once they left.
pub(crate) type Slot = u32;

/// Appends to a table that grows by a quarter, not by doubling: a room of many people then wastes
/// an eighth of its memory on average, and still moves each entry only a few times.
pub(crate) fn push<T>(table: &mut Vec<T>, value: T) {
    if table.len() == table.capacity() {
        table.reserve_exact(table.len() / 4 + 8);
    }
    table.push(value);
}

/// Where poses wait for the tick, apart from the bodies: taking one in touches half a cache line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mailbox {
    /// The newest pose, until the next tick; kept aside while its sender is not shown.
    pub(crate) pose: Option<Pose>,
    /// Number of the newest pose taken from the link, once there was one.
    pub(crate) seq: u32,
    pub(crate) begun: bool,
    /// Whether it is in the room's list of mail.
    pub(crate) queued: bool,
    /// Whether its sender shares and is not gone.
    pub(crate) shown: bool,
    /// Whether poses come in as the middle of their cell of about 1 km.
    pub(crate) approximate: bool,
}

/// One person: what every tick touches, in one cache line.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Body {
    /// Whose.
    pub(crate) id: PeerId,
    /// What everybody sees, if they are in the grid.
    pub(crate) pose: Option<Pose>,
    /// Leaf of the grid in which they are, or [`NONE`].
    pub(crate) leaf: u32,
    /// Next and previous person in that leaf.
    pub(crate) next: Slot,
    pub(crate) previous: Slot,
    /// Whether their page is in the background.
    pub(crate) hidden: bool,
}

impl Body {
    pub(crate) const fn new(id: PeerId) -> Self {
        Self { id, pose: None, leaf: NONE, next: NONE, previous: NONE, hidden: false }
    }

    /// What a frame says of them at `now`, if they are shown at all.
    pub(crate) fn entry(&self, now: Time) -> Option<Entry> {
        let Pose { position, orientation, accuracy, sampled } = self.pose?;
        let age = frame::age_code(now.since(sampled));
        Some(Entry { id: self.id, position, orientation, age, accuracy, hidden: self.hidden })
    }
}

/// Spreads ids, which are nearly consecutive, over the hash table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, n: u32) {
        self.0 = mix(self.0 ^ u64::from(n));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A bijection that spreads every input bit over the output (the finaliser of `SplitMix64`,
/// Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
pub(crate) const fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

/// From ids to slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots(HashMap<PeerId, Slot, BuildHasherDefault<IdHasher>>);

impl Slots {
    pub(crate) fn get(&self, id: PeerId) -> Option<Slot> {
        self.0.get(&id).copied()
    }

    pub(crate) fn insert(&mut self, id: PeerId, slot: Slot) {
        self.0.insert(id, slot);
    }

    pub(crate) fn remove(&mut self, id: PeerId) {
        self.0.remove(&id);
        if self.0.capacity() > 64 && self.0.len() < self.0.capacity() / 8 {
            self.0.shrink_to(self.0.len() * 2);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Bytes of memory held, by the table's layout: a key, a value and a control byte a bucket.
    pub(crate) fn memory(&self) -> usize {
        let buckets = (self.0.capacity() * 8 / 7).next_power_of_two();
        buckets * (size_of::<(PeerId, Slot)>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_tick_touches_stays_small() {
        assert_eq!(size_of::<Body>(), 64);
        assert_eq!(size_of::<Mailbox>(), 32);
    }
}
