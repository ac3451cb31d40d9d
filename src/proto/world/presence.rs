//! Who is here: people come, hide, fall silent, come back and leave.

use crate::blur::approximate;
use crate::time::Time;
use crate::wire::{Change, Online, PeerId, Presence, ResumeToken, Sharing};
use crate::world::deadlines::Due;
use crate::world::people::{NONE, Slot};
use crate::world::{
    Arrival, Away, Body, CLOSED_MS, JoinError, Mailbox, Newcomer, Parting, Peer, SILENCE_MS,
    VIEWPORT_BURST, World, people,
};

impl World {
    /// Lets somebody in; their welcome and roster follow by [`World::poll_event`].
    ///
    /// # Errors
    /// If the room is full, for whoever is no host.
    pub fn join(&mut self, newcomer: Newcomer, now: Time) -> Result<(), JoinError> {
        let Newcomer { id, uuid, token, arrival } = newcomer;
        if !arrival.host && self.is_full() {
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
            ends: None,
            may_share,
            away: None,
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
        self.uuids.insert(uuid);
        self.widen_ids(id);
        *count(&mut self.online, presence) += 1;
        self.bulletin.joined(id);
        self.set_sharing(slot, sharing, now);
        self.attach(slot, budget, viewport, false, now);
        Ok(())
    }

    /// Somebody is back on a new link: `None` if nobody with this token is known any more.
    /// The welcome and roster follow by [`World::poll_event`]. The caller closes the old link.
    /// A new name is told to everybody.
    pub fn resume(&mut self, token: ResumeToken, arrival: &Arrival, now: Time) -> Option<PeerId> {
        let Arrival { ref name, budget, viewport, sharing, may_share, .. } = *arrival;
        let id = token.id();
        let slot = self.slots.get(id)?;
        let peer = self.peers[slot as usize].as_mut().filter(|peer| peer.token == token)?;
        peer.may_share = may_share;
        if *peer.name != **name {
            peer.name = name.as_str().into();
            self.bulletin.joined(id);
        }
        self.mailboxes[slot as usize].begun = false;
        self.dismiss(slot);
        self.is_heard(slot);
        self.set_precision(slot, sharing.approximate, now);
        self.set_presence(slot, arrival.allowed_presence());
        // After the presence, for whoever watches has no end of sharing any more.
        self.set_sharing(slot, sharing, now);
        self.attach(slot, budget, viewport, true, now);
        Some(id)
    }

    /// Somebody leaves for good. Unknown peers are ignored.
    pub fn leave(&mut self, id: PeerId, now: Time) {
        let Some(slot) = self.slots.get(id) else { return };
        self.dismiss(slot);
        if self.withdraw(slot) {
            self.bulletin.hurry();
        }
        self.is_heard(slot);
        self.set_end(slot, None);
        if let Some(peer) = self.peers[slot as usize].take() {
            self.uuids.remove(&peer.uuid);
            if peer.presence != Presence::Gone {
                *count(&mut self.online, peer.presence) -= 1;
            }
        }
        self.mailboxes[slot as usize].shown = false;
        self.slots.remove(id);
        self.free.push(slot);
        self.bulletin.left(id);
        self.ticker.note_change(now);
    }

    /// Somebody's link is gone without a leave. They keep their place for a while.
    pub fn detach(&mut self, id: PeerId, parting: Parting, now: Time) {
        let Some(slot) = self.slots.get(id) else { return };
        self.dismiss(slot);
        let (gone, heard) = match parting {
            Parting::Lost(heard) => (heard + SILENCE_MS, heard),
            Parting::Closed => (now + CLOSED_MS, now),
        };
        let left = heard + u64::from(self.settings.limits.resume_ms);
        if let Some(peer) = self.peers[slot as usize].as_mut()
            && peer.away.is_none()
        {
            peer.away = Some(Away { gone, left });
            self.deadlines.add(gone, Due::Gone, id);
            self.deadlines.add(left, Due::Left, id);
            self.expire(now);
        }
    }

    /// Changes what others know of somebody; the tick tells them.
    pub(super) fn set_presence(&mut self, slot: Slot, presence: Presence) {
        let shared = self.peers[slot as usize].as_ref().is_some_and(|peer| peer.shares);
        if shared && presence == Presence::Watching {
            self.set_end(slot, None);
        }
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
        if !shown && self.withdraw(slot) {
            self.bulletin.hurry();
        }
        self.bulletin.changed(Change { id, presence });
    }

    /// Changes the terms on which somebody shares, whether they do now or later.
    pub(super) fn set_sharing(&mut self, slot: Slot, sharing: Sharing, now: Time) {
        let Sharing { approximate, seconds } = sharing;
        let ends = (seconds > 0).then(|| now + u64::from(seconds) * 1000);
        self.set_end(slot, ends);
        self.set_precision(slot, approximate, now);
    }

    fn set_precision(&mut self, slot: Slot, approximate: bool, now: Time) {
        let was = std::mem::replace(&mut self.mailboxes[slot as usize].approximate, approximate);
        if approximate && !was {
            self.blur(slot);
            self.ticker.note_change(now);
        }
    }

    /// Puts the middle of its cell in place of every position that is known of somebody. Whoever
    /// is told anew of where they are gets that place in this tick already, all others by the
    /// next one.
    fn blur(&mut self, slot: Slot) {
        let placed = self.bodies[slot as usize].leaf != NONE;
        self.withdraw(slot);
        let body = &mut self.bodies[slot as usize];
        let mailbox = &mut self.mailboxes[slot as usize];
        body.pose = body.pose.map(approximate);
        mailbox.pose = mailbox.pose.map(approximate);
        if mailbox.shown {
            mailbox.pose = mailbox.pose.or(body.pose);
            if mailbox.pose.is_some() {
                self.queue_mail(slot);
            }
        }
        if placed && let Some(pose) = self.bodies[slot as usize].pose {
            self.grid.place(&mut self.bodies, slot, pose.position);
        }
    }

    /// Takes somebody off the map; from now on no frame shows them, not even those of this tick.
    /// Tells whether they were on it.
    fn withdraw(&mut self, slot: Slot) -> bool {
        let leaf = self.bodies[slot as usize].leaf;
        let placed = leaf != NONE;
        if placed {
            self.chunks.forget(&self.grid, leaf);
            self.grid.remove(&mut self.bodies, slot, self.tick);
        }
        placed
    }

    /// The time for which somebody wanted to share is over: whoever shares watches from now on,
    /// and whoever is hidden or gone stays so, but comes back not sharing.
    fn unshare(&mut self, slot: Slot) {
        let Some(peer) = self.peers[slot as usize].as_mut() else { return };
        peer.ends = None;
        let presence = peer.presence;
        if matches!(presence, Presence::Sharing | Presence::Watching) {
            self.set_presence(slot, Presence::Watching);
            return;
        }
        let shared = std::mem::replace(&mut peer.shares, false);
        if self.withdraw(slot) {
            self.bulletin.hurry();
        }
        let mailbox = &mut self.mailboxes[slot as usize];
        (mailbox.shown, mailbox.pose) = (false, None);
        let body = &mut self.bodies[slot as usize];
        body.pose = None;
        if shared && presence == Presence::Hidden {
            let id = body.id;
            self.bulletin.withdrawn(Change { id, presence });
        }
    }

    /// When the sharing of somebody ends by itself, in place of when it did.
    fn set_end(&mut self, slot: Slot, ends: Option<Time>) {
        let Some(peer) = self.peers[slot as usize].as_mut() else { return };
        let id = self.bodies[slot as usize].id;
        if let Some(old) = std::mem::replace(&mut peer.ends, ends) {
            self.deadlines.call_off(old, Due::Unshare, id);
        }
        if let Some(ends) = ends {
            self.deadlines.add(ends, Due::Unshare, id);
        }
    }

    /// Somebody is back, or left: silence is over.
    fn is_heard(&mut self, slot: Slot) {
        let Some(peer) = self.peers[slot as usize].as_mut() else { return };
        let id = self.bodies[slot as usize].id;
        if let Some(Away { gone, left }) = peer.away.take() {
            self.deadlines.call_off(gone, Due::Gone, id);
            self.deadlines.call_off(left, Due::Left, id);
        }
    }

    /// The server did not run for so long, in ms: that was nobody's silence. What was shared for a
    /// time ends when it was to end.
    pub fn excuse(&mut self, ms: u64) {
        self.deadlines.postpone(ms);
        for away in self.peers.iter_mut().flatten().filter_map(|peer| peer.away.as_mut()) {
            *away = Away { gone: away.gone + ms, left: away.left + ms };
        }
    }

    /// Ends what was to end by now: turns the silent into the gone, the gone into those who left,
    /// and those who wanted to share until now into those who do not.
    pub(super) fn expire(&mut self, now: Time) {
        while let Some((due, id)) = self.deadlines.pop(now) {
            let Some(slot) = self.slots.get(id) else { continue };
            match due {
                Due::Unshare => self.unshare(slot),
                Due::Gone => self.set_presence(slot, Presence::Gone),
                Due::Left => self.leave(id, now),
            }
            self.ticker.note_change(now);
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
