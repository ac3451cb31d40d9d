//! Helpers shared by the tests and benches of GPyS: running servers, forged access tokens, and
//! attackers.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    missing_docs,
    reason = "a test may panic, and these helpers serve tests alone"
)]

pub mod attacks;
pub mod client;
pub mod forge;
#[cfg(target_os = "linux")]
pub mod process;
pub mod relay;
pub mod running;

use std::path::PathBuf;

/// Path of a scratch file in cargo's directory for test files.
pub fn scratch(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.ancestors().nth(3).unwrap().join("tmp");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}
