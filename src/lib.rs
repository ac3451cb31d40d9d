//! GPyS: one live map on which everybody sees where everybody else is and how they hold their
//! device, within a tick.
//!
//! This package is the program; the parts of it are crates of their own, to be used alone:
//!
//! - [`proto`] is the sans-IO core: the wire, the world of a room, and who is sent what and when.
//! - [`server`] is the IO shell around the core: listeners, links, rooms, and their settings.
//! - [`client`] is the native client.
//! - [`path`] is an emulated network path, to see what a bad network does.
//!
//! [`cli`] is the program's subcommands, and [`page`] the page that is built into it.

pub mod cli;
mod page;

pub use gpys_client as client;
pub use gpys_path as path;
pub use gpys_proto as proto;
pub use gpys_server as server;

pub use self::page::page;
