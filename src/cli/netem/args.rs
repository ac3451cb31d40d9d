//! The command line of `gpys netem`.

use std::time::Duration;

use crate::cli::netem::units;
use gpys_path::{Bandwidth, Bursts, PathSettings, Queue, Trace};

/// Default size of the queue in front of a bottleneck.
const QUEUE: &str = "100ms";

/// The exit code if the path cannot be opened, as in timeout(1).
pub const FAILED: u8 = 125;

/// The end of the subcommand's help.
pub const HELP: &str = "\
COMMAND runs at 10.77.0.1, the far end at 10.77.0.2. They reach no other
network, and no DNS. Needs Linux, and root or user namespaces. Exits with the
code of COMMAND, or with 125 if the path cannot be set up.

Examples:
  gpys netem --delay 25ms --loss 2% --far 'gpys --quiet' -- \\
    gpys swarm https://10.77.0.2:4433 --people 20 --for 10s
  gpys netem --delay 25ms --far 'gpys --quiet' --block-udp -- \\
    gpys swarm https://10.77.0.2:4433 --transport ws --for 5s
  gpys netem --rate 2mbit --queue 100ms --blackout 10s+5s -- sh
  gpys netem --trace lte.up,lte.down --queue fq-codel -- sh";

/// Options of `gpys netem`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// One-way delay of every packet, in each direction: half the round trip.
    #[arg(long, default_value = "0ms", value_name = "TIME", value_parser = units::time)]
    pub delay: Duration,
    /// Mean of an additional, exponentially distributed delay; packets stay in order.
    #[arg(long, default_value = "0ms", value_name = "TIME", value_parser = units::time)]
    pub jitter: Duration,
    /// Share of packets to lose.
    #[arg(long, default_value = "0%", value_name = "SHARE", value_parser = units::share)]
    pub loss: f64,
    /// Lose them in bursts of this mean number of packets instead of one by one.
    #[arg(long, value_name = "PACKETS", requires = "loss", value_parser = units::burst)]
    pub burst: Option<f64>,
    /// Share of packets to hold back for 20 ms, so that later ones overtake.
    #[arg(long, default_value = "0%", value_name = "SHARE", value_parser = units::share)]
    pub reorder: f64,
    /// Share of packets to duplicate.
    #[arg(long, default_value = "0%", value_name = "SHARE", value_parser = units::share)]
    pub duplicate: f64,
    /// Bandwidth in bits of IP packets per second, in each direction.
    #[arg(long, value_name = "RATE", group = "bottleneck", value_parser = units::rate)]
    pub rate: Option<std::num::NonZeroU64>,
    /// Delivery traces in Mahimahi's format, up (from COMMAND) and down: each line of a file is a
    /// time in ms at which 1500 bytes may pass.
    #[arg(long, value_name = "UP,DOWN", group = "bottleneck", value_parser = units::traces)]
    pub trace: Option<[Trace; 2]>,
    /// Queue in front of the bottleneck, as a time or a size, or fq-codel.
    #[arg(long, default_value = QUEUE, value_name = "TIME|SIZE|fq-codel", requires = "bottleneck",
          value_parser = units::queue)]
    pub queue: Queue,
    /// Seed; with the same seed, the n-th packet meets the same fate.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Block UDP.
    #[arg(long)]
    pub block_udp: bool,
    /// Block everything for a while: START+LENGTH, counted from the start of COMMAND.
    #[arg(long, value_name = "TIME+TIME", value_parser = units::blackout)]
    pub blackout: Option<(Duration, Duration)>,
    /// Shell command to run at the far end; COMMAND starts once it listens.
    #[arg(long, value_name = "COMMAND")]
    pub far: Option<String>,
    /// Command to run at the near end, with its arguments.
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub command: Vec<std::ffi::OsString>,
}

