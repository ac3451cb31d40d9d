//! Who is in a room, for the program's events.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::events::{Journal, Visitor, What};
use gpys_proto::wire::PeerId;

/// Writes down who comes to a room, and who has left for good.
#[derive(Debug)]
pub(crate) struct Attendance {
    room: String,
    journal: Arc<Journal>,
    here: BTreeMap<PeerId, Visitor>,
}

impl Attendance {
    /// Nobody is here yet.
    pub(crate) const fn new(room: String, journal: Arc<Journal>) -> Self {
        Self { room, journal, here: BTreeMap::new() }
    }

    /// The room's name.
    pub(super) fn room(&self) -> &str {
        &self.room
    }

    /// Somebody came.
    pub(super) fn enter(&mut self, visitor: Visitor) {
        if self.here.is_empty() {
            self.journal.write(&self.room, What::Occupied);
        }
        self.journal.write(&self.room, What::Entered(visitor.clone()));
        self.here.insert(visitor.id, visitor);
    }

    /// Finds those who have left.
    pub(super) fn keep(&mut self, is_here: impl Fn(PeerId) -> bool) {
        let left: Vec<_> = self.here.extract_if(.., |&id, _| !is_here(id)).collect();
        if left.is_empty() {
            return;
        }
        for (_, visitor) in left {
            self.journal.write(&self.room, What::Left(visitor));
        }
        if self.here.is_empty() {
            self.journal.write(&self.room, What::Vacated);
        }
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        // A room that has ended, or failed, knows nobody any more.
        self.keep(|_| false);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use uuid::Uuid;

    use super::*;
    use gpys_proto::wire::PublicId;

    fn visitor(id: u32) -> Visitor {
        let uuid = PublicId(Uuid::from_u128(id.into()));
        Visitor { id: PeerId(id), uuid, subject: None, name: String::new(), host: false }
    }

    #[test]
    fn the_first_occupies_a_room_and_the_last_vacates_it() {
        let journal = Arc::new(Journal::default());
        let mut events = journal.events();
        let mut happened = || {
            std::iter::from_fn(|| events.next().now_or_never().flatten())
                .map(|it| it.what)
                .collect::<Vec<_>>()
        };
        let mut hall = Attendance::new("hall".to_owned(), Arc::clone(&journal));
        (1..=3).for_each(|id| hall.enter(visitor(id)));
        let [one, two, three] = [1, 2, 3].map(visitor);
        let entered = [&one, &two, &three].map(|it| What::Entered(it.clone()));
        assert_eq!(happened(), [&[What::Occupied][..], &entered].concat());
        hall.keep(|id| id != PeerId(2));
        hall.keep(|id| id != PeerId(2));
        assert_eq!(happened(), [What::Left(two)]);
        drop(hall);
        assert_eq!(happened(), [What::Left(one), What::Left(three), What::Vacated]);
    }
}
