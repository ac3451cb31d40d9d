//! A program that puts things among the people.

use std::collections::BTreeMap;

use gpys::proto::geo::{MAX_LAT, Position};
use gpys::proto::pose::{Accuracy, ORIENTATION_CODES, Orientation, Pose};
use gpys::proto::time::Time;
use gpys::proto::wire::{PeerId, PublicId};
use gpys::proto::world::{LAST_SEEN_MS, Put};
use uuid::Uuid;

use super::{Sim, wrap};
use crate::extra;

/// Most things of a run.
const MOST: u32 = 6;
/// Time to live of things that are to outlive the run, in ms.
const LONG_MS: u64 = 600_000;

/// What the program knows of its things, by key.
#[derive(Debug, Default)]
pub struct Things(BTreeMap<String, Thing>);

#[derive(Clone, Copy, Debug)]
struct Thing {
    id: PeerId,
    place: Position,
    /// Number of the newest sample, also its orientation code, and when it was taken.
    sample: u32,
    sampled: Time,
}

impl Sim {
    /// Puts a thing: a new one, a newer sample, or one that comes late; for a while.
    pub fn put_any_thing(&mut self) {
        let key = format!("t{}", self.rng.u32(0..MOST));
        let age_ms = match self.rng.u32(0..10) {
            0 => LAST_SEEN_MS + 1_000,
            1 | 2 => self.rng.u64(1..5_000),
            _ => 0,
        };
        let ttl_ms = self.rng.u64(300..6_000);
        self.put_thing(&key, age_ms, ttl_ms);
    }

    /// Takes a thing out, or tries to.
    pub fn remove_any_thing(&mut self) {
        let key = format!("t{}", self.rng.u32(0..MOST));
        let id = self.things.0.get(&key).map(|thing| thing.id);
        let was_here = id.is_some_and(|id| self.model.people.contains_key(&id));
        assert_eq!(self.world.remove_thing(&key), was_here);
        id.into_iter().for_each(|id| self.model.leave(id));
    }

    /// Puts the things that are here once more, for long.
    pub(super) fn keep_things(&mut self) {
        let here = |thing: &Thing| self.model.people.contains_key(&thing.id);
        let things = self.things.0.iter().filter(|(_, thing)| here(thing));
        let keys: Vec<String> = things.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.put_thing(&key, 0, LONG_MS);
        }
    }

    fn put_thing(&mut self, key: &str, age_ms: u64, ttl_ms: u64) {
        let known = self.things.0.get(key).copied();
        let known = known.filter(|thing| self.model.people.contains_key(&thing.id));
        self.next_id += 1;
        let fresh = PeerId(self.next_id);
        let thing = known.unwrap_or_else(|| Thing {
            id: fresh,
            place: self.anywhere(),
            sample: 1,
            sampled: Time::default(),
        });
        let Thing { id, place, sample, .. } = thing;
        let lat = (place.lat() + self.rng.i32(-900..900)).clamp(-MAX_LAT, MAX_LAT);
        let lng = wrap(i64::from(place.lng()) + i64::from(self.rng.i32(-900..900)));
        let position = Position::new(lat, lng).unwrap();
        let sampled = self.now - age_ms;
        // A sample that comes late was taken before the newest one.
        let sample = if sampled < thing.sampled { sample - 1 } else { sample + 1 };
        let code = sample % ORIENTATION_CODES;
        let put = Put {
            key: key.to_owned(),
            name: key.to_owned(),
            profile: String::new(),
            position,
            orientation: Some(Orientation::from_code(code).unwrap()),
            accuracy: Accuracy::from_code(self.rng.u8(0..64)).unwrap(),
            extra: extra::of(sample, self.state_bits),
            age_ms,
            ttl_ms,
        };
        let uuid = PublicId(Uuid::from_u128(fresh.0.into()));
        let placed = self.world.put_thing(&put, || Some((fresh, uuid)), self.now).unwrap();
        assert_eq!((placed.id, placed.is_new), (id, known.is_none()));
        let Put { orientation, accuracy, .. } = put;
        let pose = Pose { position, orientation, accuracy, sampled };
        self.model.put(id, pose, self.now + ttl_ms, self.now);
        assert_eq!(placed.is_newest, sampled >= thing.sampled);
        if placed.is_newest {
            let thing = Thing { id, place: position, sample, sampled };
            self.things.0.insert(key.to_owned(), thing);
        }
        self.tally.things += 1;
    }
}
