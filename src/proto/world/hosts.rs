//! What hosts do, and what the shell does for a room that asks for it.

use crate::text;
use crate::time::Time;
use crate::wire::{CloseCode, Field, HostAction, PeerId, Removal, ServerMessage};
use crate::world::World;
use crate::world::interface::{Audience, Dismissal};
use crate::world::slab::Slot;

/// Most peers that a room remembers as removed.
const MAX_REMOVED: usize = 10_000;

impl World {
    /// Returns the next peer whose link is to be closed, for good: the caller closes it and calls
    /// [`World::leave`].
    pub fn poll_dismissal(&mut self) -> Option<Dismissal> {
        self.dismissals.pop_front()
    }

    /// Whether a host closed the room: once it is empty, another takes its name.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes what only a host may do from any peer.
    pub(crate) fn handle_host(&mut self, slot: Slot, action: &HostAction, now: Time) {
        if !self.people.peer(slot).is_some_and(|peer| peer.is_host()) {
            let reason = "only a host of this room may do this";
            return self.refuse_rarely(slot, Field::Host, reason, now);
        }
        match action {
            HostAction::Announce(text) => self.announce(text),
            HostAction::Remove(Removal { peer, reason }) => {
                if !self.remove(*peer, reason) {
                    let reason = "nobody here has this number";
                    self.refuse_rarely(slot, Field::Host, reason, now);
                }
            }
            HostAction::Close(reason) => self.end(reason),
        }
    }

    /// What is shown to everybody; empty for nothing.
    #[must_use]
    pub fn announcement(&self) -> &str {
        &self.announcement
    }

    /// Shows everybody a text, also those who come later; an empty one takes it away.
    pub fn announce(&mut self, text: &str) {
        self.announcement = text::clean(text, text::MAX_REASON);
        let message = ServerMessage::Announcement(self.announcement.clone());
        self.outbox.push(Audience::Everyone, &message);
    }

    /// Removes a peer, which may not come back under this identity or with a token of this subject
    /// while the room lives. Reports whether there is such a peer.
    pub fn remove(&mut self, id: PeerId, reason: &str) -> bool {
        let Some(peer) = self.people.slot(id).and_then(|slot| self.people.peer(slot)) else {
            return false;
        };
        let known = [Some(peer.uuid), peer.subject()];
        if self.removed.len() < MAX_REMOVED {
            self.removed.extend(known.into_iter().flatten());
        }
        self.dismiss_with(id, CloseCode::Removed, reason);
        true
    }

    /// Closes the room: everybody has to leave, and nobody gets in any more.
    pub fn end(&mut self, reason: &str) {
        self.is_over = true;
        let everybody: Vec<PeerId> = self.people.ids_of_all().collect();
        for id in everybody {
            self.dismiss_with(id, CloseCode::Ended, reason);
        }
    }

    fn dismiss_with(&mut self, id: PeerId, code: CloseCode, reason: &str) {
        let default = match code {
            CloseCode::Removed => "a host removed you",
            _ => "a host closed the room",
        };
        let reason = text::clean(reason, text::MAX_REASON);
        let reason = if reason.is_empty() { default.to_owned() } else { reason };
        self.dismissals.push_back(Dismissal { peer: id, code, reason });
    }

    /// Notes that a peer's program has been silent although its link is alive: others see it hidden
    /// until [`World::thaw`].
    pub fn freeze(&mut self, id: PeerId) {
        self.set_frozen(id, true);
    }

    /// Notes that a peer's program is heard again.
    pub fn thaw(&mut self, id: PeerId) {
        self.set_frozen(id, false);
    }

    fn set_frozen(&mut self, id: PeerId, frozen: bool) {
        let Some(slot) = self.people.slot(id) else { return };
        let Some(mut peer) = self.transition(slot) else { return };
        if peer.set_frozen(frozen) {
            self.pace.note_change();
        }
    }
}
