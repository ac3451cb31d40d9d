//! Motion and state of people, in tables of their own: most rooms have neither.

use crate::pose::Extra;
use crate::world::slab::Slot;

/// Motion and state by slot; beyond a table's end, there are none.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    /// Of the newest poses that came in.
    waiting: Vec<Extra>,
    /// Of the poses that viewers see.
    shown: Vec<Extra>,
}

impl Extras {
    /// Takes what came with a person's newest pose.
    #[inline]
    pub(crate) fn receive(&mut self, slot: Slot, extra: Extra) {
        let index = slot as usize;
        if self.waiting.len() <= index {
            if extra == Extra::default() {
                return;
            }
            self.waiting.resize(index + 1, Extra::default());
        }
        self.waiting[index] = extra;
    }

    /// Shows what came with the pose that is shown now.
    #[inline]
    pub(crate) fn deliver(&mut self, slot: Slot) {
        let index = slot as usize;
        let Some(&extra) = self.waiting.get(index) else { return };
        if self.shown.len() <= index {
            self.shown.resize(self.waiting.len(), Extra::default());
        }
        self.shown[index] = extra;
    }

    /// Forgets everything of a person.
    pub(crate) fn clear(&mut self, slot: Slot) {
        self.of(slot).for_each(|extra| *extra = Extra::default());
    }

    /// Forgets how a person moves.
    pub(crate) fn clear_motion(&mut self, slot: Slot) {
        self.of(slot).for_each(|extra| extra.motion = None);
    }

    fn of(&mut self, slot: Slot) -> impl Iterator<Item = &mut Extra> {
        let index = slot as usize;
        self.waiting.get_mut(index).into_iter().chain(self.shown.get_mut(index))
    }

    /// What came with a person's newest pose.
    pub(crate) fn waiting_of(&self, slot: Slot) -> Extra {
        self.waiting.get(slot as usize).copied().unwrap_or_default()
    }

    /// What viewers see of a person.
    pub(crate) fn shown_of(&self, slot: Slot) -> Extra {
        self.shown.get(slot as usize).copied().unwrap_or_default()
    }

    /// What viewers see, by slot.
    pub(crate) fn shown(&self) -> &[Extra] {
        &self.shown
    }

    /// Bytes of memory held.
    pub(crate) fn memory(&self) -> usize {
        (self.waiting.capacity() + self.shown.capacity()) * size_of::<Extra>()
    }
}
