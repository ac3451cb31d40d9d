//! Runs scenarios, with their systems taking turns, and aggregates the outcomes.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use gpys::client::Transport;
use gpys::path::{Bandwidth, PathSettings, Queue};
use tokio::runtime::Runtime;

use crate::attend::Entrance;
use crate::place::Place;
use crate::results::{Bar, Row};
use crate::scenarios::{self, Scenario, System, lossy};
use crate::servers::{Certificates, Server};
use crate::trial::{self, Outcome, Plan, Stage};

/// Ports, one for each kind of server.
const PORT: u16 = 4433;
const STOCK_PORT: u16 = 4434;
/// The queue of the narrow link, as in a well-configured home router: what it sends in 200 ms, but
/// at least ten full packets.
const QUEUE_TIME: f64 = 0.2;
const QUEUE_BYTES: u64 = 15_000;
/// How long the narrow link's demand is measured.
const DEMAND: Duration = Duration::from_secs(3);

/// The environment of all scenarios.
pub struct Ground {
    pub place: Arc<Place>,
    pub behind: Arc<Runtime>,
    pub beside: Arc<Runtime>,
    pub certificates: Certificates,
}

/// All rounds of one scenario, by system.
pub struct Played {
    pub scenario: Scenario,
    pub outcomes: Vec<Vec<Outcome>>,
}

impl Ground {
    pub fn new(place: Place) -> Result<Self> {
        let behind = Arc::new(place.client_runtime(2)?);
        let beside = Arc::new(place.server_runtime(1)?);
        let certificates = Certificates::new(place.server_address())?;
        Ok(Self { place: Arc::new(place), behind, beside, certificates })
    }

    /// How late the machine delivered packets, if late enough to matter.
    pub fn lateness(&self) -> Option<String> {
        let ms = self.place.latest()?.as_secs_f64() * 1e3;
        (ms > 1.0).then(|| {
            format!(
                "The path handed out packets up to {ms:.1} ms late, because the machine was busy."
            )
        })
    }

    /// The entrance to a running server. It is made over an unimpaired path.
    pub fn entrance(&self, system: System, server: &Server) -> Result<Entrance> {
        self.place.set(PathSettings::default());
        let address = server.address;
        match system {
            System::Gpys(transport) | System::Stock(transport) => {
                let url = format!("https://{address}");
                let tls = self.certificates.connector();
                let made = async move { Entrance::gpys(&url, transport, tls).await };
                self.behind.block_on(self.behind.spawn(made))?
            }
            System::Peer(peer) => {
                Ok(Entrance::Peer { peer, address, tls: self.certificates.connector() })
            }
        }
    }

    /// Runs all rounds of a scenario, calling `report` before each trial.
    pub fn play(&self, scenario: &Scenario, mut report: impl FnMut(&str)) -> Result<Played> {
        let tick_hz = scenario.plan.hz.max(30);
        let servers = self.servers(scenario, tick_hz)?;
        let mut plan = scenario.plan.clone();
        if scenario.half {
            report("measuring the demand");
            plan.path = self.halve(scenario, &servers)?;
        }
        let mut outcomes = vec![Vec::new(); scenario.systems.len()];
        for round in 0..scenario.rounds {
            for (&system, outcomes) in scenario.systems.iter().zip(&mut outcomes) {
                report(system.name());
                let stage = self.stage(system, &servers, &format!("r{round}"))?;
                let outcome = trial::run(&stage, &plan)
                    .with_context(|| format!("{}: {} failed", scenario.name, system.name()))?;
                outcomes.push(outcome);
            }
        }
        let mut scenario = scenario.clone();
        scenario.plan = plan;
        Ok(Played { scenario, outcomes })
    }

    fn servers(&self, scenario: &Scenario, tick_hz: u32) -> Result<BTreeMap<u8, Arc<Server>>> {
        let mut servers = BTreeMap::new();
        for &system in &scenario.systems {
            if servers.contains_key(&kind(system)) {
                continue;
            }
            let server = match system {
                System::Gpys(_) => {
                    Server::gpys(&self.place, &self.certificates, PORT, tick_hz, false)?
                }
                System::Stock(_) => Server::stock(&self.place, STOCK_PORT, tick_hz)?,
                System::Peer(peer) => Server::peer(&self.place, peer, &self.certificates, false)?,
            };
            servers.insert(kind(system), Arc::new(server));
        }
        Ok(servers)
    }

