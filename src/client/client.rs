//! One peer on one link.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use gpys_proto::geo::Viewport;
use gpys_proto::pose::Pose;
use gpys_proto::time::{Stamp, Time};
use gpys_proto::view::View;
use gpys_proto::wire::{Presence, Welcome};

use crate::error::Ended;
use crate::options::{Reading, Traffic};
use crate::session::{ClientState, lock};

/// One peer on one link. Dropping it breaks the link without a word; others see the peer fade
/// after a while, and it may come back. [`Client::leave`] is for good.
#[derive(Debug)]
pub struct Client {
    shared: Arc<ClientState>,
    welcome: Welcome,
}

impl Client {
    pub(crate) const fn new(shared: Arc<ClientState>, welcome: Welcome) -> Self {
        Self { shared, welcome }
    }

    /// What the server said first: who this client is, and what is allowed.
    #[must_use]
    pub const fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// The server's clock, as estimated.
    #[must_use]
    pub fn now(&self) -> Stamp {
        self.shared.now()
    }

    /// The shortest of the last round trips, in ms.
    #[must_use]
    pub fn round_trip(&self) -> Option<f64> {
        self.shared.round_trip()
    }

    /// Sends where this client is, now. The newest reading wins: one that still waits for its
    /// turn is replaced. A reading that says the same as the last one is not sent.
    pub fn send(&self, reading: Reading) {
        let Reading { position, orientation, accuracy } = reading;
        let sampled = Time(u64::from(self.now().0));
        let pose = Pose { position, orientation, accuracy, sampled };
        self.shared.ask(|outbox| outbox.pose = Some(pose));
    }

    /// Says what the client shows now. More than ten a second end the link; four are plenty.
    pub fn set_viewport(&self, viewport: Viewport) {
        self.shared.ask(|outbox| outbox.viewport = Some(viewport));
    }

    /// Says whether the client shares, watches or is hidden.
    pub fn set_presence(&self, presence: Presence) {
        self.shared.ask(|outbox| outbox.presence = Some(presence));
    }

    /// Who is where. What arrives waits while this is held, so hold it briefly.
    pub fn view(&self) -> MutexGuard<'_, View> {
        lock(&self.shared.view)
    }

    /// What went over the link so far.
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

    /// Waits until the link ends, and tells how.
    pub async fn closed(&self) -> Ended {
        let mut ended = self.shared.ended.subscribe();
        // The sender lives as long as `self` does, so waiting cannot fail.
        match ended.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone().unwrap_or(Ended::Left),
            Err(_) => Ended::Left,
        }
    }

    /// Makes the network vanish: nothing goes over the link any more, nobody says farewell, and
    /// the server has to find out. Over WebTransport that is so on Linux, with
    /// [`Options::own_socket`](crate::Options::own_socket); otherwise the link is closed as by dropping the client.
    pub async fn cut(&self) {
        self.shared.ask(|outbox| outbox.cut = true);
        self.closed().await;
    }

    /// Leaves for good, and waits until the server knows (2 s at most).
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
