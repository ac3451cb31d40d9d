//! One trial: a room of peers over one system, measured for some seconds.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use gpys::path::{Bandwidth, Counters, Lateness, PathSettings};
use tokio::runtime::Runtime;
use tokio::time::{Instant, interval, sleep, sleep_until};

use crate::ages::Ages;
use crate::attend::{Attendee, Entrance, Manners};
use crate::board::{Board, LOOK, Picture};
use crate::bootstrap::Round;
use crate::bulk::Bulk;
use crate::place::Place;
use crate::servers::Server;
use crate::tally::GRACE;

/// Number of concurrent dials.
const DOOR: usize = 10;
/// How long it may take until all peers know each other, over the worst path.
const FILL: Duration = Duration::from_secs(30);
/// How long to wait for start-up effects (slow start, clock synchronisation) before measuring.
const SETTLE: Duration = Duration::from_secs(1);
/// How long the demand of a narrow link is measured.
pub const DEMAND: Duration = Duration::from_secs(3);
/// A picture has recovered when no sample in it is older than this on a path of up to 50 ms and at
/// 30 Hz, in us: four times the usual.
const RIGHT_US: u64 = 400_000;

/// The plan of a trial.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Number of peers behind the path, which send and watch.
    pub behind: u32,
    /// How many of them decode what they receive; the others receive and discard it.
    pub observers: u32,
    /// Number of peers at the server's end, which only send.
    pub beside: u32,
    /// Samples per second; peers behind the path send none if others do.
    pub hz: u32,
    /// Duration of the measurement.
    pub time: Duration,
    /// The path, both ways, while peers join and afterwards.
    pub path: PathSettings,
    /// The bottleneck on the way from clients, if that differs.
    pub up: Option<Bandwidth>,
    /// Whether a TCP download through the same path runs all the time.
    pub bulk: bool,
    /// Events during the trial, each at a time after the start of the measurement.
    pub script: Vec<(Duration, Happening)>,
}

/// An event during a trial.
#[derive(Clone, Copy, Debug)]
pub enum Happening {
    /// The path changes.
    Path(PathSettings),
    /// The clients' address changes, for UDP.
    Rebind,
    /// All peers switch to the other transport.
    Switch,
    /// The moment from which recovery is timed.
    Heal,
}

/// The outcome of a trial.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub messages: Ages,
    pub picture: Picture,
    /// From dialling to the first sight of another peer.
    pub joins: Ages,
    /// What passed while measuring: from and to the peers behind the path.
    pub passed: Option<[Passed; 2]>,
    /// How late packets came out of the path meanwhile, both ways.
    pub lateness: Lateness,
    /// What was counted by sender and second, and the server's processor time by second.
    pub round: Round,
    pub seconds: f64,
    /// How long after [`Happening::Heal`] each picture had recovered, in ms.
    pub healed: Vec<f64>,
    /// Number of links lost.
    pub lost: usize,
}

/// What passed one direction of the path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passed {
    /// IP packets that entered.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The setting of a trial.
pub struct Stage {
    pub place: Arc<Place>,
    /// A runtime behind the path.
    pub behind: Arc<Runtime>,
    /// A runtime at the server's end.
    pub beside: Arc<Runtime>,
    pub server: Arc<Server>,
    pub entrance: Entrance,
    /// The entrance for peers at the server's end.
    pub beside_entrance: Entrance,
    /// The entrance over the other transport, for switches.
    pub other: Option<Entrance>,
    pub room: String,
}

