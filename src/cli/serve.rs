//! `gpys serve`, which also runs without a subcommand.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use gpys_server::config::{Config, ConfigError, DEFAULT_FILE, GROUPS, Setting, Sources, Takes};
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

/// The settings on the command line, by name.
#[derive(Clone, Debug)]
struct Flags(Vec<(&'static str, String)>);

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        GROUPS.iter().fold(command, |command, group| {
            let command = command.next_help_heading(group.heading);
            group.settings.iter().fold(command, |command, setting| command.arg(flag(setting)))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The flag of a setting. The server checks values, all of them together.
fn flag(setting: &Setting) -> Arg {
    let default = setting.default().map(|it| format!(" [default: {it}]")).unwrap_or_default();
    let many = if matches!(setting.takes, Takes::Many(_)) { " (repeatable)" } else { "" };
    let flag = Arg::new(setting.name)
        .long(setting.name)
        .help(format!("{}{many}{default}", setting.help))
        // A place in the south or the west begins with a minus sign.
        .allow_hyphen_values(setting.name == "venue");
    match setting.takes {
        Takes::Switch => flag.action(ArgAction::SetTrue),
        Takes::One(name) => flag.value_name(name),
        Takes::Many(name) => flag.value_name(name).action(ArgAction::Append),
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let settings = GROUPS.iter().flat_map(|group| group.settings);
        let values = settings.flat_map(|setting| {
            let values = match setting.takes {
                Takes::Switch if matches.get_flag(setting.name) => vec![true.to_string()],
                Takes::Switch => Vec::new(),
                Takes::One(_) | Takes::Many(_) => {
                    matches.get_many(setting.name).into_iter().flatten().cloned().collect()
                }
            };
            values.into_iter().map(|value| (setting.name, value))
        });
        Ok(Self(values.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
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
    let flags = args.flags.0.iter().map(|(name, value)| (*name, value.as_str()));
    let mut sources = Sources::default().environment(|name| std::env::var(name).ok()).flags(flags);
    if let Some(text) = text {
        sources = sources.file(&path.display().to_string(), &text);
    }
    Config::load(&sources)
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let quiet = config.quiet;
    let mut signals = signals::Stop::listen().context("cannot listen for signals")?;
    let server = Server::builder(config).page(page()).bind()?;
    if !quiet {
        say(&banner(&server)?)?;
    }
    Ok(signals.run(server).await?)
}

fn say(text: &str) -> anyhow::Result<()> {
    output::say(text).context("cannot write to standard output")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parse;

    fn load(line: &str) -> Result<Config, String> {
        let args: Args =
            parse::arguments(line.split_whitespace()).map_err(|error| error.to_string())?;
        settings(&args).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_of_flag_reaches_the_settings() {
        let config = load(
            "--tick-hz 10 --quiet --venue -45.7,-14.3,Stage \
             --allow-origin https://a.example --allow-origin https://b.example,https://c.example",
        )
        .unwrap();
        assert_eq!((config.room.tick_hz, config.quiet, config.require_origin), (10, true, false));
        assert_eq!(config.venue.map(|venue| venue.lat), Some(-45.7));
        assert_eq!(
            config.allow_origins,
            ["https://a.example", "https://b.example", "https://c.example"]
        );
    }

    #[test]
    fn rejects_wrong_values_and_a_missing_file() {
        let wrong = load("--tick-hz 0 --http here").unwrap_err();
        assert!(wrong.contains("--tick-hz is \"0\"; expected"), "{wrong}");
        assert!(wrong.contains("--http is \"here\"; expected"), "{wrong}");
        let wrong = load("--config /nowhere.toml").unwrap_err();
        assert!(
            wrong.starts_with("--config is \"/nowhere.toml\", which cannot be read"),
            "{wrong}"
        );
        assert!(load("--tick-hz 1 --tick-hz 2").unwrap_err().contains("multiple times"));
    }
}
