//! A viewer, and what goes into its next frame.
//!
//! A viewer's cells (page by page) are its units. Each unit remembers the tick up to which its
//! viewer is up to date. What a frame could not carry, or a link could not take, does not move that
//! tick, so a skip heals like a loss. Nothing is ever queued.

use crate::geo::{Cover, Viewport};
use crate::time::Time;
use crate::wire::bits::BitWriter;
use crate::wire::frame;
use crate::world::body::Body;
use crate::world::chunks::{Chunks, Piece, Watch, What};
use crate::world::grid::Grid;
use crate::world::rate::Rate;

/// A cell of at most this many people is never shown as a crowd.
const NEVER_CROWD: u32 = 16;
/// A viewer gets at most its bytes per second over this of people one by one, so all of them fit
/// into three quarters of a second of its budget.
const BYTES_PER_PERSON: u32 = 20;
/// Ticks between two decisions about which cells are crowds.
const REVIEW_TICKS: u32 = 8;
/// A crowd is sent at most every third tick.
const CROWD_TICKS: u32 = 3;
/// Most bits of a frame's header and end.
const HEADER_BITS: usize = 40 + 5 + 37 + 5 + 65 + 5 + 1;
/// Smallest room in which a frame is worth sending, in bytes.
const MIN_ROOM: usize = 64;
/// Scores from here on are overdue, and served first come, first served.
const OVERDUE: u64 = 1 << 48;

/// One page of one cell, as one viewer knows it.
#[derive(Clone, Copy, Debug)]
struct Unit {
    watch: u32,
    /// Index of the cell in the cover.
    cell: u8,
    page_bits: u8,
    page: u16,
    /// Whether it is sent as a crowd.
    crowd: bool,
    /// Nearness to the middle of the view, 1 to 8.
    near: u8,
    /// The tick up to which the viewer is up to date.
    synced: u32,
    /// Tick of the last chunk, 0 for none.
    sent: u32,
    /// Tick of the last key or crowd chunk, 0 for none.
    keyed: u32,
}

/// A chunk that a viewer should get.
#[derive(Clone, Copy, Debug)]
struct Want {
    unit: u16,
    what: What,
    piece: Piece,
    score: u64,
}

/// A cell's pages changed, so a viewer's units are out of date.
#[derive(Clone, Copy, Debug)]
struct Repaged;

/// Memory that the viewers of a room use in turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    wants: Vec<Want>,
    frame: BitWriter,
}

/// A peer as a receiver.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    cover: Cover,
    units: Vec<Unit>,
    pub(crate) rate: Rate,
    /// Tick of the last decision about crowds, 0 for "decide now".
    reviewed: u32,
    /// Whether something was left over that the budget would allow.
    pub(crate) backlog: bool,
}

/// The room as a viewer's frame shows it.
pub(crate) struct Scene<'a> {
    pub(crate) grid: &'a mut Grid,
    pub(crate) chunks: &'a mut Chunks,
    pub(crate) bodies: &'a [Body],
    pub(crate) scratch: &'a mut Scratch,
    pub(crate) tick: u32,
    /// Ticks after which every cell is repeated.
    pub(crate) refresh: u32,
}

impl Viewer {
    pub(crate) fn new(viewport: Viewport, rate: Rate) -> Self {
        let cover = Cover::of(viewport);
        Self { cover, units: Vec::new(), rate, reviewed: 0, backlog: false }
    }

    /// Moves the viewport; cells that stay in view stay up to date.
    pub(crate) fn look(&mut self, scene: &mut Scene<'_>, viewport: Viewport) {
        let cover = Cover::of(viewport);
        if cover != self.cover || self.units.is_empty() {
            let old = std::mem::replace(&mut self.cover, cover);
            self.review(scene, old);
        }
    }

    /// Lets go of all cells.
    pub(crate) fn close(&mut self, grid: &mut Grid, chunks: &mut Chunks) {
        for unit in self.units.drain(..) {
            if unit.page == 0 {
                chunks.unsubscribe(grid, unit.watch);
            }
        }
    }

