//! Where a WebSocket's frame waits for its writer.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::link::probe::Probe;
use crate::lock::lock;
use gpys_proto::wire::PONG_LEN;

/// Where a WebSocket's frame waits for its writer: one slot, not a queue.
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

    /// Waits until there is something to write.
    pub(crate) async fn filled(&self) {
        self.wake.notified().await;
    }

    /// Takes what is to be written next; `None` marks the writer idle.
    pub(crate) fn take(&self) -> Option<Bytes> {
        let mut slot = lock(&self.slot);
        let pong = slot.pong.take().map(|pong| Bytes::copy_from_slice(&pong));
        let bytes = pong.or_else(|| slot.frame.take());
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
