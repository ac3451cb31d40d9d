//! The room as a viewer's frame shows it, and the memory in which the frame is made.

use crate::wire::bits::BitWriter;
use crate::world::body::Shown;
use crate::world::chunks::{Chunks, Piece, What};
use crate::world::grid::Grid;
use crate::world::tick::Tick;

/// A chunk that a viewer should get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    pub(crate) unit: u16,
    pub(crate) what: What,
    pub(crate) piece: Piece,
    pub(crate) score: u64,
}

/// Memory that the viewers of a room use in turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) wants: Vec<Want>,
    pub(crate) frame: BitWriter,
}

/// The room as a viewer's frame shows it.
pub(crate) struct Scene<'a> {
    pub(crate) grid: &'a mut Grid,
    pub(crate) chunks: &'a mut Chunks,
    pub(crate) shown: Shown<'a>,
    pub(crate) scratch: &'a mut Scratch,
    pub(crate) tick: Tick,
    /// Time after which every cell is repeated, in ms.
    pub(crate) refresh_ms: u32,
}

impl Scene<'_> {
    /// The tick's time in ms, wrapped.
    pub(crate) const fn ms(&self) -> u32 {
        self.chunks.now().stamp().0
    }
}
