//! What a session sends: the outbox, poses when they are due, pings.

use std::sync::atomic::Ordering;

use gpys_proto::pose::Extra;
use gpys_proto::wire::{ClientMessage, Presence};

use crate::error::Ended;
use crate::link::Link;
use crate::link::end::End;
use crate::session::outbox::Outbox;
use crate::session::state::lock;
use crate::session::{FAREWELL, ROUNDING_MS, Session};

impl Session {
    /// Sends everything that is due.
    pub(super) async fn flush(&mut self) -> Result<Option<Ended>, End> {
        let mut outbox = std::mem::take(&mut *lock(&self.shared.outbox));
        self.is_cut = outbox.cut;
        if outbox.abandoned || outbox.cut {
            return Ok(Some(Ended::Left));
        }
        self.send_facts(&mut outbox).await?;
        for message in outbox.messages.drain(..) {
            self.link.send_message(&message.encode()).await?;
        }
        self.note_pose(&outbox);
        if outbox.leave {
            return self.leave().await.map(Some);
        }
        for say in outbox.latest.values() {
            self.link.send_datagram(&say.encode_datagram(self.said)).await?;
            self.said = self.said.wrapping_add(1);
        }
        self.send_due().await?;
        Ok(None)
    }

    /// Sends what the client says of itself and of what it shows, and keeps it for the next link.
    async fn send_facts(&mut self, outbox: &mut Outbox) -> Result<(), End> {
        let mut messages = Vec::new();
        if let Some(sharing) = outbox.sharing.take() {
            (self.hello.sharing, self.since) = (sharing, tokio::time::Instant::now());
            messages.push(ClientMessage::Sharing(sharing));
        }
        if let Some(presence) = outbox.presence.take() {
            self.hello.presence = presence;
            messages.push(ClientMessage::Presence(presence));
        }
        if let Some(viewport) = outbox.viewport.take() {
            self.hello.viewport = Some(viewport);
            messages.push(ClientMessage::Viewport(viewport));
        }
        if let Some(name) = outbox.name.take() {
            self.hello.name.clone_from(&name);
            messages.push(ClientMessage::Name(name));
        }
        if let Some(profile) = outbox.profile.take() {
            self.hello.profile.clone_from(&profile);
            messages.push(ClientMessage::Profile(profile));
        }
        for message in messages {
            self.link.send_message(&message.encode()).await?;
        }
        Ok(())
    }

    /// Takes a new pose, or new state for the newest one.
    fn note_pose(&mut self, outbox: &Outbox) {
        if let Some(state) = outbox.state {
            self.state = state;
        }
        let state = self.state & mask(self.state_bits);
        match (outbox.pose, self.sender.newest()) {
            (Some((pose, motion)), _) => self.sender.offer(pose, Extra { motion, state }),
            (None, Some((pose, extra))) if outbox.state.is_some() => {
                self.sender.offer(pose, Extra { state, ..extra });
            }
            (None, _) => {}
        }
    }

    async fn send_due(&mut self) -> Result<(), End> {
        let now = self.shared.local() + ROUNDING_MS;
        if self.shares()
            && let Some((sample, new)) = self.sender.poll(now)
        {
            self.link.send_datagram(&sample.encode(self.state_bits)).await?;
            let counters = &self.shared.counters;
            let counter = if new { &counters.poses } else { &counters.repeats };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if self.ping_due() <= now {
            let ping = self.pings.next(now);
            self.link.send_datagram(&ping).await?;
        }
        Ok(())
    }

    /// Whether poses go out: not while a WebSocket is silent, where they would only grow old in
    /// front of those that matter then.
    pub(super) fn shares(&self) -> bool {
        let silent = self.redial.as_ref().is_some_and(|it| it.eager() <= self.shared.local());
        self.hello.presence == Presence::Sharing
            && !(silent && matches!(self.link, Link::WebSocket(_)))
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
}

/// The lowest bits, so many of them.
pub(super) const fn mask(bits: u32) -> u64 {
    match bits {
        0 => 0,
        64.. => u64::MAX,
        _ => (1 << bits) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn a_mask_has_as_many_bits_as_the_room() {
        assert_eq!([0, 1, 9, 63, 64].map(mask), [0, 1, 0x1FF, u64::MAX >> 1, u64::MAX]);
    }
}
