//! The loop of one client: arriving messages go into the view, the outbox goes out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::error::Ended;
use crate::link::Link;
use crate::link::end::{End, Incoming};
use crate::options::{Event, Events};
use crate::sender::Sender;
use gpys_proto::geo::Viewport;
use gpys_proto::pose::Pose;
use gpys_proto::time::Stamp;
use gpys_proto::view::View;
use gpys_proto::wire::{
    ClientMessage, FRAME_TAG, PADDING, PONG_TAG, Presence, ServerMessage, Welcome, decode_pong,
    encode_ping,
};

/// A link on which nothing arrives for this long is dead (docs/PROTOCOL.md, section 8).
const SILENCE: Duration = Duration::from_secs(15);
/// How long to wait for the answer to a leave.
const FAREWELL: Duration = Duration::from_secs(2);
/// Interval of the first pings, in ms.
const QUICK_PING_MS: f64 = 300.0;
/// Number of pings at that interval.
const QUICK_PINGS: u32 = 4;
/// Interval of later pings, in ms; a step of the server's clock is noticed within it.
const PING_MS: f64 = 1_000.0;
/// After this long without a byte the client's address may have changed, so it sends enough for the
/// server to answer the new one. With a map in view, something arrives once a second.
const QUIET: Duration = Duration::from_millis(1_500);
/// How early a timer may go off, because its time is rounded, in ms. Without this, the loop would
/// turn until the clock shows more.
const ROUNDING_MS: f64 = 1e-3;
/// Maximum number of pings without a pong.
const OPEN_PINGS: usize = 8;

/// What the client wants its session to send. In everything the latest wins, so it cannot grow.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) pose: Option<Pose>,
    pub(crate) presence: Option<Presence>,
    pub(crate) viewport: Option<Viewport>,
    pub(crate) leave: bool,
    /// The client was dropped.
    pub(crate) abandoned: bool,
    /// The network is to vanish.
    pub(crate) cut: bool,
}

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
    clock: Mutex<Clock>,
    outbox: Mutex<Outbox>,
    wake: Notify,
    pub(crate) counters: Counters,
    pub(crate) ended: watch::Sender<Option<Ended>>,
    epoch: Instant,
}

/// Locks even a poisoned mutex: these values are consistent between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientState {
    pub(crate) fn new() -> Self {
        Self {
            view: Mutex::default(),
            clock: Mutex::default(),
            outbox: Mutex::default(),
            wake: Notify::new(),
            counters: Counters::default(),
            ended: watch::Sender::new(None),
            epoch: Instant::now(),
        }
    }

    /// The local clock, in ms.
    pub(crate) fn local(&self) -> f64 {
        self.epoch.elapsed().as_secs_f64() * 1_000.0
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
    pub(crate) fn ask(&self, change: impl FnOnce(&mut Outbox)) {
        change(&mut lock(&self.outbox));
        self.wake.notify_one();
    }
}

/// When to ping, and which pings are unanswered.
#[derive(Debug, Default)]
struct Pings {
    count: u32,
    /// Quick pings still to send.
    quick: u32,
    due: f64,
    open: [(u32, f64); OPEN_PINGS],
}

impl Pings {
    /// Encodes the next ping, sent at `now` ms.
    fn next(&mut self, now: f64) -> [u8; 5] {
        self.count = self.count.wrapping_add(1);
        self.due = now + if self.quick > 0 { QUICK_PING_MS } else { PING_MS };
        self.quick = self.quick.saturating_sub(1);
        self.open[self.count as usize % OPEN_PINGS] = (self.count, now);
        encode_ping(self.count)
    }

    /// Starts quick pings again, soon but not at once: a ping may be in flight.
    fn hurry(&mut self, now: f64) {
        self.quick = QUICK_PINGS;
        self.due = self.due.min(now + QUICK_PING_MS);
    }

    /// When the ping with this number was sent, if it is one of the last.
    fn sent(&self, echo: u32) -> Option<f64> {
        let (count, sent) = self.open[echo as usize % OPEN_PINGS];
        (echo != 0 && count == echo).then_some(sent)
    }
}

