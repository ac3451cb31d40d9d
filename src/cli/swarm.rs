//! `gpys swarm`: many walking peers in one process, and how well they see each other.
//!
//! Every peer both shares and watches. The report has only what any receiver can measure; the
//! module [`report`] says how, and `audit` defines lost, doubled and ghosts. Besides the peers that
//! stay, visitors may come and go: `visit_plan` draws what they do, and `visits` does it.

mod args;
mod audit;
mod crowd;
pub mod gpx;
mod person;
mod plan;
pub mod report;
mod stage;
mod tally;
mod visit_plan;
mod visitors;
mod visits;
pub mod walk;

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use self::args::{Args, Mix};
pub use self::tally::Ages;
pub use self::visitors::Churn;

use crate::cli::output;
use crate::cli::swarm::crowd::Crowd;
use crate::cli::swarm::gpx::{GpxError, Track};
use crate::cli::swarm::person::Person;
use crate::cli::swarm::plan::Plan;
use crate::cli::swarm::report::Report;
use crate::cli::swarm::tally::Tallies;
use gpys_client::{ConnectError, Connector, Trust};
use gpys_proto::geo::Position;
use gpys_server::terminal;

/// The end of the subcommand's help.
pub const HELP: &str = "\
A peer whose link is silent or over dials again, as the page does.

Exits with 1 if a peer could not connect, had no link at the end, was not seen by
another, or was still seen after it had left; with 2 if no GPX file has a position.

Of a GPX file it takes what it can read, and reports on standard error what it
left out: points without a position or far off, times that do not fit, leaps of
the clock. Pauses are cut to 20 s. It follows waypoints where there are no tracks
or routes.

Examples:
  gpys swarm --people 200 --for 30s
        at https://localhost:4433, half on each transport
  gpys swarm https://192.168.1.7:4433 --transport wt --gpx hike.gpx ride.gpx
  gpys swarm --people 50 --churn 500 --for 10m
        500 more a minute join, switch, drop and leave
  gpys swarm --people 500 --json
        one JSON object on standard output";

/// Links opened per second. A real crowd does not arrive in one instant, and handshakes must not
/// crowd out what is measured.
const DOOR_HZ: f64 = 150.0;
/// Links opening at the same time.
const AT_THE_DOOR: usize = 32;
/// Where peers stroll if neither the server nor the command line names a place, in degrees.
const NOWHERE: (f64, f64) = (45.75, 14.36);

/// Why a swarm could not run.
#[derive(Debug, thiserror::Error)]
pub enum SwarmError {
    /// None of the tracks can be followed.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Gpx(Vec<GpxError>),
    /// The server cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl SwarmError {
    /// The exit code: 2 for a bad argument, otherwise 1.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Gpx(_) => 2,
            Self::Connect(_) => 1,
        }
    }
}

/// Runs the subcommand to its exit code.
pub fn main(args: Args) -> ExitCode {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    match runtime.worker_threads(2).enable_all().build() {
        Ok(runtime) => match runtime.block_on(run(args)) {
            Ok(report) if report.is_clean() => ExitCode::SUCCESS,
            Ok(_) => ExitCode::FAILURE,
            Err(error) => output::fail(&error, error.exit_code()),
        },
        Err(error) => output::fail(&error, 1),
    }
}

/// Runs a swarm and prints its report. Ctrl-C ends it early; the report still appears.
///
/// # Errors
/// If no track can be read, or the server cannot be reached at all. Peers that could not connect or
/// were lost are in the report ([`Report::is_clean`]).
async fn run(args: Args) -> Result<Report, SwarmError> {
    let tracks = read_tracks(&args.gpx)?;
    let trust = if args.insecure { Trust::Insecure } else { Trust::Public };
    let server = Arc::new(Connector::new(&args.url, trust).await?);
    let plan = plan(&args, tracks, &server);
    let crowd = Crowd::new(plan, &args);
    let (stop, stopped) = watch::channel(false);
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut early = false;
    let mut walking = JoinSet::new();
    let bar = progress(&args, u64::from(args.people), "{pos}/{len} people connected");
    tokio::select! {
        () = gather(&server, &crowd, &stopped, &mut walking, &bar) => {}
        _ = &mut interrupted => early = true,
    }
    bar.finish_and_clear();
    let (started, before) = (Instant::now(), crowd.traffic());
    crowd.stage.tallies.measuring.store(true, Ordering::Relaxed);
    let (over, is_over) = watch::channel(args.churn == 0);
    let visiting = visits::run(Arc::clone(&server), Arc::clone(&crowd), stopped);
    let visiting = tokio::spawn(visiting);
    // With visitors the audit runs all the time, otherwise at the end.
    let looking = (args.churn > 0).then(|| {
        let (crowd, is_over) = (Arc::clone(&crowd), is_over.clone());
        tokio::spawn(async move { audit::watch(&crowd, &is_over).await })
    });
    if !early {
        tokio::select! {
            () = show_time(&args, &crowd.stage.tallies) => {}
            _ = &mut interrupted => {}
        }
    }
    crowd.stage.tallies.measuring.store(false, Ordering::Relaxed);
    let (seconds, after) = (started.elapsed().as_secs_f64(), crowd.traffic());
    over.send_replace(true);
    let audit = match looking {
        Some(looking) => looking.await.unwrap_or_default(),
        None => audit::watch(&crowd, &is_over).await,
    };
    for _ in crowd.people().iter().filter(|person| person.is_cut_off()) {
        crowd.stage.note_gone("no link at the end".to_owned());
    }
    let disconnected = crowd.stage.disconnected();
    stop.send_replace(true);
    // A visit that panicked has printed its panic.
    let _ = visiting.await;
    while walking.join_next().await.is_some() {}
    crowd.leave().await;
    let report = Report::new(&crowd, seconds, (&before, &after), &audit, disconnected);
    let text = if args.json { report.json() } else { report.text() };
    // With standard output closed there is no reader.
    let _ = terminal::say(&mut std::io::stdout().lock(), &text);
    Ok(report)
}

