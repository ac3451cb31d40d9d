//! Recorded tracks (GPX 1.0 and 1.1).
//!
//! This reads only what a walker needs: the points of track segments and routes, and their times.
//! Files from the field are rarely clean, so it reads what it can, and [`Notes`] list what it left
//! out and why. It uses `quick-xml`: the `gpx` crate stops at elements that it does not know, and
//! its last release is years old.

mod content;
mod error;
mod notes;
mod pace;
mod point;
mod points;
mod tidy;
mod time;

use std::path::Path;

pub use self::error::{GpxError, GpxErrorKind};
pub use self::notes::Notes;
pub use self::pace::WALKING_PACE;

use crate::cli::swarm::gpx::point::Point;
use crate::cli::swarm::walk::Way;
use gpys_proto::geo::Position;
use gpys_server::terminal;

/// A track: the ways of its segments, each walked by itself.
#[derive(Clone, Debug)]
pub struct Track {
    /// The segments that lead somewhere; if none does, one at a standstill.
    pub ways: Vec<Way>,
    /// What was left out or changed.
    pub notes: Notes,
}

impl Track {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, is not GPX, or has no place in it.
    pub fn read(path: &Path) -> Result<Self, GpxError> {
        let named = |kind| GpxError { file: terminal::file(path), kind };
        let bytes = content::read(path).map_err(|error| named(error.into()))?;
        Self::parse(&bytes).map_err(named)
    }

    /// Parses a file's bytes, gzipped or not, in any encoding that XML may have.
    ///
    /// # Errors
    /// If they are not GPX, or have no place in them.
    pub fn parse(bytes: &[u8]) -> Result<Self, GpxErrorKind> {
        let (segments, mut notes) = segments(bytes)?;
        let (mut ways, mut place) = (Vec::new(), None);
        for points in segments {
            let found = tidy::ways(points, &mut notes);
            ways.extend(found.0);
            place = place.or(found.1);
        }
        if ways.is_empty() {
            // A track that leads nowhere still has a place.
            notes.standing = true;
            let Some(place) = place else { return Err(GpxErrorKind::NoTrack(notes.into())) };
            ways.push(Way::standing(place));
        }
        Ok(Self { ways, notes })
    }
}

/// Reads the positions of a file's segments, one list for each, whatever their times.
///
/// # Errors
/// If the file cannot be read or is not GPX.
pub fn places(path: &Path) -> Result<Vec<Vec<Position>>, GpxError> {
    let named = |kind| GpxError { file: terminal::file(path), kind };
    let bytes = content::read(path).map_err(|error| named(error.into()))?;
    let (segments, _) = segments(&bytes).map_err(named)?;
    let places = |points: Vec<Point>| points.iter().map(|point| point.position).collect();
    Ok(segments.into_iter().map(places).collect())
}

fn segments(bytes: &[u8]) -> Result<(Vec<Vec<Point>>, Notes), GpxErrorKind> {
    let content = content::text(bytes)?;
    let mut notes = Notes { cut: content.cut, ..Notes::default() };
    let segments = points::segments(&content.text, &mut notes)?;
    Ok((segments, notes))
}

#[cfg(test)]
mod tests;
