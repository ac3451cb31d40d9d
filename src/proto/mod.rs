//! The sans-IO core: bytes and times in, bytes and deadlines out.
//!
//! Nothing here opens a socket, reads a clock, draws a random number or knows an async runtime;
//! the shell in `server` and `client` does, and hands the results in as arguments. Equal inputs
//! give equal outputs, so a simulation can replay any run from its seed. The lints below enforce
//! it (the bans are listed in `.clippy.toml`).
//!
//! Reading order: [`time`], [`geo`], [`pose`], [`blur`], [`text`] are the values; [`bits`], [`wire`], [`frame`] are
//! the bytes of `docs/PROTOCOL.md`; [`world`] is the server's state of a room, with `interest`
//! (who is where), `news` (who changed), `chunks` (encode once), `schedule` and `rate` (what goes
//! to whom, and how much), `ticker` (when) beneath it; [`view`] is the receiver's state.

#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::iter_over_hash_type)]

pub mod bits;
pub mod blur;
mod chunks;
pub mod frame;
pub mod geo;
mod interest;
mod news;
mod people;
pub mod pose;
mod rate;
mod roster;
mod schedule;
pub mod text;
mod ticker;
pub mod time;
pub mod view;
pub mod wire;
pub mod world;
