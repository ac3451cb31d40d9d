//! Why a file cannot be followed.

use crate::cli::swarm::gpx::notes::Notes;

/// A fault of a file. Displayed, it is one sentence that names the file.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {kind}")]
pub struct GpxError {
    /// The file's name as given.
    pub file: String,
    /// The fault.
    pub kind: GpxErrorKind,
}

/// The faults of a file.
#[derive(Debug, thiserror::Error)]
pub enum GpxErrorKind {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// It is empty.
    #[error("the file is empty")]
    Blank,
    /// It is another known format.
    #[error("this is not GPX but {0}")]
    Foreign(&'static str),
    /// It is other XML.
    #[error("this is not GPX: its first element is <{0}> instead of <gpx>")]
    NotGpx(String),
    /// It is not XML.
    #[error("this is not GPX: there is no element <gpx> in it")]
    NotXml,
    /// It is malformed XML without a single point.
    #[error("broken XML in line {line}: {reason}")]
    Xml {
        /// The line of the error.
        line: usize,
        /// The parser's message.
        reason: String,
    },
    /// It has no position.
    #[error("there is no track, route or waypoint with a place in it{}", .0.because())]
    NoTrack(Box<Notes>),
}
