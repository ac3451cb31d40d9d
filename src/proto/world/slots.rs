//! From ids to slots.

#![expect(
    clippy::disallowed_types,
    reason = "the map is only looked up, never iterated; its keys are minted by the server, so \
              clients cannot aim for collisions"
)]

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::wire::PeerId;
use crate::world::slab::{Slot, mix};

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

/// Finds a person's slot by their id.
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

    /// Bytes of memory held, by the table's layout: a key, a value and a control byte per bucket.
    pub(crate) fn memory(&self) -> usize {
        let buckets = (self.0.capacity() * 8 / 7).next_power_of_two();
        buckets * (size_of::<(PeerId, Slot)>() + 1)
    }
}
