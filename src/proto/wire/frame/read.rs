//! Reading frames.

use crate::geo::{Cell, TOP_LEVEL, cell_bits, columns, rows};
use crate::kind::MAX_STATE_BITS;
use crate::motion::Motion;
use crate::pose::{Accuracy, Extra, ORIENTATION_BITS, Orientation};
use crate::time::Stamp;
use crate::wire::bits::BitReader;
use crate::wire::frame::parts::{
    ACCURACY_BITS, AGE_BITS, Chunk, ChunkKind, Coding, Entry, Frame, FrameError, Ids, MAX_CELLS,
    MOTION_BITS, Page, STATE_LEN_BITS,
};
use crate::wire::limits::FRAME_TAG;
use crate::wire::peer::PeerId;

/// An entry without motion and state.
const NO_EXTRA: u32 = u32::MAX;

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
        self.extras.clear();
        let mut bits = BitReader::new(bytes);
        let header = self.read_header(&mut bits)?;
        let mut index = 0;
        while bits.flag().ok_or(FrameError::Truncated)? {
            index += bits.unary().ok_or(FrameError::Truncated)?;
            self.read_chunk(&mut bits, header.cell(index)?)?;
        }
        if bits.is_at_end() { Ok(()) } else { Err(FrameError::Impossible("end")) }
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
        let state_bits = bits.read(STATE_LEN_BITS).ok_or(FrameError::Truncated)?;
        if state_bits > MAX_STATE_BITS {
            return Err(FrameError::Impossible("state"));
        }
        self.coding = Coding { ids: Ids { base: base as u32, span }, state_bits };
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
        let Coding { ids, state_bits } = self.coding;
        // `None` if each entry says itself.
        let oriented = match bits.flag().ok_or(truncated)? {
            false => Some(true),
            true => (!bits.flag().ok_or(truncated)?).then_some(false),
        };
        let moving = match bits.flag().ok_or(truncated)? {
            false => Some(false),
            true => (!bits.flag().ok_or(truncated)?).then_some(true),
        };
        let k = ids.rice_bits(page, n.min(u32::MAX >> 1));
        let side = cell_bits(cell.level);
        let mut next = 0_u64;
        for _ in 0..n {
            let number = next + u64::from(bits.rice(k).ok_or(truncated)?);
            next = number + 1;
            let id = (number << page.bits | u64::from(page.index)) + u64::from(ids.base);
            let id = u32::try_from(id).map_err(|_| FrameError::Impossible("id"))?;
            let x = bits.read(side).ok_or(truncated)?;
            let y = bits.read(side).ok_or(truncated)?;
            let orientation = match read_optional(bits, oriented, ORIENTATION_BITS)? {
                Some(code) => Some(
                    Orientation::from_code(code)
                        .map_err(|_| FrameError::Impossible("orientation"))?,
                ),
                None => None,
            };
            let age = bits.read(AGE_BITS).ok_or(truncated)? as u8;
            let motion = read_optional(bits, moving, MOTION_BITS)?;
            let (mut accuracy, mut hidden) = (Accuracy::UNKNOWN, false);
            if kind != ChunkKind::Delta {
                let code = bits.read(ACCURACY_BITS).ok_or(truncated)? as u8;
                accuracy =
                    Accuracy::from_code(code).map_err(|_| FrameError::Impossible("accuracy"))?;
                hidden = bits.flag().ok_or(truncated)?;
            }
            let motion = motion.map(|bits| Motion::from_bits(bits as u16));
            let extra = self.read_state(bits, motion, state_bits)?;
            let (id, position) = (PeerId(id), cell.position(x, y));
            self.entries.push(Entry { id, position, orientation, age, accuracy, hidden, extra });
        }
        Ok(())
    }

    /// Reads an entry's state, and keeps it with the motion. Returns their index.
    fn read_state(
        &mut self,
        bits: &mut BitReader<'_>,
        motion: Option<Motion>,
        state_bits: u32,
    ) -> Result<u32, FrameError> {
        if motion.is_none() && state_bits == 0 {
            return Ok(NO_EXTRA);
        }
        let low = bits.read(state_bits.min(32)).ok_or(FrameError::Truncated)?;
        let high = bits.read(state_bits.saturating_sub(32)).ok_or(FrameError::Truncated)?;
        let state = u64::from(low) | u64::from(high) << 32;
        self.extras.push(Extra { motion, state });
        Ok(self.extras.len() as u32 - 1)
    }
}

/// Reads a value that an entry may have; `told` is whether all have it, if that is known.
fn read_optional(
    bits: &mut BitReader<'_>,
    told: Option<bool>,
    len: u32,
) -> Result<Option<u32>, FrameError> {
    let has = match told {
        Some(has) => has,
        None => bits.flag().ok_or(FrameError::Truncated)?,
    };
    if has { bits.read(len).map(Some).ok_or(FrameError::Truncated) } else { Ok(None) }
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
