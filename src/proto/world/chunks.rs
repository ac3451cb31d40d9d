//! Encode once: the chunks of each watched cell, made when the first viewer of a tick needs them
//! and copied for all others.

use std::collections::BTreeMap;

use crate::geo::{Cell, TOP_LEVEL};
use crate::time::Time;
use crate::wire::bits::BitWriter;
use crate::wire::frame::{self, ChunkKind, Coding, Entry, MAX_PAGE_BITS, Page};
use crate::world::body::Shown;
use crate::world::grid::{Grid, Node};
use crate::world::since::Since;
use crate::world::slab::{NONE, Slot, mix};
use crate::world::tick::Tick;

/// People on a page before a cell gets twice as many pages: some 450 bytes, so that two pages fit
/// one datagram.
const PAGE_PEOPLE: u32 = 48;
/// Longest chunk, in bits: a chunk must fit the smallest frame with its header.
const MAX_PIECE_BITS: u32 = 900 * 8;

/// The place of one encoded chunk in the arena; without bits if there is nothing to send.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Piece {
    word: u32,
    pub(crate) bits: u32,
}

/// What the viewers of a cell share, in one cache line. It copies the node's state once a tick,
/// which saves viewers the look.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Watch {
    pub(crate) node: u32,
    cell: Cell,
    /// People in the cell.
    pub(crate) count: u32,
    /// Tick of the last change.
    pub(crate) changed: Tick,
    /// The last tick in which all viewers get a key chunk.
    pub(crate) key_tick: Tick,
    /// A leaf's list of changed people.
    news: u32,
    /// How much its people moved and turned in the tick of its delta chunk.
    pub(crate) motion: u32,
    viewers: u32,
    /// Which ticks are key ticks: a part, in 65,536ths, of the refresh.
    phase: u16,
    /// The number of low bits of ids that tell pages apart; changes only between ticks.
    pub(crate) page_bits: u8,
    /// Whether a chunk was too long, so that the next tick needs more pages.
    overlong: bool,
    /// The first piece of this tick's delta, key and crowd chunks, or [`NONE`] until they are made.
    built: [u32; 3],
}

impl Watch {
    fn update(&mut self, node: &Node) {
        (self.count, self.changed, self.news) = (node.count, node.changed, node.news);
        self.built = [NONE; 3];
        let page_bits = self.page_bits + u8::from(std::mem::take(&mut self.overlong));
        self.page_bits = fit_pages(page_bits, self.count);
    }
}

/// The time from the last tick to this one, in µs since the refresh began that the last tick was in:
/// which phases begin in it.
#[derive(Clone, Copy, Debug)]
struct Refresh {
    last: u64,
    now: u64,
    period: u64,
}

impl Refresh {
    fn new(last: Time, now: Time, period: u64) -> Self {
        let since = last.as_us() % period;
        Self { last: since, now: since + now.us_since(last), period }
    }

    fn includes(self, phase: u16) -> bool {
        let at = self.period - ((self.period * u64::from(phase)) >> 16);
        self.last < at && at <= self.now || at + self.period <= self.now
    }
}

/// What a chunk says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The people who changed in this tick.
    Delta,
    /// All people.
    Key,
    /// Counts and a sample.
    Crowd,
    /// The people who changed after an earlier tick, and copies.
    Since(Since),
}

/// All watched cells and the chunks of this tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunks {
    watches: Vec<Watch>,
    free: Vec<u32>,
    arena: BitWriter,
    pieces: Vec<Piece>,
    /// The first piece of this tick's chunks of changes since earlier ticks, by watch. Few viewers
    /// miss a turn or get copies, so these have no place in a [`Watch`].
    since: BTreeMap<(u32, Since), u32>,
    tick: Tick,
    now: Time,
    pub(crate) coding: Coding,
    slots: Vec<Slot>,
    entries: Vec<Entry>,
}

