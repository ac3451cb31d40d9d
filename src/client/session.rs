//! The loop of one client: arriving messages go into the view, the outbox goes out ([`outgoing`]).
//! [`comeback`] replaces a link that is silent or over.

mod comeback;
pub(crate) mod outbox;
mod outgoing;
mod pings;
pub(crate) mod state;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Ended;
use crate::link::Link;
use crate::link::dial::{Dial, attempted};
use crate::link::end::{End, Incoming};
use crate::options::{Event, Events};
use crate::redial::Redial;
use crate::sender::Sender;
use crate::session::pings::{EAGER_PING_MS, Pings};
use crate::session::state::{ClientState, lock};
use gpys_proto::time::Stamp;
use gpys_proto::wire::{
    Copies, FRAME_TAG, Hello, PADDING, PONG_TAG, SAID_TAG, Said, ServerMessage, decode_pong,
};

/// A link on which nothing arrives for this long is dead (docs/PROTOCOL.md, section 8).
const SILENCE: Duration = Duration::from_secs(15);
/// How long to wait for the answer to a leave.
const FAREWELL: Duration = Duration::from_secs(2);
/// After this long without a byte the client's address may have changed, so it sends enough for the
/// server to answer the new one. With a map in view, something arrives once a second.
const QUIET: Duration = Duration::from_millis(1_500);
/// How early a timer may go off, because its time is rounded, in ms. Without this, the loop would
/// turn until the clock shows more.
const ROUNDING_MS: f64 = 1e-3;

/// The loop's state.
pub(crate) struct Session {
    link: Link,
    shared: Arc<ClientState>,
    events: Option<Events>,
    sender: Sender,
    /// The client's state, and its bits in each pose.
    state: u64,
    state_bits: u32,
    /// Messages for others on the datagram lane of this link.
    said: u32,
    /// What the client says on its next link; its presence is the client's now.
    hello: Hello,
    /// When the terms on which the client shares began.
    since: Instant,
    pings: Pings,
    /// When it last sent padding into the silence.
    padded: Instant,
    is_cut: bool,
    /// Decides when to dial again; `None` for a client of one link.
    redial: Option<Redial>,
    /// Whether a hello went out over a link from which no welcome has come, so that the server may
    /// have replaced this one.
    has_rival: bool,
}

impl Session {
    pub(crate) fn new(
        link: Link,
        shared: Arc<ClientState>,
        events: Option<Events>,
        hello: Hello,
    ) -> Self {
        let (sender, state_bits) = {
            let welcome = lock(&shared.welcome);
            (Sender::new(welcome.limits.pose_hz), welcome.kind.layout.bits())
        };
        let now = Instant::now();
        Self {
            link,
            shared,
            events,
            sender,
            state: 0,
            state_bits,
            said: 0,
            hello,
            since: now,
            pings: Pings::after(0),
            padded: now,
            is_cut: false,
            redial: None,
            has_rival: false,
        }
    }

    /// Runs until the link ends, and then on the next one if there is a way to open it.
    pub(crate) async fn run(mut self, server: Option<Box<dyn Dial>>) {
        self.redial = server.is_some().then(|| Redial::new(self.shared.local()));
        let ended = loop {
            let ended = self.serve(server.as_deref()).await;
            let Some(server) = server.as_deref() else { break ended };
            let comes_back = self.comes_back(&ended, server);
            if comes_back {
                self.tell(Event::Ended { ended: &ended, comes_back });
            }
            if let Err(ended) = Box::pin(self.come_back(server, ended)).await {
                break ended;
            }
        };
        self.tell(Event::Ended { ended: &ended, comes_back: false });
        if self.is_cut {
            self.link.cut();
        } else {
            self.link.close().await;
        }
        self.shared.ended.send_replace(Some(ended));
    }

    fn tell(&mut self, event: Event<'_>) {
        if let Some(events) = &mut self.events {
            events(event);
        }
    }

    /// Serves the link until it ends. With a way to the `server`, a link that is silent is replaced
    /// meanwhile.
    async fn serve(&mut self, server: Option<&dyn Dial>) -> Ended {
        let mut attempt = None;
        loop {
            match tokio::time::timeout(SILENCE, self.flush()).await {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(ended))) => return ended,
                Ok(Err(end)) => return self.last_words(end).await,
                Err(_) => return Ended::Silent,
            }
            let suspect = self.suspect_at().filter(|_| attempt.is_none());
            let planned = self.due().min(suspect.unwrap_or(f64::INFINITY));
            let due = self.shared.epoch + Duration::from_secs_f64(planned.max(0.0) / 1_000.0);
            let quiet = self.quiet();
            tokio::select! {
                // Whatever arrives, the loop sends what is due before it waits again.
                biased;
                incoming = self.link.recv() => {
                    self.shared.hear();
                    let now = self.shared.local();
                    match incoming.map(|incoming| self.handle(&incoming)) {
                        Ok(None) => {}
                        Ok(Some(ended)) => return ended,
                        Err(end) => return end.into(),
                    }
                    // The link has spoken first.
                    attempt = None;
                    if let Some(redial) = &mut self.redial {
                        redial.hear(now);
                    }
                    continue;
                }
                opened = attempted(&mut attempt) => {
                    attempt = None;
                    if let Some(server) = server
                        && let Err(ended) = Box::pin(self.replace(server, opened)).await
                    {
                        return ended;
                    }
                    continue;
                }
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep_until(due) => {}
                () = tokio::time::sleep_until(quiet) => self.pad().await,
                () = tokio::time::sleep_until(self.shared.heard() + SILENCE) => return Ended::Silent,
            }
            let now = self.shared.local();
            if let Some(redial) = &mut self.redial {
                redial.wake(planned, now);
            }
            if attempt.is_none()
                && let Some(server) = server
                && self.suspect_at().is_some_and(|suspect| suspect <= now + ROUNDING_MS)
            {
                attempt = Some(self.attempt(server));
            }
        }
    }

    /// When the silence becomes too long.
    fn quiet(&self) -> Instant {
        self.shared.heard().max(self.padded) + QUIET
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
        let pose = self.sender.due().filter(|_| self.shares());
        let ping = self.ping_due();
        pose.map_or(ping, |due| due.min(ping))
    }

    /// When the next ping is due, in ms: earlier while the pong of the last one is late.
    fn ping_due(&self) -> f64 {
        match &self.redial {
            Some(redial) => self.pings.due.min(redial.eager().max(self.pings.last + EAGER_PING_MS)),
            None => self.pings.due,
        }
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
                    Some(&SAID_TAG) => self.handle_said(bytes),
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
        self.tell(Event::Message(&message));
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
            ServerMessage::Copies(Copies { wanted }) => {
                self.sender.set_copies(wanted);
                None
            }
            ServerMessage::Welcome(_)
            | ServerMessage::Roster(_)
            | ServerMessage::Said(_)
            | ServerMessage::Announcement(_) => None,
        }
    }

    fn handle_said(&mut self, bytes: &[u8]) {
        match Said::decode_datagram(bytes) {
            Ok((time, said)) => self.tell(Event::Said { time: Stamp(time), said: &said }),
            Err(_) => {
                self.shared.counters.bad.fetch_add(1, Ordering::Relaxed);
            }
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