    fn stage(
        &self,
        system: System,
        servers: &BTreeMap<u8, Arc<Server>>,
        room: &str,
    ) -> Result<Arc<Stage>> {
        let server = Arc::clone(servers.get(&kind(system)).context("no running server")?);
        let other = match system {
            System::Gpys(Transport::WebTransport) => Some(Transport::WebSocket),
            System::Gpys(Transport::WebSocket) => Some(Transport::WebTransport),
            _ => None,
        };
        let other = other.map(|other| self.entrance(System::Gpys(other), &server)).transpose()?;
        let entrance = self.entrance(system, &server)?;
        let beside = self.beside_entrance(system, &server)?;
        // Each system has its own rooms, so a round meets none of the previous round's peers.
        let room = format!("{room}-{}", kind(system) + u8::from(is_websocket(system)) * 100);
        Ok(Arc::new(Stage {
            place: Arc::clone(&self.place),
            behind: Arc::clone(&self.behind),
            beside: Arc::clone(&self.beside),
            server,
            entrance,
            beside_entrance: beside,
            other,
            room,
        }))
    }

    /// The entrance for peers at the server's end: WebTransport, as what they receive is not
    /// measured.
    fn beside_entrance(&self, system: System, server: &Server) -> Result<Entrance> {
        let (System::Gpys(_) | System::Stock(_)) = system else {
            return self.entrance(system, server);
        };
        let (url, tls) = (format!("https://{}", server.address), self.certificates.connector());
        let made = async move { Entrance::gpys(&url, Transport::WebTransport, tls).await };
        self.beside.block_on(self.beside.spawn(made))?
    }

    /// A path of half the rate that GPyS needs over WebTransport.
    fn halve(
        &self,
        scenario: &Scenario,
        servers: &BTreeMap<u8, Arc<Server>>,
    ) -> Result<PathSettings> {
        let system = System::Gpys(Transport::WebTransport);
        let stage = self.stage(system, servers, "demand")?;
        let plan = Plan { time: DEMAND, script: Vec::new(), ..scenario.plan.clone() };
        let outcome = trial::run(&stage, &plan)?;
        let [_, down] = outcome.bytes.context("a narrow link needs an emulated path")?;
        let bits_per_second = (down as f64 * 8.0 / outcome.seconds / 2.0) as u64;
        let bits_per_second = NonZeroU64::new(bits_per_second).context("nothing was sent")?;
        let in_time = (bits_per_second.get() as f64 / 8.0 * QUEUE_TIME) as u64;
        let queue = Queue::Bytes(in_time.max(QUEUE_BYTES));
        let rate = Some(Bandwidth { bits_per_second, queue });
        Ok(PathSettings { rate, ..scenario.plan.path })
    }
}

/// The port index of a system's server.
fn kind(system: System) -> u8 {
    match system {
        System::Gpys(_) => 0,
        System::Stock(_) => 1,
        System::Peer(peer) => 2 + peer as u8,
    }
}

fn is_websocket(system: System) -> bool {
    matches!(system, System::Gpys(Transport::WebSocket) | System::Stock(Transport::WebSocket))
}

impl Played {
    /// A row for each system.
    pub fn rows(&self) -> Vec<Row> {
        let Self { scenario, outcomes } = self;
        scenario
            .systems
            .iter()
            .zip(outcomes)
            .map(|(&system, all)| row(scenario, system, all))
            .collect()
    }

    /// Notes for the reader of this scenario.
    pub fn notes(&self) -> Vec<String> {
        let systems = self.scenario.systems.iter().zip(&self.outcomes);
        let lost = systems.filter_map(|(system, outcomes)| {
            let lost: usize = outcomes.iter().map(|outcome| outcome.lost).sum();
            let (scenario, system) = (&self.scenario.name, system.name());
            (lost > 0).then(|| format!("{scenario}: {lost} links were lost over {system}."))
        });
        lost.collect()
    }

    fn of(&self, system: System) -> Option<&[Outcome]> {
        let at = self.scenario.systems.iter().position(|&other| other == system)?;
        Some(&self.outcomes[at])
    }

    /// The ratio of `figure` between two systems, round by round.
    fn ratios(&self, over: System, under: System, figure: fn(&Outcome) -> f64) -> Vec<f64> {
        let (Some(over), Some(under)) = (self.of(over), self.of(under)) else { return Vec::new() };
        over.iter().zip(under).map(|(over, under)| figure(over) / figure(under)).collect()
    }

