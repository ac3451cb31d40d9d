//! Runs scenarios, with their systems taking turns, and aggregates the outcomes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Error, Result};
use gpys::client::Transport;
use gpys::path::{Bandwidth, PathSettings, Queue};
use tokio::runtime::Runtime;

use crate::attend::Entrance;
use crate::place::Place;
use crate::scenarios::{Scenario, System};
use crate::servers::{Certificates, Server};
use crate::trial::{self, Outcome, Passed, Plan, Stage};
use crate::webrtc::Clients;

/// Ports, one for each kind of server.
const PORT: u16 = 4433;
const STOCK_PORT: u16 = 4434;
const WEBRTC_PORT: u16 = 4435;
/// The queue of the narrow link, as in a well-configured home router: what it sends in 200 ms, but
/// at least ten full packets.
const QUEUE_TIME: f64 = 0.2;
const QUEUE_BYTES: u64 = 15_000;
/// How often one trial is repeated at most.
const REPEATS: u32 = 2;
/// The least lateness of the path that is reported.
const SHOWN: Duration = Duration::from_micros(100);
/// A trial is void if more than this share of packets came out of the path later than this: the
/// machine was busy, and its figures are the machine's.
const VOID: (Duration, f64) = (Duration::from_millis(2), 0.01);

/// The environment of all scenarios.
pub struct Ground {
    pub place: Arc<Place>,
    pub behind: Arc<Runtime>,
    pub beside: Arc<Runtime>,
    pub certificates: Certificates,
    /// The seed of the first round; each round has the next.
    pub seed: u64,
    /// How long void trials may still be repeated in all.
    repeats: Cell<Duration>,
}

/// All rounds of one scenario, by system.
pub struct Played {
    pub scenario: Scenario,
    pub outcomes: Vec<Vec<Outcome>>,
    /// Number of void trials that were repeated, by system.
    pub void: Vec<u32>,
    /// Why a system could not be measured to the end, by system.
    pub failures: Vec<Option<Error>>,
}

impl Ground {
    pub fn new(place: Place, seed: u64, repeats: Duration) -> Result<Self> {
        let behind = Arc::new(place.client_runtime(2)?);
        let beside = Arc::new(place.server_runtime(1)?);
        let certificates = Certificates::new(place.server_address())?;
        Ok(Self {
            place: Arc::new(place),
            behind,
            beside,
            certificates,
            seed,
            repeats: Cell::new(repeats),
        })
    }

    /// How late the machine delivered packets over the whole run, trials that were void included.
    pub fn lateness(&self) -> Option<String> {
        let [mut all, back] = self.place.counters()?;
        all.lateness.add(&back.lateness);
        let latest = all.latest.max(back.latest).as_secs_f64() * 1e3;
        let shown = |(bound, share): &(Duration, f64)| *bound >= SHOWN && *share > 0.0;
        let shares = all.lateness.later_than().into_iter().filter(shown);
        let shares: Vec<String> = shares
            .map(|(bound, share)| {
                format!("{:.3} % over {} ms", share * 100.0, bound.as_secs_f64() * 1e3)
            })
            .collect();
        Some(format!(
            "How late the path handed out packets, which the machine causes: {}; at most \
             {latest:.1} ms.",
            shares.join(", ")
        ))
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
            System::Carrier(carrier) => {
                let url = format!("https://{address}");
                let tls = self.certificates.connector();
                let made = async move { Entrance::carrier(&url, carrier, tls).await };
                self.behind.block_on(self.behind.spawn(made))?
            }
            System::WebRtc => Ok(Entrance::WebRtc(Clients::start(&self.place, address)?)),
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
        let mut scenario = scenario.clone();
        scenario.plan = plan;
        let systems = scenario.systems.len();
        let mut played = Played {
            outcomes: vec![Vec::new(); systems],
            void: vec![0; systems],
            failures: (0..systems).map(|_| None).collect(),
            scenario,
        };
        for round in 0..played.scenario.rounds {
            for at in 0..systems {
                if played.failures[at].is_none() {
                    report(played.scenario.systems[at].name());
                    self.play_round(&mut played, &servers, at, round);
                }
            }
        }
        Ok(played)
    }

    /// Runs one system's trial of one round, again if it was void.
    fn play_round(
        &self,
        played: &mut Played,
        servers: &BTreeMap<u8, Arc<Server>>,
        at: usize,
        round: u32,
    ) {
        let system = played.scenario.systems[at];
        for again in 0..=REPEATS {
            let tried =
                self.stage(system, servers, &format!("r{round}-{again}")).and_then(|stage| {
                    // Every system of a round meets the same fates.
                    self.place.reseed(self.seed.wrapping_add(round.into()));
                    trial::run(&stage, &played.scenario.plan)
                });
            match tried {
                Ok(outcome)
                    if again < REPEATS
                        && is_void(&outcome)
                        && self.may_repeat(&played.scenario.plan) =>
                {
                    played.void[at] += 1;
                }
                Ok(outcome) => return played.outcomes[at].push(outcome),
                Err(error) => {
                    played.failures[at] = Some(error);
                    return;
                }
            }
        }
    }

    fn may_repeat(&self, plan: &Plan) -> bool {
        let left = self.repeats.get().checked_sub(plan.time);
        self.repeats.set(left.unwrap_or_default());
        left.is_some()
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
                System::Stock(_) | System::Carrier(_) => {
                    Server::stock(&self.place, &self.certificates, STOCK_PORT, tick_hz)?
                }
                System::WebRtc => Server::webrtc(&self.place, WEBRTC_PORT, tick_hz)?,
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
        let beside = match system {
            System::Gpys(_) | System::Stock(_) => self.beside_entrance(&server)?,
            _ => entrance.clone(),
        };
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
    fn beside_entrance(&self, server: &Server) -> Result<Entrance> {
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
        let plan = Plan { time: trial::DEMAND, script: Vec::new(), ..scenario.plan.clone() };
        let outcome = trial::run(&stage, &plan)?;
        let [_, Passed { bytes, .. }] =
            outcome.passed.context("a narrow link needs an emulated path")?;
        let bits_per_second = (bytes as f64 * 8.0 / outcome.seconds / 2.0) as u64;
        let bits_per_second = NonZeroU64::new(bits_per_second).context("nothing was sent")?;
        let in_time = (bits_per_second.get() as f64 / 8.0 * QUEUE_TIME) as u64;
        let queue = Queue::Bytes(in_time.max(QUEUE_BYTES));
        let rate = Some(Bandwidth { bits_per_second, trace: None, queue });
        Ok(PathSettings { rate, ..scenario.plan.path })
    }
}

/// The port index of a system's server.
fn kind(system: System) -> u8 {
    match system {
        System::Gpys(_) => 0,
        System::Stock(_) | System::Carrier(_) => 1,
        System::WebRtc => 2,
        System::Peer(peer) => 3 + peer as u8,
    }
}

fn is_websocket(system: System) -> bool {
    matches!(system, System::Gpys(Transport::WebSocket) | System::Stock(Transport::WebSocket))
}

/// Whether the machine, not the system, may have made these figures.
fn is_void(outcome: &Outcome) -> bool {
    let (bound, share) = VOID;
    outcome.lateness.later_than().iter().any(|late| late.0 == bound && late.1 > share)
}
