//! An emulated network path, between two network namespaces of its own.
//!
//! Real IP packets go through it: what the kernel's TCP makes of a lost packet and what QUIC makes
//! of it can be compared, for both lose the same ones. [`model`] decides about one direction of it
//! and is free of sockets and clocks; `EmulatedPath` moves packets between two TUN devices accordingly,
//! on Linux. `gpys netem` runs any two programs at its ends.

#[cfg(target_os = "linux")]
mod emulated;
#[cfg(target_os = "linux")]
mod isolation;
pub mod model;
#[cfg(target_os = "linux")]
mod namespace;
#[cfg(target_os = "linux")]
mod nat;
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "the address translation uses it"))]
mod packet;
mod settings;
#[cfg(target_os = "linux")]
mod tun;

#[cfg(target_os = "linux")]
pub use self::emulated::EmulatedPath;
#[cfg(target_os = "linux")]
pub use self::isolation::{PathError, isolate};
pub use self::model::Counters;
#[cfg(target_os = "linux")]
pub use self::namespace::Namespace;
pub use self::settings::{Bandwidth, Bursts, PathSettings, Queue};