/// Runs a trial.
pub fn run(stage: &Arc<Stage>, plan: &Plan) -> Result<Outcome> {
    stage.place.set_ways(PathSettings { rate: plan.up.or(plan.path.rate), ..plan.path }, plan.path);
    let board = Board::new(plan.behind + plan.beside);
    let hz = if plan.beside == 0 { plan.hz } else { 0 };
    let watches = Manners { hz, sees: true, waits: plan.waits() };
    let walks = Manners { hz: plan.hz, sees: false, waits: false };
    let numbers = plan.behind..plan.behind + plan.beside;
    let others = gather(Arc::clone(stage), Arc::clone(&board), walks, numbers, 0, true);
    let others = on(&stage.beside, others)?;
    let observers = plan.observers;
    let people =
        gather(Arc::clone(stage), Arc::clone(&board), watches, 0..plan.behind, observers, false);
    let people = on(&stage.behind, people)?;
    // Once all are in: this is not about handshakes.
    let _bulk = plan.bulk.then(|| Bulk::start(stage)).transpose()?;
    let measured = measure(Arc::clone(stage), plan.clone(), Arc::clone(&board), people);
    let outcome = on(&stage.behind, measured)?;
    on(&stage.beside, async {
        stream::iter(others).for_each_concurrent(DOOR, Attendee::leave).await;
        Ok(())
    })?;
    if board.strange() > 0 {
        bail!("{} positions belong to no peer", board.strange());
    }
    Ok(outcome)
}

/// Runs a future on the threads of a runtime, where its sockets must be created.
fn on<T: Send + 'static>(
    runtime: &Runtime,
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    runtime.block_on(runtime.spawn(future))?
}

/// Connects all peers.
async fn gather(
    stage: Arc<Stage>,
    board: Arc<Board>,
    manners: Manners,
    people: std::ops::Range<u32>,
    observers: u32,
    beside: bool,
) -> Result<Vec<Attendee>> {
    let Stage { entrance, beside_entrance, room, .. } = &*stage;
    let entrance = if beside { beside_entrance } else { entrance };
    let sees = |person| manners.sees && person < observers;
    let joins = people.map(|person| {
        let manners = Manners { sees: sees(person), ..manners };
        Attendee::join(entrance, &board, room, person, manners)
    });
    stream::iter(joins).buffer_unordered(DOOR).try_collect().await
}

async fn measure(
    stage: Arc<Stage>,
    plan: Plan,
    board: Arc<Board>,
    mut people: Vec<Attendee>,
) -> Result<Outcome> {
    let receivers: Vec<u32> = (0..plan.observers).collect();
    if plan.waits() {
        people.iter_mut().for_each(|attendee| attendee.walk(&board, plan.hz));
    }
    let filled = Instant::now();
    while !board.is_full(&receivers) {
        if filled.elapsed() > FILL {
            bail!("not all peers see each other after {FILL:?}");
        }
        sleep(LOOK).await;
    }
    sleep(SETTLE).await;
    let mut outcome = Outcome::default();
    for attendee in people.iter().filter(|_| !plan.waits()) {
        if let Some(first) = board.first(attendee.person) {
            outcome.joins.record(first.saturating_sub(attendee.dialled));
        }
    }
    let before = stage.place.counters();
    board.begin(plan.time);
    let begun = Instant::now();
    let timing = tokio::spawn(time(Arc::clone(&stage.server), begun, plan.time));
    let looking = tokio::spawn(look(Arc::clone(&board), receivers.clone(), begun + plan.time));
    let mut healing = None;
    for &(at, happening) in &plan.script {
        sleep_until(begun + at).await;
        match happening {
            Happening::Path(settings) => stage.place.set(settings),
            Happening::Rebind => stage.place.rebind(),
            Happening::Switch => switch(&stage, &plan, &board, &mut people).await?,
            Happening::Heal => {
                let until = begun + plan.time;
                healing = Some(tokio::spawn(heal(Arc::clone(&board), receivers.clone(), until)));
            }
        }
    }
    outcome.picture = looking.await?;
    outcome.messages = board.end();
    outcome.seconds = begun.elapsed().as_secs_f64();
    if let (Some(before), Some(after)) = (before, stage.place.counters()) {
        outcome.pass(&before, &after);
    }
    let cpu = timing.await??;
    sleep(GRACE).await;
    if let Some(tally) = board.tally() {
        let others = f64::from(plan.behind) / f64::from(plan.observers);
        let samples = tally.arrived().into_iter().map(|count| f64::from(count) * others);
        outcome.round = Round {
            clusters: tally.clusters(plan.observers),
            cpu: cpu.into_iter().zip(samples).collect(),
        };
    }
    if let Some(healing) = healing {
        outcome.healed = healing.await?;
    }
    outcome.lost = people.iter().filter(|attendee| !attendee.is_connected()).count();
    // Over an unimpaired path, leaving takes no time.
    stage.place.set(PathSettings::default());
    stream::iter(people).for_each_concurrent(DOOR, Attendee::leave).await;
    Ok(outcome)
}

