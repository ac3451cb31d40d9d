//! What the peers of a swarm share: the plan, the clock and the counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::cli::lock::lock;
use crate::cli::swarm::args::Args;
use crate::cli::swarm::plan::Plan;
use crate::cli::swarm::tally::Tallies;
use gpys_client::{ConnectError, Transport};

/// State shared by all peers of a swarm.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) plan: Plan,
    pub(super) args: Args,
    /// Number of peers that stay; higher indices are visitors.
    pub(super) size: usize,
    start: Instant,
    pub(super) tallies: Arc<Tallies>,
    /// Reasons why peers are not connected, with counts.
    gone: Mutex<BTreeMap<String, u64>>,
}

impl Stage {
    pub(super) fn new(plan: Plan, args: &Args) -> Self {
        Self {
            plan,
            args: args.clone(),
            size: args.people as usize,
            start: Instant::now(),
            tallies: Arc::new(Tallies::default()),
            gone: Mutex::default(),
        }
    }

    /// Seconds since the start.
    pub(super) fn time(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// The transport of the peer with this index.
    pub(super) const fn transport(&self, index: usize) -> Transport {
        self.args.transport.transport(index)
    }

    pub(super) fn turn_away(&self, index: usize, error: &ConnectError) {
        tracing::debug!(index, %error, "not connected");
        self.note_gone(format!("not connected: {error}"));
    }

    pub(super) fn note_gone(&self, reason: String) {
        *lock(&self.gone).entry(reason).or_default() += 1;
    }

    /// Reasons why peers are not connected, with counts.
    pub(super) fn disconnected(&self) -> BTreeMap<String, u64> {
        lock(&self.gone).clone()
    }
}
