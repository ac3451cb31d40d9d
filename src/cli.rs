//! The program's subcommands.

pub mod api_key;
mod banner;
pub mod certs;
pub mod doctor;
pub mod feed;
mod lock;
mod log;
pub mod netem;
pub mod output;
mod parse;
pub mod serve;
mod signals;
pub mod swarm;
pub mod token;