    /// This scenario's bars.
    pub fn bars(&self) -> Vec<Bar> {
        let [wt, ws] = scenarios::OURS;
        let stock = System::Stock;
        let message = |outcome: &Outcome| outcome.messages.quantile_ms(0.99);
        let picture = |outcome: &Outcome| outcome.picture.ages.quantile_ms(0.99);
        let median = |outcome: &Outcome| outcome.messages.quantile_ms(0.5);
        let name = self.scenario.name.as_str();
        let mut bars = Vec::new();
        let mut ratio = |what: &str, values: Vec<f64>, least: Option<f64>, most: Option<f64>| {
            bars.extend(bar(format!("{name}: {what}"), &values, least, most, "x"));
        };
        if name == scenarios::CLEAN {
            ratio(
                "age p50, WebTransport / WebSocket",
                self.ratios(wt, ws, median),
                None,
                Some(1.1),
            );
        }
        for (percent, least) in [(1, 2.0), (2, 3.0), (5, 5.0)] {
            if name == lossy(percent) {
                let least = Some(least);
                let what = "age p99, WebSocket / WebTransport";
                ratio(&format!("picture {what}"), self.ratios(ws, wt, picture), least, None);
                ratio(&format!("message {what}"), self.ratios(ws, wt, message), least, None);
            }
        }
        if name == scenarios::HALF {
            let quinn = self.ratios(stock(Transport::WebTransport), wt, picture);
            ratio("picture age p99, quinn's buffers / ours", quinn, Some(50.0), None);
            let queue = self.ratios(stock(Transport::WebSocket), wt, picture);
            ratio("picture age p99, unbounded WebSocket queue / ours", queue, Some(10.0), None);
        }
        if name == scenarios::CROWDED {
            let peer = System::Peer(crate::peers::Peer::SocketIo);
            ratio(
                "message age p99, Socket.IO / WebTransport",
                self.ratios(peer, wt, message),
                Some(3.0),
                None,
            );
        }
        if name == lossy(5) {
            bars.extend(self.reach(wt, picture));
        }
        for (scenario, most) in [
            (scenarios::BLACKOUT, 1_500.0),
            (scenarios::REBIND, 1_500.0),
            (scenarios::SWITCH, 1_500.0),
        ] {
            let systems = self.scenario.systems.iter().filter(|_| name == scenario);
            for &system in systems {
                let worst = |o: &Outcome| o.healed.iter().copied().fold(0.0, f64::max);
                let values: Vec<f64> =
                    self.of(system).unwrap_or_default().iter().map(worst).collect();
                let what = format!("{name}, {}: until every picture is right", system.name());
                bars.extend(bar(what, &values, None, Some(most), "ms"));
            }
        }
        bars
    }

    /// The bar for a sample's way over this path: both ways, three sample intervals and a tick.
    fn reach(&self, system: System, figure: fn(&Outcome) -> f64) -> Option<Bar> {
        let Plan { hz, path, .. } = &self.scenario.plan;
        let way = 2.0 * path.delay.as_secs_f64() * 1e3;
        let most = way + 3.0 * 1e3 / f64::from(*hz) + 1e3 / f64::from((*hz).max(30));
        let values: Vec<f64> = self.of(system)?.iter().map(figure).collect();
        let what = format!("{}: picture age p99, WebTransport", self.scenario.name);
        bar(what, &values, None, Some((most * 10.0).round() / 10.0), "ms")
    }
}

/// A bar for the median of some values, if there are any.
pub fn bar(
    what: String,
    values: &[f64],
    least: Option<f64>,
    most: Option<f64>,
    unit: &str,
) -> Option<Bar> {
    let mut values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let (&low, &high) = (values.first()?, values.last()?);
    let value = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
    let bar = least.or(most)?;
    Some(Bar { what, value, low, high, bar, at_least: least.is_some(), unit: unit.into() })
}

fn row(scenario: &Scenario, system: System, outcomes: &[Outcome]) -> Row {
    let Plan { behind, beside, hz, path, .. } = &scenario.plan;
    let mut all = Outcome::default();
    for outcome in outcomes {
        all.messages.add(&outcome.messages);
        all.picture.ages.add(&outcome.picture.ages);
        all.picture.looks += outcome.picture.looks;
        all.picture.stale += outcome.picture.stale;
        all.joins.add(&outcome.joins);
        all.cpu += outcome.cpu;
        all.seconds += outcome.seconds;
        all.bytes = match (all.bytes, outcome.bytes) {
            (Some([up, down]), Some([more_up, more_down])) => {
                Some([up + more_up, down + more_down])
            }
            (None, bytes) => bytes,
            (bytes, None) => bytes,
        };
    }
    let each = |bytes: u64| bytes as f64 / all.seconds / f64::from(*behind);
    let scripted = !scenario.plan.script.is_empty() || scenario.half;
    let first = outcomes.first().filter(|_| scripted);
    Row {
        scenario: scenario.name.clone(),
        path: path.to_string(),
        system: system.name().into(),
        client: "native".into(),
        people: behind + beside,
        hz: *hz,
        seconds: all.seconds,
        rounds: outcomes.len() as u32,
        message_age_ms: all.messages.percentiles(),
        picture_age_ms: all.picture.ages.percentiles(),
        stale_share: all.picture.stale_share(),
        round_p99_ms: outcomes.iter().map(|one| one.picture.ages.quantile_ms(0.99)).collect(),
        join_ms: (all.joins.count() > 0).then(|| all.joins.percentiles()),
        down_bytes_per_second: all.bytes.map(|[_, down]| each(down)),
        up_bytes_per_second: all.bytes.map(|[up, _]| each(up)),
        server_us_per_update: Some(all.cpu.as_secs_f64() * 1e6 / all.messages.count() as f64),
        tail: all.picture.ages.tail(),
        timeline: first.map(|outcome| outcome.picture.timeline.clone()).unwrap_or_default(),
    }
}
