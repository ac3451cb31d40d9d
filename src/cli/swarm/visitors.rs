//! The visitors of a swarm: who is here, who has departed, and what they did.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::Serialize;

use crate::cli::lock::lock;
use crate::cli::swarm::person::Person;
use gpys_proto::wire::PeerId;

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
    pub(super) fn enter(&self, person: Arc<Person>) {
        lock(&self.here).insert(person.index, person);
    }

    pub(super) fn remove(&self, index: usize) {
        lock(&self.here).remove(&index);
    }

    /// Limits for how long others may know of a peer.
    pub(super) fn depart(&self, id: PeerId, departure: Departure) {
        lock(&self.departed).insert(id, departure);
    }

    /// Lifts that limit: the peer is about to return.
    pub(super) fn expect(&self, id: PeerId) {
        lock(&self.departed).remove(&id);
    }

    pub(super) fn here(&self) -> Vec<Arc<Person>> {
        lock(&self.here).values().cloned().collect()
    }

    pub(super) fn departed(&self) -> BTreeMap<PeerId, Departure> {
        lock(&self.departed).clone()
    }

    pub(super) fn counts(&self) -> Churn {
        *lock(&self.counts)
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Churn)) {
        count(&mut lock(&self.counts));
    }
}
