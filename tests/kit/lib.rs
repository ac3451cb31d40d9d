//! What the tests and benches of GPyS share: servers that run, access tokens that are wrong in every
//! way, and attackers.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    missing_docs,
    reason = "a test may panic, and its helpers are for tests alone"
)]

pub mod attacks;
pub mod forge;
#[cfg(target_os = "linux")]
pub mod process;
pub mod running;

use std::path::PathBuf;

/// A file of this name in cargo's folder for the files of tests.
pub fn scratch(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.ancestors().nth(3).unwrap().join("tmp");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}
