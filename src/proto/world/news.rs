//! The people who changed in a tick, cell by cell.

use crate::wire::PeerId;
use crate::wire::frame::Entry;
use crate::world::slab;

/// Stands for a person who left the cell; no peer has this id.
const VACANT: PeerId = PeerId(u32::MAX);

/// One changed person.
#[derive(Clone, Copy, Debug)]
struct Item {
    list: u32,
    /// Place in the list.
    rank: u32,
    entry: Entry,
}

/// One leaf's part of the table.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    first: u32,
    len: u32,
    /// How much its people moved and turned, together.
    motion: u32,
}

/// The changed people of a tick, as their frame entries, sorted by leaf (a counting sort): encoding
/// then reads little memory, in order, and none of the tables of all people.
#[derive(Clone, Debug, Default)]
pub(crate) struct News {
    items: Vec<Item>,
    lists: Vec<List>,
}

impl News {
    /// Forgets the last tick.
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.lists.clear();
    }

    /// Opens a list, for a leaf.
    pub(crate) fn open(&mut self) -> u32 {
        self.lists.push(List::default());
        self.lists.len() as u32 - 1
    }

    /// Adds a changed person of that leaf, at most once a tick.
    pub(crate) fn push(&mut self, list: u32, entry: Entry, motion: u8) {
        let List { len, motion: sum, .. } = &mut self.lists[list as usize];
        slab::push(&mut self.items, Item { list, rank: *len, entry });
        *len += 1;
        *sum += u32::from(motion);
    }

    /// Sorts the items into their lists, which can then be read.
    pub(crate) fn sort(&mut self) {
        let mut first = 0;
        for list in &mut self.lists {
            list.first = first;
            first += list.len;
        }
        for at in 0..self.items.len() {
            // Every swap puts one item where it belongs, so there are at most as many swaps as
            // items.
            loop {
                let Item { list, rank, .. } = self.items[at];
                let place = (self.lists[list as usize].first + rank) as usize;
                if place == at {
                    break;
                }
                self.items.swap(at, place);
            }
        }
    }

    /// Collects a list's people, and returns how much they moved.
    pub(crate) fn read(&self, list: u32, out: &mut Vec<Entry>) -> u32 {
        let List { first, len, motion } = self.lists[list as usize];
        let people = &self.items[first as usize..(first + len) as usize];
        out.extend(people.iter().map(|item| item.entry).filter(|entry| entry.id != VACANT));
        motion
    }

    /// Removes a person from a list, if they are in it.
    pub(crate) fn forget(&mut self, list: u32, id: PeerId) {
        let List { first, len, .. } = self.lists[list as usize];
        let people = &mut self.items[first as usize..(first + len) as usize];
        if let Some(item) = people.iter_mut().find(|item| item.entry.id == id) {
            item.entry.id = VACANT;
        }
    }

    /// Bytes of memory held.
    pub(crate) fn memory(&self) -> usize {
        self.items.capacity() * size_of::<Item>() + self.lists.capacity() * size_of::<List>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::Position;
    use crate::pose::Accuracy;

    fn entry(id: u32) -> Entry {
        let position = Position::new(id as i32, 0).unwrap();
        let accuracy = Accuracy::from_metres(1.0);
        Entry {
            id: PeerId(id),
            position,
            orientation: None,
            age: 0,
            accuracy,
            hidden: false,
            extra: 0,
        }
    }

    #[test]
    fn each_person_is_in_one_list_until_they_leave() {
        let mut news = News::default();
        for round in 0..3 {
            news.clear();
            let lists: Vec<u32> = (0..10).map(|_| news.open()).collect();
            for id in 0..100 + round {
                news.push(lists[(id * 7 % 10) as usize], entry(id), 2);
            }
            news.sort();
            news.forget(lists[7], PeerId(1));
            news.forget(lists[7], PeerId(2));
            let mut seen = Vec::new();
            for &list in &lists {
                let before = seen.len();
                let motion = news.read(list, &mut seen);
                assert!(seen[before..].iter().all(|entry| entry.id.0 * 7 % 10 == list));
                assert!(motion as usize >= 2 * (seen.len() - before));
            }
            seen.sort_unstable_by_key(|entry| entry.id);
            let expected = (0..100 + round).filter(|&id| id != 1).map(entry);
            assert!(seen.into_iter().eq(expected));
        }
    }
}
