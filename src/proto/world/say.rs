//! Messages between peers: who gets them.

use std::sync::Arc;

use crate::time::Time;
use crate::wire::{Field, PeerId, Refused, Said, Say, ServerMessage, To};
use crate::world::World;
use crate::world::interface::{Audience, Lane};
use crate::world::peer::Peer;
use crate::world::slab::Slot;
use crate::world::talk::{Over, TOO_MUCH};

/// Most people to whom a guest may say something at once.
const MOST_HEARERS: usize = 256;
const NOBODY: &str = "nobody here has this number";

impl World {
    /// Takes a message to others from the datagram lane, numbered by its sender. The newest of its
    /// topic goes out with the next tick; what is refused is dropped.
    pub fn handle_say(&mut self, id: PeerId, seq: u32, say: Say, now: Time) {
        let Some(talk) = self.people.slot(id).and_then(|slot| self.people.talk(slot, now)) else {
            return;
        };
        if !talk.quick.take(now) {
            self.talks.over.peers += 1;
        } else if talk.is_newest(&say.topic, seq) {
            self.talks.waiting.insert((id, say.topic.clone()), say);
            self.pace.note_change();
        }
    }

    /// Returns how many messages were refused since the last call.
    pub fn take_over(&mut self) -> Over {
        std::mem::take(&mut self.talks.over)
    }

    /// Changes a peer's name or profile, unless it does so too often.
    pub(crate) fn change_facts(
        &mut self,
        slot: Slot,
        change: impl FnOnce(&mut Peer) -> bool,
        now: Time,
    ) {
        let Some(talk) = self.people.talk(slot, now) else { return };
        if !talk.facts.take(now) {
            self.talks.over.peers += 1;
            let reason = "more than 2 changes of name and profile a second";
            return self.refuse_rarely(slot, Field::Profile, reason, now);
        }
        let id = self.people.body(slot).id;
        if self.people.peer_mut(slot).is_some_and(change) {
            self.outbox.bulletin.joined(id);
            self.pace.note_change();
        }
    }

    /// Delivers a message of the reliable lane, or tells its sender why not.
    pub(crate) fn say(&mut self, slot: Slot, say: &Say, now: Time) {
        let Some(talk) = self.people.talk(slot, now) else { return };
        let told = if talk.reliable.take(now) {
            self.tell(slot, say, None, now)
        } else {
            self.talks.over.peers += 1;
            Err("more than 10 messages a second")
        };
        if let Err(reason) = told {
            self.refuse_rarely(slot, Field::Say, reason, now);
        }
    }

    /// Tells a peer that a value of its was not taken, unless it was told so a lot lately.
    pub(crate) fn refuse_rarely(&mut self, slot: Slot, field: Field, reason: &str, now: Time) {
        let id = self.people.body(slot).id;
        if self.people.talk(slot, now).is_some_and(|talk| talk.refusals.take(now)) {
            self.refuse(id, Refused { field: field as u8, reason: reason.to_owned() });
        }
    }

    /// Sends out what waits for the datagram lane, as of `stamp`.
    pub(crate) fn tell_waiting(&mut self, now: Time, stamp: Time) {
        for ((id, _), say) in std::mem::take(&mut self.talks.waiting) {
            if let Some(slot) = self.people.slot(id) {
                // Nothing on this lane is worth a refusal: the next message is due soon.
                let _ = self.tell(slot, &say, Some(stamp), now);
            }
        }
    }

    /// Delivers a message: with a stamp on the datagram lane, else on the reliable one.
    fn tell(
        &mut self,
        slot: Slot,
        say: &Say,
        stamp: Option<Time>,
        now: Time,
    ) -> Result<(), &'static str> {
        let (audience, hearers) = self.hearers(slot, say.to)?;
        if !self.talks.deliveries.take_many(hearers as u64, now) {
            self.talks.over.rooms += 1;
            return Err(TOO_MUCH);
        }
        let from = self.people.body(slot).id;
        let Say { to, topic, body } = say.clone();
        let said = Said { from, to, topic, body };
        let (lane, message) = match stamp {
            None => (Lane::Reliable, ServerMessage::Said(said).encode()),
            Some(stamp) => (Lane::Datagram, said.encode_datagram(stamp.stamp().0)),
        };
        self.outbox.push_bytes(audience, lane, message.into());
        Ok(())
    }

    /// Delivers a message from a program, which is no peer and says it as [`PeerId::PROGRAM`].
    /// Returns how many get it.
    ///
    /// # Errors
    /// If nobody can get it, or too much is said in this room.
    pub fn say_as_program(&mut self, say: &Say, now: Time) -> Result<usize, &'static str> {
        let (audience, hearers) = match say.to {
            To::Room => (Audience::Everyone, self.viewers.count()),
            To::Near => return Err("a program is nowhere, so nobody is near it"),
            To::Hosts => self.linked(self.people.hosts()),
            To::Peer(id) => self.linked([id].into_iter()),
        };
        if hearers == 0 && matches!(say.to, To::Peer(_)) {
            return Err(NOBODY);
        }
        if !self.talks.deliveries.take_many(hearers as u64, now) {
            self.talks.over.rooms += 1;
            return Err(TOO_MUCH);
        }
        let Say { to, topic, body } = say.clone();
        let said = Said { from: PeerId::PROGRAM, to, topic, body };
        self.outbox.push(audience, &ServerMessage::Said(said));
        Ok(hearers)
    }

    /// Who gets a message, and how many they are.
    fn hearers(&self, slot: Slot, to: To) -> Result<(Audience, usize), &'static str> {
        let peer = self.people.peer(slot).ok_or("you are not here")?;
        let id = self.people.body(slot).id;
        let most = if peer.is_host() { usize::MAX } else { MOST_HEARERS };
        let too_many = "only a host may say something to more than 256 people";
        let list = match to {
            To::Room => {
                let hearers = self.viewers.count().saturating_sub(1);
                if hearers > most {
                    return Err(too_many);
                }
                return Ok((Audience::Others(id), hearers));
            }
            To::Near => {
                let Some(viewer) = &peer.viewer else { return Err("you have no view") };
                self.map.people_in(viewer, self.people.bodies(), most).ok_or(too_many)?
            }
            To::Hosts => self.people.hosts().collect(),
            To::Peer(other) => vec![other],
        };
        let (audience, hearers) = self.linked(list.into_iter().filter(|&other| other != id));
        if hearers == 0 && matches!(to, To::Peer(_)) {
            return Err(NOBODY);
        }
        Ok((audience, hearers))
    }

    /// Those of them that have a link, and how many they are.
    fn linked(&self, list: impl Iterator<Item = PeerId>) -> (Audience, usize) {
        let has_link = |other: &PeerId| {
            let peer = self.people.slot(*other).and_then(|slot| self.people.peer(slot));
            peer.is_some_and(|peer| peer.viewer.is_some())
        };
        let list: Arc<[PeerId]> = list.filter(has_link).collect();
        let hearers = list.len();
        (Audience::These(list), hearers)
    }
}
