//! What a server holds, for a program that embeds it.

use std::sync::Arc;

use crate::context::ServerContext;
use crate::limits::amplification::Addresses;

/// A handle that counts what a server holds, also while it runs.
#[derive(Clone, Debug)]
pub struct Census {
    pub(crate) context: Arc<ServerContext>,
    pub(crate) addresses: Arc<Addresses>,
}

/// What a server holds for its clients. All of it is given back once they are gone: connections at
/// once, places after the time in which a peer may resume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Connections that the gate has admitted.
    pub connections: usize,
    /// Sessions, from their first packet until their task has ended.
    pub sessions: usize,
    /// Rooms with a task.
    pub rooms: usize,
    /// Places kept for peers without a link.
    pub places: usize,
    /// UDP addresses that a connection vouches for.
    pub addresses: usize,
}

impl Census {
    /// Counts what the server holds now.
    #[must_use]
    pub fn held(&self) -> Held {
        let Self { context, addresses } = self;
        Held {
            connections: context.gate.connections(),
            sessions: *context.sessions.borrow(),
            rooms: context.rooms.count(),
            places: context.rooms.places(),
            addresses: addresses.proven(),
        }
    }

    /// The server's counters, as the metrics listener gives them to a scraper.
    #[must_use]
    pub fn metrics(&self) -> String {
        // Writing to a string fails only if a collector does, and none does.
        self.context.metrics.text().unwrap_or_default()
    }
}
