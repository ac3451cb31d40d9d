//! Properties of the core that hold for any input: what is written is read, whatever the bytes,
//! places, orientations and names. (The core itself has no dependencies but those it runs with.)

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bits;
mod blur;
mod frame;
mod geo;
mod messages;
mod pose;
mod text;
