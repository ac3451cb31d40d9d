//! The sans-IO core: bytes and times in, bytes and deadlines out.
//!
//! Nothing here opens a socket, reads a clock, draws a random number or knows an async runtime;
//! the shell in `server` and `client` does, and hands the results in as arguments. Equal inputs
//! give equal outputs, so a simulation can replay any run from its seed. The lints below enforce
//! it (the bans are listed in `.clippy.toml`).
//!
//! Reading order: [`time`], [`geo`], [`pose`], [`blur`] and [`text`] are the values; [`wire`] is the
//! bytes of `docs/PROTOCOL.md`, with [`wire::frame`] over [`wire::bits`]; [`world`] is the server's
//! state of a room; [`view`] is the receiver's state.

#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::iter_over_hash_type)]

pub mod blur;
pub mod geo;
pub mod pose;
pub mod text;
pub mod time;
pub mod view;
pub mod wire;
pub mod world;
