//! `gpys feed`: puts things into a room of a server, from a source that is no browser
//! (docs/SOURCES.md).
//!
//! `gtfs` and `gpsd` read what sources say, `source` and `receiver` fetch it, and `putter` sends it
//! to the server's API in batches.

mod backoff;
mod gpsd;
mod gtfs;
mod http;
mod notes;
mod putter;
mod receiver;
mod source;
mod vehicle;

use std::convert::Infallible;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::cli::feed::backoff::Backoff;
use crate::cli::feed::notes::note;
use crate::cli::feed::putter::{PutError, Putter, Report};
use crate::cli::feed::source::{Source, SourceError};
use crate::cli::feed::vehicle::Icon;
use crate::cli::{output, parse};

/// The end of the subcommand's help.
pub const HELP: &str = "\
The server needs --api-keys, and the key the right \"feed\" (docs/API.md). What is
put stays until the source has not named it for a while. Ctrl-C ends the feed.

Examples:
  gpys api-key --keys keys.toml --name bus --right feed --room city > bus.key
        adds a key to the server's file, and keeps it for the feed
  gpys feed --gtfs-rt https://transit.example/v.pb --room city --key-file bus.key
        puts a city's vehicles into the room, and moves them every 15 s
  gpys feed --gpsd localhost:2947 --icon ship --room sea --key-file boat.key
        puts what a GPS receiver says into the room, once a second";

/// The pause between two looks at a source, unless one is given.
const EVERY: &str = "15s";
/// The longest pause after failures.
const LONGEST: Duration = Duration::from_secs(300);

/// Options of `gpys feed`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub struct Args {
    /// Vehicle positions in GTFS-realtime (protobuf): a URL, or a file.
    #[arg(long, group = "source", value_name = "URL|FILE")]
    gtfs_rt: Option<String>,
    /// A gpsd that knows where a receiver is.
    #[arg(long, group = "source", value_name = "HOST:PORT")]
    gpsd: Option<String>,
    /// URL of the server.
    #[arg(long, default_value = "https://localhost:4433", value_name = "URL")]
    server: String,
    /// Room to put things into.
    #[arg(long, value_name = "NAME", value_parser = parse::room)]
    room: String,
    /// File with a key of the server's API; `/dev/stdin` to pipe it in.
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// What the ids of the things begin with; must begin with the key's own prefix.
    #[arg(long, default_value = "", value_name = "TEXT")]
    prefix: String,
    /// How the things are drawn [default: bus for GTFS-realtime, pin for gpsd].
    #[arg(long, value_enum)]
    icon: Option<Icon>,
    /// The name of what gpsd tells of [default: its device].
    #[arg(long, conflicts_with = "gtfs_rt", value_name = "TEXT")]
    name: Option<String>,
    /// The pause between two looks at a GTFS-realtime source, 1s-1h.
    #[arg(long, default_value = EVERY, value_name = "TIME", value_parser = parse_every)]
    every: Duration,
}

fn parse_every(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(1)..=Duration::from_secs(3_600);
    parse::time(text, &range, "a pause is 1s to 1h, such as 15s")
}

/// Why a feed cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The key cannot be read.
    #[error("cannot read the key in {}: {reason}", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: std::io::Error,
    },
    /// The file has no key.
    #[error("{} has no key; `gpys api-key` prints one, which goes into this file", .0.display())]
    NoKey(PathBuf),
    /// There is no tokio runtime or no signals.
    #[error("cannot start: {0}")]
    Start(std::io::Error),
    /// The source is not one.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The server does not take it, and will not later.
    #[error(transparent)]
    Put(#[from] PutError),
}

/// Feeds until a signal, or until it cannot go on.
#[must_use]
pub fn main(args: &Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(FeedError::Start).and_then(|runtime| runtime.block_on(run(args))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::fail(&error, 1),
    }
}

async fn run(args: &Args) -> Result<(), FeedError> {
    let key = read_key(&args.key_file)?;
    let mut putter = Putter::new(&args.server, &args.room, &key)?;
    if !putter.is_private() {
        note("the key goes to the server without encryption; use https where others could listen");
    }
    let stopped = stop().map_err(FeedError::Start)?;
    let feed = async {
        match (&args.gtfs_rt, &args.gpsd) {
            (Some(source), _) => follow(Source::new(source)?, args, &mut putter).await,
            (None, Some(gpsd)) => attend(gpsd, args, &mut putter).await,
            (None, None) => Err(FeedError::Source(SourceError::None)),
        }
    };
    tokio::select! {
        fed = feed => fed.map(|never| match never {}),
        () = stopped => {
            note("stopped; what was put goes when its time to live is over");
            Ok(())
        }
    }
}

