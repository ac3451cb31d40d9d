//! Where a link leaves its poses for its room: a single slot, latest wins.
//!
//! However fast a client sends, only one sample waits and its mailbox is listed at most once, so
//! the room's work and memory are bounded by its number of peers.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::link::LinkId;
use crate::lock::lock;
use gpys_proto::wire::{PeerId, Sample};

/// The non-empty mailboxes of a room.
#[derive(Debug, Default)]
pub(crate) struct Postbox {
    full: Mutex<Vec<Arc<Mailbox>>>,
    wake: Notify,
}

impl Postbox {
    /// Waits until a mailbox is filled.
    pub(crate) async fn filled(&self) {
        self.wake.notified().await;
    }

    /// Swaps the list of full mailboxes for `empty`, which keeps its allocation.
    pub(crate) fn swap(&self, empty: &mut Vec<Arc<Mailbox>>) {
        std::mem::swap(&mut *lock(&self.full), empty);
    }
}

/// One link's slot for its newest sample.
#[derive(Debug)]
pub(crate) struct Mailbox {
    /// The mailbox's peer.
    pub(crate) peer: PeerId,
    /// The link that fills it.
    pub(crate) link: LinkId,
    slot: Mutex<Option<Sample>>,
    postbox: Arc<Postbox>,
}

impl Mailbox {
    /// An empty mailbox.
    pub(crate) fn new(peer: PeerId, link: LinkId, postbox: Arc<Postbox>) -> Arc<Self> {
        Arc::new(Self { peer, link, slot: Mutex::new(None), postbox })
    }

    /// Stores a sample, unless it holds a newer one.
    pub(crate) fn put(self: &Arc<Self>, sample: Sample) {
        let was_empty = {
            let mut slot = lock(&self.slot);
            let was_empty = slot.is_none();
            if slot.is_none_or(|waiting| waiting.seq < sample.seq) {
                *slot = Some(sample);
            }
            was_empty
        };
        if was_empty {
            lock(&self.postbox.full).push(Arc::clone(self));
            self.postbox.wake.notify_one();
        }
    }

    /// Takes the sample.
    pub(crate) fn take(&self) -> Option<Sample> {
        lock(&self.slot).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gpys_proto::geo::Position;
    use gpys_proto::pose::{Accuracy, Pose};
    use gpys_proto::time::Time;

    fn sample(seq: u32) -> Sample {
        let position = Position::from_degrees(45.75, 14.36).unwrap();
        let accuracy = Accuracy::from_metres(5.0);
        let pose = Pose { position, orientation: None, accuracy, sampled: Time::from_ms(1) };
        Sample::new(seq, pose)
    }

    #[test]
    fn the_latest_wins_and_the_mailbox_is_listed_once() {
        let postbox = Arc::new(Postbox::default());
        let mailbox = Mailbox::new(PeerId(1), LinkId::next(), Arc::clone(&postbox));
        for seq in (0..1_000).chain([5]) {
            mailbox.put(sample(seq));
        }
        let mut full = Vec::new();
        postbox.swap(&mut full);
        assert_eq!(full.len(), 1);
        assert_eq!(full[0].take().map(|sample| sample.seq), Some(999));
        assert!(mailbox.take().is_none());
        mailbox.put(sample(1_000));
        let mut again = Vec::new();
        postbox.swap(&mut again);
        assert_eq!(again.len(), 1);
    }
}
