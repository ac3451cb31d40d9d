//! The measurements, as written to JSON and shown in tables and plots.

use serde::{Deserialize, Serialize};

/// Share of a core above which whoever has it may be the limit.
const BUSY: f64 = 0.8;

/// A whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// The machine.
    pub machine: Machine,
    /// When the run started, as in RFC 3339.
    pub began: String,
    /// Whether it was a short run, whose figures are only a smoke test.
    pub quick: bool,
    /// Seed of the first round's losses; each round has the next.
    pub seed: u64,
    /// One row per system and scenario.
    pub rows: Vec<Row>,
    /// How many peers a single-core server carries.
    pub capacity: Vec<Step>,
    /// Figures of one system over those of another.
    #[serde(default)]
    pub ratios: Vec<Ratio>,
    /// Figures held against their bars.
    pub bars: Vec<Bar>,
    /// Notes for the reader, a sentence or two each: what did not run and why, what was late.
    pub notes: Vec<String>,
}

/// The machine of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Number of cores.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: String,
    /// Which congestion control TCP and QUIC ran.
    #[serde(default)]
    pub congestion: String,
}

/// One system in one scenario, over all rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The scenario; its rows are compared.
    pub scenario: String,
    /// A description of the path.
    pub path: String,
    /// What carried the poses, such as "WebTransport".
    pub system: String,
    /// The receiving client: "native" or "Chromium".
    pub client: String,
    /// Number of peers in the room, each in view of all.
    pub people: u32,
    /// How many of them decoded what they received, and so were measured; the others received and
    /// discarded it.
    #[serde(default)]
    pub observers: u32,
    /// Samples per second of each peer.
    pub hz: u32,
    /// Duration of the measurement, in seconds, over all rounds.
    pub seconds: f64,
    /// Number of rounds, interleaved with those of the other systems.
    pub rounds: u32,
    /// Age of each sample when it arrives.
    pub message_age_ms: Percentiles,
    /// Age of the newest known sample of each peer, at evenly spaced moments.
    pub picture_age_ms: Percentiles,
    /// Share of those moments at which it was more than 100 ms.
    pub stale_share: f64,
    /// How many of all samples were known to their receivers in time.
    #[serde(default)]
    pub deadlines: Vec<Deadline>,
    /// The 99th percentile of the picture's age in each round, in ms.
    pub round_p99_ms: Vec<f64>,
    /// From dialling to the first frame with another peer in it, in ms.
    pub join_ms: Option<Percentiles>,
    /// IP bytes per second to one client, including headers and retransmissions; `None` without a
    /// path.
    pub down_bytes_per_second: Option<f64>,
    /// IP bytes per second from one client.
    pub up_bytes_per_second: Option<f64>,
    /// IP packets per second to one client.
    #[serde(default)]
    pub down_packets_per_second: Option<f64>,
    /// IP packets per second from one client.
    #[serde(default)]
    pub up_packets_per_second: Option<f64>,
    /// How late the path was, which the machine causes: (bound in ms, share of packets later).
    #[serde(default)]
    pub path_late: Vec<(f64, f64)>,
    /// Number of rounds that were measured again because the path was late.
    #[serde(default)]
    pub void: u32,
    /// The server's processor time for each sample received by a client, in us.
    pub server_us_per_update: Option<f64>,
    /// Distribution of the picture's age: (age in ms, share of moments at which it was more).
    pub tail: Vec<(f64, f64)>,
    /// The picture's age over time, where a scenario changes the path: (s since the round started,
    /// median in ms, maximum in ms).
    pub timeline: Vec<(f64, f64, f64)>,
}

/// Samples that were known in time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deadline {
    /// The deadline after a sample was taken, in ms.
    pub ms: f64,
    /// Share of all samples taken that had arrived by then at a receiver, from 0 to 1. One that is
    /// lost, or never sent because a newer one took its place, has not.
    pub share: f64,
    /// The same, if a newer sample in its place counts as well.
    pub or_newer_share: f64,
}

/// A figure of one system over that of another, in one scenario.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ratio {
    /// The scenario.
    pub scenario: String,
    /// The figure, such as "message age p99".
    pub figure: String,
    /// The system over the line.
    pub over: String,
    /// The system under it.
    pub under: String,
    /// The ratio over all rounds.
    pub value: f64,
    /// The ends of its 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Percentiles, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Number of values.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// Nine of ten are at most this.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// The maximum.
    pub max: f64,
}

/// One server under one load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// What carried the poses.
    pub system: String,
    /// Number of peers in the room, each in view of all, at 10 Hz.
    pub people: u32,
    /// 99th percentile of the age of a sample when it arrives, in ms.
    pub age_p99_ms: f64,
    /// Share of one core used by the server.
    pub server_share: f64,
    /// Share of one core used by the load; over 0.8, the load itself is the limit.
    pub load_share: f64,
    /// Share of samples received by all peers, each or a newer one within a refresh.
    pub received_share: f64,
    /// Whether the server carried it.
    pub carried: bool,
}

/// A figure and its bar.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bar {
    /// What is measured.
    pub what: String,
    /// The figure over all rounds.
    pub value: f64,
    /// The lower end of its range.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Whether the range is a 95 % interval rather than the lowest and highest round.
    #[serde(default)]
    pub interval: bool,
    /// The bar.
    pub bar: f64,
    /// Whether the bar is a minimum rather than a maximum.
    pub at_least: bool,
    /// The unit of all three: "x", "ms" or "s".
    pub unit: String,
}

impl Step {
    /// Whether the load, not the server, may be why this was not carried.
    pub fn load_is_the_limit(&self) -> bool {
        !self.carried && self.load_share > BUSY
    }

    /// Whether this was not carried although both cores had time: something else was the limit,
    /// such as other programs.
    pub fn nobody_is_the_limit(&self) -> bool {
        !self.carried && self.load_share <= BUSY && self.server_share <= BUSY
    }
}

impl Bar {
    /// Whether the bar is met.
    pub fn is_met(&self) -> bool {
        if self.at_least { self.value >= self.bar } else { self.value <= self.bar }
    }
}
