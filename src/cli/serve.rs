//! `gpys serve`, which `gpys` without a subcommand is as well.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use gpys_server::config::{Config, ConfigError, DEFAULT_FILE, Flags};
use gpys_server::{Server, panics};

use crate::cli::banner::banner;
use crate::cli::{log, output, signals};
use crate::page::page;

/// The end of the subcommand's help.
pub const HELP: &str = "\
Each setting is a flag, an environment variable (GPYS_TICK_HZ) or a line of
gpys.toml (tick-hz = 30). Flags take precedence over variables, and variables
over the file.

Examples:
  gpys                                     on port 4433; prints where to open it
  gpys --http 127.0.0.1:8080               also http://localhost:8080, which
                                           needs no certificate
  gpys --venue 45.75,14.36,\"Main stage\"    with a purple pin
  gpys --cert c.pem --key k.pem --ca-signed
                                           with a certificate from a public CA
  gpys certs                               make certificates for local devices
  gpys --print-config > gpys.toml          write a settings file to edit";

/// Options of `gpys serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
    /// Read settings from this TOML file [default: gpys.toml, if it exists]
    #[arg(long, value_name = "FILE", help_heading = "Settings")]
    config: Option<PathBuf>,
    /// Print the settings as a TOML file and exit
    #[arg(long, help_heading = "Settings")]
    print_config: bool,
    /// Check the settings and exit
    #[arg(long, help_heading = "Settings")]
    check_config: bool,
}

/// Runs the server until a signal stops it. Exits with 2 if a setting is wrong.
pub fn main(args: &Args) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::fail(&format_args!("{error:#}"), if error.is::<ConfigError>() { 2 } else { 1 })
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let config = settings(args)?;
    if args.print_config {
        return say(&config.to_toml());
    }
    if args.check_config {
        return say("Configuration is valid.");
    }
    log::start(&config);
    panics::log();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config))
}

/// Gathers the settings from the flags, the environment and the file.
fn settings(args: &Args) -> Result<Config, ConfigError> {
    let path = args.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    let text = match std::fs::read_to_string(&path) {
        Err(error) if args.config.is_some() => {
            let wrong = format!("--config is {path:?}, which cannot be read: {error}");
            return Err(ConfigError(vec![wrong]));
        }
        text => text.ok(),
    };
    let name = path.display().to_string();
    let file = text.as_deref().map(|text| (name.as_str(), text));
    Config::load(&args.flags, |name| std::env::var(name).ok(), file)
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let quiet = config.quiet;
    let mut signals = signals::Stop::listen().context("cannot listen for signals")?;
    let server = Server::bind(config, page())?;
    if !quiet {
        say(&banner(&server)?)?;
    }
    Ok(signals.run(server).await?)
}

fn say(text: &str) -> anyhow::Result<()> {
    output::say(text).context("cannot write to standard output")
}
