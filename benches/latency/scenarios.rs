//! The scenarios, each with its systems, and their bars.

use std::num::NonZeroU64;
use std::time::Duration;

use anyhow::{Context as _, Result};
use gpys::client::Transport;
use gpys::path::{Bandwidth, Bursts, PathSettings, Queue, Trace};

use crate::peers::Peer;
use crate::thin::Carrier;
use crate::trial::{self, Happening, Plan};

/// What carries the poses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// GPyS.
    Gpys(Transport),
    /// The same protocol over links that never refuse ([`crate::stock`]).
    Stock(Transport),
    /// The same frames of that server over one carrier or another.
    Carrier(Carrier),
    /// The same frames over a WebRTC data channel ([`crate::webrtc`]).
    WebRtc,
    /// A compared server.
    Peer(Peer),
}

/// Systems that take turns on one path.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: String,
    pub systems: Vec<System>,
    pub plan: Plan,
    pub rounds: u32,
    /// Whether to narrow the path to half of what GPyS needs over WebTransport.
    pub half: bool,
}

impl Scenario {
    /// How long it takes, if no trial is repeated.
    pub fn expected(&self) -> Duration {
        let trial = self.plan.time + AROUND;
        let demand = if self.half { trial::DEMAND + AROUND } else { Duration::ZERO };
        START + demand + trial * self.rounds * self.systems.len() as u32
    }
}

/// GPyS over both transports.
pub const OURS: [System; 2] =
    [System::Gpys(Transport::WebTransport), System::Gpys(Transport::WebSocket)];
/// Number of peers in a room, unless stated otherwise.
const PEOPLE: u32 = 20;
/// The loads of the comparison with other servers: peers, how many of them decode what they
/// receive, and how long a round is measured, in seconds. A room of two has few samples.
const CROWDS: [(u32, u32, u64); 4] = [(2, 2, 8), (20, 20, 4), (90, 16, 3), (200, 16, 3)];
/// Their samples per second.
const CROWD_HZ: [u32; 2] = [10, 60];
/// The rate of a home's line, and the queue of a router or a mobile network that nobody has tuned.
const HOME: NonZeroU64 = NonZeroU64::new(10_000_000).expect("it is not zero");
const LONG_QUEUE: Duration = Duration::from_millis(200);
/// When a mobile link carries packets, up and down; made up by `traces/lte_walk.py`.
const TRACES: [&str; 2] =
    [include_str!("traces/lte-walk.up"), include_str!("traces/lte-walk.down")];
/// How long people join, settle and leave around a trial, about, and servers start before the first.
const AROUND: Duration = Duration::from_millis(2_200);
const START: Duration = Duration::from_millis(500);
/// The path's delay each way.
const DELAY: Duration = Duration::from_millis(25);

pub const CLEAN: &str = "clean network, 60 Hz";
/// How the names of the comparisons with other servers begin.
pub const CLEAN_PATH: &str = "clean path";
pub const WALK: &str = "a made-up walk through LTE";
pub const HALF: &str = "a link at half of the demand";
pub const BLACKOUT: &str = "a blackout of 5 s";
pub const REBIND: &str = "the address changes (NAT rebinding)";
pub const SWITCH: &str = "everybody switches to the other transport";

impl System {
    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gpys(Transport::WebTransport) => "WebTransport",
            Self::Gpys(Transport::WebSocket) => "WebSocket",
            Self::Stock(Transport::WebTransport) => "WebTransport, quinn's buffers",
            Self::Stock(Transport::WebSocket) => "WebSocket, unbounded queue",
            Self::Carrier(carrier) => carrier.name(),
            Self::WebRtc => "a WebRTC data channel",
            Self::Peer(peer) => peer.name(),
        }
    }
}

/// The name of the scenario with this loss, in percent.
pub fn lossy(percent: u32) -> String {
    format!("50 ms round trip, {percent} % loss")
}

fn plan(hz: u32, seconds: u64, path: PathSettings) -> Plan {
    let time = Duration::from_secs(seconds);
    Plan {
        behind: PEOPLE,
        observers: PEOPLE,
        beside: 0,
        hz,
        time,
        path,
        up: None,
        bulk: false,
        script: Vec::new(),
    }
}

/// The path with a delay and nothing else.
pub fn delayed() -> PathSettings {
    PathSettings { delay: DELAY, ..PathSettings::default() }
}

fn scenario(name: impl Into<String>, plan: Plan, rounds: u32) -> Scenario {
    Scenario { name: name.into(), systems: OURS.to_vec(), plan, rounds, half: false }
}

/// The short run: checks that everything works, in under a minute.
pub fn quick() -> Vec<Scenario> {
    let lossy_path = PathSettings { loss: 0.05, ..delayed() };
    vec![
        scenario(CLEAN, plan(60, 4, PathSettings::default()), 1),
        scenario(lossy(5), plan(60, 4, lossy_path), 1),
    ]
}

/// The scenario that needs no emulated path.
pub fn clean() -> Vec<Scenario> {
    vec![scenario(CLEAN, plan(60, 6, PathSettings::default()), 2)]
}

/// The scenarios with the compared servers.
pub fn peers() -> Vec<Scenario> {
    let loads = CROWDS.iter().flat_map(|crowd| CROWD_HZ.map(|hz| (crowd, hz)));
    let crowd = |(&(people, observers, seconds), hz): (&(u32, u32, u64), u32)| {
        let mut plan = plan(hz, seconds, PathSettings::default());
        (plan.behind, plan.observers) = (people, observers);
        let name = format!("{CLEAN_PATH}, {people} people, {hz} Hz");
        let mut scenario = scenario(name, plan, 3);
        scenario.systems.extend([Peer::Ws, Peer::SocketIo].map(System::Peer));
        // One size suffices to see what Node costs.
        scenario.systems.extend((people == 90).then_some(System::Peer(Peer::Axum)));
        scenario
    };
    loads.map(crowd).collect()
}

