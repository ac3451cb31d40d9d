//! How many peers a single-core server carries: each in view of all at 10 Hz, every peer sending,
//! and the newest pose of every peer reaching all. The server has one core, the load the other.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use gpys::client::Transport;
use nix::unistd::Pid;

use crate::attend::{Attendee, Entrance, Manners, PATIENCE};
use crate::board::Board;
use crate::judge::bar;
use crate::peers::Peer;
use crate::place::Place;
use crate::results::Step;
use crate::scenarios::System;
use crate::servers::{Certificates, Server, cpu_time, pin};

/// Samples per second of each peer.
const HZ: u32 = 10;
/// Number of peers that decode what arrives; the others discard it.
const SEEING: u32 = 12;
/// The maximum age p99 at which a server still carries its peers, in ms.
const CARRIED_MS: f64 = 100.0;
/// The age above which a sample counts as missing from a picture, in us.
const FRESH_US: u64 = 1_100_000;
/// How long a load settles, and how long it is measured.
const SETTLE: Duration = Duration::from_secs(2);
const TIME: Duration = Duration::from_secs(5);
/// Number of concurrent dials.
const DOOR: usize = 8;
/// The growth from each number of peers to the next.
const GROWTH: f64 = 1.4;
/// The growth below which the search ends.
const FINE: f64 = 1.08;
const PORT: u16 = 4436;

/// How long all loads of a search take together, about.
pub const SEARCH: Duration = Duration::from_secs(600);

/// Where the search starts for each system: at about a quarter of its core.
const BEGIN: [(System, u32); 6] = [
    (System::Gpys(Transport::WebTransport), 150),
    (System::Gpys(Transport::WebSocket), 150),
    (System::Peer(Peer::Ws), 40),
    (System::Peer(Peer::Axum), 60),
    (System::Peer(Peer::SockJs), 30),
    (System::Peer(Peer::SocketIo), 30),
];

/// The systems compared at a load of about Socket.IO's capacity.
const COMPARED: [System; 2] = [System::Peer(Peer::SocketIo), System::Gpys(Transport::WebTransport)];
const CROWD: u32 = 90;

/// Searches for the capacity of every system: upwards until it fails, then in between.
///
/// # Errors
/// If a load cannot be run; what was measured before is in `steps`.
pub fn search(
    certificates: &Certificates,
    steps: &mut Vec<Step>,
    mut report: impl FnMut(&str),
) -> Result<()> {
    for system in COMPARED {
        report(&format!("{} with {CROWD} people", system.name()));
        steps.push(on_a_core(certificates, system, CROWD)?);
    }
    for (system, begin) in BEGIN {
        let (mut best, mut worst, mut people) = (0, u32::MAX, begin);
        loop {
            report(&format!("{} with {people} people", system.name()));
            // Failing to admit every peer is also a result, once some were admitted.
            let step = match on_a_core(certificates, system, people) {
                Err(_) if best > 0 => Step {
                    system: system.name().into(),
                    people,
                    age_p99_ms: PATIENCE.as_secs_f64() * 1e3,
                    server_share: 1.0,
                    load_share: 0.0,
                    received_share: 0.0,
                    carried: false,
                },
                step => step.with_context(|| format!("{} with {people} people", system.name()))?,
            };
            if step.carried {
                best = people
            } else {
                worst = people
            }
            steps.push(step);
            people = match (best, worst) {
                (0, worst) => worst * 2 / 3,
                (best, u32::MAX) => (f64::from(best) * GROWTH) as u32,
                (best, worst) if f64::from(worst) / f64::from(best) > FINE => (best + worst) / 2,
                _ => break,
            };
            if !(4..=crate::track::PEOPLE).contains(&people) {
                break;
            }
        }
    }
    Ok(())
}

/// The largest number of peers that a system carried.
pub fn carried(steps: &[Step], system: System) -> u32 {
    let of = steps.iter().filter(|step| step.system == system.name() && step.carried);
    of.map(|step| step.people).max().unwrap_or(0)
}

/// The smallest load that a system did not carry.
fn first_not_carried(steps: &[Step], system: System) -> Option<&Step> {
    let of = steps.iter().filter(|step| step.system == system.name() && !step.carried);
    of.min_by_key(|step| step.people)
}

