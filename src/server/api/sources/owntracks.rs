//! `POST /owntracks`: the HTTP mode of the OwnTracks apps
//! (<https://owntracks.org/booklet/tech/http/>). The app's answer has the others, so that it shows
//! everybody in the room.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Json;
use http::{HeaderMap, HeaderName, header};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::{ACCURACY, Bounds, COURSE, LATITUDE, LONGITUDE, Report, Wrong};
use super::{needed, number, unix_time};

use crate::api::ask::{basic, text};
use crate::api::problem::Problem;
use crate::api::state::Api;
use crate::room::order::People;
use gpys_proto::kind::Space;
use gpys_proto::wire::{PeerId, Presence};
use gpys_proto::world::Seen;

/// A kilometre an hour in m/s: the unit of `vel`.
const KILOMETRE_AN_HOUR: f64 = 1.0 / 3.6;
const SPEED: Bounds = Bounds(0.0..=36_000.0, "in km/h from 0 to 36,000");
/// Who reports, where the password has no user, and with which device.
const LIMIT_U: HeaderName = HeaderName::from_static("x-limit-u");
const LIMIT_D: HeaderName = HeaderName::from_static("x-limit-d");
/// Most others in an answer, the nearest ones: each takes some 200 bytes of a phone's plan.
const OTHERS: usize = 100;

/// `POST /owntracks`.
pub(crate) async fn report(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Json<Vec<Value>>, Problem> {
    let headers = request.headers();
    let credentials = text(headers, header::AUTHORIZATION).and_then(basic);
    let Some((user, password)) = credentials else {
        return Err(Problem::unauthorized(
            "in the app's settings, choose HTTP, your name as the user, and a key of the server's \
             file as the password",
        ));
    };
    let key = api.key(&password)?;
    let who = who(&user, headers);
    let body = api.bytes(request.into_body()).await?;
    let Some(report) = read(who, &body).map_err(Problem::wrong)? else {
        return Ok(Json(Vec::new()));
    };
    let (lat, lng) = (report.lat, report.lng);
    let (room, placed) = api.put_report(&key, report).await?;
    let people = api.handle.people(&room).await?;
    key.spend_look(api.context.clock.now());
    Ok(Json(others(&people, placed.id, (lat, lng), OffsetDateTime::now_utc())))
}

/// What the app calls its user: the name, and the device, so that nobody's second phone moves the
/// first one.
fn who(user: &str, headers: &HeaderMap) -> String {
    let user = if user.is_empty() { text(headers, LIMIT_U).unwrap_or_default() } else { user };
    match text(headers, LIMIT_D) {
        Some(device) if !device.is_empty() => format!("{user}:{device}"),
        _ => user.to_owned(),
    }
}

/// What a message reports: nothing, unless it is a location.
fn read(who: String, body: &[u8]) -> Result<Option<Report>, Wrong> {
    // The app sends nothing where it deletes somebody from its own list.
    if body.is_empty() {
        return Ok(None);
    }
    let body: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| format!("the body is not a JSON object: {error}"))?;
    match body.get("_type").and_then(Value::as_str) {
        Some("location") => {}
        Some("encrypted") => {
            return Err(
                "the server cannot read encrypted locations: remove the encryption key in \
                        the app's settings, and use https"
                    .into(),
            );
        }
        Some(_) => return Ok(None),
        None => return Err("_type is missing, a text such as \"location\"".into()),
    }
    let given = |field| number(&body, field);
    Ok(Some(Report {
        who,
        lat: LATITUDE.check("lat", needed(given("lat")?, "lat")?)?,
        lng: LONGITUDE.check("lon", needed(given("lon")?, "lon")?)?,
        accuracy: ACCURACY.known("acc", given("acc")?)?,
        speed: SPEED.known("vel", given("vel")?)?.map(|speed| speed * KILOMETRE_AN_HOUR),
        course: COURSE.known("cog", given("cog")?)?,
        time: given("tst")?.map(|time| unix_time("tst", time)).transpose()?,
    }))
}

