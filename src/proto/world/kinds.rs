//! What a room is for.

use crate::kind::{Claim, Kind, Mismatch, Space};
use crate::time::Time;
use crate::wire::Field;
use crate::world::World;
use crate::world::slab::Slot;

impl World {
    /// Sets what the room is for, unless that is set. Without it, the first peer's claim decides.
    pub fn set_kind(&mut self, kind: Kind) {
        if self.kind.is_none() {
            self.map.state_bits = kind.layout.bits();
            self.kind = Some(kind);
        }
    }

    /// What the room is for, once that is set.
    #[must_use]
    pub const fn kind(&self) -> Option<&Kind> {
        self.kind.as_ref()
    }

    /// Checks what a client takes the room to be.
    ///
    /// # Errors
    /// If it is of another kind.
    pub fn check(&self, claim: &Claim) -> Result<(), Mismatch> {
        self.kind.as_ref().map_or(Ok(()), |kind| claim.matches(kind))
    }

    /// Whether its people are on a plane.
    pub(crate) fn is_plane(&self) -> bool {
        self.kind.as_ref().is_some_and(|kind| kind.space != Space::Earth)
    }

    /// Tells a peer that its approximate terms are not taken, because this is a plane.
    pub(crate) fn refuse_approximate(&mut self, slot: Slot, now: Time) {
        let reason = "positions on a plane are not approximate";
        self.refuse_rarely(slot, Field::Sharing, reason, now);
    }
}
