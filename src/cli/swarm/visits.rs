//! Visitors: they come, switch, lose their network, come back, and go, as [`plan`](crate::cli::swarm::visit_plan)
//! has drawn it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::cli::lock::lock;
use crate::cli::swarm::person::{Crowd, Person};
use crate::cli::swarm::visit_plan::{Act, Visit};
use gpys_client::{Connector, Transport};
use gpys_proto::wire::{PeerId, ResumeToken, Welcome};

/// Whoever is not heard of for this long is not shown any more (docs/PROTOCOL.md, section 8), in
/// seconds.
const SILENCE: f64 = 15.0;
/// Until everybody knows of that or of a leave, in seconds: the server looks for the silent every
/// half second, then come a tick, the way, and the receiver's turn on a busy computer.
const NEWS: f64 = 2.0;

/// What visitors did, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Churn {
    /// Visitors who came.
    pub joins: u64,
    /// Visitors who said that they leave.
    pub leaves: u64,
    /// Visitors who went on over another link while the old one lived.
    pub switches: u64,
    /// Links that were cut.
    pub drops: u64,
    /// Visitors who came back in time, or switched, and were still who they had been.
    pub returns: u64,
    /// Visitors who came back too late, and were somebody new.
    pub late: u64,
    /// Visitors who came back as who they were not, in time or too late.
    pub mistaken: u64,
    /// People who left, or whose time was over, whom somebody still saw or had on the roster.
    pub ghosts: u64,
}

impl Churn {
    /// As lines of a text for people.
    pub(super) fn text(&self) -> String {
        let Self { joins, leaves, switches, drops, returns, late, mistaken, ghosts } = self;
        format!(
            "\nvisitors: {joins} came, {leaves} left, {switches} switched, {drops} were cut off; \
             {returns} were still themselves, {late} came too late\n\
             mistaken for others: {mistaken}\nghosts: {ghosts}"
        )
    }
}

/// Until when others may know of somebody who is gone, in seconds since the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departure {
    /// Until when they may be seen.
    pub(super) unseen: f64,
    /// Until when the roster may name them.
    pub(super) unlisted: f64,
}

/// Those who come and go.
#[derive(Debug, Default)]
pub(super) struct Visitors {
    here: Mutex<BTreeMap<usize, Arc<Person>>>,
    departed: Mutex<BTreeMap<PeerId, Departure>>,
    counts: Mutex<Churn>,
}

impl Visitors {
    pub(super) fn here(&self) -> Vec<Arc<Person>> {
        lock(&self.here).values().cloned().collect()
    }

    pub(super) fn departed(&self) -> BTreeMap<PeerId, Departure> {
        lock(&self.departed).clone()
    }

    pub(super) fn counts(&self) -> Churn {
        *lock(&self.counts)
    }

    fn count(&self, count: impl FnOnce(&mut Churn)) {
        count(&mut lock(&self.counts));
    }
}

/// Lets visitors come and go until told to stop; none if none are asked for.
pub(super) async fn run(
    server: Arc<Connector>,
    crowd: Arc<Crowd>,
    mut stop: watch::Receiver<bool>,
) {
    let (per_minute, seed) = (crowd.args().churn, crowd.args().seed);
    if per_minute == 0 {
        return;
    }
    let start = Instant::now();
    let mut visiting = JoinSet::new();
    for number in 0.. {
        let visit = Visit::draw(seed, number, per_minute);
        tokio::select! {
            () = sleep_until(start + Duration::from_secs_f64(visit.at)) => {}
            _ = stop.wait_for(|&stop| stop) => break,
        }
        let visitor = Visitor {
            server: Arc::clone(&server),
            crowd: Arc::clone(&crowd),
            stop: stop.clone(),
            index: crowd.size + number as usize,
            transport: crowd.transport(crowd.size + number as usize),
        };
        visiting.spawn(visitor.visit(visit.steps));
        // Those who have gone need not be kept.
        while visiting.try_join_next().is_some() {}
    }
    while visiting.join_next().await.is_some() {}
}

/// Somebody who comes and goes.
struct Visitor {
    server: Arc<Connector>,
    crowd: Arc<Crowd>,
    stop: watch::Receiver<bool>,
    index: usize,
    transport: Transport,
}