impl Args {
    /// The settings of both directions: from the near end, and to it.
    #[must_use]
    pub fn settings(&self) -> [PathSettings; 2] {
        let steady =
            |bits_per_second| Bandwidth { bits_per_second, trace: None, queue: self.queue };
        let rates = match self.trace {
            Some(traces) => traces.map(|trace| Some(Bandwidth::traced(trace, self.queue))),
            None => [self.rate.map(steady); 2],
        };
        rates.map(|rate| PathSettings {
            delay: self.delay,
            jitter: self.jitter,
            loss: if self.burst.is_some() { 0.0 } else { self.loss },
            bursts: self.burst.map(|length| Bursts { share: self.loss, length }),
            reorder: self.reorder,
            duplicate: self.duplicate,
            rate,
            blocked: false,
            udp_blocked: self.block_udp,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::parse;

    fn args(line: &str) -> Result<Args, String> {
        let args = parse::arguments(line.split_whitespace());
        args.map_err(|error| error.to_string())
    }

    #[test]
    fn without_options_a_path_does_nothing() {
        let args = args("-- true").unwrap();
        assert_eq!((args.settings(), args.seed), ([PathSettings::default(); 2], 1));
        assert_eq!((args.command.len(), args.far, args.blackout), (1, None, None));
    }

    #[test]
    fn a_whole_command_line_is_read() {
        let line = "--delay 25ms --jitter 5ms --loss 2% --burst 8 --reorder 1% --duplicate 0.1% \
                    --rate 2.5mbit --queue 100ms --seed 7 --block-udp --blackout 10s+500ms \
                    --far server -- client --loss 3";
        let args = args(line).unwrap();
        let ms = Duration::from_millis;
        let [settings, back] = args.settings();
        assert_eq!(settings, back);
        assert_eq!((settings.delay, settings.jitter, settings.loss), (ms(25), ms(5), 0.0));
        assert_eq!(settings.bursts, Some(Bursts { share: 0.02, length: 8.0 }));
        assert_eq!((settings.reorder, settings.duplicate), (0.01, 0.001));
        let rate = settings.rate.unwrap();
        assert_eq!((rate.bits_per_second.get(), rate.queue), (2_500_000, Queue::Time(ms(100))));
        assert_eq!(rate.queue_len(), 31_250);
        assert!(settings.udp_blocked && !settings.blocked);
        assert_eq!((args.seed, args.far.as_deref()), (7, Some("server")));
        assert_eq!(args.blackout, Some((ms(10_000), ms(500))));
        assert_eq!(args.command, ["client", "--loss", "3"]);
        let words = "delay 25ms, jitter 5ms, 1 % held back, 0.1 % duplicated, 2 % lost in bursts \
                     of 8 packets, 2500 kbit/s behind a queue of 31250 bytes, no UDP";
        assert_eq!(settings.to_string(), words);
    }

    #[test]
    fn a_queue_has_a_time_or_a_size() {
        for (text, queue) in [
            ("64kB", Queue::Bytes(64_000)),
            ("1500B", Queue::Bytes(1_500)),
            ("0.5MB", Queue::Bytes(500_000)),
            ("1s", Queue::Time(Duration::from_secs(1))),
        ] {
            let args = args(&format!("--rate 1gbit --queue {text} -- true")).unwrap();
            assert_eq!(args.queue, queue, "{text}");
        }
    }

    #[test]
    fn traces_are_read_from_files() {
        let dir = tempfile::tempdir().unwrap();
        let [up, down] = ["up", "down"].map(|name| dir.path().join(name).display().to_string());
        fs::write(&up, "5\n10\n").unwrap();
        fs::write(&down, "1\n2\n").unwrap();
        let both = args(&format!("--trace {up},{down} --queue fq-codel -- true")).unwrap();
        let rates = both.settings().map(|settings| settings.rate.unwrap());
        assert_eq!(rates.map(|rate| rate.bits_per_second.get()), [2_400_000, 12_000_000]);
        assert!(rates.iter().all(|rate| rate.trace.is_some() && rate.queue == Queue::FqCodel));
        let words = "delay 0s, a trace of 2400 kbit/s on average behind FQ-CoDel";
        assert_eq!(both.settings()[0].to_string(), words);
        fs::write(&down, "1\nx\n").unwrap();
        let refused = |line: &str| args(line).unwrap_err();
        let error = refused(&format!("--trace {up},{down} -- true"));
        assert!(error.contains("down: line 2 is no whole number of milliseconds"), "{error}");
        assert!(refused(&format!("--trace {up} -- true")).contains("UP,DOWN"));
        assert!(refused(&format!("--trace {up},{up}x -- true")).contains("upx: "));
        assert!(refused(&format!("--trace {up},{up} --rate 1mbit -- true")).contains("cannot be"));
    }

    #[test]
    fn bad_values_are_named() {
        for (option, value) in [
            ("delay", "25"),
            ("delay", "2h"),
            ("jitter", "-1ms"),
            ("loss", "2"),
            ("loss", "101%"),
            ("loss", "NaN%"),
            ("reorder", "-1%"),
            ("rate", "2"),
            ("rate", "0mbit"),
            ("rate", "infmbit"),
            ("rate", "2mbps"),
            ("blackout", "10s"),
            ("seed", "x"),
        ] {
            let error = args(&format!("--{option}={value} -- true")).unwrap_err();
            assert!(error.contains(&format!("'{value}' for '--{option}")), "{error}");
        }
        for line in ["--loss 1% --burst 0 -- true", "--rate 1mbit --queue big -- true"] {
            assert!(args(line).unwrap_err().contains("invalid value"), "{line}");
        }
    }

    #[test]
    fn options_that_do_nothing_alone_are_refused() {
        for line in ["--burst 8 -- true", "--queue 1s -- true", "--delay 1ms"] {
            assert!(args(line).unwrap_err().contains("required"), "{line}");
        }
    }
}
