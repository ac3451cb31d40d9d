//! The `gpys` program: parses the command line and runs a subcommand.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use gpys::cli::{api_key, certs, doctor, feed, netem, output, serve, swarm, token};

/// Live map server: every viewer sees where the others are and how they hold their device
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = serve::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the map; the default without a subcommand
    #[command(after_help = serve::HELP)]
    Serve(Box<serve::Args>),
    /// Create a certificate that your devices can trust
    Certs(certs::Args),
    /// Create an access token for a room, or a file of keys that sign tokens
    #[command(after_help = token::HELP)]
    Token(token::Args),
    /// Add a key for the API to a file, and print it
    #[command(after_help = api_key::HELP)]
    ApiKey(api_key::Args),
    /// Simulate peers who walk on a server's map, and report how well they see each other
    #[command(after_help = swarm::HELP)]
    Swarm(Box<swarm::Args>),
    /// Put vehicles or a GPS receiver into a room, from GTFS-realtime or gpsd
    #[command(after_help = feed::HELP)]
    Feed(Box<feed::Args>),
    /// Diagnose which transports reach a server, and why others fail
    #[command(after_help = doctor::HELP)]
    Doctor(Box<doctor::Args>),
    /// Run a command behind a network path that delays, loses and reorders packets
    #[command(after_help = netem::HELP, alias = "link")]
    Netem(Box<netem::Args>),
}

fn main() -> ExitCode {
    let Cli { command, serve } = Cli::parse();
    match command.unwrap_or_else(|| Command::Serve(Box::new(serve))) {
        Command::Serve(args) => serve::main(&args),
        Command::Certs(args) => output::print(certs::run(&args)),
        Command::Token(args) => output::print(token::run(&args)),
        Command::ApiKey(args) => output::print(api_key::run(&args)),
        Command::Swarm(args) => swarm::main(*args),
        Command::Feed(args) => feed::main(&args),
        Command::Doctor(args) => doctor::main(*args),
        Command::Netem(args) => netem::run(&args).into(),
    }
}
