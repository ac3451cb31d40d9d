//! A long run of the real server: people who stay, people who come and go 500 times a minute,
//! and every attack of the hostile suite against the same process, over and over. At the end the
//! server must take what it took at the beginning, and nobody may have been lost, doubled, or
//! left behind as a ghost.
//!
//! `GPYS_SOAK` is for how long (30 s otherwise); `scripts/soak` runs it for ten minutes.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "a test may panic, and its modules are private anyway"
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
    vec![Trial::test("nothing_is_lost_and_nothing_stays", soak)]
}

/// Elsewhere the system does not tell what a process takes.
#[cfg(not(target_os = "linux"))]
fn trials() -> Vec<Trial> {
    Vec::new()
}
