//! Frames (docs/PROTOCOL.md, section 7): the bytes, both ways.

use std::error::Error;
use std::fmt;

use crate::geo::{Cell, Cover, Position, TOP_LEVEL, cell_bits, columns, rows};
use crate::pose::{Accuracy, ORIENTATION_BITS, Orientation};
use crate::time::{Stamp, Time};
use crate::wire::bits::{BitReader, BitWriter};
use crate::wire::limits::FRAME_TAG;
use crate::wire::peer::PeerId;

/// Bits of an age code.
const AGE_BITS: u32 = 5;
/// Bits of an accuracy code.
const ACCURACY_BITS: u32 = 6;
/// Most page bits of a cell.
pub const MAX_PAGE_BITS: u32 = 16;
/// Cells that a frame can index; the largest index is one less.
const MAX_CELLS: u32 = 64;

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
    const fn rice_bits(self, page: Page, n: u32) -> u32 {
        (self.span.saturating_sub(page.bits)).saturating_sub((n + 1).next_power_of_two().ilog2())
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

/// Writes a frame's header.
pub fn write_header(out: &mut BitWriter, time: Time, cover: Cover, ids: Ids) {
    let level = u32::from(cover.level);
    out.push(u64::from(FRAME_TAG), 8);
    out.push(u64::from(time.stamp().0), 32);
    out.push(u64::from(level), 5);
    out.push(u64::from(cover.x), 19_u32.saturating_sub(level));
    out.push(u64::from(cover.y), 18_u32.saturating_sub(level));
    out.push(u64::from(cover.width - 1), 5);
    out.gamma(u64::from(ids.base) + 1);
    out.push(u64::from(ids.span), 5);
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
/// on `page`, with ids within `ids`.
pub fn write_chunk(
    out: &mut BitWriter,
    cell: Cell,
    kind: ChunkKind,
    page: Page,
    ids: Ids,
    entries: &[Entry],
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
        write_entries(out, cell, kind, page, ids, entries);
    }
}

fn write_entries(
    out: &mut BitWriter,
    cell: Cell,
    kind: ChunkKind,
    page: Page,
    ids: Ids,
    entries: &[Entry],
) {
    debug_assert!(entries.is_sorted_by(|a, b| a.id < b.id));
    let oriented = entries.iter().all(|entry| entry.orientation.is_some());
    out.push(u64::from(oriented), 1);
    let k = ids.rice_bits(page, entries.len() as u32);
    let side = cell_bits(cell.level);
    let mut next = 0;
    for entry in entries {
        let number = entry.id.0.wrapping_sub(ids.base) >> page.bits;
        out.rice(number.wrapping_sub(next), k);
        next = number + 1;
        let (x, y) = cell.steps(entry.position);
        out.push(u64::from(x) | u64::from(y) << side, 2 * side);
        let (mut tail, mut bits) = (0, 0);
        if !oriented {
            (tail, bits) = (u64::from(entry.orientation.is_some()), 1);
        }
        if let Some(orientation) = entry.orientation {
            tail |= u64::from(orientation.code()) << bits;
            bits += ORIENTATION_BITS;
        }
        tail |= u64::from(entry.age) << bits;
        bits += AGE_BITS;
        if kind != ChunkKind::Delta {
            tail |= u64::from(entry.accuracy.code()) << bits;
            tail |= u64::from(entry.hidden) << (bits + ACCURACY_BITS);
            bits += ACCURACY_BITS + 1;
        }
        out.push(tail, bits);
    }
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
    /// The ids the frame can name.
    pub ids: Ids,
    /// Its chunks.
    pub chunks: Vec<Chunk>,
    /// The people of all its chunks.
    pub entries: Vec<Entry>,
}

struct Header {
    level: u8,
    x: u32,
    y: u32,
    width: u32,
}

impl Frame {
    /// Decodes `bytes` into `self`.
    ///
    /// # Errors
    /// If they are not a frame; `self` then holds the part before the error.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        self.chunks.clear();
        self.entries.clear();
        let mut bits = BitReader::new(bytes);
        let header = self.read_header(&mut bits)?;
        let mut index = 0;
        while bits.flag().ok_or(FrameError::Truncated)? {
            index += bits.unary().ok_or(FrameError::Truncated)?;
            self.read_chunk(&mut bits, header.cell(index)?)?;
        }
        if bits.is_at_end() { Ok(()) } else { Err(FrameError::Impossible("end")) }
    }

    /// Iterates over the chunks, each with its entries.
    pub fn chunks(&self) -> impl Iterator<Item = (&Chunk, &[Entry])> {
        let mut start = 0;
        self.chunks.iter().map(move |chunk| {
            let entries = self.entries.get(start..chunk.end).unwrap_or_default();
            start = chunk.end;
            (chunk, entries)
        })
    }

    fn read_header(&mut self, bits: &mut BitReader<'_>) -> Result<Header, FrameError> {
        let mut read = |n| bits.read(n).ok_or(FrameError::Truncated);
        if read(8)? != u32::from(FRAME_TAG) {
            return Err(FrameError::Impossible("tag"));
        }
        self.time = Stamp(read(32)?);
        let level = read(5)?;
        if level > u32::from(TOP_LEVEL) {
            return Err(FrameError::Impossible("level"));
        }
        let x = read(19_u32.saturating_sub(level))?;
        let y = read(18_u32.saturating_sub(level))?;
        let width = read(5)? + 1;
        let base = bits.gamma().ok_or(FrameError::Truncated)? - 1;
        let span = bits.read(5).ok_or(FrameError::Truncated)?;
        self.ids = Ids { base: base as u32, span };
        Ok(Header { level: level as u8, x, y, width })
    }

    fn read_chunk(&mut self, bits: &mut BitReader<'_>, cell: Cell) -> Result<(), FrameError> {
        let truncated = FrameError::Truncated;
        let mut kind = match bits.flag().ok_or(truncated)? {
            false => ChunkKind::Delta,
            true if bits.flag().ok_or(truncated)? => ChunkKind::Crowd([0; 4]),
            true => ChunkKind::Key,
        };
        let mut page = Page::default();
        if bits.flag().ok_or(truncated)? {
            page.bits = bits.read(4).ok_or(truncated)? + 1;
            page.index = bits.read(page.bits).ok_or(truncated)?;
        }
        if let ChunkKind::Crowd(counts) = &mut kind {
            for count in counts {
                let more = bits.gamma().ok_or(truncated)?;
                *count = u32::try_from(more - 1).map_err(|_| FrameError::Impossible("count"))?;
            }
        }
        let n = bits.gamma().ok_or(truncated)? - 1;
        if n > 0 {
            let n = u32::try_from(n).map_err(|_| FrameError::Impossible("count"))?;
            self.read_entries(bits, cell, kind, page, n)?;
        }
        self.chunks.push(Chunk { cell, kind, page, end: self.entries.len() });
        Ok(())
    }

    fn read_entries(
        &mut self,
        bits: &mut BitReader<'_>,
        cell: Cell,
        kind: ChunkKind,
        page: Page,
        n: u32,
    ) -> Result<(), FrameError> {
        let truncated = FrameError::Truncated;
        let oriented = bits.flag().ok_or(truncated)?;
        let k = self.ids.rice_bits(page, n.min(u32::MAX >> 1));
        let side = cell_bits(cell.level);
        let mut next = 0_u64;
        for _ in 0..n {
            let number = next + u64::from(bits.rice(k).ok_or(truncated)?);
            next = number + 1;
            let id = (number << page.bits | u64::from(page.index)) + u64::from(self.ids.base);
            let id = u32::try_from(id).map_err(|_| FrameError::Impossible("id"))?;
            let x = bits.read(side).ok_or(truncated)?;
            let y = bits.read(side).ok_or(truncated)?;
            let orientation = if oriented || bits.flag().ok_or(truncated)? {
                let code = bits.read(ORIENTATION_BITS).ok_or(truncated)?;
                let known = Orientation::from_code(code);
                Some(known.map_err(|_| FrameError::Impossible("orientation"))?)
            } else {
                None
            };
            let age = bits.read(AGE_BITS).ok_or(truncated)? as u8;
            let (mut accuracy, mut hidden) = (Accuracy::UNKNOWN, false);
            if kind != ChunkKind::Delta {
                let code = bits.read(ACCURACY_BITS).ok_or(truncated)? as u8;
                accuracy =
                    Accuracy::from_code(code).map_err(|_| FrameError::Impossible("accuracy"))?;
                hidden = bits.flag().ok_or(truncated)?;
            }
            let position = cell.position(x, y);
            self.entries.push(Entry {
                id: PeerId(id),
                position,
                orientation,
                age,
                accuracy,
                hidden,
            });
        }
        Ok(())
    }
}

impl Header {
    fn cell(&self, index: u32) -> Result<Cell, FrameError> {
        let columns = columns(self.level);
        let x = (self.x + index % self.width) % columns;
        let y = self.y + index / self.width;
        if index >= MAX_CELLS || self.x >= columns || y >= rows(self.level) {
            return Err(FrameError::Impossible("cell"));
        }
        Ok(Cell { level: self.level, x, y })
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]
mod tests;
