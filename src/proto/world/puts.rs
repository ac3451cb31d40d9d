//! How things come, move and go.

use crate::pose::Pose;
use crate::text;
use crate::time::Time;
use crate::wire::{PeerId, Presence, PublicId, ResumeToken, Sample};
use crate::world::World;
use crate::world::peer::{Away, Peer};
use crate::world::slab::Slot;
use crate::world::things::{LAST_SEEN_MS, Placed, Put, PutError};

impl World {
    /// Puts a thing into the room, or moves one that is there. `mint` draws a number never used
    /// before and a public identity for a new one; it returns `None` if there are none left.
    ///
    /// # Errors
    /// If the room does not take it. Nothing changes then.
    pub fn put_thing(
        &mut self,
        put: &Put,
        mint: impl FnOnce() -> Option<(PeerId, PublicId)>,
        now: Time,
    ) -> Result<Placed, PutError> {
        if self.is_over {
            return Err(PutError::Ended);
        }
        if !self.things.puts.take(now) {
            return Err(PutError::TooFast);
        }
        let name = text::name(&put.name);
        let (id, is_new) = match self.things.ids.get(put.key.as_str()) {
            Some(&id) => (id, false),
            None => (self.add_thing(put, &name, mint, now)?, true),
        };
        let Some(slot) = self.people.slot(id) else { return Err(PutError::Numbers) };
        if !is_new && !self.people.peer(slot).is_some_and(|it| it.is_known_as(&name, &put.profile))
        {
            self.rename_thing(slot, &name, &put.profile, now)?;
        }
        let Some(mut thing) = self.transition(slot) else { return Err(PutError::Numbers) };
        thing.end_away();
        let end = now + put.ttl_ms;
        thing.set_away(Away { gone: end, left: end });
        let sampled = now - put.age_ms;
        let last = thing.member.inbox.pose.or_else(|| thing.member.body().pose);
        let is_newest = last.is_none_or(|last| last.sampled <= sampled);
        if is_newest {
            let is_old = put.age_ms >= LAST_SEEN_MS;
            thing.set_presence(if is_old { Presence::Hidden } else { Presence::Sharing });
            thing.member.inbox.restart();
            let Put { position, orientation, accuracy, extra, .. } = *put;
            let pose = Pose { position, orientation, accuracy, sampled };
            self.handle_pose(id, Sample { extra, ..Sample::new(0, pose) });
        }
        self.pace.note_change();
        Ok(Placed { id, is_new, is_newest })
    }

    /// Takes a thing out of the room, and reports whether it was there.
    pub fn remove_thing(&mut self, key: &str) -> bool {
        let id = self.things.ids.get(key).copied();
        id.inspect(|&id| self.leave(id)).is_some()
    }

    /// Takes all things out of the room.
    pub fn remove_things(&mut self) {
        for id in std::mem::take(&mut self.things.ids).into_values() {
            self.leave(id);
        }
    }

    fn add_thing(
        &mut self,
        put: &Put,
        name: &str,
        mint: impl FnOnce() -> Option<(PeerId, PublicId)>,
        now: Time,
    ) -> Result<PeerId, PutError> {
        let most = self.settings.max_things;
        if self.online().things >= most {
            return Err(PutError::Full(most));
        }
        self.things.spend_news(name, &put.profile, now)?;
        let Some((id, uuid)) = mint() else { return Err(PutError::Numbers) };
        if self.removed.contains(&uuid) {
            return Err(PutError::Removed);
        }
        let token = ResumeToken::mint(id, [0; 12]);
        let peer = Peer::new((uuid, token), Presence::Sharing, true, now);
        let peer = peer.into_thing(&put.key, name, &put.profile);
        self.people.insert(id, peer);
        self.things.ids.insert(put.key.as_str().into(), id);
        self.outbox.bulletin.joined(id);
        Ok(id)
    }

    fn rename_thing(
        &mut self,
        slot: Slot,
        name: &str,
        profile: &str,
        now: Time,
    ) -> Result<(), PutError> {
        self.things.spend_news(name, profile, now)?;
        if let Some(peer) = self.people.peer_mut(slot) {
            peer.set_name(name);
            peer.set_profile(profile);
        }
        self.outbox.bulletin.joined(self.people.body(slot).id);
        Ok(())
    }
}
