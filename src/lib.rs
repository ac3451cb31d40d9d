//! GPyS: one live map on which everybody sees where everybody else is and how they hold their
//! device, within a tick.
//!
//! The modules in reading order:
//!
//! - [`proto`] is the sans-IO core: the wire, the world of a room, and who is sent what and when.
//!   It has no sockets, clocks, randomness or async runtime.
//! - [`config`] is what the server is told: flags, environment, file, defaults.
//! - [`server`] is the IO shell: the page, WebTransport and WebSocket, and a task per room.

pub mod config;
pub mod proto;
pub mod server;
