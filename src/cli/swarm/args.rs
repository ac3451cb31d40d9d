//! The command line of `gpys swarm`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::cli::parse;
use gpys_client::Transport;
use gpys_proto::geo::Position;

/// Options of `gpys swarm`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// URL of the server's page.
    #[arg(default_value = "https://localhost:4433")]
    pub url: String,
    /// Number of walking peers, 1-20000.
    #[arg(long, short = 'n', default_value_t = 20, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub people: u32,
    /// Poses per second per peer, 0.1-120.
    #[arg(long, default_value_t = 10.0, value_name = "HZ", value_parser = parse_rate)]
    pub rate: f64,
    /// Transport of the links; a mix is half and half.
    #[arg(long, value_enum, default_value_t = Mix::Mix)]
    pub transport: Mix,
    /// Time to walk once all are connected, such as 30s or 5m.
    #[arg(long = "for", default_value = "30s", value_name = "TIME", value_parser = parse_time)]
    pub time: Duration,
    /// Additional peers that come and go per minute, 0-60000. While connected, some switch to the
    /// other transport, some lose their network and return in time or too late, and some never
    /// return.
    #[arg(long, default_value_t = 0, value_name = "PER_MINUTE",
          value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub churn: u32,
    /// Room to join.
    #[arg(long, default_value = "lobby", value_name = "NAME", value_parser = parse::room)]
    pub room: String,
    /// File with the access token, for a room that needs one; `/dev/stdin` to pipe it in.
    #[arg(long, value_name = "FILE", value_parser = read_access)]
    pub access: Option<String>,
    /// GPX tracks to follow in a loop, plain or gzipped; reports what it cannot read. Without any,
    /// peers stroll.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub gpx: Vec<PathBuf>,
    /// Speed relative to the recording.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR", value_parser = parse_factor)]
    pub speed: f64,
    /// Distance between peers on a track, in seconds.
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS", value_parser = parse_factor)]
    pub spacing: f64,
    /// Centre of the stroll without tracks, in degrees [default: the server's venue].
    #[arg(long, value_name = "LAT,LNG", value_parser = parse_place, allow_hyphen_values = true)]
    pub around: Option<Position>,
    /// Radius of the stroll, in metres.
    #[arg(long, default_value_t = 150.0, value_name = "METRES", value_parser = parse_factor)]
    pub radius: f64,
    /// Width of each peer's viewport, in metres; the height is twice that.
    #[arg(long, default_value_t = 300.0, value_name = "METRES", value_parser = parse_factor)]
    pub view: f64,
    /// Bytes of frames per second per peer; 0 for the server's default.
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    pub budget: u32,
    /// Seed; the same seed makes the same peers walk the same ways.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Print the report as one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Accept any certificate, even from hosts outside this network.
    #[arg(long)]
    pub insecure: bool,
}

/// The transports that carry the links.
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
    /// The transport of the person with this index.
    pub(super) const fn transport(self, index: usize) -> Transport {
        match self {
            Self::Wt => Transport::WebTransport,
            Self::Ws => Transport::WebSocket,
            Self::Mix if index.is_multiple_of(2) => Transport::WebTransport,
            Self::Mix => Transport::WebSocket,
        }
    }

    /// The transport that a peer switches to from this one.
    pub(super) const fn other(self, transport: Transport) -> Transport {
        match (self, transport) {
            (Self::Mix, Transport::WebTransport) => Transport::WebSocket,
            (Self::Mix, Transport::WebSocket) => Transport::WebTransport,
            (Self::Wt | Self::Ws, same) => same,
        }
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    parse::number(text, &(0.1..=120.0), "a rate is 0.1 to 120 poses a second")
}

fn parse_factor(text: &str) -> Result<f64, String> {
    parse::number(text, &(0.001..=1e7), "expected a number from 0.001 to 10000000")
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(1)..=Duration::MAX;
    parse::time(text, &range, "a time is at least 1s, such as 30s, 5m or 1h30m")
}

/// Reads the token from a file: on the command line, any local user could see it.
fn read_access(path: &str) -> Result<String, String> {
    match std::fs::read_to_string(path) {
        // `gpys token --url` prints a link below the token.
        Ok(text) => Ok(text.split_whitespace().next().unwrap_or_default().to_owned()),
        Err(error) => Err(format!("cannot read the file with the token: {error}")),
    }
}

fn parse_place(text: &str) -> Result<Position, String> {
    let numbers = text.split_once(',').map(|(lat, lng)| (lat.trim().parse(), lng.trim().parse()));
    let Some((Ok(lat), Ok(lng))) = numbers else {
        return Err("expected LAT,LNG in degrees, such as 45.75,14.36".to_owned());
    };
    Position::from_degrees(lat, lng).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Result<Args, String> {
        let args = parse::arguments(line.split_whitespace());
        args.map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_have_sensible_defaults() {
        let args = args("").unwrap();
        assert_eq!((args.url.as_str(), args.people), ("https://localhost:4433", 20));
        assert_eq!((args.time, args.transport), (Duration::from_secs(30), Mix::Mix));
    }

    #[test]
    fn a_whole_command_line_is_read() {
        let line = "https://x:1 --people 200 --transport wt --for 1m30s --gpx a.gpx b.gpx \
                    --around -45.5,170 --rate 2.5 --room a-1 --json";
        let args = args(line).unwrap();
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
            ("--access no.such.token", "no.such.token"),
        ] {
            let error = args(line).unwrap_err();
            assert!(error.contains(&format!("'{value}'")), "{line}: {error}");
        }
    }

    #[test]
    fn a_mix_is_half_and_half() {
        let count = (0..10).filter(|&i| Mix::Mix.transport(i) == Transport::WebSocket).count();
        assert_eq!(count, 5);
    }
}
