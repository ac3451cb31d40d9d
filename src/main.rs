//! The `gpys` program: parse, build, run until told to stop.

use std::fmt::Display;
use std::io::{IsTerminal as _, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use gpys::cli::{banner, certs, doctor, netem, signals, swarm, token};

use gpys::server::config::{Config, ConfigError, DEFAULT_FILE, Flags, LogFormat};

use gpys::server::{Server, panics, terminal};
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// One live map: everybody sees where everybody else is and how they hold their device.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the map (what `gpys` alone does, too)
    #[command(after_help = EXAMPLES)]
    Serve(Box<Serve>),
    /// Make a certificate that devices can trust, and say how
    Certs(certs::Args),
    /// Make an access token for a room, or a file of keys that sign them
    #[command(after_help = TOKENS)]
    Token(token::Args),
    /// Make people walk on a server's map, and report how well they see each other
    #[command(after_help = SWARMS)]
    Swarm(Box<swarm::Args>),
    /// Say over which transports a server can be reached from here, and why not over others
    #[command(after_help = DOCTORS)]
    Doctor(Box<doctor::Args>),
    /// Run a command behind a network path that delays, loses and reorders packets
    #[command(after_help = NETEMS, alias = "link")]
    Netem(Box<netem::Args>),
}

#[derive(Debug, clap::Args)]
struct Serve {
    #[command(flatten)]
    flags: Flags,
    /// Read settings from this TOML file [default: gpys.toml, if it is there]
    #[arg(long, value_name = "FILE", help_heading = "Settings")]
    config: Option<PathBuf>,
    /// Print the settings as a TOML file, and end
    #[arg(long, help_heading = "Settings")]
    print_config: bool,
    /// Check the settings, and end
    #[arg(long, help_heading = "Settings")]
    check_config: bool,
}

const EXAMPLES: &str = "\
Every setting is a flag, a variable like GPYS_TICK_HZ, or a line of gpys.toml; flags go first.

Examples:
  gpys                                      serve on port 4433, and say where to open it
  gpys --http 127.0.0.1:8080                also at http://localhost:8080, without a warning
  gpys --venue 45.75,14.36,\"Main stage\"     with a purple pin
  gpys --cert c.pem --key k.pem --ca-signed with a certificate from a public CA
  gpys certs                                certificates for the devices of this network
  gpys --print-config > gpys.toml           a file to change settings in";

const TOKENS: &str = "\
A page takes a token from its address, after #access=; `gpys swarm --access` takes it from a file.

Examples:
  gpys token --new-keys keys.toml           a file of keys, for `gpys --access-keys keys.toml`
  gpys token --keys keys.toml --room stage --for 2h --url https://gpys.example
                                            a link with which one may share there for two hours
  gpys token --keys keys.toml --room stage --rights view --for 7days
  gpys token --new-keys keys.toml --algorithm EdDSA --private-key sign.pem
                                            the server needs keys.toml only, which cannot sign
  gpys token --keys keys.toml --private-key sign.pem --room \"*\" --rights host";

const SWARMS: &str = "\
It exits with 1 if somebody could not connect, lost the link, was not seen by another, or was
still seen when gone.

Of a GPX file it reads what can be read, and says on standard error what it left out: points
without a place or far off, times that do not fit, leaps of the clock. Pauses are cut to 20 s.
Waypoints are followed where there are no tracks or routes. It ends with 2 if no file has a place.

Examples:
  gpys swarm --people 200 --for 30s         at https://localhost:4433, half and half
  gpys swarm https://192.168.1.7:4433 --transport wt --gpx hike.gpx ride.gpx
  gpys swarm --people 50 --churn 500 --for 10m    500 more a minute come, switch, drop and go
  gpys swarm --people 500 --json            one JSON object on standard output";

const DOCTORS: &str = "\
It looks as a browser would, joins a room as a watcher, pings, and leaves. It exits with 0 if all
is well, 1 if only one transport works or something is to be mended, 2 if nobody can connect.

Examples:
  gpys doctor https://gpys.example          from where people are, not from the server
  gpys doctor https://gpys.example --origin https://friend.example
                                            what a page of another site gets
  gpys doctor https://gpys.example --room staff --access token.txt
  gpys doctor https://gpys.example --json   one JSON object on standard output";

