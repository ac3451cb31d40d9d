//! One person of a swarm: where it walks, and what it sees.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use crate::cli::lock::lock;
use crate::cli::swarm::stage::Stage;
use crate::cli::swarm::walk::{self, Walker};
use gpys_client::{Client, ConnectError, Connector, Ended, Event, Events, Options, Transport};
use gpys_proto::geo::Viewport;
use gpys_proto::time::Stamp;
use gpys_proto::wire::{PeerId, ResumeToken, ServerMessage};

/// A viewport follows its peer once that is this fraction of the width from its centre.
const DRIFT: f64 = 0.125;
/// Shortest time between two viewports.
const VIEW_PACE: Duration = Duration::from_millis(500);
/// Silence that says that a peer has no link: a server has something to say each second, and a second
/// link has been dialled by then.
const CUT_OFF: Duration = Duration::from_secs(3);
/// How often a peer whose first link cannot be opened dials again, as a page would, and the pause
/// before.
const REDIALS: u32 = 3;
const REDIAL: Duration = Duration::from_millis(250);

/// What a peer looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    /// The last viewport sent to the server.
    pub(super) viewport: Viewport,
    /// When it was sent, in seconds since the start.
    pub(super) since: f64,
    /// The viewport before that.
    pub(super) before: Viewport,
}

/// One peer of a swarm.
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
    /// Joins, or comes back with the token of an earlier link. An index beyond the stage's size is
    /// a visitor's: its link can be cut, and it measures nothing.
    pub(super) async fn join(
        server: &Connector,
        stage: &Stage,
        index: usize,
        transport: Transport,
        resume: Option<ResumeToken>,
    ) -> Result<Self, ConnectError> {
        let walker = stage.plan.walker(&stage.args, index);
        let viewport = walk::viewport(walker.position(stage.time()), stage.args.view);
        let stays = index < stage.size;
        let meter = || meter(stage, transport);
        let options = || Options {
            transport,
            room: stage.args.room.clone(),
            name: format!("swarm {}", index + 1),
            resume,
            budget: stage.args.budget,
            access: stage.args.access.clone().map(Into::into),
            viewport: Some(viewport),
            own_socket: !stays,
            redials: true,
            events: stays.then(meter),
            ..Options::default()
        };
        let mut redials = 0;
        let client = loop {
            match server.connect(options()).await {
                Err(error) if error.is_transient() && redials < REDIALS => {
                    redials += 1;
                    stage.tallies.redials.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(REDIAL).await;
                }
                connected => break connected?,
            }
        };
        let joined = stage.time();
        let sight = Mutex::new(Sight { viewport, since: joined, before: viewport });
        Ok(Self { index, transport, client, walker, joined, sight, ended: Mutex::new(false) })
    }

    pub(super) fn sight(&self) -> Sight {
        *lock(&self.sight)
    }

    pub(super) fn is_here(&self) -> bool {
        !*lock(&self.ended)
    }

    /// Whether it still dials again after a link that is silent or over.
    pub(super) fn is_cut_off(&self) -> bool {
        self.is_here() && self.client.silence() > CUT_OFF
    }

    /// Walks until told to stop or the link ends.
    pub(super) async fn walk(self: Arc<Self>, stage: Arc<Stage>, mut stop: watch::Receiver<bool>) {
        let period = Duration::from_secs_f64(1.0 / stage.args.rate);
        // Real devices do not measure in step.
        let phase = period.mul_f64(self.index as f64 * 0.618_034 % 1.0);
        let mut tick = tokio::time::interval_at(Instant::now() + phase, period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut ended = std::pin::pin!(self.client.closed());
        loop {
            tokio::select! {
                _ = tick.tick() => self.step(&stage),
                _ = stop.wait_for(|&stop| stop) => return,
                ended = &mut ended => {
                    *lock(&self.ended) = true;
                    if ended != Ended::Left {
                        stage.note_gone(ended.to_string());
                    }
                    return;
                }
            }
        }
    }

    fn step(&self, stage: &Stage) {
        let time = stage.time();
        let reading = self.walker.reading(time);
        self.client.send(reading);
        let mut sight = lock(&self.sight);
        let middle = (
            f64::midpoint(sight.viewport.south.into(), sight.viewport.north.into()) / 1e7,
            f64::from(sight.viewport.west) / 1e7 + f64::from(sight.viewport.width()) / 2e7,
        );
        let drift = walk::distance(middle, reading.position.degrees());
        if drift > DRIFT * stage.args.view && time - sight.since > VIEW_PACE.as_secs_f64() {
            let viewport = walk::viewport(reading.position, stage.args.view);
            *sight = Sight { viewport, since: time, before: sight.viewport };
            self.client.set_viewport(viewport);
        }
    }
}

/// Measures how old each new sample is when it arrives.
///
/// A frame may repeat a sample, and rounds its time towards older by a varying amount; so a sample
/// counts as new when its time is ahead of the last one's by more than half the interval of
/// samples. The first sight of a peer does not count: that sample is as old as the peer stood
/// still. Counts the links after the first, too.
fn meter(stage: &Stage, transport: Transport) -> Events {
    let (tallies, step) = (Arc::clone(&stage.tallies), (500.0 / stage.args.rate) as i32);
    let mut seen: HashMap<PeerId, Stamp> = HashMap::new();
    Box::new(move |event| {
        let (id, figure, now) = match event {
            Event::Figure { id, figure, now } => (id, figure, now),
            Event::Message(ServerMessage::Welcome(welcome)) => {
                tallies.redials.fetch_add(1, Ordering::Relaxed);
                // A server that has restarted has another clock.
                if !welcome.resumed {
                    seen.clear();
                }
                return;
            }
            Event::Message(_) | Event::Said { .. } | Event::Ended { .. } => return,
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
