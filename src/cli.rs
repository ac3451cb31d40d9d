//! The program's subcommands.

pub mod doctor;
mod lock;
pub mod netem;
pub mod swarm;
