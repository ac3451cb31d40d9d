//! An emulated network path between two network namespaces of its own.
//!
//! Two programs, one at each end, talk over real IP packets that this path loses, delays, reorders,
//! duplicates or squeezes through a bottleneck. The kernel's TCP and any QUIC library meet the same
//! fates, because both lose the same packets, so their reactions can be compared. `gpys netem` runs
//! any two programs at its ends.
//!
//! [`PathSettings`] says what one direction does to packets. [`model::Direction`] decides each
//! packet's fate and is free of sockets and clocks, so a test can drive it by hand:
//!
//! ```
//! use std::time::Duration;
//!
//! use gpys_path::PathSettings;
//! use gpys_path::model::Direction;
//!
//! let ms = Duration::from_millis;
//! let settings = PathSettings { delay: ms(25), loss: 0.5, ..PathSettings::default() };
//! let mut direction = Direction::new(settings, 1);
//! for _ in 0..1_000 {
//!     direction.handle_packet(vec![0; 100], ms(0));
//! }
//! assert_eq!(direction.poll_packet(ms(24)), None, "everything is still in flight");
//! while direction.poll_packet(ms(25)).is_some() {}
//! let counters = direction.counters();
//! assert_eq!(counters.delivered + counters.lost, 1_000);
//! assert!((400..600).contains(&counters.lost), "a seed fixes which ones");
//! ```
//!
//! On Linux, `EmulatedPath` moves packets between two TUN devices accordingly. `isolate` gives the
//! process the right to open one; each end is a `Namespace` that runs programs and functions.

#[cfg(target_os = "linux")]
mod emulated;
mod fq_codel;
#[cfg(target_os = "linux")]
mod isolation;
mod lateness;
pub mod model;
#[cfg(target_os = "linux")]
mod namespace;
#[cfg(target_os = "linux")]
mod nat;
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "the address translation uses it"))]
mod packet;
mod settings;
mod trace;
#[cfg(target_os = "linux")]
mod tun;

#[cfg(target_os = "linux")]
pub use self::emulated::EmulatedPath;
#[cfg(target_os = "linux")]
pub use self::isolation::{PathError, isolate};
pub use self::lateness::Lateness;
pub use self::model::Counters;
#[cfg(target_os = "linux")]
pub use self::namespace::Namespace;
pub use self::settings::{Bandwidth, Bursts, PathSettings, Queue};
pub use self::trace::{Trace, TraceError};