/// The others in a room on the earth, the nearest to a place first: a location and a card for each.
fn others(people: &People, me: PeerId, (lat, lng): (f64, f64), now: OffsetDateTime) -> Vec<Value> {
    if people.info.kind.space != Space::Earth {
        return Vec::new();
    }
    let is_shown = |seen: &&Seen| {
        seen.person.id != me && seen.pose.is_some() && seen.person.presence != Presence::Gone
    };
    let narrowing = lat.to_radians().cos();
    let distance = |seen: &&Seen| {
        let Some((pose, _)) = seen.pose else { return f64::INFINITY };
        let (north, east) = pose.position.degrees();
        let east = (east - lng + 540.0).rem_euclid(360.0) - 180.0;
        (north - lat).hypot(east * narrowing)
    };
    let mut near: Vec<_> = people.seen.iter().filter(is_shown).collect();
    near.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
    near.truncate(OTHERS);
    near.into_iter().flat_map(|seen| [location(seen, people, now), card(seen)]).collect()
}

/// By this the app tells others apart, so it is the number that they have for as long as they stay.
fn tracker(seen: &Seen) -> String {
    let mut number = seen.person.id.0;
    let mut digits = Vec::new();
    while digits.is_empty() || number > 0 {
        digits.extend(char::from_digit(number % 36, 36));
        number /= 36;
    }
    digits.into_iter().rev().collect()
}

fn location(seen: &Seen, people: &People, now: OffsetDateTime) -> Value {
    let Some((pose, extra)) = seen.pose else { return Value::Null };
    let (lat, lng) = pose.position.degrees();
    let age = time::Duration::microseconds(people.now.us_since(pose.sampled).cast_signed());
    let mut location = json!({
        "_type": "location",
        "tid": tracker(seen),
        "lat": lat,
        "lon": lng,
        "tst": (now - age).unix_timestamp(),
    });
    if let Some(radius) = pose.accuracy.metres() {
        location["acc"] = json!(radius.ceil() as u64);
    }
    if let Some(motion) = extra.motion {
        location["vel"] = json!((motion.speed() / KILOMETRE_AN_HOUR).round() as u64);
        location["cog"] = json!(motion.course().round() as u64);
    }
    location
}

fn card(seen: &Seen) -> Value {
    json!({ "_type": "card", "tid": tracker(seen), "name": seen.person.name })
}

#[cfg(test)]
mod tests {
    use gpys_proto::geo::Position;
    use gpys_proto::kind::{Kind, Layout, Number, Plane};
    use gpys_proto::motion::Motion;
    use gpys_proto::pose::{Accuracy, Extra, Pose};
    use gpys_proto::time::Time;
    use gpys_proto::wire::{Online, Person, PublicId, Role};
    use http::HeaderValue;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::room::order::RoomInfo;

    fn told(body: &Value) -> Result<Option<Report>, Wrong> {
        read("ada:phone".into(), body.to_string().as_bytes())
    }

    #[test]
    fn reads_a_location() {
        let report = told(&json!({
            "_type": "location", "lat": 46.0512, "lon": 14.5061, "acc": 12, "vel": 36, "cog": 270,
            "tst": 1_800_000_000, "tid": "AD", "batt": 80, "alt": 298, "conn": "m", "t": "p",
            "topic": "owntracks/ada/phone", "inregions": ["Home"],
        }))
        .unwrap()
        .unwrap();
        assert_eq!((report.who.as_str(), report.lat, report.lng), ("ada:phone", 46.0512, 14.5061));
        assert_eq!((report.accuracy, report.course), (Some(12.0), Some(270.0)));
        assert!((report.speed.unwrap() - 10.0).abs() < 1e-9, "36 km/h");
        assert_eq!(report.time.unwrap().unix_timestamp(), 1_800_000_000);
        let bare = told(&json!({ "_type": "location", "lat": 1, "lon": 2, "vel": -1 })).unwrap();
        assert_eq!(bare.map(|it| (it.speed, it.course, it.time)), Some((None, None, None)));
    }

