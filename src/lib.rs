//! GPyS: one live map on which everybody sees where everybody else is and how they hold their
//! device, within a tick.
//!
//! The modules in reading order:
//!
//! - [`proto`] is the sans-IO core: the wire, the world of a room, and who is sent what and when.
//!   It has no sockets, clocks, randomness or async runtime.
//! - [`config`] turns flags, environment and file into one validated set of settings.
//! - [`server`] is the IO shell around the core: listeners, links, rooms.
//! - [`client`] is the native client, used by the swarm, the benches and the tests.
//! - [`path`] is an emulated network path, for the benches and for whoever wants to see what a bad
//!   network does.
//! - [`terminal`] is how text from outside comes onto a terminal.

pub use gpys_client as client;
pub use gpys_path as path;
pub use gpys_proto as proto;

pub mod cli;
pub mod config;
pub mod server;
pub mod terminal;
