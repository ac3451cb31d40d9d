//! All peers of a swarm.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;

use crate::cli::lock::lock;
use crate::cli::swarm::args::Args;
use crate::cli::swarm::person::Person;
use crate::cli::swarm::plan::Plan;
use crate::cli::swarm::stage::Stage;
use crate::cli::swarm::visitors::Visitors;
use gpys_client::Traffic;

/// The peers that stay, those that come and go, and what they share.
#[derive(Debug)]
pub(super) struct Crowd {
    pub(super) stage: Arc<Stage>,
    people: Mutex<Vec<Arc<Person>>>,
    pub(super) visitors: Visitors,
}

impl Crowd {
    pub(super) fn new(plan: Plan, args: &Args) -> Arc<Self> {
        let stage = Arc::new(Stage::new(plan, args));
        Arc::new(Self { stage, people: Mutex::default(), visitors: Visitors::default() })
    }

    pub(super) fn enter(&self, person: Arc<Person>) {
        lock(&self.people).push(person);
    }

    pub(super) fn people(&self) -> Vec<Arc<Person>> {
        lock(&self.people).clone()
    }

    /// The peers that stay and the current visitors.
    pub(super) fn everybody(&self) -> Vec<Arc<Person>> {
        let mut everybody = self.people();
        everybody.extend(self.visitors.here());
        everybody
    }

    /// The traffic of each link so far, in the order of [`Crowd::people`].
    pub(super) fn traffic(&self) -> Vec<Traffic> {
        self.people().iter().map(|person| person.client.traffic()).collect()
    }

    /// Makes all peers leave.
    pub(super) async fn leave(&self) {
        join_all(self.people().iter().map(|person| person.client.leave())).await;
    }
}
