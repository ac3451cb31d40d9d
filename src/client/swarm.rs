//! `gpys swarm`: people who walk, in one process, and what they see of each other.
//!
//! Everybody shares and watches at once. What is reported is what any receiver can measure; the
//! module [`report`] says how, and `audit` what lost and doubled mean.

mod audit;
mod people;
pub mod report;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::people::{Crowd, Person, Plan};
use self::report::{Report, Tallies};
use super::gpx::{GpxError, Track};
use super::{ConnectError, Connector, Transport, Trust};
use crate::proto::geo::Position;

/// Links opened a second. A crowd does not come through the door in one instant, and handshakes
/// must not crowd out what is measured.
const DOOR_HZ: f64 = 150.0;
/// Links that are opening at once.
const AT_THE_DOOR: usize = 32;
/// Where people stroll when neither the server nor the command line names a place, in degrees.
const NOWHERE: (f64, f64) = (45.75, 14.36);

/// Makes people walk on a server's map, and reports how well they see each other.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The server, as its page's address.
    #[arg(default_value = "https://localhost:4433")]
    pub url: String,
    /// How many people walk.
    #[arg(long, short = 'n', default_value_t = 20, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub people: u32,
    /// How many poses each sends a second.
    #[arg(long, default_value_t = 10.0, value_name = "HZ", value_parser = parse_rate)]
    pub rate: f64,
    /// What carries the links; a mix is half and half.
    #[arg(long, value_enum, default_value_t = Mix::Mix)]
    pub transport: Mix,
    /// How long they walk once everybody is there, such as 30s or 5m.
    #[arg(long = "for", default_value = "30s", value_name = "TIME", value_parser = parse_time)]
    pub time: Duration,
    /// The room they join.
    #[arg(long, default_value = "lobby", value_name = "NAME", value_parser = parse_room)]
    pub room: String,
    /// Recorded tracks to follow, over and over; without any, people stroll about.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub gpx: Vec<PathBuf>,
    /// How much faster than recorded they go.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR", value_parser = parse_factor)]
    pub speed: f64,
    /// How far behind one another they follow a track, in seconds.
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS", value_parser = parse_factor)]
    pub spacing: f64,
    /// Where people stroll without tracks: LAT,LNG. The venue, if the server has one.
    #[arg(long, value_name = "LAT,LNG", value_parser = parse_place, allow_hyphen_values = true)]
    pub around: Option<Position>,
    /// How far from there, in metres.
    #[arg(long, default_value_t = 150.0, value_name = "METRES", value_parser = parse_factor)]
    pub radius: f64,
    /// Width of what each person sees around itself, in metres; it is twice as high.
    #[arg(long, default_value_t = 300.0, value_name = "METRES", value_parser = parse_factor)]
    pub view: f64,
    /// Bytes of frames each asks for a second; 0 leaves it to the server.
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    pub budget: u32,
    /// The same seed makes the same people walk the same ways.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Print the report as one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Believe any certificate, also of hosts that are not on this network.
    #[arg(long)]
    pub insecure: bool,
}

/// Which transports carry the links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mix {
    /// WebTransport.
    Wt,
    /// WebSocket.
    Ws,
    /// Both, in turn.
    Mix,
}

impl Mix {
    const fn transport(self, index: usize) -> Transport {
        match self {
            Self::Wt => Transport::WebTransport,
            Self::Ws => Transport::WebSocket,
            Self::Mix if index.is_multiple_of(2) => Transport::WebTransport,
            Self::Mix => Transport::WebSocket,
        }
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.1..=120.0).contains(&rate) => Ok(rate),
        _ => Err("a rate is a number from 0.1 to 120 poses a second".to_owned()),
    }
}

fn parse_factor(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(factor) if (0.001..=1e7).contains(&factor) => Ok(factor),
        _ => Err("it is a number above 0, at most 10000000".to_owned()),
    }
}

fn parse_time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time >= Duration::from_secs(1) => Ok(time),
        _ => Err("a time is at least 1s, such as 30s, 5m or 1h30m".to_owned()),
    }
}

fn parse_room(text: &str) -> Result<String, String> {
    if crate::proto::wire::is_room_name(text) {
        return Ok(text.to_owned());
    }
    Err("a room's name is 1 to 64 of a-z, 0-9 and -".to_owned())
}

fn parse_place(text: &str) -> Result<Position, String> {
    let numbers = text.split_once(',').map(|(lat, lng)| (lat.trim().parse(), lng.trim().parse()));
    let Some((Ok(lat), Ok(lng))) = numbers else {
        return Err("a place is LAT,LNG in degrees, such as 45.75,14.36".to_owned());
    };
    Position::from_degrees(lat, lng).map_err(|error| error.to_string())
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum SwarmError {
    /// A track cannot be followed.
    #[error(transparent)]
    Gpx(#[from] GpxError),
    /// The server is not there.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl SwarmError {
    /// The code to exit with: 2 for a bad argument, otherwise 1.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Gpx(_) => 2,
            Self::Connect(_) => 1,
        }
    }
}

