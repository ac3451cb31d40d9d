//! Encode once: the chunks of every cell that somebody looks at, made when the first viewer of a
//! tick needs them and copied for all the others.

use super::bits::BitWriter;
use super::frame::{self, Entry, Ids, Kind, MAX_PAGE_BITS, Page};
use super::geo::{Cell, TOP_LEVEL};
use super::interest::{Grid, Node};
use super::people::{Body, NONE, Slot, mix};
use super::pose::Pose;
use super::time::Time;

/// People on a page before a cell gets twice as many pages: some 450 bytes, so that two pages fit
/// one datagram.
const PAGE_PEOPLE: u32 = 48;
/// Longest chunk, in bits: a chunk must fit the smallest frame with its header.
const MAX_PIECE_BITS: u32 = 900 * 8;

/// One encoded chunk: where it is in the arena. No bits: nothing to say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Piece {
    word: u32,
    pub(crate) bits: u32,
}

/// The chunks of one kind of one cell, a piece a page, if they were made in `tick`.
#[derive(Clone, Copy, Debug, Default)]
struct Built {
    tick: u32,
    first: u32,
}

/// What the viewers of a cell share.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) node: u32,
    /// The node's count of people and tick of its last change as of this tick, so that viewers
    /// need not go and see.
    pub(crate) count: u32,
    pub(crate) changed: u32,
    viewers: u32,
    /// Low bits of the ids that tell its pages apart.
    pub(crate) page_bits: u8,
    /// The tick, modulo the refresh, in which all viewers get a key chunk.
    pub(crate) phase: u32,
    /// How much its people moved and turned in the tick of its delta chunk.
    pub(crate) motion: u32,
    built: [Built; 3],
}

/// Index into [`Watch::built`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Who changed.
    Delta,
    /// Everybody.
    Key,
    /// Counts and a sample.
    Crowd,
}

/// All watched cells and the chunks of this tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunks {
    watches: Vec<Watch>,
    free: Vec<u32>,
    arena: BitWriter,
    pieces: Vec<Piece>,
    tick: u32,
    now: Time,
    pub(crate) ids: Ids,
    slots: Vec<Slot>,
    order: Vec<(u64, Slot)>,
    entries: Vec<Entry>,
}

impl Chunks {
    /// Forgets the chunks of the last tick; everybody is where they are in this one.
    pub(crate) fn begin(&mut self, grid: &Grid, tick: u32, now: Time, ids: Ids) {
        for watch in self.watches.iter_mut().filter(|watch| watch.viewers > 0) {
            let node = grid.node(watch.node);
            (watch.count, watch.changed) = (node.count, node.changed);
        }
        (self.tick, self.now, self.ids) = (tick, now, ids);
        self.arena.clear();
        self.pieces.clear();
    }

    pub(crate) fn watch(&self, watch: u32) -> &Watch {
        &self.watches[watch as usize]
    }

    /// The moment that this tick's chunks show.
    pub(crate) const fn now(&self) -> Time {
        self.now
    }

    /// Bytes of memory held.
    pub(crate) fn memory(&self) -> usize {
        self.watches.capacity() * size_of::<Watch>() + self.arena.capacity()
    }

    /// One more viewer of `cell`.
    pub(crate) fn subscribe(&mut self, grid: &mut Grid, cell: Cell) -> u32 {
        let node = grid.ensure(cell);
        let known = grid.node(node).watch;
        if known != NONE {
            self.watches[known as usize].viewers += 1;
            return known;
        }
        // Neighbours share a phase: a viewer of still people gets a few frames a second, not one
        // for each of its cells.
        let block = cell.ancestor((cell.level + 2).min(TOP_LEVEL));
        let number = u64::from(block.x) << 32 | u64::from(block.y) << 8 | u64::from(block.level);
        let Node { count, changed, .. } = *grid.node(node);
        let watch = Watch {
            node,
            count,
            changed,
            viewers: 1,
            page_bits: page_bits(0, count),
            phase: mix(number) as u32 >> 1,
            motion: 0,
            built: [Built::default(); 3],
        };
        let index = match self.free.pop() {
            Some(index) => {
                self.watches[index as usize] = watch;
                index
            }
            None => {
                self.watches.push(watch);
                self.watches.len() as u32 - 1
            }
        };
        grid.set_watch(node, index);
        index
    }

    /// One viewer less.
    pub(crate) fn unsubscribe(&mut self, grid: &mut Grid, watch: u32) {
        let entry = &mut self.watches[watch as usize];
        entry.viewers -= 1;
        if entry.viewers == 0 {
            grid.set_watch(entry.node, NONE);
            grid.prune(entry.node);
            self.free.push(watch);
        }
    }

    /// The pages that the cell has this tick; they change only before its first chunk is made.
    pub(crate) fn page_bits(&mut self, grid: &Grid, watch: u32) -> u8 {
        let tick = self.tick;
        let entry = &mut self.watches[watch as usize];
        if entry.built.iter().all(|built| built.tick != tick) {
            entry.page_bits = page_bits(entry.page_bits, grid.node(entry.node).count);
        }
        entry.page_bits
    }

