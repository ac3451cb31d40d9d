//! Places of peers whose links are gone, counted per network.
//!
//! A place is kept for a while, so a peer that lost its link can resume. Without a limit, one
//! network could take every place in a room by joining and vanishing again and again. With it, a
//! network has no more places than the connections it is allowed, with or without live links: a
//! newcomer beyond that is admitted, and the network's oldest place is given up. A peer that
//! resumes needs no new place, so it is never refused.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::WeakSender;
use tokio::sync::mpsc::error::TrySendError;

use crate::limits::gate::{Gate, Network};
use crate::lock::lock;
use crate::room::command::Command;
use gpys_proto::wire::PeerId;

/// The place of a peer without a link.
#[derive(Debug)]
struct Place {
    peer: PeerId,
    room: WeakSender<Command>,
}

/// All kept places, by network; older places have smaller numbers.
#[derive(Debug, Default)]
struct Kept {
    last: u64,
    networks: HashMap<Network, BTreeMap<u64, Place>>,
}

/// Counts kept places.
#[derive(Debug)]
pub(crate) struct Places {
    gate: Arc<Gate>,
    kept: Mutex<Kept>,
}

impl Places {
    /// No places yet. A network may keep as many as `gate` allows it connections.
    pub(crate) fn new(gate: Arc<Gate>) -> Arc<Self> {
        Arc::new(Self { gate, kept: Mutex::default() })
    }

    /// Counts a place until the returned guard is dropped.
    pub(crate) fn keep(
        self: &Arc<Self>,
        network: Network,
        peer: PeerId,
        room: WeakSender<Command>,
    ) -> Keep {
        let mut kept = lock(&self.kept);
        kept.last += 1;
        let number = kept.last;
        kept.networks.entry(network).or_default().insert(number, Place { peer, room });
        Keep { places: Arc::clone(self), network, number }
    }

    /// Number of kept places.
    pub(crate) fn count(&self) -> usize {
        lock(&self.kept).networks.values().map(BTreeMap::len).sum()
    }

    /// Makes way for a newcomer from this network, whose connection already counts, by giving up
    /// the oldest places in excess.
    pub(crate) fn make_way(&self, network: Network) {
        let (connected, most) = self.gate.share(network);
        let mut kept = lock(&self.kept);
        let Some(places) = kept.networks.get_mut(&network) else { return };
        while places.len() + connected > most
            && let Some((number, place)) = places.pop_first()
        {
            let Some(room) = place.room.upgrade() else { continue };
            if let Err(TrySendError::Full(_)) = room.try_send(Command::GiveUp(place.peer)) {
                // The next newcomer tries again.
                places.insert(number, place);
                return;
            }
        }
    }
}

/// A kept place, counted until dropped.
#[derive(Debug)]
pub(crate) struct Keep {
    places: Arc<Places>,
    network: Network,
    number: u64,
}

impl Keep {
    /// The place's number if it counts for this network; older places have smaller ones.
    pub(crate) fn number_in(&self, network: Network) -> Option<u64> {
        (self.network == network).then_some(self.number)
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        let networks = &mut lock(&self.places.kept).networks;
        if let Some(places) = networks.get_mut(&self.network) {
            places.remove(&self.number);
            if places.is_empty() {
                networks.remove(&self.network);
            }
        }
    }
}
