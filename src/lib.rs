//! GPyS: one live map on which everybody sees where everybody else is and how they hold their
//! device, within a tick.
//!
//! The modules in reading order:
//!
//! - [`proto`] is the sans-IO core: the wire, the world of a room, and who is sent what and when.
//!   It has no sockets, clocks, randomness or async runtime.
//! - [`client`] is a native client, and a swarm of them.

pub mod client;
pub mod proto;
