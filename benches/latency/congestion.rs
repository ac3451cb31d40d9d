//! Which congestion control both sides run: a comparison of TCP by one and QUIC by another would
//! compare those.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use wtransport::quinn::TransportConfig;
use wtransport::quinn::congestion::NewRenoConfig;

use crate::place::Place;

/// With this variable in their environment, GPyS's client and server run NewReno over QUIC.
pub const NEW_RENO: &str = "GPYS_BENCH_NEWRENO";
/// What new TCP connections run, in the calling thread's network namespace.
const TCP: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// A pair of congestion controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Congestion {
    /// What the system has for TCP, and quinn's default.
    Default,
    /// Reno for TCP, which every process may choose, and NewReno for QUIC.
    Reno,
}

impl Congestion {
    /// Makes this process's own QUIC clients follow the choice, by starting it again with the
    /// variable that they read.
    ///
    /// # Errors
    /// If it cannot be started again.
    pub fn enter(self) -> Result<()> {
        if self == Self::Default || is_new_reno() {
            return Ok(());
        }
        let mut again = Command::new(std::env::current_exe()?);
        let error = again.args(std::env::args_os().skip(1)).env(NEW_RENO, "1").exec();
        Err(error).context("cannot start again with NewReno")
    }

    /// Makes TCP at both ends of the path follow the choice.
    ///
    /// # Errors
    /// If the kernel refuses it. On loopback, which has no namespace of its own, it is not tried.
    pub fn apply(self, place: &Place) -> Result<()> {
        if self == Self::Reno
            && let Place::Path(path) = place
        {
            for end in [path.near(), path.far()] {
                end.run(|| fs::write(TCP, "reno")).context("TCP cannot run Reno")?;
            }
        }
        Ok(())
    }

    /// What runs there, in words.
    ///
    /// # Errors
    /// If the kernel does not tell.
    pub fn words(self, place: &Place) -> Result<String> {
        let tcp = place.at_server(|| fs::read_to_string(TCP))?;
        let quic = if is_new_reno() { "NewReno" } else { "CUBIC" };
        Ok(format!("TCP by {}, QUIC by {quic}", tcp.trim()))
    }
}

/// Whether QUIC is to run NewReno.
fn is_new_reno() -> bool {
    std::env::var_os(NEW_RENO).is_some()
}

/// Adds the variable to the environment of a server, if this process has it.
pub fn pass_on(command: &mut Command) {
    if is_new_reno() {
        command.env(NEW_RENO, "1");
    }
}

/// Makes QUIC connections of this benchmark's own clients and servers follow the choice.
pub fn configure(config: &mut TransportConfig) {
    if is_new_reno() {
        config.congestion_controller_factory(Arc::new(NewRenoConfig::default()));
    }
}
