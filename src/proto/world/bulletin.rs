//! What the reliable lane tells everyone in a room: who joined, left or changed since the last time.
//!
//! Telling a room costs as much as the room is large, so news waits for more of it, longer where more
//! people are told. A join or a leave therefore costs a large room no more than a small one. News that
//! withdraws a pose waits least.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::Time;
use crate::wire::{Change, Online, PeerId, Person, Presence, Roster, ServerMessage};

/// Bytes of entries in one message, about a packet. A WebSocket keeps a buffer as large as the longest
/// message that it ever wrote.
const MESSAGE_LEN: usize = 1_400;
/// Most bytes of an entry, for a person without name, subject and profile.
const PERSON_LEN: usize = 27;
const SUBJECT_LEN: usize = 16;
/// Most messages, or nearly, in the list that a newcomer gets and in one telling of the news, so that
/// both fit a link's queue.
const MAX_PAGES: usize = 100;
const CHANGE_LEN: usize = 6;
const LEFT_LEN: usize = 5;

/// Shortest time between two tellings, in ms: a list of names that is a tenth of a second old is as
/// good as new.
const LEAST_PACE_MS: u64 = 100;
/// People told a second, in all: as many as 67 viewers get frames at 30 Hz. A room of more than 200
/// people is told less often for it; one of 1,000, twice a second.
const TOLD_PER_SECOND: u64 = 2_000;
/// Longest time between two tellings, in ms, reached in a room of 4,000 people.
const MOST_PACE_MS: u64 = 2_000;
/// News that withdraws a pose waits for a fraction of that time.
const URGENCY: u64 = 4;

/// News still to be told, one entry a person: the latest wins, leaving is final.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bulletin {
    news: BTreeMap<PeerId, Update>,
    /// Peers whose pose is void although their presence alone does not say so.
    withdrawn: BTreeSet<PeerId>,
    /// Whether some of it withdraws a pose.
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

    /// A peer's pose is void while its presence stays: the roster names it as watching, and then as
    /// what it is.
    pub(crate) fn withdrawn(&mut self, change: Change) {
        self.withdrawn.insert(change.id);
        self.changed(change);
    }

    pub(crate) fn left(&mut self, id: PeerId) {
        self.news.insert(id, Update::Left);
    }

    /// Whether the next telling introduces this peer in full, also to those who join until then.
    pub(crate) fn announces(&self, id: PeerId) -> bool {
        self.news.get(&id) == Some(&Update::Joined)
    }

    /// A pose that frames showed is withdrawn, so the news waits less.
    pub(crate) const fn hurry(&mut self) {
        self.urgent = true;
    }

    /// When it is time to tell so many people, if there is news.
    pub(crate) fn next(&self, people: usize) -> Option<Time> {
        let pace = (people as u64 * 1000 / TOLD_PER_SECOND).clamp(LEAST_PACE_MS, MOST_PACE_MS);
        let pace = if self.urgent { pace / URGENCY } else { pace };
        let due = self.told.map_or_else(Time::default, |told| told + pace);
        (!self.news.is_empty()).then_some(due)
    }

    /// The messages that tell everyone, and an empty bulletin for what comes next.
    pub(crate) fn publish(
        &mut self,
        person: impl Fn(PeerId) -> Option<Person>,
        online: Online,
        stamp: Time,
    ) -> Vec<ServerMessage> {
        let empty = Self { told: Some(stamp), ..Self::default() };
        let Self { news, withdrawn, .. } = std::mem::replace(self, empty);
        let mut entries = Vec::with_capacity(news.len());
        for (id, news) in news {
            let person = if news == Update::Joined { person(id) } else { None };
            let withdraws = withdrawn.contains(&id) && news != Update::Left;
            let mut changes = Vec::new();
            if withdraws {
                changes.push(Presence::Watching);
                changes.extend(person.iter().map(|person| person.presence));
            }
            if let Update::Changed(presence) = news {
                changes.push(presence);
            }
            let len = person.as_ref().map_or(LEFT_LEN, person_len) + changes.len() * CHANGE_LEN;
            let changes = changes.into_iter().map(move |presence| Change { id, presence });
            entries.push((len, changes, person, (news == Update::Left).then_some(id)));
        }
        let mut pages = Pages::new(online, stamp, entries.iter().map(|(len, ..)| len).sum());
        for (len, changes, joined, left) in entries {
            let page = pages.with_room_for(len);
            page.presence.extend(changes);
            page.joined.extend(joined);
            page.left.extend(left);
        }
        pages.into_messages().collect()
    }

    /// The messages that tell a newcomer who is here.
    pub(crate) fn snapshot(
        people: impl Iterator<Item = Person>,
        online: Online,
        stamp: Time,
    ) -> impl Iterator<Item = ServerMessage> {
        let people: Vec<Person> = people.collect();
        let mut pages = Pages::new(online, stamp, people.iter().map(person_len).sum());
        for person in people {
            pages.with_room_for(person_len(&person)).joined.push(person);
        }
        pages.into_messages()
    }
}

/// Most bytes of the roster entry of a thing with this name and profile.
pub(crate) const fn thing_len(name: &str, profile: &str) -> usize {
    PERSON_LEN + name.len() + profile.len()
}

fn person_len(person: &Person) -> usize {
    let subject = if person.subject.is_some() { SUBJECT_LEN } else { 0 };
    thing_len(&person.name, &person.profile) + subject
}

/// Roster messages of a length.
struct Pages {
    blank: Roster,
    /// Bytes of entries in one of them.
    len: usize,
    pages: Vec<Roster>,
    /// Bytes that the last page has left.
    room: usize,
}

impl Pages {
    /// Pages for entries of so many bytes in all. The profiles of a full room take more than small
    /// messages hold.
    fn new(online: Online, stamp: Time, total: usize) -> Self {
        let blank = Roster { time: stamp.stamp(), online, ..Roster::default() };
        Self { blank, len: MESSAGE_LEN.max(total / MAX_PAGES), pages: Vec::new(), room: 0 }
    }

    /// The page for an entry of this length.
    fn with_room_for(&mut self, len: usize) -> &mut Roster {
        if self.room < len {
            self.pages.push(self.blank.clone());
            self.room = self.len;
        }
        self.room = self.room.saturating_sub(len);
        let last = self.pages.len() - 1;
        &mut self.pages[last]
    }

    fn into_messages(self) -> impl Iterator<Item = ServerMessage> {
        self.pages.into_iter().map(ServerMessage::Roster)
    }
}
