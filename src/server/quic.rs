//! QUIC over `quinn-proto`: one driver for all connections of a socket.
//!
//! The driver ([`driver`]) reads the socket, runs the timers and sends, so a connection has no
//! task, queue or timer of its own. Handles ([`connection`], [`streams`]) work on a connection's
//! state directly and tell the driver whom they touched, so that whatever one task does at a time
//! costs one wake-up of the driver. Each connection has a lock; nobody holds it while waiting.

pub(crate) mod connection;
mod driver;
pub(crate) mod endpoint;
mod hub;
pub(crate) mod incoming;
mod state;
pub(crate) mod streams;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod timers;
mod wakers;
