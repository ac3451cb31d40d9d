//! Messages on their way to the reliable lane.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::kind::Kind;
use crate::time::Time;
use crate::wire::{Roster, ServerMessage, VERSION, Welcome};
use crate::world::bulletin::Bulletin;
use crate::world::interface::{Audience, Event, Lane, RoomSettings};
use crate::world::people::People;
use crate::world::slab::Slot;

/// Most people in the roster that a newcomer gets.
const MAX_ROSTER: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    events: VecDeque<Event>,
    /// News that everyone will be told.
    pub(crate) bulletin: Bulletin,
    /// The roster for newcomers, encoded. Whatever changed since is in the bulletin.
    snapshot: Option<Arc<[Arc<[u8]>]>>,
}

impl Outbox {
    /// Queues a message of the reliable lane.
    pub(crate) fn push(&mut self, to: Audience, message: &ServerMessage) {
        self.push_bytes(to, Lane::Reliable, message.encode().into());
    }

    pub(crate) fn push_bytes(&mut self, to: Audience, lane: Lane, message: Arc<[u8]>) {
        self.events.push_back(Event { to, lane, message });
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Sends a peer its welcome and the roster.
    pub(crate) fn greet(
        &mut self,
        people: &People,
        slot: Slot,
        (settings, kind): (&RoomSettings, Kind),
        resumed: bool,
        (now, stamp): (Time, Time),
    ) {
        let Some(peer) = people.peer(slot) else { return };
        let id = people.body(slot).id;
        let to = Audience::One(id);
        let snapshot = self.snapshot(people, stamp);
        // And one with the newcomer itself.
        let rosters = u16::try_from(snapshot.len() + 1).unwrap_or(u16::MAX);
        let welcome = Welcome {
            version: VERSION,
            id,
            uuid: peer.uuid,
            token: peer.token,
            resumed,
            time: now.stamp(),
            tick_hz: settings.tick_hz,
            limits: settings.limits,
            may_share: peer.may_share,
            kind,
            rosters,
        };
        self.push(to.clone(), &ServerMessage::Welcome(welcome));
        for message in snapshot.iter() {
            self.push_bytes(to.clone(), Lane::Reliable, Arc::clone(message));
        }
        // The snapshot may be older than the newcomer.
        let joined = vec![peer.person(id)];
        let (time, online) = (stamp.stamp(), people.online());
        self.push(to, &ServerMessage::Roster(Roster { time, joined, online, ..Roster::default() }));
    }

    /// Tells everyone the news as of `stamp`, if it is time, or returns when it will be.
    pub(crate) fn publish(&mut self, people: &People, viewers: usize, stamp: Time) -> Option<Time> {
        let due = self.bulletin.next(viewers)?;
        if due <= stamp {
            let news = self.bulletin.publish(|id| people.person(id), people.online(), stamp);
            for message in news {
                self.push(Audience::Everyone, &message);
            }
            self.snapshot = None;
            return None;
        }
        Some(due)
    }

    /// The roster for newcomers, encoded once for all who come before the next news: they get
    /// that as well.
    fn snapshot(&mut self, people: &People, stamp: Time) -> Arc<[Arc<[u8]>]> {
        let bulletin = &self.bulletin;
        let encode = || {
            let known = people.roster(|id| !bulletin.announces(id)).take(MAX_ROSTER);
            let messages = Bulletin::snapshot(known, people.online(), stamp);
            messages.map(|message| message.encode().into()).collect()
        };
        Arc::clone(self.snapshot.get_or_insert_with(encode))
    }
}