/// Runs a swarm and prints its report. Ctrl-C ends it early, with a report all the same.
///
/// # Errors
/// If a track cannot be read, or the server cannot be reached at all. People who could not
/// connect or were lost are in the report ([`Report::is_clean`]).
pub async fn run(args: Args) -> Result<Report, SwarmError> {
    let tracks = read_tracks(&args.gpx)?;
    let trust = if args.insecure { Trust::Insecure } else { Trust::Public };
    let server = Connector::new(&args.url, trust).await?;
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
    crowd.tallies.measuring.store(true, Ordering::Relaxed);
    if !early {
        tokio::select! {
            () = show_time(&args, &crowd.tallies) => {}
            _ = &mut interrupted => {}
        }
    }
    crowd.tallies.measuring.store(false, Ordering::Relaxed);
    let (seconds, after) = (started.elapsed().as_secs_f64(), crowd.traffic());
    let audit = audit::look(&crowd).await;
    let disconnected = crowd.disconnected();
    stop.send_replace(true);
    while walking.join_next().await.is_some() {}
    crowd.leave().await;
    let report = Report::new(&crowd, seconds, (&before, &after), &audit, disconnected);
    let text = if args.json { report.json() } else { report.text() };
    // Nobody reads the report when standard output is closed.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
    Ok(report)
}

fn read_tracks(files: &[PathBuf]) -> Result<Vec<Track>, GpxError> {
    let mut tracks = Vec::new();
    for file in files {
        let track = Track::read(file)?;
        if track.paced {
            let note = "has points without usable times; they are walked at 1.4 m/s";
            let _ = writeln!(std::io::stderr(), "{} {note}", file.display());
        }
        tracks.push(track);
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

/// Lets everybody in, at the door's pace.
async fn gather(
    server: &Connector,
    crowd: &Arc<Crowd>,
    stopped: &watch::Receiver<bool>,
    walking: &mut JoinSet<()>,
    bar: &ProgressBar,
) {
    let door = Semaphore::new(AT_THE_DOOR);
    let start = Instant::now();
    let arrivals = (0..crowd.size).map(|index| {
        let door = &door;
        async move {
            let turn = start + Duration::from_secs_f64(index as f64 / DOOR_HZ);
            tokio::time::sleep_until(turn).await;
            let _pass = door.acquire().await;
            let person = Person::join(server, crowd, index).await;
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
                walking.spawn(person.walk(Arc::clone(crowd), stopped.clone()));
            }
            Err(error) => crowd.turn_away(index, &error),
        }
    }
}

/// Lets the time pass, visibly.
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

/// A bar on standard error; none where nobody looks.
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
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Result<Args, String> {
        let words = ["swarm"].into_iter().chain(line.split_whitespace());
        Cli::try_parse_from(words).map(|cli| cli.args).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_have_sensible_defaults() {
        let args = parse("").unwrap();
        assert_eq!((args.url.as_str(), args.people), ("https://localhost:4433", 20));
        assert_eq!((args.time, args.transport), (Duration::from_secs(30), Mix::Mix));
    }

    #[test]
    fn a_whole_command_line_is_read() {
        let line = "https://x:1 --people 200 --transport wt --for 1m30s --gpx a.gpx b.gpx \
                    --around -45.5,170 --rate 2.5 --room a-1 --json";
        let args = parse(line).unwrap();
        assert_eq!((args.url.as_str(), args.people, args.rate), ("https://x:1", 200, 2.5));
        assert_eq!((args.time, args.transport), (Duration::from_secs(90), Mix::Wt));
        assert_eq!(args.gpx, [PathBuf::from("a.gpx"), PathBuf::from("b.gpx")]);
        assert_eq!(args.around, Position::from_degrees(-45.5, 170.0).ok());
        assert!(args.json);
    }

    #[test]
    fn bad_values_are_named() {
        for (line, value) in [
            ("--for 30", "30"),
            ("--for 0s", "0s"),
            ("--rate fast", "fast"),
            ("--rate NaN", "NaN"),
            ("--people 0", "0"),
            ("--room Lobby", "Lobby"),
            ("--around 91,0", "91,0"),
            ("--view -1", "-1"),
            ("--transport tcp", "tcp"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(&format!("'{value}'")), "{line}: {error}");
        }
    }

    #[test]
    fn a_mix_is_half_and_half() {
        let count = (0..10).filter(|&i| Mix::Mix.transport(i) == Transport::WebSocket).count();
        assert_eq!(count, 5);
    }
}
