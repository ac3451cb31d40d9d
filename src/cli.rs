//! The program's subcommands.

mod banner;
pub mod certs;
pub mod doctor;
mod lock;
mod log;
pub mod netem;
pub mod output;
mod parse;
pub mod serve;
mod signals;
pub mod swarm;
pub mod token;
