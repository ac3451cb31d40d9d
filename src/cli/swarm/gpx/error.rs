//! Why a file is not followed.

use crate::cli::swarm::gpx::notes::Notes;

/// What is wrong with a file. Displayed, it is one sentence that names the file.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {kind}")]
pub struct GpxError {
    /// The file's name as it was given.
    pub file: String,
    /// What is wrong with it.
    pub kind: GpxErrorKind,
}

/// What can be wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum GpxErrorKind {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// There is nothing in it.
    #[error("the file is empty")]
    Blank,
    /// It is some other format, which is known.
    #[error("this is not GPX but {0}")]
    Foreign(&'static str),
    /// It is some other XML.
    #[error("this is not GPX: its first element is <{0}> instead of <gpx>")]
    NotGpx(String),
    /// It is no XML at all.
    #[error("this is not GPX: there is no element <gpx> in it")]
    NotXml,
    /// It is not well-formed XML, and no point was found.
    #[error("broken XML in line {line}: {reason}")]
    Xml {
        /// Where the reader noticed.
        line: usize,
        /// What it says.
        reason: String,
    },
    /// There is nowhere to go.
    #[error("there is no track, route or waypoint with a place in it{}", .0.because())]
    NoTrack(Box<Notes>),
}