    /// Decides again which cells are crowds and which pages they have. Every cell holds one
    /// subscription, through its first unit.
    fn review(&mut self, scene: &mut Scene<'_>, old_cover: Cover) {
        let old = std::mem::take(&mut self.units);
        let cells: Vec<u32> = (0..self.cover.len())
            .map(|index| scene.chunks.subscribe(scene.grid, self.cover.cell(index)))
            .collect();
        let crowds = self.crowds(scene, &cells, &old, old_cover);
        for (index, (&watch, crowd)) in cells.iter().zip(crowds).enumerate() {
            let cell = self.cover.cell(index as u32);
            let page_bits = if crowd { 0 } else { scene.chunks.watch(watch).page_bits };
            let known = old_cover.index(cell).map(|cell| cell as u8);
            let near = nearness(self.cover, index as u32);
            for page in 0..1_u16.checked_shl(page_bits.into()).unwrap_or(u16::MAX) {
                let same = |unit: &&Unit| {
                    Some(unit.cell) == known
                        && (unit.crowd, unit.page_bits, unit.page) == (crowd, page_bits, page)
                };
                let blank = Unit {
                    watch,
                    cell: 0,
                    page_bits,
                    page,
                    crowd,
                    near,
                    synced: 0,
                    sent: 0,
                    keyed: 0,
                };
                let unit = old.iter().find(same).copied().unwrap_or(blank);
                self.units.push(Unit { watch, cell: index as u8, near, ..unit });
            }
        }
        for unit in old.iter().filter(|unit| unit.page == 0) {
            scene.chunks.unsubscribe(scene.grid, unit.watch);
        }
        self.reviewed = scene.tick;
    }

    /// Returns for each cell whether it is sent as a crowd: the fullest cells are, until the rest
    /// is few enough for the budget. A crowd dissolves only when there is a fifth to spare.
    fn crowds(
        &self,
        scene: &Scene<'_>,
        cells: &[u32],
        old: &[Unit],
        old_cover: Cover,
    ) -> Vec<bool> {
        let cap = self.rate.bytes_per_second() / BYTES_PER_PERSON;
        let mut order: Vec<(u32, usize)> = cells
            .iter()
            .enumerate()
            .map(|(index, &watch)| (scene.chunks.watch(watch).count, index))
            .collect();
        order.sort_unstable();
        let mut crowds = vec![false; cells.len()];
        let mut total = 0;
        for (count, index) in order {
            total += count;
            let known = old_cover.index(self.cover.cell(index as u32)).map(|cell| cell as u8);
            let was = old.iter().any(|unit| Some(unit.cell) == known && unit.crowd);
            let cap = if was { cap / 5 * 4 } else { cap };
            crowds[index] = total > cap && count > NEVER_CROWD;
        }
        crowds
    }

    /// Whether it is time to decide again which cells are crowds.
    fn review_is_due(&mut self, scene: &Scene<'_>) -> bool {
        if self.units.is_empty() {
            return true;
        }
        if scene.tick.wrapping_sub(self.reviewed) < REVIEW_TICKS {
            return false;
        }
        self.reviewed = scene.tick;
        let first_pages = self.units.iter().filter(|unit| unit.page == 0);
        let people: u32 = first_pages.map(|unit| scene.chunks.watch(unit.watch).count).sum();
        self.units.iter().any(|unit| unit.crowd)
            || people > self.rate.bytes_per_second() / BYTES_PER_PERSON
    }

    /// Appends the next frame, of at most `max_len` bytes, to `out`, and reports whether there is
    /// one.
    pub(crate) fn compose(
        &mut self,
        scene: &mut Scene<'_>,
        max_len: usize,
        now: Time,
        out: &mut Vec<u8>,
    ) -> bool {
        if self.review_is_due(scene) {
            self.review(scene, self.cover);
        }
        let bits = self.gather(scene).unwrap_or_else(|Repaged| {
            self.review(scene, self.cover);
            self.gather(scene).unwrap_or_default()
        });
        self.backlog = false;
        if scene.scratch.wants.is_empty() {
            return false;
        }
        let tokens = self.rate.available(now);
        let room = max_len.min(tokens);
        if room < MIN_ROOM {
            return false;
        }
        if bits > room * 8 {
            self.choose(scene, max_len, tokens);
        }
        let before = out.len();
        self.write(scene, out);
        let len = out.len() - before;
        self.rate.spend(len);
        len > 0
    }

