//! WebTransport against WebSocket, on a network that misbehaves: `cargo bench --bench latency`.
//!
//! Real servers in processes of their own, real clients, real packets through an emulated path;
//! the systems of a scenario take turns in one run. What is measured is the age of information at
//! the receiver: `board` knows when every sample was taken, and positions tell samples apart.
//!
//! Reading order: `scenarios` (what is run), `trial` (one run), `board` (ages), `attend` (clients),
//! `servers` and `place` (where), `stock` and `peers` (what GPyS is compared with), `capacity`,
//! `report`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the figures are what it is for")]
#![allow(unreachable_pub, reason = "a program has no outside")]

mod ages;
mod attend;
mod board;
mod peers;
mod place;
mod relay;
mod results;
mod scenarios;
mod servers;
mod track;
mod trial;

use std::process::ExitCode;

fn main() -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default();
    gpys::path::isolate().unwrap();
    scenarios::smoke().unwrap();
    ExitCode::SUCCESS
}
