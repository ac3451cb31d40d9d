//! The visitors of a swarm: who is here, who has departed, and what they did.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::Serialize;

use crate::cli::lock::lock;
use crate::cli::swarm::person::Person;
use gpys_proto::wire::PeerId;

/// Counts of what visitors did, and of the outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Churn {
    /// Visitors that joined.
    pub joins: u64,
    /// Visitors that left with a farewell.
    pub leaves: u64,
    /// Visitors that moved to another link while the old one lived.
    pub switches: u64,
    /// Links that were cut.
    pub drops: u64,
    /// Visitors that returned in time, or switched, and kept their identity.
    pub returns: u64,
    /// Visitors that returned too late, as new peers.
    pub late: u64,
    /// Visitors that returned with the wrong identity, in time or too late.
    pub mistaken: u64,
    /// Departed peers that another peer still saw or had on its roster.
    pub ghosts: u64,
}

impl Churn {
    /// The counts as lines of the text report.
    pub(super) fn text(&self) -> String {
        let Self { joins, leaves, switches, drops, returns, late, mistaken, ghosts } = self;
        format!(
            "\nvisitors: {joins} came, {leaves} left, {switches} switched, {drops} were cut off; \
             {returns} were still themselves, {late} came too late\n\
             mistaken for others: {mistaken}\nghosts: {ghosts}"
        )
    }
}

/// Limits for how long others may know of a departed peer, in seconds since the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departure {
    /// The time until which it may be seen.
    pub(super) unseen: f64,
    /// The time until which a roster may name it.
    pub(super) unlisted: f64,
}

/// The peers that come and go.
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