/// Reads the readable tracks, and prints what was left out of each.
fn read_tracks(files: &[PathBuf]) -> Result<Vec<Track>, SwarmError> {
    let say = |words: &dyn Display| drop(terminal::say(&mut std::io::stderr(), words));
    let (mut tracks, mut failed) = (Vec::new(), Vec::new());
    for file in files {
        match Track::read(file) {
            Ok(track) => {
                if !track.notes.is_empty() {
                    let name = terminal::file(file);
                    say(&format_args!("{name}: {}", track.notes));
                }
                tracks.push(track);
            }
            Err(error) => failed.push(error),
        }
    }
    if tracks.is_empty() && !failed.is_empty() {
        return Err(SwarmError::Gpx(failed));
    }
    for error in failed {
        say(&format_args!("left out: {error}"));
    }
    Ok(tracks)
}

fn plan(args: &Args, tracks: Vec<Track>, server: &Connector) -> Plan {
    if !tracks.is_empty() {
        return Plan::follow(tracks);
    }
    let venue = server.config().venue.as_ref().map(|venue| (venue.lat, venue.lng));
    let (lat, lng) = venue.unwrap_or(NOWHERE);
    let venue = Position::from_degrees(lat, lng).unwrap_or_default();
    Plan::Stroll { centre: args.around.unwrap_or(venue) }
}

/// Connects all peers, at a steady pace.
async fn gather(
    server: &Connector,
    crowd: &Arc<Crowd>,
    stopped: &watch::Receiver<bool>,
    walking: &mut JoinSet<()>,
    bar: &ProgressBar,
) {
    let door = Semaphore::new(AT_THE_DOOR);
    let start = Instant::now();
    let arrivals = (0..crowd.stage.size).map(|index| {
        let door = &door;
        async move {
            let turn = start + Duration::from_secs_f64(index as f64 / DOOR_HZ);
            tokio::time::sleep_until(turn).await;
            let _pass = door.acquire().await;
            let transport = crowd.stage.transport(index);
            let person = Person::join(server, &crowd.stage, index, transport, None).await;
            bar.inc(1);
            (index, person)
        }
    });
    let mut arrivals: futures_util::stream::FuturesUnordered<_> = arrivals.collect();
    while let Some((index, person)) = futures_util::StreamExt::next(&mut arrivals).await {
        match person {
            Ok(person) => {
                let person = Arc::new(person);
                crowd.enter(Arc::clone(&person));
                walking.spawn(person.walk(Arc::clone(&crowd.stage), stopped.clone()));
            }
            Err(error) => crowd.stage.turn_away(index, &error),
        }
    }
}

/// Waits for the measured time, with a progress bar.
async fn show_time(args: &Args, tallies: &Tallies) {
    let seconds = args.time.as_secs_f64();
    let bar = progress(args, args.time.as_secs(), "{pos}/{len} s  {msg}");
    let start = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    while start.elapsed() < args.time {
        let left = args.time.saturating_sub(start.elapsed());
        tokio::select! {
            _ = tick.tick() => {}
            () = tokio::time::sleep(left) => {}
        }
        bar.set_position(start.elapsed().as_secs_f64().min(seconds) as u64);
        if !bar.is_hidden() {
            bar.set_message(tallies.glance());
        }
    }
    bar.finish_and_clear();
}

/// A progress bar on standard error; hidden with `--json`.
fn progress(args: &Args, length: u64, template: &str) -> ProgressBar {
    if args.json {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(&format!("{{bar:40}} {template}"));
    let bar = ProgressBar::new(length);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_file_does_not_stop_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let good = file("good.gpx", "<gpx><wpt lat='1' lon='1'/><wpt lat='2' lon='1'/></gpx>");
        let bad = file("bad.gpx", "<html/>");
        let missing = dir.path().join("missing.gpx");
        let tracks = read_tracks(&[bad.clone(), good, missing.clone()]).unwrap();
        assert_eq!(tracks.len(), 1);
        let error = read_tracks(&[bad, missing]).unwrap_err();
        let words = error.to_string();
        assert!(words.contains("bad.gpx: this is not GPX but a web page"), "{words}");
        assert!(words.contains("; ") && words.contains("missing.gpx: cannot be read"), "{words}");
        assert_eq!(error.exit_code(), 2);
    }
}
