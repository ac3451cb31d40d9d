//! Where a WebSocket's frame waits for its writer, and what peers say at a rate.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::link::probe::Probe;
use crate::lock::lock;
use gpys_proto::wire::PONG_LEN;

/// Most messages of the datagram lane that wait for the writer: those of one tick of a lively room.
const MAX_SAID: usize = 32;

/// Where a WebSocket's frame waits for its writer: one slot, not a queue. Messages of the datagram
/// lane are of many senders and topics, so a few of them may wait, and the oldest is dropped.
#[derive(Debug)]
pub(crate) struct SocketCarrier {
    pub(super) slot: Mutex<Slot>,
    pub(super) wake: Notify,
    pub(super) sent: AtomicU64,
    pub(super) clock: Clock,
    pub(super) probe: Mutex<Probe>,
}

#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) frame: Option<Bytes>,
    said: VecDeque<Bytes>,
    pub(super) pong: Option<[u8; PONG_LEN]>,
    /// Whether the socket has yet to take what the writer holds.
    pub(super) busy: bool,
}

impl SocketCarrier {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            slot: Mutex::default(),
            wake: Notify::new(),
            sent: AtomicU64::new(0),
            clock,
            probe: Mutex::default(),
        }
    }

    /// Leaves a message of the datagram lane for the writer.
    pub(super) fn say(&self, message: Bytes) {
        let mut slot = lock(&self.slot);
        if slot.said.len() == MAX_SAID {
            slot.said.pop_front();
        }
        slot.said.push_back(message);
        drop(slot);
        self.wake.notify_one();
    }

    /// Waits until there is something to write.
    pub(crate) async fn filled(&self) {
        self.wake.notified().await;
    }

    /// Takes what is to be written next; `None` marks the writer idle.
    pub(crate) fn take(&self) -> Option<Bytes> {
        let mut slot = lock(&self.slot);
        let pong = slot.pong.take().map(|pong| Bytes::copy_from_slice(&pong));
        let bytes = pong.or_else(|| slot.said.pop_front()).or_else(|| slot.frame.take());
        slot.busy = bytes.is_some();
        bytes
    }

    /// Returns the payload of a ping to write ahead of what was taken, if one is due.
    pub(crate) fn ping(&self) -> Option<Bytes> {
        let ping = lock(&self.probe).ping(self.clock.now())?;
        Some(Bytes::copy_from_slice(&ping))
    }

    /// Handles a pong's payload.
    pub(crate) fn pong(&self, payload: &[u8]) {
        lock(&self.probe).pong(payload, self.clock.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_waits_apart_from_the_frame_and_the_oldest_is_dropped() {
        let path = SocketCarrier::new(Clock::start());
        lock(&path.slot).frame = Some(Bytes::from_static(b"frame"));
        for number in 0..40 {
            path.say(vec![number].into());
        }
        let taken: Vec<Bytes> = std::iter::from_fn(|| path.take()).collect();
        let numbers = (8..40).map(|number| Bytes::from(vec![number]));
        assert_eq!(taken, numbers.chain([Bytes::from_static(b"frame")]).collect::<Vec<_>>());
        assert!(!lock(&path.slot).busy);
    }
}
