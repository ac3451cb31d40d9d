//! The receiver's state: who is where, from frames in any order and the roster
//! (docs/PROTOCOL.md, section 7, "What a chunk says").

use super::geo::{Cell, Position};
use super::pose::{Accuracy, Orientation};
use super::time::Stamp;
use super::wire::{Online, PeerId, Person, ServerMessage};

/// Somebody as a frame shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Where, to the frame's precision.
    pub position: Position,
    /// How the device is held; `None` without such a sensor.
    pub orientation: Option<Orientation>,
    /// How sure the position is, as of the last key chunk.
    pub accuracy: Accuracy,
    /// Whether their page was in the background, as of the last key chunk.
    pub hidden: bool,
    /// When the sample was taken, on the server's clock, rounded towards older.
    pub sampled: Stamp,
    /// The time of the frame that said so.
    pub shown: Stamp,
    /// The cell in which that frame had them.
    pub cell: Cell,
}

/// How many people are in each quarter of a cell (south-west, south-east, north-west,
/// north-east), because they are too many to be sent one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The counts.
    pub counts: [u32; 4],
    /// The time of the frame that said so.
    pub shown: Stamp,
}

/// Why a frame is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes end within a field.
    #[error("the frame ends within a field")]
    Truncated,
    /// A field has a value that it cannot have.
    #[error("the frame has an impossible {0}")]
    Impossible(&'static str),
}

/// The receiver's state.
#[derive(Debug, Default)]
pub struct View {}

impl View {
    /// Takes a message of the reliable lane. A welcome voids the roster from before it.
    pub fn handle_message(&mut self, message: &ServerMessage) { todo!() }

    /// Takes a frame, and hands each person whom it shows anew to `fresh`.
    ///
    /// # Errors
    /// If the bytes are not a frame; the state is as before.
    pub fn handle_frame(&mut self, bytes: &[u8], fresh: impl FnMut(PeerId, &Figure)) -> Result<(), FrameError> { todo!() }

    /// Everybody in view, by id.
    pub fn figures(&self) -> impl Iterator<Item = (PeerId, &Figure)> { [].into_iter() }

    /// The crowds in view, by cell.
    pub fn clusters(&self) -> impl Iterator<Item = (Cell, &Cluster)> { [].into_iter() }

    /// Everybody on the roster, by id.
    pub fn roster(&self) -> impl Iterator<Item = &Person> { [].into_iter() }

    /// How many people are in the room.
    #[must_use]
    pub fn online(&self) -> Online { todo!() }
}