impl Chunks {
    /// Forgets the chunks of the last tick; the grid must hold everyone's place in this one.
    pub(crate) fn begin(
        &mut self,
        grid: &Grid,
        tick: Tick,
        refresh_ms: u32,
        now: Time,
        coding: Coding,
    ) {
        let period = u64::from(refresh_ms) * 1000;
        let refresh = Refresh::new(self.now, now, period);
        (self.tick, self.now, self.coding) = (tick, now, coding);
        for watch in self.watches.iter_mut().filter(|watch| watch.viewers > 0) {
            watch.update(grid.node(watch.node));
            if refresh.includes(watch.phase) {
                watch.key_tick = tick;
            }
        }
        self.arena.clear();
        self.pieces.clear();
        self.since.clear();
    }

    /// Forgets the chunks of `leaf` and of all cells above it, because they show a person who is to
    /// be withdrawn in this tick. The next viewer to need one has it made without that person.
    pub(crate) fn forget(&mut self, grid: &Grid, leaf: u32) {
        let mut node = leaf;
        while node != NONE {
            let Node { watch, parent, .. } = *grid.node(node);
            if let Some(entry) = self.watches.get_mut(watch as usize) {
                entry.built = [NONE; 3];
                self.since.retain(|&(other, _), _| other != watch);
            }
            node = parent;
        }
    }

    pub(crate) fn watch(&self, watch: u32) -> &Watch {
        &self.watches[watch as usize]
    }

    /// Returns the moment that this tick's chunks show.
    pub(crate) const fn now(&self) -> Time {
        self.now
    }

    /// Bytes of memory held.
    pub(crate) fn memory(&self) -> usize {
        self.watches.capacity() * size_of::<Watch>() + self.arena.capacity()
    }

    /// Adds a viewer of `cell`, and returns its watch.
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
        let mut watch = Watch {
            node,
            cell,
            count: 0,
            changed: Tick::NEVER,
            key_tick: self.tick,
            news: NONE,
            motion: 0,
            viewers: 1,
            phase: mix(number) as u16,
            page_bits: 0,
            overlong: false,
            built: [NONE; 3],
        };
        watch.update(grid.node(node));
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

    /// Removes a viewer of a watched cell.
    pub(crate) fn unsubscribe(&mut self, grid: &mut Grid, watch: u32) {
        let entry = &mut self.watches[watch as usize];
        entry.viewers -= 1;
        if entry.viewers == 0 {
            grid.set_watch(entry.node, NONE);
            grid.prune(entry.node);
            self.free.push(watch);
        }
    }

    /// Returns a page's chunk of a kind, and encodes it if this is the first need.
    pub(crate) fn piece(
        &mut self,
        grid: &Grid,
        shown: Shown<'_>,
        watch: u32,
        what: What,
        page: u16,
    ) -> Piece {
        let [delta, key, crowd] = self.watches[watch as usize].built;
        let mut first = match what {
            What::Delta => delta,
            What::Key => key,
            What::Crowd => crowd,
            What::Since(since) => self.since.get(&(watch, since)).copied().unwrap_or(NONE),
        };
        if first == NONE {
            first = self.build(grid, shown, watch, what);
        }
        self.pieces.get(first as usize + usize::from(page)).copied().unwrap_or_default()
    }

    /// Copies a chunk into a frame.
    pub(crate) fn copy(&self, piece: Piece, out: &mut BitWriter) {
        out.append(&self.arena, piece.word as usize, piece.bits as usize);
    }

