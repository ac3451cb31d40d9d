//! The program's subcommands.

pub mod netem;
