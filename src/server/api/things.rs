//! Putting things into rooms and taking them out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Json, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::api::ask::{Caller, Named};
use crate::api::keys::ApiKey;
use crate::api::problem::Problem;
use crate::api::state::Api;
use crate::handle::HandleError;
use crate::room::thing::{DEFAULT_TTL, Moving, NotPut, Thing};
use gpys_proto::place::Place;
use gpys_proto::pose::Orientation;
use gpys_proto::wire::is_room_name;
use gpys_proto::world::Placed;

/// Most things of a batch: with a kilobyte each they fill the longest body.
pub(crate) const MAX_BATCH: usize = 1_000;

/// A thing as programs write it; what is left out is unknown.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a thing, as a JSON object")]
struct Written {
    id: Option<String>,
    lat: Option<f64>,
    lng: Option<f64>,
    x: Option<f64>,
    y: Option<f64>,
    accuracy: Option<f64>,
    speed: Option<f64>,
    course: Option<f64>,
    orientation: Option<[f64; 4]>,
    state: Option<BTreeMap<String, Code>>,
    profile: Option<Value>,
    name: Option<String>,
    time: Option<Moment>,
    ttl: Option<f64>,
}

/// The value of a field of the state.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a field of the state is a number, true or false")]
enum Code {
    Flag(bool),
    Number(f64),
}

/// A time.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "time is RFC 3339 text, or whole ms since 1970")]
enum Moment {
    Ms(u64),
    Text(String),
}

impl Moment {
    fn age(&self, now: OffsetDateTime) -> Result<Duration, &'static str> {
        let time = match self {
            Self::Ms(ms) => {
                OffsetDateTime::from_unix_timestamp_nanos(i128::from(*ms) * 1_000_000).ok()
            }
            Self::Text(text) => OffsetDateTime::parse(text, &Rfc3339).ok(),
        };
        let time = time
            .ok_or("time is RFC 3339, such as \"2026-11-27T12:00:00Z\", or whole ms since 1970")?;
        // A clock that is ahead counts as right.
        Ok(Duration::try_from(now - time).unwrap_or_default())
    }
}

impl Written {
    /// The thing that this is, at the time `now`.
    fn thing(self, id: String, now: OffsetDateTime) -> Result<Thing, &'static str> {
        let place = match (self.lat, self.lng, self.x, self.y) {
            (Some(lat), Some(lng), None, None) => Place::Earth { lat, lng },
            (None, None, Some(x), Some(y)) => Place::Plane { x, y },
            _ => return Err("a thing has lat and lng in degrees, or x and y on a plane"),
        };
        let motion = match (self.speed, self.course) {
            (None, None) => None,
            (Some(_), None) => return Err("speed needs a course, in degrees"),
            (speed, Some(course)) => Some(Moving { speed: speed.unwrap_or_default(), course }),
        };
        let turned = |[x, y, z, w]: [f64; 4]| Orientation::from_quaternion([w, x, y, z]);
        let orientation = self.orientation.map(turned).transpose();
        if self.accuracy.is_some_and(|radius| radius < 0.0) {
            return Err("accuracy is a number from 0 up");
        }
        let value = |code| match code {
            Code::Flag(flag) => f64::from(flag),
            Code::Number(number) => number,
        };
        let state = self.state.into_iter().flatten();
        let ttl = self.ttl.map(Duration::try_from_secs_f64).transpose();
        Ok(Thing {
            profile: self.profile.map(|profile| profile.to_string()).unwrap_or_default(),
            orientation: orientation.map_err(|_| "orientation is [x, y, z, w], not all 0")?,
            accuracy: self.accuracy,
            motion,
            state: state.map(|(name, code)| (name, value(code))).collect(),
            age: self.time.map(|time| time.age(now)).transpose()?.unwrap_or_default(),
            ttl: ttl.map_err(|_| "ttl is above 0, in seconds")?.unwrap_or(DEFAULT_TTL),
            name: self.name.unwrap_or_else(|| id.clone()),
            ..Thing::new(id, place)
        })
    }
}

