//! Properties of the core for any bytes, places, orientations and names. They live here so that the
//! core depends only on what it runs with.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bits;
mod blur;
mod frame;
mod geo;
mod messages;
mod pose;
mod text;
