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
#[path = "../hostile/arena.rs"]
#[allow(dead_code, reason = "the arena's own servers are not used here")]
mod arena;
#[cfg(target_os = "linux")]
#[path = "../hostile/deaf.rs"]
mod deaf;
#[cfg(target_os = "linux")]
#[path = "../hostile/floods.rs"]
#[allow(dead_code, reason = "these attacks want a server of their own")]
mod floods;
#[cfg(target_os = "linux")]
#[path = "../hostile/h3.rs"]
mod h3;
#[cfg(target_os = "linux")]
#[path = "../hostile/http.rs"]
mod http;
#[cfg(target_os = "linux")]
#[path = "../hostile/identity.rs"]
mod identity;
#[cfg(target_os = "linux")]
#[path = "../hostile/messages.rs"]
mod messages;
#[cfg(target_os = "linux")]
#[path = "../hostile/packets.rs"]
mod packets;
#[cfg(target_os = "linux")]
#[path = "../hostile/people.rs"]
#[allow(dead_code, reason = "the arena's own people are not used here")]
mod people;
#[cfg(target_os = "linux")]
#[path = "../support/process.rs"]
mod process;
#[cfg(target_os = "linux")]
#[path = "../hostile/quic.rs"]
mod quic;
#[cfg(target_os = "linux")]
#[path = "../hostile/reflection.rs"]
mod reflection;

#[path = "../hostile/rfc6455.rs"]
mod rfc6455;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
#[path = "../hostile/sessions.rs"]
mod sessions;
#[cfg(target_os = "linux")]
#[path = "../hostile/slow.rs"]
#[allow(dead_code, reason = "these attacks want a server of their own")]
mod slow;
#[cfg(target_os = "linux")]
#[path = "../hostile/socket.rs"]
mod socket;
#[cfg(target_os = "linux")]
#[path = "../hostile/tools.rs"]
mod tools;

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