/// What became of a thing.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// Its id, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// As of an answer to it alone: 201 for a new one, 200 for one that was there.
    status: u16,
    /// Its number on the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u32>,
    /// Whether its place counts: a sample that is older than the last does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<bool>,
    /// Why it was not put.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Outcome {
    fn put(id: String, placed: Placed) -> Self {
        let status = if placed.is_new { StatusCode::CREATED } else { StatusCode::OK };
        Self {
            id: Some(id),
            status: status.as_u16(),
            number: Some(placed.id.0),
            newest: Some(placed.is_newest),
            detail: None,
        }
    }

    fn not_put(id: Option<String>, problem: Problem) -> Self {
        let (status, detail) = (problem.status.as_u16(), Some(problem.detail.into_owned()));
        Self { id, status, number: None, newest: None, detail }
    }
}

impl Api {
    /// Puts things into a room with a key; each has an outcome, in their order.
    ///
    /// # Errors
    /// If the key does not feed this room, or the room cannot be reached.
    pub(crate) async fn put_things(
        &self,
        key: &ApiKey,
        room: &str,
        things: Vec<Thing>,
    ) -> Result<Vec<Result<Placed, Problem>>, Problem> {
        key.feeds(room)?;
        let allowed: Vec<_> = things.iter().map(|thing| key.names(&thing.key)).collect();
        let own = things.into_iter().zip(&allowed).filter(|(_, allowed)| allowed.is_ok());
        let own: Vec<_> = own.map(|(thing, _)| thing).collect();
        // A room that nothing is put into need not begin.
        let put =
            if own.is_empty() { Vec::new() } else { self.handle.put_things(room, own).await? };
        let mut put = put.into_iter();
        let outcome = |allowed: Result<(), Problem>| {
            allowed?;
            Ok(put.next().unwrap_or(Err(NotPut::Stopping))?)
        };
        Ok(allowed.into_iter().map(outcome).collect())
    }
}

/// `PUT` and `POST /rooms/{room}/things/{id}`.
pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    key: Caller,
    Named((room, id)): Named<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    key.feeds(&room)?;
    key.names(&id)?;
    let written: Written = api.json(request).await?;
    if written.id.as_ref().is_some_and(|it| *it != id) {
        return Err(Problem::wrong("the thing's id is not that of the path; leave it out"));
    }
    let thing = written.thing(id.clone(), OffsetDateTime::now_utc()).map_err(Problem::wrong)?;
    let mut put = api.put_things(&key, &room, vec![thing]).await?;
    let placed = put.pop().unwrap_or(Err(NotPut::Stopping.into()))?;
    let status = if placed.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Outcome::put(id, placed))).into_response())
}

/// `POST /rooms/{room}/things`.
pub(crate) async fn put_many(
    State(api): State<Arc<Api>>,
    key: Caller,
    Named(room): Named<String>,
    request: Request,
) -> Result<Response, Problem> {
    key.feeds(&room)?;
    if !is_room_name(&room) {
        return Err(HandleError::Name.into());
    }
    let batch: Vec<Value> = api.json(request).await?;
    if batch.len() > MAX_BATCH {
        return Err(Problem::wrong(format!(
            "a batch has at most {MAX_BATCH} things, not {}; send several",
            batch.len()
        )));
    }
    let now = OffsetDateTime::now_utc();
    let mut things = Vec::with_capacity(batch.len());
    // Where each one's outcome is: among those that are put, or known already.
    let read: Vec<Result<String, Outcome>> = batch
        .into_iter()
        .map(|value| {
            let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
            let thing = read(value, id.as_deref(), now);
            let thing = thing.map_err(|problem| Outcome::not_put(id, problem))?;
            things.push(thing);
            Ok(things.last().map(|thing| thing.key.clone()).unwrap_or_default())
        })
        .collect();
    let mut put = api.put_things(&key, &room, things).await?.into_iter();
    let outcomes = read.into_iter().map(|read| match read {
        Ok(id) => match put.next().unwrap_or(Err(NotPut::Stopping.into())) {
            Ok(placed) => Outcome::put(id, placed),
            Err(problem) => Outcome::not_put(Some(id), problem),
        },
        Err(outcome) => outcome,
    });
    Ok(Json(outcomes.collect::<Vec<_>>()).into_response())
}