const NETEMS: &str = "\
The command is at 10.77.0.1, the far end at 10.77.0.2; there is no other network, and no DNS.
It needs Linux, and root or user namespaces. It exits as the command does, or with 125.

Examples:
  gpys netem --delay 25ms --loss 2% --far 'gpys --quiet' -- \\
    gpys swarm https://10.77.0.2:4433 --people 20 --for 10s
  gpys netem --delay 25ms --far 'gpys --quiet' --block-udp -- \\
    gpys swarm https://10.77.0.2:4433 --transport ws --for 5s
  gpys netem --rate 2mbit --queue 100ms --blackout 10s+5s -- sh";

fn main() -> ExitCode {
    let Cli { command, serve: bare } = Cli::parse();
    let done = match command.unwrap_or_else(|| Command::Serve(Box::new(bare))) {
        Command::Serve(args) => serve(&args),
        Command::Certs(args) => certs::run(&args).map_err(Into::into).and_then(|it| say(&it)),
        Command::Token(args) => token::run(&args).map_err(Into::into).and_then(|it| say(&it)),
        Command::Swarm(args) => return walk(*args),
        Command::Doctor(args) => return examine(*args),
        Command::Netem(args) => return netem::run(&args).into(),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    complain(&format_args!("{error:#}"));
    if error.is::<ConfigError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

fn serve(args: &Serve) -> anyhow::Result<()> {
    let path = args.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    let text = match std::fs::read_to_string(&path) {
        Err(error) if args.config.is_some() => {
            let wrong = format!("--config is {path:?}, which cannot be read: {error}");
            return Err(ConfigError(vec![wrong]).into());
        }
        text => text.ok(),
    };
    let name = path.display().to_string();
    let file = text.as_deref().map(|text| (name.as_str(), text));
    let config = Config::load(&args.flags, |name| std::env::var(name).ok(), file)?;
    if args.print_config {
        return say(&config.to_toml());
    }
    if args.check_config {
        return say("The settings are right.\n");
    }
    start_log(&config);
    panics::log();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(config))
}

async fn run(config: Config) -> anyhow::Result<()> {
    let quiet = config.quiet;
    let mut signals = signals::Stop::listen().context("signals cannot be received")?;
    let server = Server::bind(config, gpys::page())?;
    if !quiet {
        say(&banner::banner(&server)?)?;
    }
    Ok(signals.run(server).await?)
}

fn walk(args: swarm::Args) -> ExitCode {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let report = match runtime.worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime.block_on(swarm::run(args)),
        Err(error) => {
            complain(&error);
            return ExitCode::FAILURE;
        }
    };
    match report {
        Ok(report) if report.is_clean() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn examine(args: doctor::Args) -> ExitCode {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let error = match runtime.enable_all().build() {
        Ok(runtime) => match runtime.block_on(doctor::run(args)) {
            Ok(report) => return ExitCode::from(report.exit_code()),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    complain(&error);
    ExitCode::from(2)
}

fn start_log(config: &Config) {
    let log = tracing_subscriber::registry()
        .with(EnvFilter::new(&config.log))
        .with(filter_fn(|line| !quotes_messages(line)));
    let lines =
        tracing_subscriber::fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal());
    match config.log_format {
        LogFormat::Text => log.with(lines).init(),
        LogFormat::Json => log.with(lines.json()).init(),
    }
}

/// Whether such a line may hold bytes of a message, and with them a place, a name or a token: no
/// setting brings it into the log. `tungstenite` logs every WebSocket frame at this level.
fn quotes_messages(line: &Metadata<'_>) -> bool {
    *line.level() == Level::TRACE && line.target().starts_with("tungstenite")
}

fn say(words: &str) -> anyhow::Result<()> {
    let words = words.trim_end_matches('\n');
    terminal::say(&mut stdout(), words).context("standard output is closed")
}

/// Says what is wrong; nobody reads it when standard error is closed.
fn complain(words: &dyn Display) {
    let _ = terminal::say(&mut stderr(), &format_args!("gpys: {words}"));
}
