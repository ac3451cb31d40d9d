//! Who and what is where on the earth, as the geographic forms give it.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::api::keys::ApiKey;
use crate::api::people::{presence, visible};
use crate::api::problem::Problem;
use crate::room::order::People;
use gpys_proto::kind::Space;

/// Somebody or something with a place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spot {
    /// The public identity.
    pub(super) uuid: String,
    /// What its program calls a thing.
    pub(super) thing: Option<String>,
    pub(super) name: String,
    pub(super) presence: &'static str,
    pub(super) profile: Option<Value>,
    /// In degrees.
    pub(super) lat: f64,
    pub(super) lng: f64,
    /// In metres.
    pub(super) accuracy: Option<f64>,
    /// In m/s.
    pub(super) speed: Option<f64>,
    /// In degrees, clockwise from north.
    pub(super) course: Option<f64>,
    /// From the axes of the device to east, north and up: x, y, z, w.
    pub(super) orientation: Option<[f64; 4]>,
    /// When the sample was taken.
    pub(super) time: OffsetDateTime,
}

impl Spot {
    /// The time as RFC 3339.
    pub(super) fn written_time(&self) -> String {
        self.time.format(&Rfc3339).unwrap_or_default()
    }
}

/// Everybody and everything that has a place and that the key sees, at the time `now`.
///
/// # Errors
/// If the room is on a plane.
pub(super) fn spots(all: &People, key: &ApiKey, now: OffsetDateTime) -> Result<Vec<Spot>, Problem> {
    if all.info.kind.space != Space::Earth {
        return Err(Problem::not_acceptable(
            "this room is on a plane, and has no places on the earth; ask for application/json",
        ));
    }
    let spot = |seen: &gpys_proto::world::Seen| {
        let (pose, extra) = seen.pose?;
        let (lat, lng) = pose.position.degrees();
        let age = time::Duration::microseconds(all.now.us_since(pose.sampled).cast_signed());
        Some(Spot {
            uuid: seen.person.uuid.0.to_string(),
            thing: seen.key.clone(),
            name: seen.person.name.clone(),
            presence: presence(seen.person.presence),
            profile: serde_json::from_str(&seen.person.profile).ok(),
            lat,
            lng,
            accuracy: pose.accuracy.metres(),
            speed: extra.motion.map(|motion| motion.speed()),
            course: extra.motion.map(|motion| motion.course()),
            orientation: pose.orientation.map(|orientation| {
                let [w, x, y, z] = orientation.quaternion();
                [x, y, z, w]
            }),
            time: now - age,
        })
    };
    Ok(visible(all, key).filter_map(spot).collect())
}

#[cfg(test)]
pub(super) fn example(name: &str) -> Spot {
    Spot {
        uuid: "7d444840-9dc0-11d1-b245-5ffdce74fad2".to_owned(),
        thing: Some("bus-7".to_owned()),
        name: name.to_owned(),
        presence: "sharing",
        profile: Some(serde_json::json!({ "icon": "bus" })),
        lat: 46.05,
        lng: 14.5,
        accuracy: Some(5.0),
        speed: Some(8.5),
        course: Some(90.0),
        orientation: None,
        time: OffsetDateTime::UNIX_EPOCH + std::time::Duration::from_millis(1_800_000_000_500),
    }
}
