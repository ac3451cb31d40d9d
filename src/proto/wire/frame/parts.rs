//! The parts of a frame.

use std::error::Error;
use std::fmt;

use crate::geo::{Cell, Position};
use crate::pose::{Accuracy, Extra, Orientation};
use crate::time::Stamp;
use crate::wire::peer::PeerId;

/// Bits of an age code.
pub(super) const AGE_BITS: u32 = 5;
/// Bits of an accuracy code.
pub(super) const ACCURACY_BITS: u32 = 6;
/// Bits of a motion.
pub(super) const MOTION_BITS: u32 = 16;
/// Bits of the number of state bits.
pub(super) const STATE_LEN_BITS: u32 = 7;
/// Most page bits of a cell.
pub const MAX_PAGE_BITS: u32 = 16;
/// Cells that a frame can index; the largest index is one less.
pub(super) const MAX_CELLS: u32 = 64;

/// Why a frame is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The bytes end within a field, or a number is too large.
    Truncated,
    /// A field has a value that it cannot have.
    Impossible(&'static str),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the frame ends within a field"),
            Self::Impossible(field) => write!(f, "the frame has an impossible {field}"),
        }
    }
}

impl Error for FrameError {}

/// The kind of a chunk, by what its entries are of its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkKind {
    /// The people who changed.
    Delta,
    /// All people.
    Key,
    /// A sample of too many people, with counts by quarter (south-west, south-east, north-west,
    /// north-east).
    Crowd([u32; 4]),
}

/// The people of a cell that a chunk is about: those whose id, less the frame's base, has these low
/// bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The number of low bits; 0 for all people.
    pub bits: u32,
    /// The low bits.
    pub index: u32,
}

/// The ids that a frame can name: from `base`, below `base` + 2^`span`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// The lowest id.
    pub base: u32,
    /// Bits of the highest id less the base, at most 31.
    pub span: u32,
}

impl Ids {
    /// Makes the range from `lowest` to `highest`.
    #[must_use]
    pub const fn between(lowest: u32, highest: u32) -> Self {
        let reach = highest.saturating_sub(lowest);
        Self { base: lowest, span: 32 - reach.leading_zeros() }
    }

    /// Returns the page of `id` when pages have this many bits.
    #[must_use]
    pub const fn page(self, id: PeerId, bits: u32) -> u32 {
        id.0.wrapping_sub(self.base) & ((1 << bits) - 1)
    }

    /// Returns the low bits of the Rice code for the ids of `n` people on a page.
    pub(super) const fn rice_bits(self, page: Page, n: u32) -> u32 {
        (self.span.saturating_sub(page.bits)).saturating_sub((n + 1).next_power_of_two().ilog2())
    }
}

/// How a frame codes its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coding {
    /// The ids that it can name.
    pub ids: Ids,
    /// Bits of each person's state, at most 64.
    pub state_bits: u32,
}

impl From<Ids> for Coding {
    /// In a room without state.
    fn from(ids: Ids) -> Self {
        Self { ids, state_bits: 0 }
    }
}

/// One person in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The person's id.
    pub id: PeerId,
    /// The person's position.
    pub position: Position,
    /// How the device is held; `None` without such a sensor.
    pub orientation: Option<Orientation>,
    /// Code of the sample's age.
    pub age: u8,
    /// The accuracy of the position; only in key and crowd chunks.
    pub accuracy: Accuracy,
    /// Whether the page is in the background; only in key and crowd chunks.
    pub hidden: bool,
    /// Index of motion and state in the table that comes with the entries; beyond its end, there
    /// are none.
    pub extra: u32,
}

impl Entry {
    /// Motion and state in the table that comes with the entries.
    #[must_use]
    pub fn extra(&self, table: &[Extra]) -> Extra {
        table.get(self.extra as usize).copied().unwrap_or_default()
    }
}

/// Ages, in ms, of the codes from 16 on: 64 · 2^(n/2).
const OLD_AGES: [u16; 16] =
    [64, 91, 128, 181, 256, 362, 512, 724, 1024, 1448, 2048, 2896, 4096, 5793, 8192, 11585];

/// Returns the smallest code of an age of at least `ms`, or 31.
#[must_use]
pub fn age_code(ms: u64) -> u8 {
    if ms <= 60 {
        return ms.div_ceil(4) as u8;
    }
    16 + OLD_AGES.partition_point(|&age| u64::from(age) < ms).min(15) as u8
}

/// Returns the age in ms that a code below 32 stands for.
#[must_use]
pub fn age_ms(code: u8) -> u32 {
    let old = code.checked_sub(16).and_then(|code| OLD_AGES.get(usize::from(code)));
    old.map_or_else(|| 4 * u32::from(code), |&age| u32::from(age))
}

/// One chunk of a decoded frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The cell it is about.
    pub cell: Cell,
    /// What its entries are.
    pub kind: ChunkKind,
    /// The people it is about.
    pub page: Page,
    /// Where its entries end in [`Frame::entries`]; they begin where the last chunk's end.
    pub end: usize,
}

/// A decoded frame. Reuse one: it keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// The moment the frame shows.
    pub time: Stamp,
    /// How its entries are coded.
    pub coding: Coding,
    /// Its chunks.
    pub chunks: Vec<Chunk>,
    /// The people of all its chunks.
    pub entries: Vec<Entry>,
    /// Motion and state of those who have any.
    pub extras: Vec<Extra>,
}

impl Frame {
    /// Iterates over the chunks, each with its entries.
    pub fn chunks(&self) -> impl Iterator<Item = (&Chunk, &[Entry])> {
        let mut start = 0;
        self.chunks.iter().map(move |chunk| {
            let entries = self.entries.get(start..chunk.end).unwrap_or_default();
            start = chunk.end;
            (chunk, entries)
        })
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_never_flattered() {
        for ms in (0..100).chain([101, 500, 1024, 1025, 9000, 11_585]) {
            let code = age_code(ms);
            assert!(u64::from(age_ms(code)) >= ms, "{ms}");
            assert!(code == 0 || u64::from(age_ms(code - 1)) < ms, "{ms}");
        }
        assert_eq!(age_code(u64::MAX), 31);
        assert_eq!((age_ms(15), age_ms(16), age_ms(31)), (60, 64, 11_585));
    }
}