/// One thing of a batch.
fn read(value: Value, id: Option<&str>, now: OffsetDateTime) -> Result<Thing, Problem> {
    let written: Written =
        serde_json::from_value(value).map_err(|error| Problem::wrong(error.to_string()))?;
    let id = id.ok_or_else(|| Problem::wrong("each thing of a batch has an id"))?;
    written.thing(id.to_owned(), now).map_err(Problem::wrong)
}

/// `DELETE /rooms/{room}/things/{id}`.
pub(crate) async fn remove(
    State(api): State<Arc<Api>>,
    key: Caller,
    Named((room, id)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    key.feeds(&room)?;
    key.names(&id)?;
    if api.handle.remove_thing(&room, &id).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::nothing("there is no such thing in this room; it may have expired"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
    }

    fn thing(value: Value) -> Result<Thing, String> {
        read(value, Some("bus"), now()).map_err(|problem| problem.detail.into_owned())
    }

    #[test]
    fn a_thing_is_what_is_written() {
        let bus = thing(json!({
            "id": "bus", "lat": 46.05, "lng": 14.51, "accuracy": 5, "speed": 8.5, "course": 90,
            "orientation": [0, 0, 0, 1], "state": { "doors": true, "line": 6 },
            "profile": { "icon": "bus" }, "name": "Bus 6", "time": 1_799_999_990_000_i64, "ttl": 2.5
        }))
        .unwrap();
        assert_eq!((bus.key.as_str(), bus.name.as_str()), ("bus", "Bus 6"));
        assert_eq!(bus.place, Place::Earth { lat: 46.05, lng: 14.51 });
        assert_eq!(bus.motion, Some(Moving { speed: 8.5, course: 90.0 }));
        assert_eq!((bus.age.as_secs(), bus.ttl.as_millis()), (10, 2_500));
        assert_eq!((bus.state["doors"], bus.state["line"]), (1.0, 6.0));
        assert_eq!((bus.profile.as_str(), bus.accuracy), (r#"{"icon":"bus"}"#, Some(5.0)));
        let upright = bus.orientation.unwrap().quaternion();
        assert!(upright[0] > 0.999, "w is the last: {upright:?}");
        let short = thing(json!({ "x": 1, "y": 2, "course": 90 })).unwrap();
        assert_eq!(
            short,
            Thing {
                motion: Some(Moving { speed: 0.0, course: 90.0 }),
                ..Thing::new("bus", Place::Plane { x: 1.0, y: 2.0 })
            }
        );
    }

    #[test]
    fn times_are_read_in_both_forms() {
        let age = |time: Value| {
            thing(json!({ "x": 1, "y": 2, "time": time })).map(|thing| thing.age.as_secs())
        };
        assert_eq!(age(json!("2027-01-15T08:59:00+01:00")), Ok(60));
        assert_eq!(age(json!(1_800_000_009_000_i64)), Ok(0), "a clock that is ahead");
        for wrong in [json!("yesterday"), json!(1.5), json!(-1), json!(u64::MAX), json!([])] {
            assert!(age(wrong.clone()).unwrap_err().contains("time is"), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_thing_is_said() {
        for (value, wrong) in [
            (json!({ "lat": 1, "lng": 2, "alt": 3 }), "unknown field `alt`"),
            (json!({ "lat": 1 }), "lat and lng in degrees, or x and y"),
            (json!({ "lat": 1, "lng": 1, "x": 1, "y": 1 }), "lat and lng in degrees, or x and y"),
            (json!({ "x": 1, "y": 1, "speed": 3 }), "needs a course"),
            (json!({ "x": 1, "y": 1, "orientation": [0, 0, 0, 0] }), "not all 0"),
            (json!({ "x": 1, "y": 1, "accuracy": -1 }), "accuracy"),
            (json!({ "x": 1, "y": 1, "ttl": -1 }), "ttl is above 0"),
            (json!({ "x": 1, "y": 1, "ttl": 1e300 }), "ttl is above 0"),
            (json!({ "x": 1, "y": 1, "state": { "a": "b" } }), "a number, true or false"),
            (json!({ "x": "1", "y": 1 }), "invalid type"),
            (json!(5), "a thing, as a JSON object"),
        ] {
            let said = thing(value.clone()).unwrap_err();
            assert!(said.contains(wrong), "{value}\n{said}");
        }
    }
}