impl Visitor {
    async fn visit(mut self, steps: Vec<(f64, Act)>) {
        let Some(mut person) = self.enter(None).await else { return };
        self.crowd.visitors.count(|churn| churn.joins += 1);
        for (stay, act) in steps {
            if !self.walk(&person, stay).await {
                break;
            }
            let next = match act {
                Act::Switch => self.switch(&person).await,
                Act::Return(away) => self.lose(&person, away, true).await,
                Act::ReturnLate(longer) => {
                    let resume = f64::from(person.client.welcome().limits.resume_ms) / 1e3;
                    self.lose(&person, resume + longer, false).await
                }
                Act::Vanish => {
                    self.cut(&person).await;
                    None
                }
                Act::Leave => {
                    self.leave(&person).await;
                    self.crowd.visitors.count(|churn| churn.leaves += 1);
                    None
                }
            };
            let Some(next) = next else { return };
            person = next;
        }
        self.leave(&person).await;
    }

    /// Comes, or comes back.
    async fn enter(&self, resume: Option<ResumeToken>) -> Option<Arc<Person>> {
        let Self { server, crowd, index, transport, .. } = self;
        let joined = Person::join(server, crowd, *index, *transport, resume).await;
        let person = joined.map_err(|error| crowd.turn_away(*index, &error)).ok()?;
        let person = Arc::new(person);
        lock(&crowd.visitors.here).insert(*index, Arc::clone(&person));
        Some(person)
    }

    /// Walks for so many seconds; false if the link has ended or everybody is to stop.
    async fn walk(&self, person: &Arc<Person>, seconds: f64) -> bool {
        let walking = Arc::clone(person).walk(Arc::clone(&self.crowd), self.stop.clone());
        tokio::select! {
            () = walking => false,
            () = sleep(Duration::from_secs_f64(seconds)) => true,
        }
    }

    async fn switch(&mut self, person: &Person) -> Option<Arc<Person>> {
        self.transport = self.crowd.args().transport.other(self.transport);
        let next = self.enter(Some(person.client.welcome().token)).await?;
        self.crowd.visitors.count(|churn| churn.switches += 1);
        self.compare(person, &next, true);
        Some(next)
    }

    /// Loses the network, and comes back after so many seconds. Whoever is still away at the end
    /// does not.
    async fn lose(&mut self, person: &Person, away: f64, is_in_time: bool) -> Option<Arc<Person>> {
        self.cut(person).await;
        tokio::select! {
            () = sleep(Duration::from_secs_f64(away)) => {}
            _ = self.stop.wait_for(|&stop| stop) => return None,
        }
        let Welcome { id, token, .. } = *person.client.welcome();
        if is_in_time {
            // Others may see this person again as soon as the server has the hello.
            lock(&self.crowd.visitors.departed).remove(&id);
        }
        let next = self.enter(Some(token)).await?;
        self.compare(person, &next, is_in_time);
        Some(next)
    }

    /// Counts whether somebody who is back is who they should be.
    fn compare(&self, before: &Person, after: &Person, is_in_time: bool) {
        let (old, new) = (before.client.welcome(), after.client.welcome());
        let is_same = (new.id, new.uuid) == (old.id, old.uuid);
        self.crowd.visitors.count(|churn| match (is_in_time, is_same && new.resumed) {
            (true, true) => churn.returns += 1,
            (false, false) if !new.resumed && new.id != old.id => churn.late += 1,
            _ => churn.mistaken += 1,
        });
    }

    async fn cut(&self, person: &Person) {
        self.go(person);
        person.client.cut().await;
        self.crowd.visitors.count(|churn| churn.drops += 1);
        let resume = f64::from(person.client.welcome().limits.resume_ms) / 1e3;
        self.depart(person, SILENCE, resume);
    }

    async fn leave(&self, person: &Person) {
        self.go(person);
        if person.is_here() {
            person.client.leave().await;
            self.depart(person, 0.0, 0.0);
        }
    }

    fn go(&self, person: &Person) {
        lock(&self.crowd.visitors.here).remove(&person.index);
    }

    /// From now on others may know of this person for so many seconds only.
    fn depart(&self, person: &Person, unseen: f64, unlisted: f64) {
        let by = self.crowd.time() + NEWS;
        let departure = Departure { unseen: by + unseen, unlisted: by + unlisted };
        lock(&self.crowd.visitors.departed).insert(person.client.welcome().id, departure);
    }
}
