//! The sample of a crowd.

use crate::world::slab::{NONE, Slot};

/// Most people in the sample of a crowd.
const SAMPLE: usize = 16;

/// The people of a node with the smallest ranks, in order of rank.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CrowdSample {
    slots: [Slot; SAMPLE],
    len: u8,
}

impl CrowdSample {
    pub(crate) const EMPTY: Self = Self { slots: [NONE; SAMPLE], len: 0 };

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots[..usize::from(self.len)]
    }

    /// Adds `slot` if its rank is among the smallest.
    pub(crate) fn offer(&mut self, slot: Slot, rank: impl Fn(Slot) -> u64) {
        let own = rank(slot);
        let at = self.slots().partition_point(|&other| rank(other) < own);
        if at == SAMPLE || self.slots[at] == slot {
            return;
        }
        let len = usize::from(self.len).min(SAMPLE - 1);
        self.slots.copy_within(at..len, at + 1);
        self.slots[at] = slot;
        self.len = len as u8 + 1;
    }
}