impl Plan {
    /// Whether peers take no samples until all are in: those of a large load would keep the last
    /// ones from joining.
    pub fn waits(&self) -> bool {
        self.observers < self.behind
    }
}

impl Outcome {
    /// Adds another round.
    pub fn merge(&mut self, other: &Self) {
        self.messages.add(&other.messages);
        self.picture.ages.add(&other.picture.ages);
        self.picture.looks += other.picture.looks;
        self.picture.stale += other.picture.stale;
        self.joins.add(&other.joins);
        self.seconds += other.seconds;
        self.lateness.add(&other.lateness);
        self.round.clusters.extend_from_slice(&other.round.clusters);
        self.round.cpu.extend_from_slice(&other.round.cpu);
        for (way, more) in other.passed.iter().flatten().enumerate() {
            let passed = &mut self.passed.get_or_insert_default()[way];
            passed.packets += more.packets;
            passed.bytes += more.bytes;
        }
    }

    /// Notes what passed the path between two states of its counters.
    fn pass(&mut self, before: &[Counters; 2], after: &[Counters; 2]) {
        let mut passed = [Passed::default(); 2];
        for (passed, (before, after)) in passed.iter_mut().zip(before.iter().zip(after)) {
            passed.packets = after.packets - before.packets;
            passed.bytes = after.bytes - before.bytes;
            self.lateness.add(&after.lateness.since(&before.lateness));
        }
        self.passed = Some(passed);
    }
}

/// Measures the server's processor time in each second of this time, in us.
async fn time(server: Arc<Server>, begun: Instant, time: Duration) -> Result<Vec<f64>> {
    let mut last = server.cpu_time()?;
    let mut seconds = Vec::new();
    let mut at = Duration::ZERO;
    while at < time {
        at = (at + Duration::from_secs(1)).min(time);
        sleep_until(begun + at).await;
        let now = server.cpu_time()?;
        seconds.push(now.saturating_sub(last).as_secs_f64() * 1e6);
        last = now;
    }
    Ok(seconds)
}

/// Looks at all pictures until the given time.
async fn look(board: Arc<Board>, receivers: Vec<u32>, until: Instant) -> Picture {
    let mut picture = Picture::default();
    let mut turns = interval(LOOK);
    while Instant::now() < until {
        turns.tick().await;
        board.look(&receivers, &mut picture);
    }
    picture
}

/// Measures how long each picture takes to recover, in ms; one that never does takes all the time.
async fn heal(board: Arc<Board>, receivers: Vec<u32>, until: Instant) -> Vec<f64> {
    let begun = Instant::now();
    let everybody = receivers.len();
    let mut wrong = receivers;
    let mut healed = Vec::new();
    while !wrong.is_empty() && Instant::now() < until {
        sleep(Duration::from_millis(2)).await;
        wrong.retain(|&receiver| board.oldest(receiver) > RIGHT_US);
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        healed.resize(everybody - wrong.len(), ms);
    }
    let ms = begun.elapsed().as_secs_f64() * 1e3;
    healed.extend(wrong.iter().map(|_| ms));
    healed
}

/// Switches all peers to the other transport, concurrently.
async fn switch(
    stage: &Stage,
    plan: &Plan,
    board: &Arc<Board>,
    people: &mut [Attendee],
) -> Result<()> {
    let Some(other) = &stage.other else { bail!("there is no other transport to switch to") };
    let manners = Manners { hz: plan.hz, sees: true, waits: false };
    let switches = people.iter_mut().map(|one| one.switch(other, board, &stage.room, manners));
    futures_util::future::try_join_all(switches).await?;
    Ok(())
}
