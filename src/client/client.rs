//! One peer, on one link at a time.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use gpys_proto::geo::Viewport;
use gpys_proto::motion::Motion;
use gpys_proto::pose::Pose;
use gpys_proto::text;
use gpys_proto::time::{Stamp, Time};
use gpys_proto::view::View;
use gpys_proto::wire::{ClientMessage, HostAction, Presence, Say, Sharing, Welcome};

use crate::error::{Ended, SayError};
use crate::options::{Reading, Traffic, Transport};
use crate::session::state::{ClientState, lock};

/// One peer, on one link at a time. Dropping it breaks the link without a farewell: others see the
/// peer fade after a while, and it may come back. [`Client::leave`] leaves for good.
#[derive(Debug)]
pub struct Client {
    shared: Arc<ClientState>,
}

impl Client {
    pub(crate) const fn new(shared: Arc<ClientState>) -> Self {
        Self { shared }
    }

    /// The server's latest welcome: who this client is, and what it may do. A client that
    /// [redials](crate::Options::redials) gets one on each link, and is another peer if that is
    /// not `resumed`.
    #[must_use]
    pub fn welcome(&self) -> Welcome {
        lock(&self.shared.welcome).clone()
    }

    /// The server's clock, as this client estimates it.
    #[must_use]
    pub fn now(&self) -> Stamp {
        self.shared.now()
    }

    /// The shortest of the last round trips, in ms.
    #[must_use]
    pub fn round_trip(&self) -> Option<f64> {
        self.shared.round_trip()
    }

    /// Sends where this client is now. The newest reading wins: it replaces one that still waits
    /// for its turn. A reading equal to the last one is not sent.
    pub fn send(&self, reading: Reading) {
        self.send_moving(reading, None);
    }

    /// The same, with how fast and which way the client moves, if that is known.
    pub fn send_moving(&self, reading: Reading, motion: Option<Motion>) {
        let Reading { position, orientation, accuracy } = reading;
        let sampled = Time::from_ms(u64::from(self.now().0));
        let pose = Pose { position, orientation, accuracy, sampled };
        self.shared.ask(|outbox| outbox.pose = Some((pose, motion)));
    }

    /// Sets the state bits, which go with each pose from now on. They are those of the room's
    /// layout ([`Welcome::kind`]); bits above are left out.
    pub fn set_state(&self, bits: u64) {
        self.shared.ask(|outbox| outbox.state = Some(bits));
    }

    /// Changes the name that others see. The server takes two changes of name or profile a second,
    /// ten at once.
    pub fn set_name(&self, name: &str) {
        let name = text::name(name);
        self.shared.ask(|outbox| outbox.name = Some(name));
    }

    /// Changes what the client says of itself: JSON of at most 512 bytes, or nothing.
    pub fn set_profile(&self, profile: String) {
        self.shared.ask(|outbox| outbox.profile = Some(profile));
    }

    /// Sets the terms on which the client shares, from now on.
    pub fn set_sharing(&self, sharing: Sharing) {
        self.shared.ask(|outbox| outbox.sharing = Some(sharing));
    }

    /// Says something to others, reliably and in order, once there is a link.
    ///
    /// # Errors
    /// If the topic is not one, the body too long, or too much waits already.
    pub fn say(&self, say: Say) -> Result<(), SayError> {
        say.validate()?;
        let queued = self.shared.ask(|outbox| outbox.queue(ClientMessage::Say(say)));
        queued.then_some(()).ok_or(SayError::TooMuch)
    }

    /// Says something to others on the datagram lane: of each topic, the latest wins, and it may be
    /// lost.
    ///
    /// # Errors
    /// As with [`say`](Self::say).
    pub fn say_latest(&self, say: Say) -> Result<(), SayError> {
        say.validate()?;
        let replaced = self.shared.ask(|outbox| outbox.replace(say));
        replaced.then_some(()).ok_or(SayError::TooMuch)
    }

    /// Does what only a host may do; from others, the server refuses it.
    ///
    /// # Errors
    /// If too much waits already.
    pub fn host(&self, action: HostAction) -> Result<(), SayError> {
        let queued = self.shared.ask(|outbox| outbox.queue(ClientMessage::Host(action)));
        queued.then_some(()).ok_or(SayError::TooMuch)
    }

    /// The transport of the latest link.
    #[must_use]
    pub fn transport(&self) -> Transport {
        *lock(&self.shared.transport)
    }

    /// Tells the server what the client shows. More than ten a second end the link; four are
    /// plenty.
    pub fn set_viewport(&self, viewport: Viewport) {
        self.shared.ask(|outbox| outbox.viewport = Some(viewport));
    }

    /// Tells the server whether the client shares, watches or is hidden.
    pub fn set_presence(&self, presence: Presence) {
        self.shared.ask(|outbox| outbox.presence = Some(presence));
    }

    /// The peers in view. While this guard is held, arriving frames wait; hold it briefly.
    pub fn view(&self) -> MutexGuard<'_, View> {
        lock(&self.shared.view)
    }

    /// For how long nothing has arrived: with a map in view, something does each second.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.shared.heard().elapsed()
    }

    /// Counts of what the client's links have carried so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let counters = &self.shared.counters;
        Traffic {
            poses: counters.poses.load(Ordering::Relaxed),
            repeats: counters.repeats.load(Ordering::Relaxed),
            frames: counters.frames.load(Ordering::Relaxed),
            frame_bytes: counters.frame_bytes.load(Ordering::Relaxed),
            bad: counters.bad.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
        }
    }

    /// Waits until the link ends, and returns how. Where the client
    /// [redials](crate::Options::redials), that is when it gives up: when it leaves, or the server
    /// says that it must not come back.
    pub async fn closed(&self) -> Ended {
        let mut ended = self.shared.ended.subscribe();
        // The sender lives as long as `self` does, so waiting cannot fail.
        match ended.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone().unwrap_or(Ended::Left),
            Err(_) => Ended::Left,
        }
    }

    /// Simulates a lost network: the link carries nothing more, not even a farewell, and the server
    /// has to find out. Over WebTransport this needs Linux and
    /// [`Options::own_socket`](crate::Options::own_socket); otherwise the link closes as if the
    /// client were dropped.
    pub async fn cut(&self) {
        self.shared.ask(|outbox| outbox.cut = true);
        self.closed().await;
    }

    /// Leaves for good, and waits up to 2 s until the server knows.
    pub async fn leave(&self) {
        self.shared.ask(|outbox| outbox.leave = true);
        self.closed().await;
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.ask(|outbox| outbox.abandoned = true);
    }
}
