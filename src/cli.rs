//! The program's subcommands.

pub mod banner;
pub mod certs;
pub mod doctor;
mod lock;
pub mod netem;
pub mod signals;
pub mod swarm;
pub mod token;
