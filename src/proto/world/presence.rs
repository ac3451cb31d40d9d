//! Who is here: people come, hide, fall silent, come back and leave.

use super::{
    Arrival, Body, JoinError, Mailbox, Newcomer, Peer, SILENCE_MS, VIEWPORT_BURST, World, people,
};
use crate::proto::people::Slot;
use crate::proto::time::Time;
use crate::proto::wire::{Change, Online, PeerId, Presence, Sharing, Token};

impl World {
    /// Lets somebody in; their welcome and roster follow by [`World::poll_event`].
    ///
    /// # Errors
    /// If the room is full, for whoever is no host.
    pub fn join(&mut self, newcomer: Newcomer, now: Time) -> Result<(), JoinError> {
        let Newcomer { id, uuid, token, arrival } = newcomer;
        if !arrival.host && self.slots.len() >= self.settings.max_people as usize {
            return Err(JoinError::Full(self.settings.max_people));
        }
        let presence = arrival.allowed_presence();
        let Arrival { name, budget, viewport, sharing, may_share, .. } = arrival;
        let peer = Peer {
            uuid,
            token,
            name: name.into(),
            presence,
            shares: presence == Presence::Sharing,
            sharing,
            may_share,
            heard: None,
            viewer: None,
            seat: 0,
            looks: VIEWPORT_BURST * 1000,
            looked: now,
        };
        let body = Body { hidden: presence == Presence::Hidden, ..Body::new(id) };
        let shown = presence == Presence::Sharing;
        let mailbox = Mailbox { shown, ..Mailbox::default() };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.bodies[slot as usize] = body;
                // Mail of whoever had the slot may still be in the list, at most once.
                let queued = self.mailboxes[slot as usize].queued;
                self.mailboxes[slot as usize] = Mailbox { queued, ..mailbox };
                self.peers[slot as usize] = Some(peer);
                slot
            }
            None => {
                people::push(&mut self.bodies, body);
                people::push(&mut self.mailboxes, mailbox);
                people::push(&mut self.peers, Some(peer));
                self.bodies.len() as Slot - 1
            }
        };
        self.slots.insert(id, slot);
        self.widen_ids(id);
        *count(&mut self.online, presence) += 1;
        self.bulletin.joined(id);
        self.attach(slot, budget, viewport, false, now);
        Ok(())
    }

    /// Somebody is back on a new link: `None` if nobody with this token is known any more.
    /// The welcome and roster follow by [`World::poll_event`]. The caller closes the old link.
    /// A new name is told to everybody.
    pub fn resume(&mut self, token: Token, arrival: &Arrival, now: Time) -> Option<PeerId> {
        let Arrival { ref name, budget, viewport, sharing, may_share, .. } = *arrival;
        let id = token.id();
        let slot = self.slots.get(id)?;
        let peer = self.peers[slot as usize].as_mut().filter(|peer| peer.token == token)?;
        if let Some(heard) = peer.heard.take() {
            self.deadlines.remove(&(heard + SILENCE_MS, id));
            self.deadlines.remove(&(heard + u64::from(self.settings.limits.resume_ms), id));
        }
        (peer.sharing, peer.may_share) = (sharing, may_share);
        if *peer.name != **name {
            peer.name = name.as_str().into();
            self.bulletin.joined(id);
        }
        self.mailboxes[slot as usize].begun = false;
        self.dismiss(slot);
        self.set_presence(slot, arrival.allowed_presence());
        self.attach(slot, budget, viewport, true, now);
        Some(id)
    }

    /// Somebody leaves for good. Unknown peers are ignored.
    pub fn leave(&mut self, id: PeerId, now: Time) {
        let Some(slot) = self.slots.get(id) else { return };
        self.dismiss(slot);
        self.grid.remove(&mut self.bodies, slot, self.tick);
        if let Some(peer) = self.peers[slot as usize].take() {
            if peer.presence != Presence::Gone {
                *count(&mut self.online, peer.presence) -= 1;
            }
            if let Some(heard) = peer.heard {
                self.deadlines.remove(&(heard + SILENCE_MS, id));
                self.deadlines.remove(&(heard + u64::from(self.settings.limits.resume_ms), id));
            }
        }
        self.mailboxes[slot as usize].shown = false;
        self.slots.remove(id);
        self.free.push(slot);
        self.bulletin.left(id);
        self.ticker.note_change(now);
    }

    /// Somebody's link is gone without a leave; it was last heard at `heard`.
    pub fn detach(&mut self, id: PeerId, heard: Time, now: Time) {
        let Some(slot) = self.slots.get(id) else { return };
        self.dismiss(slot);
        if let Some(peer) = self.peers[slot as usize].as_mut()
            && peer.heard.is_none()
        {
            peer.heard = Some(heard);
            self.deadlines.insert((heard + SILENCE_MS, id));
            self.deadlines.insert((heard + u64::from(self.settings.limits.resume_ms), id));
            self.expire(now);
        }
    }

    /// Changes what others know of somebody; the tick tells them.
    pub(super) fn set_presence(&mut self, slot: Slot, presence: Presence) {
        let Some(peer) = self.peers[slot as usize].as_mut() else { return };
        let body = &mut self.bodies[slot as usize];
        let mailbox = &mut self.mailboxes[slot as usize];
        match presence {
            Presence::Sharing => peer.shares = true,
            Presence::Watching => (peer.shares, mailbox.pose) = (false, None),
            Presence::Hidden | Presence::Gone => {}
        }
        if peer.presence == presence {
            return;
        }
        if peer.presence != Presence::Gone {
            *count(&mut self.online, peer.presence) -= 1;
        }
        if presence != Presence::Gone {
            *count(&mut self.online, presence) += 1;
        }
        peer.presence = presence;
        body.hidden = presence == Presence::Hidden;
        let shown = peer.shares && presence != Presence::Gone;
        mailbox.shown = shown;
        // Whoever is back, or hid, is shown again by the next tick.
        if shown && mailbox.pose.is_none() {
            mailbox.pose = body.pose;
        }
        let queue = shown && mailbox.pose.is_some();
        if !peer.shares {
            body.pose = None;
        }
        let id = body.id;
        if queue {
            self.queue_mail(slot);
        }
        if !shown {
            self.grid.remove(&mut self.bodies, slot, self.tick);
        }
        self.bulletin.changed(Change { id, presence });
    }

    /// Changes the terms on which somebody shares.
    pub(super) fn set_sharing(&mut self, slot: Slot, sharing: Sharing) {
        if let Some(peer) = self.peers[slot as usize].as_mut() {
            peer.sharing = sharing;
        }
    }

    /// Turns the silent into the gone, and the gone into those who left.
    pub(super) fn expire(&mut self, now: Time) {
        while let Some(&(time, id)) = self.deadlines.first().filter(|(time, _)| *time <= now) {
            self.deadlines.remove(&(time, id));
            let Some(slot) = self.slots.get(id) else { continue };
            let heard = self.peers[slot as usize].as_ref().and_then(|peer| peer.heard);
            let ends = heard.map(|heard| heard + u64::from(self.settings.limits.resume_ms));
            if ends.is_some_and(|ends| ends <= now) {
                self.leave(id, now);
            } else {
                self.set_presence(slot, Presence::Gone);
                self.ticker.note_change(now);
            }
        }
    }
}

fn count(online: &mut Online, presence: Presence) -> &mut u32 {
    match presence {
        Presence::Sharing => &mut online.sharing,
        Presence::Hidden => &mut online.hidden,
        Presence::Watching | Presence::Gone => &mut online.watching,
    }
}
