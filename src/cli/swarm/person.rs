//! The people of a swarm: who walks where, and what each sees.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use crate::cli::lock::lock;
use crate::cli::swarm::Args;
use crate::cli::swarm::gpx::Track;
use crate::cli::swarm::report::Tallies;
use crate::cli::swarm::visits::Visitors;
use crate::cli::swarm::walk::{self, Walker, Way};
use gpys_client::{
    Client, ConnectError, Connector, Ended, Event, Events, Options, Traffic, Transport,
};
use gpys_proto::geo::{Position, Viewport};
use gpys_proto::time::Stamp;
use gpys_proto::wire::{PeerId, ResumeToken};

/// A viewport follows its person when that is this part of its width from its middle.
const DRIFT: f64 = 0.125;
/// A viewport is sent at most every so often.
const VIEW_PACE: Duration = Duration::from_millis(500);
/// How often somebody dials again whose link cannot be opened, as a page would, and after what.
const REDIALS: u32 = 3;
const REDIAL: Duration = Duration::from_millis(250);

/// Where everybody goes.
#[derive(Debug)]
pub(super) enum Plan {
    /// Along recorded tracks, each a list of ways.
    Follow(Vec<Vec<Arc<Way>>>),
    /// About a place.
    Stroll {
        /// The place.
        centre: Position,
    },
}

impl Plan {
    pub(super) fn follow(tracks: Vec<Track>) -> Self {
        let shared = |track: Track| track.ways.into_iter().map(Arc::new).collect();
        Self::Follow(tracks.into_iter().map(shared).collect())
    }

    /// The walker with this index. Followers of a track go one behind the other, so that a swarm
    /// on a long track is a group and not a thin line of people who never see each other; those
    /// for whom a segment has no room are on the next one.
    fn walker(&self, args: &Args, index: usize) -> Walker {
        let mut rng = fastrand::Rng::with_seed(args.seed.wrapping_add(index as u64));
        match self {
            Self::Stroll { centre } => Walker::around(*centre, args.radius, args.speed, &mut rng),
            Self::Follow(tracks) => {
                let ways = &tracks[index % tracks.len()];
                let all: f64 = ways.iter().map(|way| way.round()).sum();
                let place = (index / tracks.len()) as f64 + 0.6 * rng.f64();
                let mut ahead = (place * args.spacing).rem_euclid(all);
                let way = ways.iter().find(|way| {
                    let here = ahead < way.round();
                    ahead -= if here { 0.0 } else { way.round() };
                    here
                });
                let path = Arc::clone(way.unwrap_or(&ways[0]));
                Walker::on_path(path, ahead, args.speed, &mut rng)
            }
        }
    }
}

/// Everybody, and what they have in common.
#[derive(Debug)]
pub(super) struct Crowd {
    plan: Plan,
    args: Args,
    pub(super) size: usize,
    start: Instant,
    pub(super) tallies: Arc<Tallies>,
    people: Mutex<Vec<Arc<Person>>>,
    /// Those who come and go.
    pub(super) visitors: Visitors,
    /// How often people dialled again.
    pub(super) redials: AtomicU64,
    /// Why people are not here (any more), and how many each.
    gone: Mutex<BTreeMap<String, u64>>,
}

impl Crowd {
    pub(super) fn new(plan: Plan, args: &Args) -> Arc<Self> {
        Arc::new(Self {
            plan,
            args: args.clone(),
            size: args.people as usize,
            start: Instant::now(),
            tallies: Arc::new(Tallies::default()),
            people: Mutex::default(),
            visitors: Visitors::default(),
            redials: AtomicU64::new(0),
            gone: Mutex::default(),
        })
    }

    /// Seconds since the start.
    pub(super) fn time(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    pub(super) fn enter(&self, person: Arc<Person>) {
        lock(&self.people).push(person);
    }

    pub(super) fn people(&self) -> Vec<Arc<Person>> {
        lock(&self.people).clone()
    }

    /// Those who stay and those who are visiting.
    pub(super) fn everybody(&self) -> Vec<Arc<Person>> {
        let mut everybody = self.people();
        everybody.extend(self.visitors.here());
        everybody
    }

    pub(super) const fn args(&self) -> &Args {
        &self.args
    }

    /// The transport of the person with this index.
    pub(super) const fn transport(&self, index: usize) -> Transport {
        self.args.transport.transport(index)
    }

    pub(super) fn turn_away(&self, index: usize, error: &ConnectError) {
        tracing::debug!(index, %error, "not connected");
        self.note_gone(format!("not connected: {error}"));
    }

    fn note_gone(&self, reason: String) {
        *lock(&self.gone).entry(reason).or_default() += 1;
    }

    /// Why people are not here, and how many each.
    pub(super) fn disconnected(&self) -> BTreeMap<String, u64> {
        lock(&self.gone).clone()
    }

    /// What went over everybody's link so far, in the order of [`Crowd::people`].
    pub(super) fn traffic(&self) -> Vec<Traffic> {
        self.people().iter().map(|person| person.client.traffic()).collect()
    }

    /// Everybody leaves.
    pub(super) async fn leave(&self) {
        join_all(self.people().iter().map(|person| person.client.leave())).await;
    }
}

/// What somebody looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    /// What the server was told last.
    pub(super) viewport: Viewport,
    /// When, in seconds since the start.
    pub(super) since: f64,
    /// What it was told before.
    pub(super) before: Viewport,
}

