//! A thing as programs describe it, in the words of the room it is for.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::IgnoredAny;

use gpys_proto::kind::{Kind, Layout};
use gpys_proto::place::{Place, PlaceError};
use gpys_proto::pose::{Accuracy, Extra, Orientation};
use gpys_proto::wire::MAX_PROFILE;
use gpys_proto::world::{MAX_KEY, Put, PutError, is_thing_key};

/// The longest time to live.
pub const MAX_TTL: Duration = Duration::from_secs(24 * 3_600);
/// The time to live of things whose programs name none.
pub const DEFAULT_TTL: Duration = Duration::from_secs(300);

/// A thing: what a program at the server puts into a room.
#[derive(Clone, Debug, PartialEq)]
pub struct Thing {
    /// What the program calls it, unique in the room: 1 to 64 of a-z, A-Z, 0-9, `_`, `-`, `.`, `:`.
    pub key: String,
    /// The name that people see.
    pub name: String,
    /// What it says of itself: JSON of at most 512 bytes, or nothing.
    pub profile: String,
    /// Where it is.
    pub place: Place,
    /// How it is turned, if that is known.
    pub orientation: Option<Orientation>,
    /// The radius within which it is, in metres or the plane's unit; `None` if unknown.
    pub accuracy: Option<f64>,
    /// How it moves, if that is known.
    pub motion: Option<Moving>,
    /// The room's state, by field; fields left out are 0.
    pub state: BTreeMap<String, f64>,
    /// How old all this is.
    pub age: Duration,
    /// How long it stays unless it is put again, at most [`MAX_TTL`].
    pub ttl: Duration,
}

/// How a thing moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moving {
    /// Speed, in m/s on the earth and in units a second on a plane.
    pub speed: f64,
    /// Course in degrees, clockwise from north, or from the direction of y on a plane.
    pub course: f64,
}

impl Thing {
    /// A thing at a place, now, for [`DEFAULT_TTL`], named as its key.
    #[must_use]
    pub fn new(key: impl Into<String>, place: Place) -> Self {
        let key = key.into();
        Self {
            name: key.clone(),
            key,
            profile: String::new(),
            place,
            orientation: None,
            accuracy: None,
            motion: None,
            state: BTreeMap::new(),
            age: Duration::ZERO,
            ttl: DEFAULT_TTL,
        }
    }

