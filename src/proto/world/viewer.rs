//! A viewer, and what goes into its next frame.
//!
//! A viewer's cells (page by page) are its units. Each unit remembers the tick up to which its
//! viewer is up to date. What a frame could not carry, or a link could not take, does not move that
//! tick, so a skip heals like a loss. Nothing is ever queued.

use crate::geo::{Cell, Cover, Viewport};
use crate::time::Time;
use crate::wire::frame;
use crate::world::chunks::{Chunks, Watch, What};
use crate::world::grid::Grid;
use crate::world::loss::Loss;
use crate::world::rate::Rate;
use crate::world::scene::{Scene, Scratch, Want};
use crate::world::since::{Since, Span};
use crate::world::tick::Tick;

/// A cell of at most this many people is never shown as a crowd.
const NEVER_CROWD: u32 = 16;
/// A viewer gets at most its bytes per second over this, and a quarter of the bits of a person's
/// state, of people one by one, so all of them fit into three quarters of a second of its budget.
const BYTES_PER_PERSON: u32 = 20;
/// Time between two decisions about which cells are crowds, in ms.
const REVIEW_MS: u32 = 250;
/// A crowd is sent at most once in this time, in ms.
const CROWD_MS: u32 = 100;
/// A viewer that missed more ticks than this gets everyone instead of the changes since then.
const MAX_MISSED: u32 = 64;
/// Shortest time to the copy of what was sent, in ms: long enough to outlast most bursts of losses
/// on radio links, short against the time to a slow sender's next sample.
const COPY_MS: u64 = 5;
/// What a frame can carry, in bytes.
const FULL_FRAME: u32 = 1_000;
/// A viewer's rate allows one frame for each of so many bytes, so that headers stay a small part.
const FRAME_BYTES: u64 = 128;
/// Most bits of a frame's header and end.
const HEADER_BITS: usize = 40 + 5 + 37 + 5 + 65 + 5 + 7 + 1;
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
    synced: Tick,
    /// Tick of the last key or crowd chunk.
    keyed: Tick,
    /// Time of the last chunk, in ms, wrapped.
    sent: u32,
}

/// A cell's pages changed, so a viewer's units are out of date.
#[derive(Clone, Copy, Debug)]
struct Repaged;

/// A peer as a receiver.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    cover: Cover,
    units: Vec<Unit>,
    pub(crate) rate: Rate,
    /// Time of the last decision about crowds, in ms, wrapped.
    reviewed: u32,
    /// Most frames a second that the client wants; 0 for as many as it can get.
    max_hz: u8,
    /// When the last frame was made.
    framed: Time,
    /// How much its path loses.
    pub(crate) loss: Loss,
    /// What its next frame with copies repeats: what changed between the last two of them.
    span: Span,
    /// When it had the last frame with copies.
    copied: Time,
    /// Whether something was left over that the budget would allow.
    pub(crate) backlog: bool,
    /// When it needs another turn even if nothing changes: its frame waits for the budget, or a
    /// copy is due.
    pub(crate) wanted: Option<Time>,
}

impl Viewer {
    pub(crate) fn new(viewport: Viewport, rate: Rate) -> Self {
        let cover = Cover::of(viewport);
        Self {
            cover,
            units: Vec::new(),
            rate,
            reviewed: 0,
            max_hz: 0,
            framed: Time::default(),
            loss: Loss::default(),
            span: Span { from: Tick::NEVER, to: Tick::NEVER },
            copied: Time::default(),
            backlog: false,
            wanted: None,
        }
    }

    /// Sets the most frames a second that the client wants; 0 for as many as it can get.
    pub(crate) const fn limit_frames(&mut self, hz: u8) {
        self.max_hz = hz;
    }

