//! What a client and its session share.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::error::Ended;
use crate::options::Transport;
use crate::session::outbox::Outbox;
use gpys_proto::time::Stamp;
use gpys_proto::view::View;
use gpys_proto::wire::{ServerMessage, Welcome};

/// Counts of what the link has carried so far.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) poses: AtomicU64,
    pub(crate) repeats: AtomicU64,
    pub(crate) frames: AtomicU64,
    pub(crate) frame_bytes: AtomicU64,
    pub(crate) bad: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// State shared by a client and its session.
#[derive(Debug)]
pub(crate) struct ClientState {
    pub(crate) view: Mutex<View>,
    pub(super) clock: Mutex<Clock>,
    pub(super) outbox: Mutex<Outbox>,
    pub(super) wake: Notify,
    pub(crate) counters: Counters,
    pub(crate) ended: watch::Sender<Option<Ended>>,
    /// The latest one.
    pub(crate) welcome: Mutex<Welcome>,
    /// What carries the latest link.
    pub(crate) transport: Mutex<Transport>,
    /// When something last arrived.
    heard: Mutex<Instant>,
    pub(super) epoch: Instant,
}

/// Locks even a poisoned mutex: these values are consistent between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientState {
    /// The state after a welcome, over `transport`, to a hello sent at `sent`.
    pub(crate) fn new(welcome: Welcome, transport: Transport, sent: Instant) -> Self {
        let state = Self {
            view: Mutex::default(),
            clock: Mutex::default(),
            outbox: Mutex::default(),
            wake: Notify::new(),
            counters: Counters::default(),
            ended: watch::Sender::new(None),
            welcome: Mutex::new(welcome.clone()),
            transport: Mutex::new(transport),
            heard: Mutex::new(Instant::now()),
            epoch: sent,
        };
        state.note_clock(0.0, state.local(), welcome.time);
        lock(&state.view).handle_message(&ServerMessage::Welcome(welcome));
        state
    }

    /// The local clock, in ms.
    pub(crate) fn local(&self) -> f64 {
        self.epoch.elapsed().as_secs_f64() * 1_000.0
    }

    /// Something has arrived.
    pub(super) fn hear(&self) {
        *lock(&self.heard) = Instant::now();
    }

    /// When something last arrived.
    pub(crate) fn heard(&self) -> Instant {
        *lock(&self.heard)
    }

    /// The server's clock.
    pub(crate) fn now(&self) -> Stamp {
        lock(&self.clock).server(self.local())
    }

    pub(crate) fn round_trip(&self) -> Option<f64> {
        lock(&self.clock).round_trip()
    }

    /// Records a time of the server, and returns whether a clock has stepped.
    pub(crate) fn note_clock(&self, sent: f64, received: f64, stamp: Stamp) -> bool {
        lock(&self.clock).note(sent, received, stamp)
    }

    /// Changes the outbox, and wakes the session.
    pub(crate) fn ask<T>(&self, change: impl FnOnce(&mut Outbox) -> T) -> T {
        let changed = change(&mut lock(&self.outbox));
        self.wake.notify_one();
        changed
    }
}
