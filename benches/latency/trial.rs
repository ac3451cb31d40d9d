//! One trial: a room of peers over one system, measured for some seconds.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use gpys::path::PathSettings;
use tokio::runtime::Runtime;
use tokio::time::{Instant, interval, sleep, sleep_until};

use crate::ages::Ages;
use crate::attend::{Attendee, Entrance, Manners};
use crate::board::{Board, LOOK, Picture};
use crate::place::Place;
use crate::servers::Server;

/// Number of concurrent dials.
const DOOR: usize = 10;
/// How long it may take until all peers know each other, over the worst path.
const FILL: Duration = Duration::from_secs(30);
/// How long to wait for start-up effects (slow start, clock synchronisation) before measuring.
const SETTLE: Duration = Duration::from_secs(1);
/// A picture has recovered when no sample in it is older than this on a path of up to 50 ms and at
/// 30 Hz, in us: four times the usual.
const RIGHT_US: u64 = 400_000;

/// The plan of a trial.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Number of peers behind the path, which send and watch.
    pub behind: u32,
    /// Number of peers at the server's end, which only send.
    pub beside: u32,
    /// Samples per second; peers behind the path send none if others do.
    pub hz: u32,
    /// Duration of the measurement.
    pub time: Duration,
    /// The path, both ways, while peers join and afterwards.
    pub path: PathSettings,
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
    /// IP bytes while measuring: from and to the peers behind the path.
    pub bytes: Option<[u64; 2]>,
    /// The server's processor time while measuring.
    pub cpu: Duration,
    pub seconds: f64,
    /// How long after [`Happening::Heal`] each picture had recovered, in ms.
    pub healed: Vec<f64>,
    /// Number of links lost.
    pub lost: usize,
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
    stage.place.set(plan.path);
    let board = Board::new(plan.behind + plan.beside);
    let watches = Manners { hz: if plan.beside == 0 { plan.hz } else { 0 }, sees: true };
    let walks = Manners { hz: plan.hz, sees: false };
    let numbers = plan.behind..plan.behind + plan.beside;
    let others = gather(Arc::clone(stage), Arc::clone(&board), walks, numbers, true);
    let others = on(&stage.beside, others)?;
    let people = gather(Arc::clone(stage), Arc::clone(&board), watches, 0..plan.behind, false);
    let people = on(&stage.behind, people)?;
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
    beside: bool,
) -> Result<Vec<Attendee>> {
    let Stage { entrance, beside_entrance, room, .. } = &*stage;
    let entrance = if beside { beside_entrance } else { entrance };
    let joins = people.map(|person| Attendee::join(entrance, &board, room, person, manners));
    stream::iter(joins).buffer_unordered(DOOR).try_collect().await
}

async fn measure(
    stage: Arc<Stage>,
    plan: Plan,
    board: Arc<Board>,
    mut people: Vec<Attendee>,
) -> Result<Outcome> {
    let receivers: Vec<u32> = (0..plan.behind).collect();
    let filled = Instant::now();
    while !board.is_full(&receivers) {
        if filled.elapsed() > FILL {
            bail!("not all peers see each other after {FILL:?}");
        }
        sleep(LOOK).await;
    }
    sleep(SETTLE).await;
    let mut outcome = Outcome::default();
    for attendee in &people {
        if let Some(first) = board.first(attendee.person) {
            outcome.joins.record(first.saturating_sub(attendee.dialled));
        }
    }
    let (cpu, bytes) = (stage.server.cpu_time()?, stage.place.bytes());
    board.begin();
    let begun = Instant::now();
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
    outcome.cpu = stage.server.cpu_time()?.saturating_sub(cpu);
    outcome.bytes = stage
        .place
        .bytes()
        .zip(bytes)
        .map(|(after, before)| [after[0] - before[0], after[1] - before[1]]);
    if let Some(healing) = healing {
        outcome.healed = healing.await?;
    }
    outcome.lost = people.iter().filter(|attendee| !attendee.is_connected()).count();
    // Over an unimpaired path, leaving takes no time.
    stage.place.set(PathSettings::default());
    stream::iter(people).for_each_concurrent(DOOR, Attendee::leave).await;
    Ok(outcome)
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
    let manners = Manners { hz: plan.hz, sees: true };
    let switches = people.iter_mut().map(|one| one.switch(other, board, &stage.room, manners));
    futures_util::future::try_join_all(switches).await?;
    Ok(())
}
