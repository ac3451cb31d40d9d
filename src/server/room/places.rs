//! The places of people whose links are gone, counted for the networks that they came from.
//!
//! A place is kept for a while, so that whoever lost a link comes back as who they were. Without a
//! count, one network could take every place of a room, by joining and vanishing again and again.
//! With it, a network's places are no more than the connections that it may have, whether their
//! links live or not: a newcomer beyond that is let in, and the network's oldest place is given up.
//! Whoever comes back to a place needs no other one, so that is never refused.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::WeakSender;
use tokio::sync::mpsc::error::TrySendError;

use crate::limits::gate::{Gate, Network};
use crate::lock::lock;
use crate::room::command::Command;
use gpys_proto::wire::PeerId;

/// A place of somebody without a link.
#[derive(Debug)]
struct Place {
    peer: PeerId,
    room: WeakSender<Command>,
}

/// All places that are kept, by network; older ones have smaller numbers.
#[derive(Debug, Default)]
struct Kept {
    last: u64,
    networks: HashMap<Network, BTreeMap<u64, Place>>,
}

/// Counts the places that are kept.
#[derive(Debug)]
pub(crate) struct Places {
    gate: Arc<Gate>,
    kept: Mutex<Kept>,
}

impl Places {
    /// None yet. Networks may have as many as the gate lets them have connections.
    pub(crate) fn new(gate: Arc<Gate>) -> Arc<Self> {
        Arc::new(Self { gate, kept: Mutex::default() })
    }

    /// Counts a place, until what is returned is dropped.
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

    /// Somebody new comes from this network, and its connection is counted already: has the oldest
    /// places given up that are too many with it.
    pub(crate) fn make_way(&self, network: Network) {
        let (connected, most) = self.gate.share(network);
        let mut kept = lock(&self.kept);
        let Some(places) = kept.networks.get_mut(&network) else { return };
        while places.len() + connected > most
            && let Some((number, place)) = places.pop_first()
        {
            let Some(room) = place.room.upgrade() else { continue };
            if let Err(TrySendError::Full(_)) = room.try_send(Command::GiveUp(place.peer)) {
                // The next newcomer asks again.
                places.insert(number, place);
                return;
            }
        }
    }
}

/// A place that is kept and counts.
#[derive(Debug)]
pub(crate) struct Keep {
    places: Arc<Places>,
    network: Network,
    number: u64,
}

impl Keep {
    /// Its number, if it counts for this network; older places have smaller ones.
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
