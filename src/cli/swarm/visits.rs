//! Visitors: they come, switch, lose their network, return and leave, as `visit_plan` has drawn it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::cli::swarm::crowd::Crowd;
use crate::cli::swarm::person::Person;
use crate::cli::swarm::visit_plan::{Act, Visit};
use crate::cli::swarm::visitors::Departure;
use gpys_client::{Connector, Transport};
use gpys_proto::wire::{ResumeToken, Welcome};

/// Silence after which a peer is no longer shown (docs/PROTOCOL.md, section 8), in seconds.
const SILENCE: f64 = 15.0;
/// Time until every peer knows of that or of a leave, in seconds: the server looks for silent peers
/// every half second; then come a tick, the path, and the receiver's turn on a busy computer.
const NEWS: f64 = 2.0;

/// Runs visitors until told to stop; none at a rate of zero.
pub(super) async fn run(
    server: Arc<Connector>,
    crowd: Arc<Crowd>,
    mut stop: watch::Receiver<bool>,
) {
    let (per_minute, seed) = (crowd.stage.args.churn, crowd.stage.args.seed);
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
        let index = crowd.stage.size + number as usize;
        let visitor = Visitor {
            server: Arc::clone(&server),
            crowd: Arc::clone(&crowd),
            stop: stop.clone(),
            index,
            transport: crowd.stage.transport(index),
        };
        visiting.spawn(visitor.visit(visit.steps));
        // Finished visits need not be kept.
        while visiting.try_join_next().is_some() {}
    }
    while visiting.join_next().await.is_some() {}
}

/// One visitor.
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

    /// Joins, or comes back.
    async fn enter(&self, resume: Option<ResumeToken>) -> Option<Arc<Person>> {
        let Self { server, crowd, index, transport, .. } = self;
        let joined = Person::join(server, &crowd.stage, *index, *transport, resume).await;
        let person = joined.map_err(|error| crowd.stage.turn_away(*index, &error)).ok()?;
        let person = Arc::new(person);
        crowd.visitors.enter(Arc::clone(&person));
        Some(person)
    }

    /// Walks for this many seconds; false if the link has ended or the swarm stops.
    async fn walk(&self, person: &Arc<Person>, seconds: f64) -> bool {
        let walking = Arc::clone(person).walk(Arc::clone(&self.crowd.stage), self.stop.clone());
        tokio::select! {
            () = walking => false,
            () = sleep(Duration::from_secs_f64(seconds)) => true,
        }
    }

    async fn switch(&mut self, person: &Person) -> Option<Arc<Person>> {
        self.transport = self.crowd.stage.args.transport.other(self.transport);
        let next = self.enter(Some(person.client.welcome().token)).await?;
        self.crowd.visitors.count(|churn| churn.switches += 1);
        self.compare(person, &next, true);
        Some(next)
    }

    /// Loses the network, and comes back after this many seconds unless the swarm stops first.
    async fn lose(&mut self, person: &Person, away: f64, is_in_time: bool) -> Option<Arc<Person>> {
        self.cut(person).await;
        tokio::select! {
            () = sleep(Duration::from_secs_f64(away)) => {}
            _ = self.stop.wait_for(|&stop| stop) => return None,
        }
        let Welcome { id, token, .. } = person.client.welcome();
        if is_in_time {
            // Others may see this peer again as soon as the server has the hello.
            self.crowd.visitors.expect(id);
        }
        let next = self.enter(Some(token)).await?;
        self.compare(person, &next, is_in_time);
        Some(next)
    }

    /// Counts whether a peer that is back has the identity it should have.
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
        self.crowd.visitors.remove(person.index);
    }

    /// From now on, others may see and list this peer for only this many seconds.
    fn depart(&self, person: &Person, unseen: f64, unlisted: f64) {
        let by = self.crowd.stage.time() + NEWS;
        let departure = Departure { unseen: by + unseen, unlisted: by + unlisted };
        self.crowd.visitors.depart(person.client.welcome().id, departure);
    }
}