    #[test]
    fn other_messages_report_nothing_and_wrong_ones_are_explained() {
        for kind in ["waypoints", "transition", "lwt", "card", "cmd", "status"] {
            assert_eq!(told(&json!({ "_type": kind, "lat": "?" })), Ok(None));
        }
        assert_eq!(read("ada".into(), b""), Ok(None));
        for (body, wrong) in [
            (json!({}), "_type is missing"),
            (json!([1]), "the body is not a JSON object"),
            (json!({ "_type": "encrypted", "data": "x" }), "the server cannot read encrypted"),
            (json!({ "_type": "location", "lon": 1 }), "lat is missing"),
            (json!({ "_type": "location", "lat": 91, "lon": 1 }), "lat is in degrees from -90 to"),
            (json!({ "_type": "location", "lat": 1, "lon": "east" }), "lon is a number"),
            (json!({ "_type": "location", "lat": 1, "lon": 1, "tst": -5 }), "tst is a time"),
            (json!({ "_type": "location", "lat": 1, "lon": 1, "cog": 361 }), "cog is in degrees"),
        ] {
            let said = told(&body).unwrap_err();
            assert!(said.starts_with(wrong), "{body}\n{said}");
        }
    }

    #[test]
    fn a_user_is_told_from_the_users_other_devices() {
        let mut headers = HeaderMap::new();
        assert_eq!(who("ada", &headers), "ada");
        headers.insert(LIMIT_U, HeaderValue::from_static("grace"));
        headers.insert(LIMIT_D, HeaderValue::from_static("phone"));
        assert_eq!(who("ada", &headers), "ada:phone");
        assert_eq!(who("", &headers), "grace:phone");
    }

    fn seen(id: u32, lat: f64, presence: Presence) -> Seen {
        let person = Person {
            id: PeerId(id),
            uuid: PublicId(Uuid::nil()),
            name: format!("person {id}"),
            presence,
            role: Role::Guest,
            subject: None,
            profile: String::new(),
        };
        let pose = Pose {
            position: Position::from_degrees(lat, 14.5).unwrap(),
            orientation: None,
            accuracy: Accuracy::from_metres(5.0),
            sampled: Time::default(),
        };
        let extra = Extra { motion: Motion::new(10.0, 90.0), state: 0 };
        Seen { person, key: None, pose: Some((pose, extra)) }
    }

    fn people(kind: Kind, seen: Vec<Seen>) -> People {
        let online = Online::default();
        let info = RoomInfo { name: "city".into(), kind, online };
        People { info, announcement: String::new(), seen, now: Time::default() }
    }

    #[test]
    fn the_answer_has_the_nearest_others() {
        let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let mut all: Vec<_> =
            (2..150).map(|id| seen(id, 46.0 + f64::from(id) / 1e3, Presence::Sharing)).collect();
        all.push(seen(1, 46.0, Presence::Sharing));
        all.push(seen(1_000, 46.0, Presence::Gone));
        let all = people(Kind::default(), all);
        let told = others(&all, PeerId(1), (46.0, 14.5), now);
        assert_eq!(told.len(), 2 * OTHERS);
        assert_eq!(told[1], json!({ "_type": "card", "tid": "2", "name": "person 2" }));
        let nearest = &told[0];
        assert_eq!((&nearest["_type"], &nearest["tid"]), (&json!("location"), &json!("2")));
        assert_eq!(nearest["tst"], 1_800_000_000);
        assert!(nearest["vel"].as_u64().unwrap().abs_diff(36) < 2, "in km/h");
        assert!((nearest["lat"].as_f64().unwrap() - 46.002).abs() < 1e-6);
        assert!(nearest["cog"].as_u64().unwrap().abs_diff(90) < 2);
        assert_eq!(told[2 * (37 - 2)]["tid"], "11", "in base 36");
        let plane = Plane { unit: "m".into(), step: Number(1.0) };
        let plane = Kind { space: Space::Plane(plane), layout: Layout::default() };
        assert!(others(&people(plane, all.seen), PeerId(1), (46.0, 14.5), now).is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..200), tst in any::<f64>()) {
            let _ = read(String::new(), &body);
            let _ = told(&json!({ "_type": "location", "lat": 1, "lon": 1, "tst": tst }));
        }
    }
}