    /// Fills `scratch.wants` with all that this viewer lacks, and returns its length in bits.
    ///
    /// # Errors
    /// If a cell no longer has the pages that this viewer knows.
    fn gather(&mut self, scene: &mut Scene<'_>) -> Result<usize, Repaged> {
        scene.scratch.wants.clear();
        let mut bits = HEADER_BITS;
        let mut last_cell = 0;
        for (index, unit) in self.units.iter_mut().enumerate() {
            let watch = scene.chunks.watch(unit.watch);
            if !unit.crowd && unit.page_bits != watch.page_bits {
                scene.scratch.wants.clear();
                return Err(Repaged);
            }
            let Some(what) = unit.lacks(watch, scene) else { continue };
            let piece = scene.chunks.piece(scene.grid, scene.bodies, unit.watch, what, unit.page);
            if piece.bits == 0 {
                unit.synced = scene.tick;
                continue;
            }
            let score = unit.score(scene);
            scene.scratch.wants.push(Want { unit: index as u16, what, piece, score });
            bits += piece.bits as usize + frame::link_bits(u32::from(unit.cell - last_cell));
            last_cell = unit.cell;
        }
        Ok(bits)
    }

    /// Keeps the wants, most urgent first, that fit `max_len` and `tokens` bytes. The first one
    /// that exceeds the tokens ends the choice: they are saved up for it.
    fn choose(&mut self, scene: &mut Scene<'_>, max_len: usize, tokens: usize) {
        let wants = &mut scene.scratch.wants;
        wants.sort_unstable_by_key(|want| (std::cmp::Reverse(want.score), want.unit));
        let mut left = (max_len.min(tokens) * 8).saturating_sub(HEADER_BITS);
        let mut saved = (tokens * 8).saturating_sub(HEADER_BITS);
        let mut closed = false;
        let furthest = frame::link_bits(self.cover.len());
        wants.retain(|want| {
            let bits = want.piece.bits as usize + furthest;
            closed |= bits > saved;
            if closed || bits > left {
                return false;
            }
            left -= bits;
            saved -= bits;
            true
        });
        self.backlog = !closed;
        wants.sort_unstable_by_key(|want| want.unit);
    }

    /// Writes the chosen wants, and marks their units as up to date.
    fn write(&mut self, scene: &mut Scene<'_>, out: &mut Vec<u8>) {
        let Scratch { wants, frame } = &mut *scene.scratch;
        if wants.is_empty() {
            return;
        }
        frame.clear();
        frame::write_header(frame, scene.chunks.now(), self.cover, scene.chunks.ids);
        let mut last_cell = 0;
        for want in wants.drain(..) {
            let unit = &mut self.units[usize::from(want.unit)];
            frame::write_link(frame, u32::from(unit.cell - last_cell));
            last_cell = unit.cell;
            scene.chunks.copy(want.piece, frame);
            (unit.synced, unit.sent) = (scene.tick, scene.tick);
            if want.what != What::Delta {
                unit.keyed = scene.tick;
            }
        }
        frame::write_end(frame);
        frame.write_bytes(out);
    }
}

impl Unit {
    /// Returns the kind of chunk that the viewer lacks of this unit.
    fn lacks(&mut self, watch: &Watch, scene: &Scene<'_>) -> Option<What> {
        let Scene { tick, refresh, .. } = *scene;
        let its_turn = watch.key_turn && self.keyed != tick;
        if self.keyed == 0 || its_turn || tick - self.keyed >= refresh {
            return Some(if self.crowd { What::Crowd } else { What::Key });
        }
        if watch.changed <= self.synced {
            self.synced = tick;
            return None;
        }
        if self.crowd {
            return (tick - self.sent >= CROWD_TICKS).then_some(What::Crowd);
        }
        Some(if self.synced + 1 >= tick { What::Delta } else { What::Key })
    }

    /// Returns the urgency of this unit: its waiting time, squared, times its nearness to the
    /// middle of the view, times its people's motion; from one refresh on, waiting time decides.
    fn score(&self, scene: &Scene<'_>) -> u64 {
        let waited = u64::from(scene.tick - self.sent);
        if waited >= u64::from(scene.refresh) {
            return OVERDUE + (waited.min(1 << 20) << 8) + u64::from(self.near);
        }
        let motion = scene.chunks.watch(self.watch).motion;
        let waited = waited.max(1);
        waited * waited * u64::from(self.near) * u64::from(2 + (motion + 1).ilog2())
    }
}

/// Returns the nearness of a cell to the middle of the view: 8 in the middle, 1 at the corner.
fn nearness(cover: Cover, index: u32) -> u8 {
    let away = |at: u32, len: u32| (2 * at + 1).abs_diff(len) * 8 / (2 * len).max(1);
    let (x, y) = (index % cover.width, index / cover.width);
    8 - away(x, cover.width).max(away(y, cover.height)).min(7) as u8
}