    /// When its client and its rate allow another frame.
    pub(crate) fn next_frame(&self) -> Time {
        let rate = u64::from(self.rate.bytes_per_second()).max(1);
        let by_client = 1_000_000_u64.checked_div(self.max_hz.into()).unwrap_or(0);
        self.framed.after_us((FRAME_BYTES * 1_000_000 / rate).max(by_client))
    }

    /// Bytes a second that its rate and its client allow.
    pub(crate) fn bytes_per_second(&self) -> u32 {
        let rate = self.rate.bytes_per_second();
        match self.max_hz {
            0 => rate,
            hz => rate.min(u32::from(hz) * FULL_FRAME),
        }
    }

    /// Moves the viewport; cells that stay in view stay up to date.
    pub(crate) fn look(&mut self, scene: &mut Scene<'_>, viewport: Viewport) {
        let cover = Cover::of(viewport);
        if cover != self.cover || self.units.is_empty() {
            let old = std::mem::replace(&mut self.cover, cover);
            self.review(scene, old);
        }
    }

    /// Its cells.
    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell> {
        (0..self.cover.len()).map(|index| self.cover.cell(index))
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
                    synced: Tick::NEVER,
                    keyed: Tick::NEVER,
                    sent: 0,
                };
                let unit = old.iter().find(same).copied().unwrap_or(blank);
                self.units.push(Unit { watch, cell: index as u8, near, ..unit });
            }
        }
        for unit in old.iter().filter(|unit| unit.page == 0) {
            scene.chunks.unsubscribe(scene.grid, unit.watch);
        }
        self.reviewed = scene.ms();
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
        let cap = self.most_people(scene);
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

    /// Most people whom it gets one by one.
    fn most_people(&self, scene: &Scene<'_>) -> u32 {
        self.bytes_per_second() / (BYTES_PER_PERSON + scene.chunks.coding.state_bits / 4)
    }

    /// Whether it is time to decide again which cells are crowds.
    fn review_is_due(&mut self, scene: &Scene<'_>) -> bool {
        if self.units.is_empty() {
            return true;
        }
        if scene.ms().wrapping_sub(self.reviewed) < REVIEW_MS {
            return false;
        }
        self.reviewed = scene.ms();
        let first_pages = self.units.iter().filter(|unit| unit.page == 0);
        let people: u32 = first_pages.map(|unit| scene.chunks.watch(unit.watch).count).sum();
        self.units.iter().any(|unit| unit.crowd) || people > self.most_people(scene)
    }

    /// Appends the next frame, of at most `max_len` bytes, to `out`, and reports whether there is
    /// one.
    ///
    /// Where the budget is short, frames become rarer first, up to `slowest` µs apart; then what is
    /// less urgent waits; the people of full cells become crowds as the rate sinks. What is sent is
    /// new in any case.
    pub(crate) fn compose(
        &mut self,
        scene: &mut Scene<'_>,
        max_len: usize,
        slowest: u64,
        now: Time,
        out: &mut Vec<u8>,
    ) -> bool {
        if self.review_is_due(scene) {
            self.review(scene, self.cover);
        }
        let copies = self.copies(scene.tick, now);
        let bits = self.gather(scene, copies).unwrap_or_else(|Repaged| {
            self.review(scene, self.cover);
            self.gather(scene, copies).unwrap_or_default()
        });
        (self.backlog, self.wanted) = (false, None);
        if scene.scratch.wants.is_empty() {
            return false;
        }
        let tokens = self.rate.available(now);
        let room = max_len.min(tokens);
        let latest = self.framed.after_us(slowest);
        if bits > tokens * 8 && now < latest {
            self.wanted = Some(self.rate.when(bits.div_ceil(8), now).min(latest));
            return false;
        }
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
        if len > 0 {
            self.framed = now;
            self.wanted = self.loss.is_high().then(|| now + COPY_MS);
        }
        len > 0
    }

    /// Which changes to repeat in the frame of `tick`, if copies pay and are due.
    fn copies(&mut self, tick: Tick, now: Time) -> Option<Span> {
        if !self.loss.is_high() || now.since(self.copied) < COPY_MS || !self.rate.has_spare(now) {
            return None;
        }
        let next = Span { from: self.span.to, to: tick };
        let span = std::mem::replace(&mut self.span, next);
        self.copied = now;
        (tick.since(span.from) <= MAX_MISSED).then_some(span)
    }

    /// Fills `scratch.wants` with all that this viewer lacks, and returns its length in bits.
    ///
    /// # Errors
    /// If a cell no longer has the pages that this viewer knows.
    fn gather(&mut self, scene: &mut Scene<'_>, copies: Option<Span>) -> Result<usize, Repaged> {
        scene.scratch.wants.clear();
        let mut bits = HEADER_BITS;
        let mut last_cell = 0;
        for (index, unit) in self.units.iter_mut().enumerate() {
            let watch = scene.chunks.watch(unit.watch);
            if !unit.crowd && unit.page_bits != watch.page_bits {
                scene.scratch.wants.clear();
                return Err(Repaged);
            }
            let Some(what) = unit.lacks(watch, scene, copies) else { continue };
            let piece = scene.chunks.piece(scene.grid, scene.shown, unit.watch, what, unit.page);
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
        frame::write_header(frame, scene.chunks.now(), self.cover, scene.chunks.coding);
        let mut last_cell = 0;
        for want in wants.drain(..) {
            let unit = &mut self.units[usize::from(want.unit)];
            frame::write_link(frame, u32::from(unit.cell - last_cell));
            last_cell = unit.cell;
            scene.chunks.copy(want.piece, frame);
            (unit.synced, unit.sent) = (scene.tick, scene.chunks.now().stamp().0);
            if matches!(want.what, What::Key | What::Crowd) {
                unit.keyed = scene.tick;
            }
        }
        frame::write_end(frame);
        frame.write_bytes(out);
    }
}