/// The scenarios on bad networks.
pub fn bad() -> Result<Vec<Scenario>> {
    let mut all: Vec<Scenario> = [(0, 1), (1, 1), (2, 1), (5, 2), (10, 1)]
        .map(|(percent, rounds)| {
            let path = PathSettings { loss: f64::from(percent) / 100.0, ..delayed() };
            scenario(lossy(percent), plan(60, 6, path), rounds)
        })
        .into();
    let bursts = Some(Bursts { share: 0.02, length: 8.0 });
    let bursty = PathSettings { bursts, ..delayed() };
    all.push(scenario("50 ms round trip, bursts of 8, 2 % in all", plan(60, 6, bursty), 1));
    let jitter = Duration::from_millis(10);
    let mobile = PathSettings { jitter, loss: 0.005, ..delayed() };
    all.push(scenario(
        "like 4G: 50 ms round trip, jitter 10 ms, 0.5 % loss",
        plan(60, 6, mobile),
        1,
    ));
    all.push(half());
    all.push(blackout());
    all.push(rebind());
    all.push(switch());
    all.extend(competing());
    all.push(carriers(5));
    all.push(walk()?);
    Ok(all)
}

/// Every round trip, rate and loss, the other rates of a clean network, and the other losses of the
/// carriers.
pub fn grid() -> Vec<Scenario> {
    let clean = |hz| {
        let path = PathSettings::default();
        scenario(format!("clean network, {hz} Hz"), plan(hz, 6, path), 1)
    };
    let mut all: Vec<Scenario> = [30, 10].map(clean).into();
    all.extend([0, 1, 2, 10].map(carriers));
    for round_trip in [20, 50, 100, 200] {
        for hz in [10, 30, 60] {
            for percent in [0, 1, 2, 5, 10] {
                let delay = Duration::from_millis(round_trip / 2);
                let loss = f64::from(percent) / 100.0;
                let path = PathSettings { delay, loss, ..PathSettings::default() };
                let name = format!("{round_trip} ms round trip, {hz} Hz, {percent} % loss");
                all.push(scenario(name, plan(hz, 6, path), 1));
            }
        }
    }
    all
}

/// Beside a download through the same bottleneck, behind a long queue and behind fair ones.
fn competing() -> Vec<Scenario> {
    let queues = [("a queue of 200 ms", Queue::Time(LONG_QUEUE)), ("FQ-CoDel", Queue::FqCodel)];
    let beside = |(name, queue): (&str, Queue)| {
        let rate = Some(Bandwidth { bits_per_second: HOME, trace: None, queue });
        let mut plan = plan(60, 6, PathSettings { rate, ..delayed() });
        plan.bulk = true;
        scenario(format!("beside a TCP download, 10 Mbit/s behind {name}"), plan, 1)
    };
    queues.map(beside).into()
}

/// The same frames over datagrams, streams and a WebSocket: what is it that helps?
fn carriers(percent: u32) -> Scenario {
    let path = PathSettings { loss: f64::from(percent) / 100.0, ..delayed() };
    let name = format!("the same frames over other carriers, {}", lossy(percent));
    let mut scenario = scenario(name, plan(60, 6, path), 1);
    scenario.systems = Carrier::ALL.map(System::Carrier).into();
    scenario
}

/// A device that walks through a mobile network, in a room of many.
fn walk() -> Result<Scenario> {
    let [up, down] = TRACES.map(Trace::parse);
    let queue = Queue::Time(LONG_QUEUE);
    let traced = |trace| Bandwidth::traced(trace, queue);
    let down = traced(down.context("the trace down")?);
    let mut plan = plan(10, 30, PathSettings { rate: Some(down), ..delayed() });
    plan.up = Some(traced(up.context("the trace up")?));
    (plan.behind, plan.observers, plan.beside) = (2, 2, 200);
    Ok(scenario(WALK, plan, 1))
}

fn half() -> Scenario {
    let mut plan = plan(10, 25, delayed());
    (plan.behind, plan.observers, plan.beside) = (2, 2, 200);
    let mut scenario = scenario(HALF, plan, 1);
    scenario
        .systems
        .extend([System::Stock(Transport::WebTransport), System::Stock(Transport::WebSocket)]);
    scenario.half = true;
    scenario
}

fn blackout() -> Scenario {
    let mut plan = plan(30, 12, delayed());
    let seconds = Duration::from_secs;
    plan.script = vec![
        (seconds(2), Happening::Path(PathSettings { blocked: true, ..delayed() })),
        (seconds(7), Happening::Path(delayed())),
        (seconds(7), Happening::Heal),
    ];
    scenario(BLACKOUT, plan, 1)
}

fn rebind() -> Scenario {
    let mut plan = plan(30, 6, delayed());
    let at = Duration::from_secs(2);
    plan.script = vec![(at, Happening::Rebind), (at + DELAY, Happening::Heal)];
    let mut scenario = scenario(REBIND, plan, 1);
    scenario.systems.truncate(1);
    scenario
}

fn switch() -> Scenario {
    let mut plan = plan(30, 6, delayed());
    let at = Duration::from_secs(2);
    plan.script = vec![(at, Happening::Switch), (at, Happening::Heal)];
    scenario(SWITCH, plan, 1)
}