    /// The thing as a room of this kind takes it.
    ///
    /// # Errors
    /// What is wrong with it, there.
    pub(crate) fn in_room(&self, kind: &Kind) -> Result<Put, NotPut> {
        if !is_thing_key(&self.key) {
            return Err(NotPut::Key);
        }
        if !is_profile(&self.profile) {
            return Err(NotPut::Profile);
        }
        if self.ttl.is_zero() || self.ttl > MAX_TTL {
            return Err(NotPut::Ttl);
        }
        let Kind { space, layout } = kind;
        let motion = self.motion.map(|Moving { speed, course }| space.motion(speed, course));
        let state = state(&self.state, layout)?;
        Ok(Put {
            key: self.key.clone(),
            name: self.name.clone(),
            profile: self.profile.clone(),
            position: self.place.position(space)?,
            orientation: self.orientation,
            accuracy: self.accuracy.map_or(Accuracy::UNKNOWN, |radius| space.accuracy(radius)),
            extra: Extra { motion: motion.transpose()?, state },
            age_ms: u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX),
            ttl_ms: u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// Whether a text is JSON that is no longer than a profile may be, or nothing.
fn is_profile(text: &str) -> bool {
    let is_json = || serde_json::from_str::<IgnoredAny>(text).is_ok();
    text.is_empty() || text.len() <= MAX_PROFILE && is_json()
}

fn state(values: &BTreeMap<String, f64>, layout: &Layout) -> Result<u64, NotPut> {
    let is_known = |name: &&String| layout.fields.iter().any(|field| field.name == **name);
    if let Some(name) = values.keys().find(|name| !is_known(name)) {
        return Err(NotPut::State(name.clone(), layout.to_string()));
    }
    let codes = layout.fields.iter().map(|it| values.get(&it.name).copied().unwrap_or_default());
    Ok(layout.pack(&codes.collect::<Vec<_>>()))
}

/// Why a thing was not put into a room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPut {
    /// Its key is none.
    #[error("the thing's id must be 1 to {MAX_KEY} of a-z, A-Z, 0-9, _, -, . and :")]
    Key,
    /// Its profile is too long, or not JSON.
    #[error("the thing's profile must be JSON of at most {MAX_PROFILE} bytes")]
    Profile,
    /// Its time to live is 0 or too long.
    #[error("the thing's ttl must be above 0 and at most {} s", MAX_TTL.as_secs())]
    Ttl,
    /// Its place is none in this room, or it has no proper motion.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The room's state has no such field.
    #[error("the room's state has no field {0:?}; it has {1}")]
    State(String, String),
    /// The room does not take it.
    #[error(transparent)]
    Room(#[from] PutError),
    /// The server stops.
    #[error("the server is stopping; put it again once it is back")]
    Stopping,
}

#[cfg(test)]
mod tests {
    use super::*;
    use gpys_proto::geo::GeoError;
    use gpys_proto::kind::{Number, Plane, Space, StateField, Values};

    fn kind() -> Kind {
        let field = |name: &str, values| StateField { name: name.into(), values };
        let fields = vec![field("tool", Values::Unsigned(8)), field("down", Values::Flag)];
        let plane = Plane { unit: "px".into(), step: Number(0.5) };
        Kind { space: Space::Plane(plane), layout: Layout { fields } }
    }

    #[test]
    fn a_thing_is_what_its_room_takes() {
        let mut thing = Thing::new("bus", Place::Plane { x: 10.0, y: 2.0 });
        thing.state.insert("down".into(), 1.0);
        thing.motion = Some(Moving { speed: 5.0, course: 90.0 });
        let put = thing.in_room(&kind()).unwrap();
        assert_eq!((put.extra.state, put.age_ms, put.ttl_ms), (1 << 8, 0, 300_000));
        assert!((put.extra.motion.unwrap().speed() - 10.0).abs() < 0.3, "in steps");
        assert_eq!(
            thing.in_room(&Kind::default()),
            Err(NotPut::State("down".into(), "no state".into()))
        );
        thing.state.clear();
        assert_eq!(thing.in_room(&Kind::default()), Err(PlaceError::OnEarth.into()));
    }

    #[test]
    fn what_is_wrong_with_a_thing_is_said() {
        let there = Place::Earth { lat: 46.0, lng: 14.0 };
        let on_earth = |thing: &Thing| thing.in_room(&Kind::default()).map(|_| ());
        let thing = Thing::new("bus", there);
        assert_eq!(on_earth(&thing), Ok(()));
        assert_eq!(thing.in_room(&kind()).unwrap_err(), PlaceError::OnPlane.into());
        assert_eq!(on_earth(&Thing::new("a b", there)), Err(NotPut::Key));
        let north = Place::Earth { lat: 90.1, lng: 0.0 };
        assert_eq!(
            on_earth(&Thing::new("n", north)),
            Err(PlaceError::Geo(GeoError::Latitude).into())
        );
        let profile = Thing { profile: "{".into(), ..thing.clone() };
        assert_eq!(on_earth(&profile), Err(NotPut::Profile));
        for ttl in [Duration::ZERO, MAX_TTL + Duration::from_secs(1)] {
            assert_eq!(on_earth(&Thing { ttl, ..thing.clone() }), Err(NotPut::Ttl));
        }
        let back = Thing { motion: Some(Moving { speed: -1.0, course: 0.0 }), ..thing };
        assert_eq!(on_earth(&back), Err(PlaceError::Motion.into()));
    }
}
