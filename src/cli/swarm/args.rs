//! What a swarm is told on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::cli::parse;
use gpys_client::Transport;
use gpys_proto::geo::Position;

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
    /// How many more people come a minute, and how many of these go. While they are there, some
    /// switch to the other transport, some lose their network and are back in time or too late,
    /// and some never come back.
    #[arg(long, default_value_t = 0, value_name = "PER_MINUTE",
          value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub churn: u32,
    /// The room they join.
    #[arg(long, default_value = "lobby", value_name = "NAME", value_parser = parse::room)]
    pub room: String,
    /// A file with the access token of a room that asks for one; `/dev/stdin` to pipe it in.
    #[arg(long, value_name = "FILE", value_parser = read_access)]
    pub access: Option<String>,
    /// Recorded tracks to follow, over and over: GPX, also compressed with gzip. What cannot be
    /// read of one is left out, and said. Without any, people stroll about.
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
    /// The transport of the person with this index.
    pub(super) const fn transport(self, index: usize) -> Transport {
        match self {
            Self::Wt => Transport::WebTransport,
            Self::Ws => Transport::WebSocket,
            Self::Mix if index.is_multiple_of(2) => Transport::WebTransport,
            Self::Mix => Transport::WebSocket,
        }
    }

    /// Where somebody goes who switches from this transport.
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

/// A token on the command line would be seen by everybody who lists processes.
fn read_access(path: &str) -> Result<String, String> {
    match std::fs::read_to_string(path) {
        // `gpys token --url` prints a link below the token.
        Ok(text) => Ok(text.split_whitespace().next().unwrap_or_default().to_owned()),
        Err(error) => Err(format!("it is the name of a file that holds the token: {error}")),
    }
}

fn parse_place(text: &str) -> Result<Position, String> {
    let numbers = text.split_once(',').map(|(lat, lng)| (lat.trim().parse(), lng.trim().parse()));
    let Some((Ok(lat), Ok(lng))) = numbers else {
        return Err("a place is LAT,LNG in degrees, such as 45.75,14.36".to_owned());
    };
    Position::from_degrees(lat, lng).map_err(|error| error.to_string())
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
            ("--access no.such.token", "no.such.token"),
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
