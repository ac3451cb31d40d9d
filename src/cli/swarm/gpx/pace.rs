//! The pace of a walker on a track, where the file does not decide it.

/// Pace where a file has no times, in metres per second.
pub const WALKING_PACE: f64 = 1.4;
/// Longest pause, in seconds: long enough to be seen as one, and short enough that people move in
/// a swarm of the usual half minute.
pub(super) const PAUSE: f64 = 20.0;
