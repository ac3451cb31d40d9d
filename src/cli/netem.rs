//! `gpys netem`: runs programs at the ends of an emulated path.

mod args;
#[cfg(target_os = "linux")]
mod run;
mod units;

pub use self::args::{Args, FAILED, HELP};
#[cfg(target_os = "linux")]
pub use self::run::run;

/// Says that there are no emulated paths on this system.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn run(_: &Args) -> u8 {
    use std::io::Write as _;
    let words = "gpys netem needs Linux: its path is made of network namespaces and TUN devices";
    let _ = writeln!(std::io::stderr(), "{words}");
    FAILED
}
