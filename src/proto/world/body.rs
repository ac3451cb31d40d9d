//! A person as the grid and the encoder see them.

use crate::pose::{Extra, Pose};
use crate::time::Time;
use crate::wire::PeerId;
use crate::wire::frame::{self, Entry};
use crate::world::slab::{NONE, Slot};
use crate::world::tick::Tick;

/// What every tick touches of a person, in one cache line.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Body {
    pub(crate) id: PeerId,
    /// The pose that viewers see while the person is in the grid.
    pub(crate) pose: Option<Pose>,
    /// The leaf of the grid that holds them, or [`NONE`].
    pub(crate) leaf: u32,
    /// Next and previous person in that leaf.
    pub(crate) next: Slot,
    pub(crate) previous: Slot,
    /// Tick of the last change.
    pub(crate) changed: Tick,
    /// Whether their page is in the background.
    pub(crate) hidden: bool,
    /// Whether their samples are so far apart that a lost one is missed.
    pub(crate) slow: bool,
}

impl Body {
    pub(crate) const fn new(id: PeerId, hidden: bool) -> Self {
        Self {
            id,
            pose: None,
            leaf: NONE,
            next: NONE,
            previous: NONE,
            changed: Tick::NEVER,
            hidden,
            slow: false,
        }
    }

    /// The entry of this person, who has this slot, in a frame at `now`, if they are shown at all.
    pub(crate) fn entry(&self, slot: Slot, now: Time) -> Option<Entry> {
        let Pose { position, orientation, accuracy, sampled } = self.pose?;
        let age = frame::age_code(now.since(sampled));
        let Self { id, hidden, .. } = *self;
        Some(Entry { id, position, orientation, age, accuracy, hidden, extra: slot })
    }
}

/// All that viewers see of people, by slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) bodies: &'a [Body],
    pub(crate) extras: &'a [Extra],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_one_cache_line() {
        assert_eq!(size_of::<Body>(), 64);
    }
}
