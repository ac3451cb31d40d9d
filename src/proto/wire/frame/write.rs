//! Writing frames.

use crate::geo::{Cell, Cover, cell_bits};
use crate::motion::Motion;
use crate::pose::{Extra, ORIENTATION_BITS, Orientation};
use crate::time::Time;
use crate::wire::bits::BitWriter;
use crate::wire::frame::parts::{
    ACCURACY_BITS, AGE_BITS, ChunkKind, Coding, Entry, MOTION_BITS, Page, STATE_LEN_BITS,
};
use crate::wire::limits::FRAME_TAG;

/// Writes a frame's header.
pub fn write_header(out: &mut BitWriter, time: Time, cover: Cover, coding: Coding) {
    let level = u32::from(cover.level);
    out.push(u64::from(FRAME_TAG), 8);
    out.push(u64::from(time.stamp().0), 32);
    out.push(u64::from(level), 5);
    out.push(u64::from(cover.x), 19_u32.saturating_sub(level));
    out.push(u64::from(cover.y), 18_u32.saturating_sub(level));
    out.push(u64::from(cover.width - 1), 5);
    out.gamma(u64::from(coding.ids.base) + 1);
    out.push(u64::from(coding.ids.span), 5);
    out.push(u64::from(coding.state_bits), STATE_LEN_BITS);
}

/// Writes the link to the next chunk: how far its cell's index is above the last chunk's.
pub fn write_link(out: &mut BitWriter, ahead: u32) {
    out.push(1, 1);
    out.unary(ahead);
}

/// Returns the bits that [`write_link`] takes.
#[must_use]
pub const fn link_bits(ahead: u32) -> usize {
    ahead as usize + 2
}

/// Writes the end of a frame.
pub fn write_end(out: &mut BitWriter) {
    out.push(0, 1);
}

/// Writes a chunk from its kind on. `entries` must be in ascending order of id, all in `cell` and
/// on `page`, with ids and states that `coding` can express; `extras` is the table of their motion
/// and state.
pub fn write_chunk(
    out: &mut BitWriter,
    cell: Cell,
    kind: ChunkKind,
    page: Page,
    coding: Coding,
    entries: &[Entry],
    extras: &[Extra],
) {
    match kind {
        ChunkKind::Delta => out.push(0, 1),
        ChunkKind::Key => out.push(0b01, 2),
        ChunkKind::Crowd(_) => out.push(0b11, 2),
    }
    out.push(u64::from(page.bits > 0), 1);
    if page.bits > 0 {
        out.push(u64::from(page.bits - 1), 4);
        out.push(u64::from(page.index), page.bits);
    }
    if let ChunkKind::Crowd(counts) = kind {
        for count in counts {
            out.gamma(u64::from(count) + 1);
        }
    }
    let n = entries.len() as u32;
    out.gamma(u64::from(n) + 1);
    if n > 0 {
        write_entries(out, cell, kind, page, coding, entries, extras);
    }
}

fn write_entries(
    out: &mut BitWriter,
    cell: Cell,
    kind: ChunkKind,
    page: Page,
    coding: Coding,
    entries: &[Entry],
    extras: &[Extra],
) {
    debug_assert!(entries.is_sorted_by(|a, b| a.id < b.id));
    let motion = |entry: &Entry| entry.extra(extras).motion;
    let orientations = Told::by(entries, |entry| entry.orientation.is_some());
    let motions = Told::by(entries, |entry| motion(entry).is_some());
    // Whatever most rooms have takes a bit.
    match orientations {
        Told::All => out.push(0, 1),
        Told::None => out.push(0b01, 2),
        Told::Some => out.push(0b11, 2),
    }
    match motions {
        Told::None => out.push(0, 1),
        Told::All => out.push(0b01, 2),
        Told::Some => out.push(0b11, 2),
    }
    let Coding { ids, state_bits } = coding;
    let k = ids.rice_bits(page, entries.len() as u32);
    let side = cell_bits(cell.level);
    let mut next = 0;
    for entry in entries {
        let number = entry.id.0.wrapping_sub(ids.base) >> page.bits;
        out.rice(number.wrapping_sub(next), k);
        next = number + 1;
        let (x, y) = cell.steps(entry.position);
        out.push(u64::from(x) | u64::from(y) << side, 2 * side);
        let mut tail = Tail::default();
        tail.optional(orientations, entry.orientation.map(Orientation::code), ORIENTATION_BITS);
        tail.push(u32::from(entry.age), AGE_BITS);
        if motions != Told::None {
            tail.optional(motions, motion(entry).map(|it| Motion::bits(it).into()), MOTION_BITS);
        }
        if kind != ChunkKind::Delta {
            tail.push(u32::from(entry.accuracy.code()), ACCURACY_BITS);
            tail.push(u32::from(entry.hidden), 1);
        }
        out.push(tail.value, tail.bits);
        if state_bits > 0 {
            out.push(entry.extra(extras).state, state_bits);
        }
    }
}

/// Which of a chunk's entries have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    None,
    Some,
    All,
}

impl Told {
    fn by(entries: &[Entry], has: impl Fn(&Entry) -> bool) -> Self {
        let first = entries.first().is_some_and(&has);
        match (first, entries.iter().all(|entry| has(entry) == first)) {
            (true, true) => Self::All,
            (false, true) => Self::None,
            (_, false) => Self::Some,
        }
    }
}

/// Fields of an entry, 57 bits at most, collected so that they are written at once.
#[derive(Clone, Copy, Debug, Default)]
struct Tail {
    value: u64,
    bits: u32,
}

impl Tail {
    fn push(&mut self, value: u32, bits: u32) {
        self.value |= u64::from(value) << self.bits;
        self.bits += bits;
    }

    /// Pushes a value of `bits` bits if there is one, and says whether, unless that is told.
    fn optional(&mut self, told: Told, value: Option<u32>, bits: u32) {
        if told == Told::Some {
            self.push(u32::from(value.is_some()), 1);
        }
        if let Some(value) = value {
            self.push(value, bits);
        }
    }
}