    /// The chunk of this kind of this page, encoded now if nobody needed it before.
    pub(crate) fn piece(
        &mut self,
        grid: &Grid,
        bodies: &[Body],
        watch: u32,
        what: What,
        page: u16,
    ) -> Piece {
        let built = self.watches[watch as usize].built[what as usize];
        let first = if built.tick == self.tick {
            built.first
        } else {
            self.build(grid, bodies, watch, what)
        };
        self.pieces.get(first as usize + usize::from(page)).copied().unwrap_or_default()
    }

    /// Copies a chunk into a frame.
    pub(crate) fn copy(&self, piece: Piece, out: &mut BitWriter) {
        out.append(&self.arena, piece.word as usize, piece.bits as usize);
    }

    fn build(&mut self, grid: &Grid, bodies: &[Body], watch: u32, what: What) -> u32 {
        let first = self.pieces.len() as u32;
        let Watch { node, page_bits, .. } = self.watches[watch as usize];
        self.slots.clear();
        let kind = match what {
            What::Delta => {
                grid.changed(bodies, node, self.tick, &mut self.slots);
                Kind::Delta
            }
            What::Key => {
                grid.everyone(bodies, node, &mut self.slots);
                Kind::Key
            }
            What::Crowd => {
                grid.sample(bodies, node, &mut self.slots);
                Kind::Crowd(grid.quarters(bodies, node))
            }
        };
        if what == What::Delta {
            let moved = self.slots.iter().map(|&slot| u32::from(bodies[slot as usize].motion));
            self.watches[watch as usize].motion = moved.sum();
        }
        let page_bits = if what == What::Crowd { 0 } else { u32::from(page_bits) };
        self.sort(bodies, page_bits);
        let longest = self.encode(grid.node(node).cell, bodies, kind, page_bits);
        let entry = &mut self.watches[watch as usize];
        entry.built[what as usize] = Built { tick: self.tick, first };
        if longest > MAX_PIECE_BITS && u32::from(entry.page_bits) < MAX_PAGE_BITS {
            entry.page_bits += 1;
        }
        first
    }

    /// Orders the collected people by page, then id.
    fn sort(&mut self, bodies: &[Body], page_bits: u32) {
        let ids = self.ids;
        self.order.clear();
        self.order.extend(self.slots.iter().map(|&slot| {
            let id = bodies[slot as usize].id;
            (u64::from(ids.page(id, page_bits)) << 32 | u64::from(id.0), slot)
        }));
        self.order.sort_unstable();
    }

    /// Encodes the ordered people, a piece a page, and returns the longest piece's bits.
    fn encode(&mut self, cell: Cell, bodies: &[Body], kind: Kind, page_bits: u32) -> u32 {
        let mut longest = 0;
        let mut rest = self.order.as_slice();
        for index in 0..1_u32 << page_bits {
            let end = rest.partition_point(|(key, _)| key >> 32 <= u64::from(index));
            let (people, after) = rest.split_at(end);
            rest = after;
            if people.is_empty() && kind == Kind::Delta {
                self.pieces.push(Piece::default());
                continue;
            }
            self.entries.clear();
            let now = self.now;
            self.entries
                .extend(people.iter().filter_map(|&(_, slot)| entry(&bodies[slot as usize], now)));
            self.arena.align();
            let start = self.arena.len();
            let page = Page { bits: page_bits, index };
            frame::write_chunk(&mut self.arena, cell, kind, page, self.ids, &self.entries);
            let bits = (self.arena.len() - start) as u32;
            self.pieces.push(Piece { word: (start / 64) as u32, bits });
            longest = longest.max(bits);
        }
        longest
    }
}

fn entry(body: &Body, now: Time) -> Option<Entry> {
    let Pose { position, orientation, accuracy, sampled } = body.pose?;
    let age = frame::age_code(now.since(sampled));
    Some(Entry { id: body.id, position, orientation, age, accuracy, hidden: body.hidden })
}

/// Page bits for `count` people, with a gap between growing and shrinking so that a cell at the
/// border does not change its pages every tick.
fn page_bits(bits: u8, count: u32) -> u8 {
    let mut bits = u32::from(bits);
    while count > PAGE_PEOPLE << bits && bits < MAX_PAGE_BITS {
        bits += 1;
    }
    while bits > 0 && count < (PAGE_PEOPLE << bits) / 4 {
        bits -= 1;
    }
    bits as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_grow_and_shrink_with_a_gap() {
        assert_eq!(page_bits(0, 48), 0);
        assert_eq!(page_bits(0, 49), 1);
        assert_eq!(page_bits(1, 30), 1);
        assert_eq!(page_bits(1, 23), 0);
        assert_eq!(page_bits(0, 1000), 5);
        assert_eq!(page_bits(9, 0), 0);
        assert_eq!(u32::from(page_bits(0, u32::MAX)), MAX_PAGE_BITS);
    }
}
