//! What the reliable lane tells everybody: who joined, left or changed since they were told last.
//!
//! To tell everybody costs as much as everybody, so news waits a little for more of it: who comes and
//! goes costs a large room no more than a small one. What withdraws a pose does not wait.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::Time;
use crate::wire::{Change, Online, PeerId, Person, Presence, Roster, ServerMessage};

/// People in one message: with the longest names it stays below 3 KiB. A WebSocket keeps a buffer
/// as large as the longest message that it ever wrote.
const PER_MESSAGE: usize = 32;

/// After news was told, more of it waits this long, in ms, and longer where more people are told,
/// up to [`MOST_PACE_MS`]: a list of names that is a fifth of a second old is as good as new.
const LEAST_PACE_MS: u64 = 100;
const MOST_PACE_MS: u64 = 200;
/// People by whom the pace is slower by a millisecond.
const PEOPLE_PER_MS: u64 = 16;

/// Update since it was told last; one entry a person, the latest wins, leaving is final.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bulletin {
    news: BTreeMap<PeerId, Update>,
    /// Whose pose is void although their presence alone does not say so.
    withdrawn: BTreeSet<PeerId>,
    /// Whether there is news that does not wait.
    urgent: bool,
    /// When news was told last.
    told: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Update {
    Joined,
    Changed(Presence),
    Left,
}

impl Bulletin {
    pub(crate) fn joined(&mut self, id: PeerId) {
        self.news.insert(id, Update::Joined);
    }

    pub(crate) fn changed(&mut self, change: Change) {
        let news = self.news.entry(change.id).or_insert(Update::Changed(change.presence));
        if let Update::Changed(presence) = news {
            *presence = change.presence;
        }
    }

    /// Somebody's pose is void, and their presence stays what it is: they are said to watch, and
    /// then to be what they are.
    pub(crate) fn withdrawn(&mut self, change: Change) {
        self.withdrawn.insert(change.id);
        self.changed(change);
    }

    pub(crate) fn left(&mut self, id: PeerId) {
        self.news.insert(id, Update::Left);
    }

    /// Whether everybody, whoever comes until then included, is soon told of somebody in whole.
    pub(crate) fn announces(&self, id: PeerId) -> bool {
        self.news.get(&id) == Some(&Update::Joined)
    }

    /// Somebody whom frames showed is not to be seen any more: what says so does not wait.
    pub(crate) const fn hurry(&mut self) {
        self.urgent = true;
    }

    /// Whether it is time to tell the news, of which there is some, to so many people.
    pub(crate) fn is_due(&self, people: usize, now: Time) -> bool {
        let pace = LEAST_PACE_MS + people as u64 / PEOPLE_PER_MS;
        let waited = self.told.is_none_or(|told| now.since(told) >= pace.min(MOST_PACE_MS));
        !self.news.is_empty() && (self.urgent || waited)
    }

    /// The messages that tell everybody, and an empty page for what comes next.
    pub(crate) fn publish(
        &mut self,
        person: impl Fn(PeerId) -> Option<Person>,
        online: Online,
        now: Time,
    ) -> Vec<ServerMessage> {
        let empty = Self { told: Some(now), ..Self::default() };
        let Self { news, withdrawn, .. } = std::mem::replace(self, empty);
        let news: Vec<_> = news.into_iter().collect();
        let message = |part: &[(PeerId, Update)]| {
            let mut roster = Roster { time: now.stamp(), online, ..Roster::default() };
            for &(id, news) in part {
                let mut change = |presence| roster.presence.push(Change { id, presence });
                let person = if news == Update::Joined { person(id) } else { None };
                if withdrawn.contains(&id) && news != Update::Left {
                    change(Presence::Watching);
                    person.iter().for_each(|person| change(person.presence));
                }
                match news {
                    Update::Joined => roster.joined.extend(person),
                    Update::Changed(presence) => change(presence),
                    Update::Left => roster.left.push(id),
                }
            }
            ServerMessage::Roster(roster)
        };
        news.chunks(PER_MESSAGE).map(message).collect()
    }

    /// The messages that tell a newcomer who is here.
    pub(crate) fn snapshot(
        people: impl Iterator<Item = Person>,
        online: Online,
        now: Time,
    ) -> impl Iterator<Item = ServerMessage> {
        let people: Vec<_> = people.collect();
        let parts: Vec<_> = people.chunks(PER_MESSAGE).map(<[Person]>::to_vec).collect();
        parts.into_iter().map(move |joined| {
            let time = now.stamp();
            ServerMessage::Roster(Roster { time, joined, online, ..Roster::default() })
        })
    }
}
