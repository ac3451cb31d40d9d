//! How peers come, come back and go.

use crate::geo::Viewport;
use crate::time::Time;
use crate::wire::{PeerId, Presence, ResumeToken, Role, ServerMessage, Sharing};
use crate::world::World;
use crate::world::interface::{Arrival, Audience, JoinError, Newcomer, Parting};
use crate::world::peer::{Away, Peer};
use crate::world::rate::Rate;
use crate::world::slab::Slot;
use crate::world::viewer::Viewer;

impl World {
    /// Lets a newcomer in. Its welcome and roster follow by [`World::poll_event`].
    ///
    /// # Errors
    /// If the room is full, unless the newcomer is a host; if it is of another kind than the newcomer
    /// takes it to be; if a host removed the newcomer or closed the room.
    pub fn join(&mut self, newcomer: Newcomer, now: Time) -> Result<(), JoinError> {
        let Newcomer { id, uuid, token, arrival } = newcomer;
        if self.is_over {
            return Err(JoinError::Ended);
        }
        if [Some(uuid), arrival.subject].into_iter().flatten().any(|it| self.removed.contains(&it))
        {
            return Err(JoinError::Removed);
        }
        if !arrival.host && self.is_full() {
            return Err(JoinError::Full(self.settings.max_people));
        }
        self.check(&arrival.claim).map_err(JoinError::Kind)?;
        self.set_kind(arrival.claim.clone().kind());
        let (arrival, refused) = self.settle(arrival);
        let presence = arrival.allowed_presence();
        let Arrival { budget, viewport, sharing, may_share, .. } = arrival;
        let mut peer = Peer::new((uuid, token), presence, may_share, now);
        peer.introduce(&arrival);
        let slot = self.people.insert(id, peer);
        self.people.list_host(slot);
        self.outbox.bulletin.joined(id);
        if let Some(mut peer) = self.transition(slot) {
            peer.set_sharing(sharing, now);
        }
        self.attach(slot, budget, viewport, false, now);
        if refused {
            self.refuse_approximate(slot, now);
        }
        Ok(())
    }

    /// On a plane there are no approximate positions, and who asks for them must not get exact
    /// ones instead, so they watch. Reports whether that is so.
    fn settle(&self, arrival: Arrival) -> (Arrival, bool) {
        if !arrival.sharing.approximate || !self.is_plane() {
            return (arrival, false);
        }
        let sharing = Sharing { approximate: false, ..arrival.sharing };
        (Arrival { presence: Presence::Watching, sharing, ..arrival }, true)
    }

    /// Gives a peer back its place on a new link, and returns its id, or `None` if no peer has this
    /// token any more. Its welcome and roster follow by [`World::poll_event`]; everyone is told a
    /// new name. The caller closes the old link.
    pub fn resume(&mut self, token: ResumeToken, arrival: &Arrival, now: Time) -> Option<PeerId> {
        let (arrival, refused) = self.settle(arrival.clone());
        let Arrival { budget, viewport, sharing, may_share, .. } = arrival;
        let id = token.id();
        let slot = self.people.slot(id)?;
        let peer = self.people.peer_mut(slot);
        let peer = peer.filter(|peer| peer.token == token && peer.role() != Role::Thing)?;
        peer.may_share = may_share;
        peer.frozen = None;
        if peer.introduce(&arrival) {
            self.outbox.bulletin.joined(id);
        }
        peer.restart_talk();
        self.people.list_host(slot);
        self.dismiss(slot);
        let mut peer = self.transition(slot)?;
        peer.member.inbox.restart();
        peer.end_away();
        peer.set_precision(sharing.approximate);
        peer.set_presence(arrival.allowed_presence());
        // After the presence, because watching clears the end of sharing.
        peer.set_sharing(sharing, now);
        self.attach(slot, budget, viewport, true, now);
        if refused {
            self.refuse_approximate(slot, now);
        }
        Some(id)
    }

    /// Removes a peer for good. Unknown peers are ignored.
    pub fn leave(&mut self, id: PeerId) {
        let Some(slot) = self.people.slot(id) else { return };
        self.dismiss(slot);
        if let Some(mut peer) = self.transition(slot) {
            peer.withdraw();
            peer.end_away();
            peer.set_end(None);
        }
        self.talks.forget(id);
        if let Some(peer) = self.people.peer(slot) {
            self.things.forget(peer);
        }
        self.people.remove(slot);
        self.outbox.bulletin.left(id);
        self.pace.note_change();
    }

    /// Notes that a peer's link is gone without a leave. The peer keeps its place for a while.
    pub fn detach(&mut self, id: PeerId, parting: Parting, now: Time) {
        let Some(slot) = self.people.slot(id) else { return };
        self.dismiss(slot);
        let away = Away::new(parting, self.settings.limits.resume_ms, now);
        if let Some(mut peer) = self.transition(slot) {
            peer.set_away(away);
        }
        self.expire(now);
    }

    /// Gives a peer that has no viewer one, and its welcome.
    fn attach(
        &mut self,
        slot: Slot,
        budget: u32,
        viewport: Option<Viewport>,
        resumed: bool,
        now: Time,
    ) {
        let floor = self.settings.limits.min_budget;
        let rate = Rate::new(self.settings.clamp_budget(budget), floor, now);
        let viewer = Viewer::new(viewport.unwrap_or(Viewport::WORLD), rate);
        let Some(peer) = self.people.peer_mut(slot) else { return };
        self.viewers.attach(slot, peer, viewer);
        let kind = self.kind.clone().unwrap_or_default();
        let times = (now, self.pace.stamp(now));
        self.outbox.greet(&self.people, slot, (&self.settings, kind), resumed, times);
        if !self.announcement.is_empty() {
            let message = ServerMessage::Announcement(self.announcement.clone());
            self.outbox.push(Audience::One(self.people.body(slot).id), &message);
        }
        self.pace.note_change();
    }

    /// Takes a peer's viewer away, if it has one.
    fn dismiss(&mut self, slot: Slot) {
        if let Some(peer) = self.people.peer_mut(slot) {
            self.viewers.detach(peer, &mut self.map);
        }
    }
}