    fn build(&mut self, grid: &Grid, shown: Shown<'_>, watch: u32, what: What) -> u32 {
        let bodies = shown.bodies;
        let first = self.pieces.len() as u32;
        let Watch { node, cell, news, page_bits, .. } = self.watches[watch as usize];
        self.slots.clear();
        self.entries.clear();
        let kind = match what {
            What::Delta => {
                self.watches[watch as usize].motion = if cell.level == 0 {
                    grid.news().read(news, &mut self.entries)
                } else {
                    grid.changed(node, self.tick, &mut self.entries)
                };
                ChunkKind::Delta
            }
            What::Since(since) => {
                grid.changed_since(bodies, node, since, &mut self.slots);
                ChunkKind::Delta
            }
            What::Key => {
                grid.everyone(bodies, node, &mut self.slots);
                ChunkKind::Key
            }
            What::Crowd => {
                grid.sample(bodies, node, &mut self.slots);
                ChunkKind::Crowd(grid.quarters(bodies, node))
            }
        };
        let now = self.now;
        let people = self.slots.iter().filter_map(|&slot| bodies[slot as usize].entry(slot, now));
        self.entries.extend(people);
        let page_bits = if what == What::Crowd { 0 } else { u32::from(page_bits) };
        let longest = self.encode(cell, kind, page_bits, shown);
        let entry = &mut self.watches[watch as usize];
        let [delta, key, crowd] = &mut entry.built;
        match what {
            What::Delta => *delta = first,
            What::Key => *key = first,
            What::Crowd => *crowd = first,
            What::Since(since) => _ = self.since.insert((watch, since), first),
        }
        entry.overlong |= longest > MAX_PIECE_BITS && page_bits < MAX_PAGE_BITS;
        first
    }

    /// Encodes the collected people by page, then id, one piece per page, and returns the longest
    /// piece's bits.
    fn encode(&mut self, cell: Cell, kind: ChunkKind, page_bits: u32, shown: Shown<'_>) -> u32 {
        let Self { coding, arena, pieces, entries, .. } = self;
        let ids = coding.ids;
        entries.sort_unstable_by_key(|entry| (ids.page(entry.id, page_bits), entry.id));
        let mut longest = 0;
        let mut rest = entries.as_slice();
        for index in 0..1_u32 << page_bits {
            let end = rest.partition_point(|entry| ids.page(entry.id, page_bits) <= index);
            let (people, after) = rest.split_at(end);
            rest = after;
            if people.is_empty() && kind == ChunkKind::Delta {
                pieces.push(Piece::default());
                continue;
            }
            arena.align();
            let start = arena.len();
            let page = Page { bits: page_bits, index };
            frame::write_chunk(arena, cell, kind, page, *coding, people, shown.extras);
            let bits = (arena.len() - start) as u32;
            pieces.push(Piece { word: (start / 64) as u32, bits });
            longest = longest.max(bits);
        }
        longest
    }
}

/// Returns the page bits for `count` people, with a gap between growing and shrinking so that a
/// cell at the border does not change its pages every tick.
fn fit_pages(bits: u8, count: u32) -> u8 {
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
    fn each_phase_begins_once_in_a_refresh() {
        for phase in [0, 1, 20_000, u16::MAX] {
            let (mut now, mut begun) = (Time::from_us(7), 0);
            for step in (0..40_000).map(|step| 1 + step * 7_919 % 3_000) {
                let last = now;
                now = last.after_us(step);
                begun += u64::from(Refresh::new(last, now, 1_000_000).includes(phase));
            }
            let refreshes = now.as_us() / 1_000_000;
            assert!((refreshes..=refreshes + 1).contains(&begun), "{phase}: {begun}");
        }
        let long = |phase| {
            Refresh::new(Time::from_us(7), Time::from_us(1_000_007), 1_000_000).includes(phase)
        };
        assert!([0, 1, 40_000, u16::MAX].into_iter().all(long));
    }

    #[test]
    fn pages_grow_and_shrink_with_a_gap() {
        assert_eq!(fit_pages(0, 48), 0);
        assert_eq!(fit_pages(0, 49), 1);
        assert_eq!(fit_pages(1, 30), 1);
        assert_eq!(fit_pages(1, 23), 0);
        assert_eq!(fit_pages(0, 1000), 5);
        assert_eq!(fit_pages(9, 0), 0);
        assert_eq!(u32::from(fit_pages(0, u32::MAX)), MAX_PAGE_BITS);
    }
}
