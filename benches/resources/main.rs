//! What the server uses, and how it copes with overload: `cargo bench --bench resources -- --bars`.
//! Real servers in separate processes, real clients, loopback.
//!
//! Reading order: [`idle`] (memory of idle peers), [`pinned`] (memory pinned by a hostile
//! connection), [`burst`] (too many handshakes at once), [`churn`] (peers who come and go),
//! [`watchers`] (peers who only watch), [`talk`] (messages), [`restart`] (stopping and reconnecting). The attackers use
//! the tools of `tests/hostile`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "printing figures is its purpose, and the attackers are those of a test"
)]
#![allow(unreachable_pub, missing_docs, reason = "a program exports nothing")]

#[cfg(target_os = "linux")]
mod bar;
#[cfg(target_os = "linux")]
mod bars;
#[cfg(target_os = "linux")]
mod burst;
#[cfg(target_os = "linux")]
mod churn;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(target_os = "linux")]
mod pinned;
#[cfg(target_os = "linux")]
mod restart;
#[cfg(target_os = "linux")]
mod talk;
#[cfg(target_os = "linux")]
mod watchers;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    bars::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("Only Linux reports a process's usage.");
    ExitCode::SUCCESS
}
