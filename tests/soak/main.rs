//! A long run of the real server: peers who stay, peers who come and go 500 times a minute, and
//! every attack of the hostile suite, over and over, against the same process. At the end, the
//! server must use what it used at the start, and no peer may be lost, doubled, or left behind as a
//! ghost.
//!
//! `GPYS_SOAK` sets the duration (30 s by default); `scripts/soak` runs it for ten minutes.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "a test may panic, and its modules are private"
)]

#[cfg(target_os = "linux")]
mod run;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let args = Arguments::from_args();
    libtest_mimic::run(&args, trials()).exit_code()
}

#[cfg(target_os = "linux")]
fn trials() -> Vec<Trial> {
    let soak = || run::soak().map_err(|error| format!("{error:#}").into());
    vec![Trial::test("loses_no_peer_and_leaks_nothing", soak)]
}

/// Other systems do not report a process's usage.
#[cfg(not(target_os = "linux"))]
fn trials() -> Vec<Trial> {
    Vec::new()
}