/// One person.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) index: usize,
    pub(super) transport: Transport,
    pub(super) client: Client,
    pub(super) walker: Walker,
    /// When it joined, in seconds since the start.
    pub(super) joined: f64,
    sight: Mutex<Sight>,
    ended: Mutex<bool>,
}

impl Person {
    /// Joins, or comes back with the token of an earlier link. Whoever's index is beyond the
    /// crowd's size is a visitor: its link can be cut, and it measures nothing.
    pub(super) async fn join(
        server: &Connector,
        crowd: &Crowd,
        index: usize,
        transport: Transport,
        resume: Option<ResumeToken>,
    ) -> Result<Self, ConnectError> {
        let walker = crowd.plan.walker(&crowd.args, index);
        let viewport = walk::viewport(walker.position(crowd.time()), crowd.args.view);
        let stays = index < crowd.size;
        let meter = || meter(Arc::clone(&crowd.tallies), transport, crowd.args.rate);
        let options = || Options {
            transport,
            room: crowd.args.room.clone(),
            name: format!("swarm {}", index + 1),
            resume,
            budget: crowd.args.budget,
            access: crowd.args.access.clone(),
            viewport: Some(viewport),
            own_socket: !stays,
            events: stays.then(meter),
            ..Options::default()
        };
        let mut redials = 0;
        let client = loop {
            match server.connect(options()).await {
                Err(error) if error.is_transient() && redials < REDIALS => {
                    redials += 1;
                    crowd.redials.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(REDIAL).await;
                }
                connected => break connected?,
            }
        };
        let joined = crowd.time();
        let sight = Mutex::new(Sight { viewport, since: joined, before: viewport });
        Ok(Self { index, transport, client, walker, joined, sight, ended: Mutex::new(false) })
    }

    pub(super) fn sight(&self) -> Sight {
        *lock(&self.sight)
    }

    pub(super) fn is_here(&self) -> bool {
        !*lock(&self.ended)
    }

    /// Walks until told to stop or the link ends.
    pub(super) async fn walk(self: Arc<Self>, crowd: Arc<Crowd>, mut stop: watch::Receiver<bool>) {
        let period = Duration::from_secs_f64(1.0 / crowd.args.rate);
        // Devices do not measure in step with each other.
        let phase = period.mul_f64(self.index as f64 * 0.618_034 % 1.0);
        let mut tick = tokio::time::interval_at(Instant::now() + phase, period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut ended = std::pin::pin!(self.client.closed());
        loop {
            tokio::select! {
                _ = tick.tick() => self.step(&crowd),
                _ = stop.wait_for(|&stop| stop) => return,
                ended = &mut ended => {
                    *lock(&self.ended) = true;
                    if ended != Ended::Left {
                        crowd.note_gone(ended.to_string());
                    }
                    return;
                }
            }
        }
    }

    fn step(&self, crowd: &Crowd) {
        let time = crowd.time();
        let reading = self.walker.reading(time);
        self.client.send(reading);
        let mut sight = lock(&self.sight);
        let middle = (
            f64::midpoint(sight.viewport.south.into(), sight.viewport.north.into()) / 1e7,
            f64::from(sight.viewport.west) / 1e7 + f64::from(sight.viewport.width()) / 2e7,
        );
        let drift = walk::distance(middle, reading.position.degrees());
        if drift > DRIFT * crowd.args.view && time - sight.since > VIEW_PACE.as_secs_f64() {
            let viewport = walk::viewport(reading.position, crowd.args.view);
            *sight = Sight { viewport, since: time, before: sight.viewport };
            self.client.set_viewport(viewport);
        }
    }
}

/// Measures how old each new sample is when it arrives.
///
/// A frame may show a sample again, and its time is rounded towards older, now more and now
/// less; so a sample counts as new when its time is ahead of the last one's by more than half of
/// what lies between two samples. The first sight of somebody is not counted: that sample is as
/// old as the person stood still.
fn meter(tallies: Arc<Tallies>, transport: Transport, rate: f64) -> Events {
    let step = (500.0 / rate) as i32;
    let mut seen: HashMap<PeerId, Stamp> = HashMap::new();
    Box::new(move |event| {
        let Event::Figure { id, figure, now } = event else {
            return;
        };
        match seen.get_mut(&id) {
            None => drop(seen.insert(id, figure.sampled)),
            Some(last) if figure.sampled.after(*last) > step => {
                *last = figure.sampled;
                if tallies.measuring.load(Ordering::Relaxed) {
                    tallies.record(transport, now.after(figure.sampled));
                }
            }
            Some(_) => {}
        }
    })
}
