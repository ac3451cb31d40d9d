//! One point of a track.

use gpys_proto::geo::Position;

/// A point as the file has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) position: Position,
    /// In seconds since 1970.
    pub(super) time: Option<f64>,
}
