//! The naive reference: what the room should be, one person at a time, with no cleverness.

use std::collections::BTreeMap;

use gpys::proto::blur::approximate;
use gpys::proto::pose::Pose;
use gpys::proto::time::Time;
use gpys::proto::wire::{PeerId, Presence, Sample, Sharing};
use gpys::proto::world::{CLOSED_MS, LAST_SEEN_MS, SILENCE_MS};

/// One person, word for word as the protocol says.
#[derive(Clone, Debug)]
pub struct Person {
    pub presence: Presence,
    /// Whether poses are shown (also while hidden).
    pub shares: bool,
    /// Whether others get the middle of the cell.
    pub approximate: bool,
    /// When the sharing ends by itself.
    pub ends: Option<Time>,
    pub pose: Option<Pose>,
    /// Pose kept aside until the person shares.
    pub aside: Option<Pose>,
    pub seq: Option<u32>,
    /// Whether the newest pose was withdrawn, so that a repeat of it counts.
    pub void: bool,
    /// When the person is gone and when they have left, if the link is gone; when a thing's time to
    /// live is over.
    pub away: Option<(Time, Time)>,
    pub is_thing: bool,
}

impl Person {
    const fn new(presence: Presence) -> Self {
        Self {
            presence,
            shares: matches!(presence, Presence::Sharing),
            approximate: false,
            ends: None,
            pose: None,
            aside: None,
            seq: None,
            void: false,
            away: None,
            is_thing: false,
        }
    }

    /// Returns the place at which viewers should see this person.
    pub fn visible(&self) -> Option<Pose> {
        (self.shares && self.presence != Presence::Gone).then_some(self.pose).flatten()
    }

    fn set_approximate(&mut self, on: bool) {
        if on {
            (self.pose, self.aside) = (self.pose.map(approximate), self.aside.map(approximate));
        }
        self.approximate = on;
    }

    fn set_end(&mut self, seconds: u32, now: Time) {
        self.ends = (seconds > 0).then(|| now + u64::from(seconds) * 1000);
    }
}

/// The people of the room.
#[derive(Debug, Default)]
pub struct Model {
    pub people: BTreeMap<PeerId, Person>,
}

impl Model {
    pub fn join(&mut self, id: PeerId, presence: Presence, sharing: Sharing, now: Time) {
        let mut person = Person::new(presence);
        person.approximate = sharing.approximate;
        person.set_end(sharing.seconds, now);
        assert!(self.people.insert(id, person).is_none(), "an id is used once");
    }

    /// Puts a thing: the newest sample counts.
    pub fn put(&mut self, id: PeerId, pose: Pose, ends: Time, now: Time) {
        let thing = self.people.entry(id).or_insert_with(|| Person::new(Presence::Sharing));
        (thing.is_thing, thing.away) = (true, Some((ends, ends)));
        if thing.pose.is_none_or(|last| last.sampled <= pose.sampled) {
            let is_old = now.since(pose.sampled) >= LAST_SEEN_MS;
            thing.presence = if is_old { Presence::Hidden } else { Presence::Sharing };
            thing.pose = Some(pose);
        }
    }

    pub fn leave(&mut self, id: PeerId) {
        self.people.remove(&id);
    }

    pub fn detach(&mut self, id: PeerId, closed: bool, resume_ms: u64, now: Time) {
        if let Some(person) = self.people.get_mut(&id) {
            let gone_ms = if closed { CLOSED_MS } else { SILENCE_MS };
            person.away = Some((now + gone_ms, now + resume_ms));
        }
    }

    pub fn resume(&mut self, id: PeerId, presence: Presence, sharing: Sharing, now: Time) {
        if let Some(person) = self.people.get_mut(&id) {
            (person.away, person.seq, person.void) = (None, None, false);
        }
        self.set_presence(id, presence);
        self.set_sharing(id, sharing, now);
    }

    pub fn set_sharing(&mut self, id: PeerId, sharing: Sharing, now: Time) {
        if let Some(person) = self.people.get_mut(&id) {
            person.set_approximate(sharing.approximate);
            person.set_end(sharing.seconds, now);
        }
    }

    pub fn set_presence(&mut self, id: PeerId, presence: Presence) {
        let Some(person) = self.people.get_mut(&id) else { return };
        person.presence = presence;
        match presence {
            Presence::Sharing => {
                person.shares = true;
                person.pose = person.aside.take().or(person.pose);
            }
            Presence::Watching => {
                if person.shares {
                    person.ends = None;
                }
                (person.shares, person.pose, person.aside) = (false, None, None);
                person.void = true;
            }
            Presence::Hidden | Presence::Gone => {}
        }
    }

    pub fn pose(&mut self, id: PeerId, sample: Sample) {
        let Some(person) = self.people.get_mut(&id) else { return };
        let void = std::mem::take(&mut person.void);
        if person.seq.is_some_and(|seq| sample.seq < seq || sample.seq == seq && !void) {
            person.void = void;
            return;
        }
        person.seq = Some(sample.seq);
        let pose = if person.approximate { approximate(sample.pose) } else { sample.pose };
        if person.shares {
            person.pose = Some(pose);
        } else {
            person.aside = Some(pose);
        }
    }

    /// Expires silent people, who are gone and later have left, and sharing for a time. Returns the
    /// number of sharings that ended.
    pub fn expire(&mut self, now: Time) -> u64 {
        let mut ended = 0;
        self.people.retain(|_, person| person.away.is_none_or(|(_, left)| left > now));
        for person in self.people.values_mut() {
            if person.ends.is_some_and(|ends| ends <= now) {
                ended += u64::from(person.visible().is_some());
                (person.shares, person.pose, person.aside) = (false, None, None);
                (person.ends, person.void) = (None, true);
                if person.presence == Presence::Sharing {
                    person.presence = Presence::Watching;
                }
            }
            if person.away.is_some_and(|(gone, _)| gone <= now) {
                person.presence = Presence::Gone;
            }
        }
        ended
    }

    /// Postpones deadlines by the time for which the server was stopped, in ms.
    pub fn excuse(&mut self, ms: u64) {
        for (gone, left) in self.people.values_mut().filter_map(|person| person.away.as_mut()) {
            (*gone, *left) = (*gone + ms, *left + ms);
        }
    }

    /// Iterates over the people here, with whether they are gone.
    pub fn silent(&self) -> BTreeMap<PeerId, bool> {
        let gone = |person: &Person| person.presence == Presence::Gone;
        self.people.iter().map(|(&id, person)| (id, gone(person))).collect()
    }

    /// Counts the people online, as the roster does.
    pub fn online(&self) -> usize {
        let is_online = |it: &&Person| it.presence != Presence::Gone && !it.is_thing;
        self.people.values().filter(is_online).count()
    }

    /// Counts the things.
    pub fn things(&self) -> usize {
        self.people.values().filter(|person| person.is_thing).count()
    }
}
