//! Who and what is in a room, as JSON: at the precision at which each shares it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::api::keys::ApiKey;
use crate::kind::RoomKind;
use crate::room::order::{People, RoomInfo};
use gpys_proto::kind::{Kind, Values};
use gpys_proto::place::Place;
use gpys_proto::time::Time;
use gpys_proto::wire::{Presence, Role};
use gpys_proto::world::Seen;

/// A room in a list.
#[derive(Debug, Serialize)]
pub(crate) struct RoomJson {
    name: String,
    kind: RoomKind,
    online: OnlineJson,
}

/// How many are in a room.
#[derive(Debug, Serialize)]
struct OnlineJson {
    sharing: u32,
    watching: u32,
    hidden: u32,
    things: u32,
}

impl From<&RoomInfo> for RoomJson {
    fn from(info: &RoomInfo) -> Self {
        let RoomInfo { name, kind, online } = info;
        let online = OnlineJson {
            sharing: online.sharing,
            watching: online.watching,
            hidden: online.hidden,
            things: online.things,
        };
        Self { name: name.clone(), kind: kind.into(), online }
    }
}

/// A room, and who and what is in it.
#[derive(Debug, Serialize)]
pub(crate) struct PeopleJson {
    #[serde(flatten)]
    room: RoomJson,
    announcement: String,
    people: Vec<PersonJson>,
    things: Vec<ThingJson>,
}

/// Somebody.
#[derive(Debug, Serialize)]
struct PersonJson {
    id: u32,
    uuid: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Uuid>,
    host: bool,
    #[serde(flatten)]
    shown: ShownJson,
}

/// A thing.
#[derive(Debug, Serialize)]
struct ThingJson {
    id: String,
    number: u32,
    uuid: Uuid,
    #[serde(flatten)]
    shown: ShownJson,
}

/// What people and things have in common.
#[derive(Debug, Serialize)]
struct ShownJson {
    name: String,
    presence: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Value>,
    #[serde(flatten)]
    pose: Option<PoseJson>,
}

/// Where somebody is, and how: lengths in metres, or in a plane's unit.
#[derive(Debug, Serialize)]
struct PoseJson {
    #[serde(flatten)]
    place: PlaceJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orientation: Option<[f64; 4]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    course: Option<f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    state: BTreeMap<String, Value>,
    /// Time since the sample was taken, in s.
    age: f64,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum PlaceJson {
    Earth { lat: f64, lng: f64 },
    Plane { x: f64, y: f64 },
}

impl PeopleJson {
    /// What a key sees of a room.
    pub(crate) fn new(all: &People, key: &ApiKey) -> Self {
        let (mut people, mut things) = (Vec::new(), Vec::new());
        for seen in visible(all, key) {
            let (person, shown) = (&seen.person, shown(seen, &all.info.kind, all.now));
            match &seen.key {
                Some(id) => things.push(ThingJson {
                    id: id.clone(),
                    number: person.id.0,
                    uuid: person.uuid.0,
                    shown,
                }),
                None => people.push(PersonJson {
                    id: person.id.0,
                    uuid: person.uuid.0,
                    subject: person.subject.map(|subject| subject.0),
                    host: person.role == Role::Host,
                    shown,
                }),
            }
        }
        let announcement = all.announcement.clone();
        Self { room: (&all.info).into(), announcement, people, things }
    }
}

/// Who and what a key sees of a room.
pub(crate) fn visible<'a>(all: &'a People, key: &ApiKey) -> impl Iterator<Item = &'a Seen> {
    // Who is gone may come back, and is not shown meanwhile.
    let here = all.seen.iter().filter(|seen| seen.person.presence != Presence::Gone);
    here.filter(|seen| !key.is_feed() || seen.key.as_ref().is_some_and(|id| key.owns(id)))
}

/// The word for a presence.
pub(crate) const fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Sharing => "sharing",
        Presence::Watching => "watching",
        Presence::Hidden | Presence::Gone => "hidden",
    }
}

fn shown(seen: &Seen, kind: &Kind, now: Time) -> ShownJson {
    let Kind { space, layout } = kind;
    let step = space.step();
    let pose = seen.pose.map(|(pose, extra)| PoseJson {
        place: match Place::of(pose.position, space) {
            Place::Earth { lat, lng } => PlaceJson::Earth { lat, lng },
            Place::Plane { x, y } => PlaceJson::Plane { x, y },
        },
        accuracy: pose.accuracy.metres().map(|radius| radius * step),
        orientation: pose.orientation.map(|orientation| {
            let [w, x, y, z] = orientation.quaternion();
            [x, y, z, w]
        }),
        speed: extra.motion.map(|motion| motion.speed() * step),
        course: extra.motion.map(|motion| motion.course()),
        state: layout
            .fields
            .iter()
            .zip(layout.unpack(extra.state))
            .map(|(field, value)| {
                let is_flag = matches!(field.values, Values::Flag);
                (field.name.clone(), if is_flag { (value != 0.0).into() } else { value.into() })
            })
            .collect(),
        age: now.us_since(pose.sampled) as f64 / 1e6,
    });
    ShownJson {
        name: seen.person.name.clone(),
        presence: presence(seen.person.presence),
        profile: serde_json::from_str(&seen.person.profile).ok(),
        pose,
    }
}
