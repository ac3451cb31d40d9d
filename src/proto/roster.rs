//! What the reliable lane tells everybody: who joined, left or changed since the last tick.

use std::collections::{BTreeMap, BTreeSet};

use super::time::Time;
use super::wire::{Change, Online, PeerId, Person, Presence, Roster, ServerMessage};

/// People in one message: with the longest names it stays below 3 KiB. A WebSocket keeps a buffer
/// as large as the longest message that it ever wrote.
const PER_MESSAGE: usize = 32;

/// News since the last tick; one entry a person, the latest wins, leaving is final.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bulletin {
    news: BTreeMap<PeerId, News>,
    /// Whose pose is void although their presence alone does not say so.
    withdrawn: BTreeSet<PeerId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Joined,
    Changed(Presence),
    Left,
}

impl Bulletin {
    pub(crate) fn joined(&mut self, id: PeerId) {
        self.news.insert(id, News::Joined);
    }

    pub(crate) fn changed(&mut self, change: Change) {
        let news = self.news.entry(change.id).or_insert(News::Changed(change.presence));
        if let News::Changed(presence) = news {
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
        self.news.insert(id, News::Left);
    }

    /// The messages that tell everybody, and an empty page for the next tick.
    pub(crate) fn publish(
        &mut self,
        person: impl Fn(PeerId) -> Option<Person>,
        online: Online,
        now: Time,
    ) -> Vec<ServerMessage> {
        let Self { news, withdrawn } = std::mem::take(self);
        let news: Vec<_> = news.into_iter().collect();
        let message = |part: &[(PeerId, News)]| {
            let mut roster = Roster { time: now.stamp(), online, ..Roster::default() };
            for &(id, news) in part {
                let mut change = |presence| roster.presence.push(Change { id, presence });
                let person = if news == News::Joined { person(id) } else { None };
                if withdrawn.contains(&id) && news != News::Left {
                    change(Presence::Watching);
                    person.iter().for_each(|person| change(person.presence));
                }
                match news {
                    News::Joined => roster.joined.extend(person),
                    News::Changed(presence) => change(presence),
                    News::Left => roster.left.push(id),
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