impl Unit {
    /// Returns the kind of chunk that the viewer lacks of this unit.
    fn lacks(&mut self, watch: &Watch, scene: &Scene<'_>, copies: Option<Span>) -> Option<What> {
        let tick = scene.tick;
        if self.keyed == Tick::NEVER || watch.key_tick.is_after(self.keyed) {
            return Some(if self.crowd { What::Crowd } else { What::Key });
        }
        if !watch.changed.is_after(self.synced) {
            self.synced = tick;
        }
        let copies = copies.filter(|_| !self.crowd);
        let since = Since { tick: self.synced, copies };
        if !since.may_concern(watch.changed) {
            return None;
        }
        if self.crowd {
            return (scene.ms().wrapping_sub(self.sent) >= CROWD_MS).then_some(What::Crowd);
        }
        Some(match tick.since(self.synced) {
            0 | 1 if copies.is_none() => What::Delta,
            missed if missed <= MAX_MISSED => What::Since(since),
            _ => What::Key,
        })
    }

    /// Returns the urgency of this unit: its waiting time, squared, times its nearness to the
    /// middle of the view, times its people's motion; from one refresh on, waiting time decides.
    fn score(&self, scene: &Scene<'_>) -> u64 {
        let never = self.keyed == Tick::NEVER;
        let waited = if never { u32::MAX } else { scene.ms().wrapping_sub(self.sent) };
        let waited = u64::from(waited);
        if waited >= u64::from(scene.refresh_ms) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::bits::BitWriter;
    use crate::wire::frame::{Coding, Ids};

    #[test]
    fn the_longest_header_fits_its_bits() {
        let cover = Cover { level: 0, x: 1, y: 1, width: 1, height: 1 };
        let coding = Coding { ids: Ids { base: u32::MAX, span: 31 }, state_bits: 64 };
        let mut frame = BitWriter::default();
        frame::write_header(&mut frame, Time::default(), cover, coding);
        frame::write_end(&mut frame);
        assert_eq!(frame.len(), HEADER_BITS);
    }
}
