//! What was measured, as it is written to JSON and told in tables and plots.

use serde::{Deserialize, Serialize};

/// A whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Which machine.
    pub machine: Machine,
    /// When the run began, as in RFC 3339.
    pub began: String,
    /// Whether it was the short run, whose figures are only a smoke test.
    pub quick: bool,
    /// What the path's losses were drawn from.
    pub seed: u64,
    /// Every system in every scenario.
    pub rows: Vec<Row>,
    /// How many people a server of one core carries.
    pub capacity: Vec<Step>,
    /// What the figures are held against.
    pub bars: Vec<Bar>,
    /// What a reader must know, a sentence or two each: what did not run and why, what was late.
    pub notes: Vec<String>,
}

/// The machine of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Its cores.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: String,
}

/// One system in one scenario; all rounds together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Which scenario; those of one are compared.
    pub scenario: String,
    /// What the path did, in words.
    pub path: String,
    /// What carried the poses, such as "WebTransport".
    pub system: String,
    /// Who received them: "native" or "Chromium".
    pub client: String,
    /// People in the room, all in view of all.
    pub people: u32,
    /// Samples a second that each of them took.
    pub hz: u32,
    /// For how long it was measured, in s, in how many rounds.
    pub seconds: f64,
    /// Rounds, interleaved with those of the other systems.
    pub rounds: u32,
    /// Age of information of each sample as it arrives.
    pub message_age_ms: Percentiles,
    /// Age of the newest known sample of everybody, at evenly spaced moments.
    pub picture_age_ms: Percentiles,
    /// Share of those moments at which it was more than 100 ms.
    pub stale_share: f64,
    /// The 99th percentile of the picture's age in each round, in ms.
    pub round_p99_ms: Vec<f64>,
    /// From the dial to the first frame with somebody in it, in ms.
    pub join_ms: Option<Percentiles>,
    /// IP bytes a second to one client, headers and repetitions and all; `None` without a path.
    pub down_bytes_per_second: Option<f64>,
    /// IP bytes a second from one client.
    pub up_bytes_per_second: Option<f64>,
    /// The server's processor time for each sample that somebody received, in us.
    pub server_us_per_update: Option<f64>,
    /// The picture's age as a distribution: (age in ms, share of moments at which it was more).
    pub tail: Vec<(f64, f64)>,
    /// The picture's age over time: (s since the round began, median in ms, highest in ms), where
    /// a scenario changes the path.
    pub timeline: Vec<(f64, f64, f64)>,
}

/// Percentiles, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many values.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// Nine of ten are at most this.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// All.
    pub max: f64,
}

/// One load of one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// What carried the poses.
    pub system: String,
    /// People in the room, all in view of all, at 10 Hz.
    pub people: u32,
    /// 99th percentile of the age of a sample as it arrives, in ms.
    pub age_p99_ms: f64,
    /// Share of one core that the server took.
    pub server_share: f64,
    /// Share of one core that the load took; over 0.8 it is the load that is measured.
    pub load_share: f64,
    /// Share of all samples that everybody got, each or a newer one within a refresh.
    pub received_share: f64,
    /// Whether the server carried it.
    pub carried: bool,
}

/// A figure and what it is held against.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bar {
    /// What is compared.
    pub what: String,
    /// The median of the rounds.
    pub value: f64,
    /// The lowest of the rounds.
    pub low: f64,
    /// The highest of the rounds.
    pub high: f64,
    /// The bar.
    pub bar: f64,
    /// Whether the value should be at least the bar, not at most.
    pub at_least: bool,
    /// Of all three: "x", "ms" or "s".
    pub unit: String,
}

impl Bar {
    /// Whether it is met.
    pub fn is_met(&self) -> bool {
        if self.at_least { self.value >= self.bar } else { self.value <= self.bar }
    }
}