/// Puts a GTFS-realtime source's vehicles again and again.
async fn follow(
    mut source: Source,
    args: &Args,
    putter: &mut Putter,
) -> Result<Infallible, FeedError> {
    let icon = args.icon.unwrap_or(Icon::Bus);
    // One that the source has not named for three looks is gone.
    let ttl = args.every * 3 + Duration::from_secs(30);
    let mut pause = Backoff::new(args.every, LONGEST);
    loop {
        let failed = match source.read().await {
            Ok(vehicles) => {
                let put = vehicles.things(&args.prefix, icon, ttl);
                match putter.put(&put).await {
                    Ok(report) => {
                        note(&told(&report, &vehicles.left_out));
                        false
                    }
                    Err(error) if error.is_final() => return Err(error.into()),
                    Err(error) => retried(&error),
                }
            }
            Err(error) if error.is_final() => return Err(error.into()),
            Err(error) => retried(&error),
        };
        tokio::time::sleep(if failed { pause.failed() } else { pause.done() }).await;
    }
}

/// How long a receiver's thing stays without news.
const RECEIVER_TTL: Duration = Duration::from_secs(60);
/// The pause between two puts of a receiver's place.
const RECEIVER_EVERY: Duration = Duration::from_secs(1);
/// The pause between two notes about a receiver.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Puts where a receiver is, the newest that it says, at most once a second.
async fn attend(gpsd: &str, args: &Args, putter: &mut Putter) -> Result<Infallible, FeedError> {
    let icon = args.icon.unwrap_or(Icon::Pin);
    let mut receiver = receiver::attend(gpsd.to_owned());
    let mut pause = Backoff::new(RECEIVER_EVERY, LONGEST);
    let mut noted: Option<Instant> = None;
    loop {
        let Some(fix) = receiver.next().await else {
            return Err(SourceError::None.into());
        };
        let vehicle = fix.vehicle(args.name.as_deref());
        let thing = vehicle.thing(&args.prefix, icon, RECEIVER_TTL);
        let failed = match putter.put(thing.as_slice()).await {
            Ok(report) if noted.is_none_or(|noted| noted.elapsed() >= NOTE_EVERY) => {
                noted = Some(Instant::now());
                note(&told(&report, ""));
                false
            }
            Ok(_) => false,
            Err(error) if error.is_final() => return Err(error.into()),
            Err(error) => {
                noted = None;
                retried(&error)
            }
        };
        tokio::time::sleep(if failed { pause.failed() } else { pause.done() }).await;
    }
}

/// What became of a look at the source, in a line.
fn told(report: &Report, left_out: &str) -> String {
    let mut line = report.to_string();
    if !left_out.is_empty() {
        line.push_str("; ");
        line.push_str(left_out);
    }
    line
}

/// Says that something is tried again.
fn retried(error: &dyn Display) -> bool {
    note(&format!("{error}; trying again"));
    true
}

/// Reads the key from a file: on the command line, any local user could see it.
fn read_key(file: &std::path::Path) -> Result<String, FeedError> {
    let text = std::fs::read_to_string(file)
        .map_err(|reason| FeedError::Key { file: file.to_owned(), reason })?;
    let key = text.split_whitespace().next();
    key.map(str::to_owned).ok_or_else(|| FeedError::NoKey(file.to_owned()))
}

/// Is over at the first signal to stop.
fn stop() -> std::io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_names_one_source() {
        let base = ["--room", "city", "--key-file", "k"];
        let with = |more: &[&str]| parse::arguments::<Args>([&base, more].concat());
        let gtfs = with(&["--gtfs-rt", "vehicles.pb"]).unwrap();
        assert_eq!((gtfs.every.as_secs(), gtfs.icon), (15, None));
        assert!(with(&["--gpsd", "localhost:2947", "--icon", "ship", "--name", "Argo"]).is_ok());
        for wrong in [
            &[] as &[&str],
            &["--gtfs-rt", "x", "--gpsd", "y"],
            &["--gtfs-rt", "x", "--name", "Argo"],
            &["--gtfs-rt", "x", "--icon", "rocket"],
            &["--gtfs-rt", "x", "--every", "10ms"],
        ] {
            assert!(with(wrong).is_err(), "{wrong:?}");
        }
    }
}