/// The loop's state.
pub(crate) struct Session {
    link: Link,
    shared: Arc<ClientState>,
    events: Option<Events>,
    sender: Sender,
    presence: Presence,
    pings: Pings,
    heard: Instant,
    /// When it last sent padding into the silence.
    padded: Instant,
    is_cut: bool,
}

impl Session {
    pub(crate) fn new(
        link: Link,
        shared: Arc<ClientState>,
        events: Option<Events>,
        welcome: &Welcome,
        presence: Presence,
    ) -> Self {
        let sender = Sender::new(welcome.limits.pose_hz);
        let pings = Pings { quick: QUICK_PINGS - 1, ..Pings::default() };
        let now = Instant::now();
        let (heard, padded) = (now, now);
        Self { link, shared, events, sender, presence, pings, heard, padded, is_cut: false }
    }

    /// Runs until the link ends.
    pub(crate) async fn run(mut self) {
        let ended = self.serve().await;
        if self.is_cut {
            self.link.cut();
        } else {
            self.link.close().await;
        }
        self.shared.ended.send_replace(Some(ended));
    }

    async fn serve(&mut self) -> Ended {
        loop {
            match tokio::time::timeout(SILENCE, self.flush()).await {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(ended))) => return ended,
                Ok(Err(end)) => return self.last_words(end).await,
                Err(_) => return Ended::Silent,
            }
            let due = self.shared.epoch + Duration::from_secs_f64(self.due() / 1_000.0);
            let quiet = self.quiet();
            tokio::select! {
                // Whatever arrives, the loop sends what is due before it waits again.
                biased;
                incoming = self.link.recv() => {
                    self.heard = Instant::now();
                    match incoming.map(|incoming| self.handle(&incoming)) {
                        Ok(None) => {}
                        Ok(Some(ended)) => return ended,
                        Err(end) => return end.into(),
                    }
                }
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep_until(due) => {}
                () = tokio::time::sleep_until(quiet) => self.pad().await,
                () = tokio::time::sleep_until(self.heard + SILENCE) => return Ended::Silent,
            }
        }
    }

    /// When the silence becomes too long.
    fn quiet(&self) -> Instant {
        self.heard.max(self.padded) + QUIET
    }

    /// Sends as many bytes as the server needs to answer an address that is new to it.
    async fn pad(&mut self) {
        self.padded = Instant::now();
        if matches!(self.link, Link::WebTransport(_)) {
            // The read side notices a link that is gone.
            drop(self.link.send_datagram(&PADDING).await);
        }
    }

    /// When the session next sends by itself, in ms.
    fn due(&self) -> f64 {
        let pose = self.sender.due().filter(|_| self.presence == Presence::Sharing);
        pose.map_or(self.pings.due, |due| due.min(self.pings.due))
    }

    /// Sends everything that is due.
    async fn flush(&mut self) -> Result<Option<Ended>, End> {
        let Outbox { pose, presence, viewport, leave, abandoned, cut } =
            std::mem::take(&mut *lock(&self.shared.outbox));
        self.is_cut = cut;
        if abandoned || cut {
            return Ok(Some(Ended::Left));
        }
        if let Some(presence) = presence {
            self.presence = presence;
            self.link.send_message(&ClientMessage::Presence(presence).encode()).await?;
        }
        if let Some(viewport) = viewport {
            self.link.send_message(&ClientMessage::Viewport(viewport).encode()).await?;
        }
        if let Some(pose) = pose {
            self.sender.offer(pose);
        }
        if leave {
            return self.leave().await.map(Some);
        }
        let now = self.shared.local() + ROUNDING_MS;
        if self.presence == Presence::Sharing
            && let Some((sample, new)) = self.sender.poll(now)
        {
            self.link.send_datagram(&sample.encode()).await?;
            let counters = &self.shared.counters;
            let counter = if new { &counters.poses } else { &counters.repeats };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if self.pings.due <= now {
            let ping = self.pings.next(now);
            self.link.send_datagram(&ping).await?;
        }
        Ok(None)
    }

    async fn leave(&mut self) -> Result<Ended, End> {
        self.link.send_message(&ClientMessage::Leave.encode()).await?;
        let answer = async {
            loop {
                match self.link.recv().await {
                    Ok(incoming) => {
                        if self.handle(&incoming).is_some() {
                            return;
                        }
                    }
                    Err(_) => return,
                }
            }
        };
        // Without an answer, this client is gone as well.
        let _ = tokio::time::timeout(FAREWELL, answer).await;
        Ok(Ended::Left)
    }

    /// Sending failed; the server's reason may still be among the unread messages.
    async fn last_words(&mut self, end: End) -> Ended {
        let read = async {
            loop {
                match self.link.recv().await {
                    Ok(incoming) => {
                        if let Some(ended) = self.handle(&incoming) {
                            return ended;
                        }
                    }
                    Err(end) => return end.into(),
                }
            }
        };
        tokio::time::timeout(FAREWELL, read).await.unwrap_or_else(|_| end.into())
    }

    fn handle(&mut self, incoming: &Incoming) -> Option<Ended> {
        match incoming {
            Incoming::Message(bytes) => self.handle_message(bytes),
            Incoming::Datagram(bytes) => {
                match bytes.first() {
                    Some(&FRAME_TAG) => self.handle_frame(bytes),
                    Some(&PONG_TAG) => self.handle_pong(bytes),
                    // A kind unknown to this version.
                    _ => {}
                }
                None
            }
        }
    }

    fn handle_message(&mut self, bytes: &[u8]) -> Option<Ended> {
        let message = match ServerMessage::decode(bytes) {
            Ok(message) => message,
            Err(error) => {
                return Some(Ended::Lost(format!("bad message from the server: {error}")));
            }
        };
        lock(&self.shared.view).handle_message(&message);
        if let Some(events) = &mut self.events {
            events(Event::Message(&message));
        }
        match message {
            ServerMessage::Closing(closing) => Some(Ended::Closed {
                code: closing.code,
                reason: closing.words(),
                retry_ms: closing.retry_ms,
            }),
            ServerMessage::Refused(refused) => {
                self.shared.counters.refused.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(field = refused.field, "refused by the server: {}", refused.words());
                None
            }
            ServerMessage::Copies(copies) => {
                self.sender.set_copies(copies.wanted);
                None
            }
            ServerMessage::Welcome(_) | ServerMessage::Roster(_) => None,
        }
    }

    fn handle_frame(&mut self, bytes: &[u8]) {
        let counters = &self.shared.counters;
        counters.frames.fetch_add(1, Ordering::Relaxed);
        counters.frame_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let now = self.shared.now();
        let events = &mut self.events;
        let taken = lock(&self.shared.view).handle_frame(bytes, |id, figure| {
            if let Some(events) = events {
                events(Event::Figure { id, figure, now });
            }
        });
        match taken {
            Ok(()) => self.check_clock(),
            Err(_) => {
                counters.bad.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Asks for the server's clock if the frames' times contradict the estimate.
    fn check_clock(&mut self) {
        let (newest, now) = (lock(&self.shared.view).newest(), self.shared.local());
        let is_odd = newest.is_some_and(|time| lock(&self.shared.clock).is_odd(time, now));
        if is_odd && self.pings.quick == 0 {
            self.pings.hurry(now);
        }
    }

    fn handle_pong(&mut self, bytes: &[u8]) {
        let received = self.shared.local();
        let Ok((echo, stamp)) = decode_pong(bytes) else {
            self.shared.counters.bad.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if let Some(sent) = self.pings.sent(echo)
            && self.shared.note_clock(sent, received, stamp)
        {
            self.pings.hurry(received);
        }
    }
}

impl From<End> for Ended {
    fn from(end: End) -> Self {
        match end.code {
            Some(code) => Self::Closed { code, reason: end.reason, retry_ms: None },
            None => Self::Lost(end.reason),
        }
    }
}