/// What the reader has to know of the load.
pub fn notes(steps: &[Step]) -> Vec<String> {
    let limited = BEGIN.iter().filter_map(|(system, _)| {
        let step = first_not_carried(steps, *system).filter(|step| step.load_is_the_limit())?;
        Some(format!(
            "Capacity of {}: with {} people the load took {:.0} % of its core and the server {:.0} % \
             of its own, so the load was the limit, and the server may carry more.",
            step.system,
            step.people,
            100.0 * step.load_share,
            100.0 * step.server_share
        ))
    });
    let load = format!(
        "The load of the capacities: {SEEING} people decode what they receive and are measured; the \
         others receive, decrypt and acknowledge it, and discard it."
    );
    limited.chain([load]).collect()
}

/// The bars of capacity.
pub fn judge(steps: &[Step]) -> Vec<crate::results::Bar> {
    let best = Peer::ALL.map(|peer| carried(steps, System::Peer(peer))).into_iter().max();
    let ours = carried(steps, System::Gpys(Transport::WebTransport));
    let ratio = f64::from(ours) / f64::from(best.unwrap_or(0));
    let first = first_not_carried(steps, System::Gpys(Transport::WebTransport));
    let limit =
        if first.is_some_and(Step::load_is_the_limit) { " (as far as the load)" } else { "" };
    let what = format!("capacity, WebTransport{limit} / the best of the compared servers");
    let capacity = bar(what, &[ratio], Some(8.0), None, "x");
    let ws = f64::from(ours) / f64::from(carried(steps, System::Peer(Peer::Ws)));
    let ws = bar(format!("capacity, WebTransport{limit} / ws"), &[ws], Some(3.0), None, "x");
    let [theirs, ours] = COMPARED.map(|system| {
        let step = steps.iter().find(|s| s.people == CROWD && s.system == system.name());
        step.map_or(f64::NAN, |step| step.age_p99_ms)
    });
    let what = "90 people at 10 Hz, server on one core: message age p99, WebTransport / Socket.IO";
    let ages = bar(what.into(), &[ours / theirs], None, Some(0.6), "x");
    capacity.into_iter().chain(ws).chain(ages).collect()
}

/// Runs one load on a thread pinned to the second core, with all that it starts.
fn on_a_core(certificates: &Certificates, system: System, people: u32) -> Result<Step> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let server = match system {
                System::Peer(peer) => Server::peer(&Place::Loopback, peer, certificates, true)?,
                _ => Server::gpys(&Place::Loopback, certificates, PORT, 30, true)?,
            };
            pin(None, 1)?;
            let runtime = Place::Loopback.client_runtime(1)?;
            runtime.block_on(load(certificates, &server, system, people))
        });
        thread.join().map_err(|_| anyhow!("the load's thread panicked"))?
    })
}

async fn load(
    certificates: &Certificates,
    server: &Server,
    system: System,
    people: u32,
) -> Result<Step> {
    let (address, tls) = (server.address, certificates.connector());
    let entrance = match system {
        System::Gpys(transport) | System::Stock(transport) => {
            Entrance::gpys(&format!("https://{address}"), transport, tls).await?
        }
        System::Carrier(_) | System::WebRtc => bail!("{} has no capacity", system.name()),
        System::Peer(peer) => Entrance::Peer { peer, address, tls },
    };
    let board = Board::new(people);
    let joins = (0..people).map(|person| {
        let manners = Manners { hz: HZ, sees: person < SEEING, waits: false };
        Attendee::join(&entrance, &board, "capacity", person, manners)
    });
    let attendees: Vec<Attendee> = stream::iter(joins).buffer_unordered(DOOR).try_collect().await?;
    tokio::time::sleep(SETTLE).await;
    let own = Pid::this();
    let (served, loaded, begun) = (server.cpu_time()?, cpu_time(own)?, Instant::now());
    board.begin(TIME);
    tokio::time::sleep(TIME).await;
    let ages = board.end();
    let seconds = begun.elapsed().as_secs_f64();
    let share = |time: Duration| time.as_secs_f64() / seconds;
    let received_share = board.fresh_share(SEEING, FRESH_US);
    let (server_share, load_share) = (
        share(server.cpu_time()?.saturating_sub(served)),
        share(cpu_time(own)?.saturating_sub(loaded)),
    );
    let connected = attendees.iter().all(Attendee::is_connected);
    let age_p99_ms = ages.quantile_ms(0.99);
    // The server is stopped next; leaving would only take time.
    drop(attendees);
    let carried =
        connected && ages.count() > 0 && age_p99_ms < CARRIED_MS && received_share > 0.999;
    Ok(Step {
        system: system.name().into(),
        people,
        age_p99_ms,
        server_share,
        load_share,
        received_share,
        carried,
    })
}
