//! The order of turns: which viewers get their frames together within a tick.

use std::ops::Range;

use crate::world::slab::{NONE, Slot};

/// The order in which viewers take their turns, split evenly among the groups of a tick.
///
/// Viewers sit in the order in which they came, which is mostly the order of their state in
/// memory: that is worth more than the order of where they look (docs/BENCHMARKS.md).
#[derive(Debug)]
pub(crate) struct Seats {
    /// The viewer in each seat; [`NONE`] where one left, until the next round.
    order: Vec<Slot>,
    /// Whether there are such gaps.
    gaps: bool,
    /// Seats that have a turn in this tick; later ones wait for the next.
    round: usize,
    /// Groups of a tick.
    groups: usize,
}

impl Seats {
    pub(crate) const fn new() -> Self {
        Self { order: Vec::new(), gaps: false, round: 0, groups: 1 }
    }

    /// Seats a viewer and returns its seat.
    pub(crate) fn add(&mut self, slot: Slot) -> u32 {
        self.order.push(slot);
        self.order.len() as u32 - 1
    }

    /// Frees a seat.
    pub(crate) fn remove(&mut self, seat: u32) {
        self.order[seat as usize] = NONE;
        self.gaps = true;
    }

    /// Begins a round of so many groups: closes the gaps, and reports whether there were any, so
    /// that viewers moved.
    pub(crate) fn begin(&mut self, groups: usize) -> bool {
        self.groups = groups;
        let moved = std::mem::take(&mut self.gaps);
        if moved {
            self.order.retain(|&slot| slot != NONE);
        }
        self.round = self.order.len();
        moved
    }

    /// Every seat and its viewer; there are no gaps right after [`Seats::begin`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Slot)> {
        (0..).zip(self.order.iter().copied())
    }

    /// The viewers of a group: seat `i` of `n` is in group `i * groups / n`.
    pub(crate) fn group(&self, group: usize) -> impl Iterator<Item = Slot> {
        let seats = self.order[self.range(group)].iter().copied();
        seats.filter(|&slot| slot != NONE)
    }

    /// A bit for each group that has viewers.
    pub(crate) fn occupied(&self) -> u32 {
        (0..self.groups).map(|group| u32::from(!self.range(group).is_empty()) << group).sum()
    }

    /// The group of a seat that has a turn in this round.
    pub(crate) fn group_of(&self, seat: u32) -> Option<usize> {
        ((seat as usize) < self.round).then(|| seat as usize * self.groups / self.round)
    }

    fn range(&self, group: usize) -> Range<usize> {
        let first = |group: usize| (group * self.round).div_ceil(self.groups);
        first(group)..first(group + 1)
    }
}
