//! Apps that report where somebody is in formats of their own (docs/SOURCES.md): each report
//! becomes a thing with the icon of a person.

pub(super) mod osmand;
pub(super) mod owntracks;

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::api::keys::ApiKey;
use crate::api::problem::Problem;
use crate::api::state::Api;
use crate::room::thing::{Moving, Thing};
use gpys_proto::place::Place;
use gpys_proto::world::{MAX_KEY, Placed, is_thing_key};

/// How long somebody stays without a report: `OwnTracks` reports every 15 to 30 minutes when nothing
/// moves, and may miss one.
const STAY: Duration = Duration::from_secs(3_600);
/// How far the clock of a phone may be ahead.
const AHEAD: Duration = Duration::from_secs(60);
/// 2000-01-01, in seconds since 1970: a receiver without a fix counts from 1970 or 1980.
const EARLIEST: i64 = 946_684_800;
/// Numbers from here on are milliseconds since 1970, below it seconds (until the year 5138).
const MILLISECONDS: f64 = 1e11;
/// The profile of everybody who is reported so.
const PROFILE: &str = r#"{"icon":"person"}"#;

/// Bounds of what is reported, each with the words for an error.
const LATITUDE: Bounds = Bounds(-90.0..=90.0, "in degrees from -90 to 90");
const LONGITUDE: Bounds = Bounds(-180.0..=180.0, "in degrees from -180 to 180");
const COURSE: Bounds = Bounds(0.0..=360.0, "in degrees from 0 to 360");
const ACCURACY: Bounds = Bounds(0.0..=20_000_000.0, "in metres from 0 to 20,000,000");

/// What is wrong with a report.
type Wrong = String;

/// The values that a number may have, and the words for that.
struct Bounds(RangeInclusive<f64>, &'static str);

impl Bounds {
    /// A number that is in bounds.
    fn check(&self, field: &str, number: f64) -> Result<f64, Wrong> {
        let Self(range, words) = self;
        if range.contains(&number) { Ok(number) } else { Err(format!("{field} is {words}")) }
    }

    /// The same of a number that is negative where it is unknown.
    fn known(&self, field: &str, number: Option<f64>) -> Result<Option<f64>, Wrong> {
        let number = number.filter(|number| number.is_nan() || *number >= 0.0);
        number.map(|number| self.check(field, number)).transpose()
    }
}

/// Where an app says that somebody is.
#[derive(Clone, Debug, PartialEq)]
struct Report {
    /// What the app calls them.
    who: String,
    lat: f64,
    lng: f64,
    /// In metres.
    accuracy: Option<f64>,
    /// In m/s.
    speed: Option<f64>,
    /// In degrees, clockwise from north.
    course: Option<f64>,
    time: Option<OffsetDateTime>,
}

impl Report {
    /// The thing that this is, at the time `now`, with an id below `prefix`.
    fn thing(self, prefix: &str, now: OffsetDateTime) -> Result<Thing, Wrong> {
        let key = format!("{prefix}{}", self.who);
        if !is_thing_key(&key) {
            return Err(format!(
                "{} cannot be an id: it has 1 to {} of a-z, A-Z, 0-9, _, -, . and :",
                if self.who.is_empty() { "nothing" } else { "what the app calls you" },
                MAX_KEY.saturating_sub(prefix.len())
            ));
        }
        let age = self.time.map(|time| age(time, now)).transpose()?.unwrap_or_default();
        // Without a course there is no motion: its direction would be made up.
        let motion = self.course.map(|course| Moving { speed: self.speed.unwrap_or(0.0), course });
        Ok(Thing {
            name: self.who,
            profile: PROFILE.to_owned(),
            accuracy: self.accuracy,
            motion,
            age,
            ttl: STAY,
            ..Thing::new(key, Place::Earth { lat: self.lat, lng: self.lng })
        })
    }
}

/// How old a sample of this time is.
fn age(time: OffsetDateTime, now: OffsetDateTime) -> Result<Duration, Wrong> {
    if time.unix_timestamp() < EARLIEST {
        return Err(
            "the time is before 2000: the receiver had no fix, or its clock is wrong".into()
        );
    }
    if time > now + AHEAD {
        return Err(format!(
            "the time is more than {} s in the future: set the clock of the device",
            AHEAD.as_secs()
        ));
    }
    // A clock that is a little ahead counts as right.
    Ok(Duration::try_from(now - time).unwrap_or_default())
}

/// The time that a number means: seconds or milliseconds since 1970.
fn unix_time(field: &str, number: f64) -> Result<OffsetDateTime, Wrong> {
    let ms = if number < MILLISECONDS { number * 1e3 } else { number };
    // What does not fit is the largest number, and no time.
    let ns = i128::from(ms.round() as i64) * 1_000_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(ns).ok();
    time.filter(|_| ms >= 0.0)
        .ok_or_else(|| format!("{field} is a time in seconds or milliseconds since 1970"))
}

/// The time that a text means: a number as above, or ISO 8601, in UTC unless it names an offset.
fn written_time(field: &str, text: &str) -> Result<OffsetDateTime, Wrong> {
    if let Ok(number) = text.parse() {
        return unix_time(field, number);
    }
    // A day and a time may have a blank between them.
    let text = text.trim().replacen(' ', "T", 1);
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339);
    parse(&text).or_else(|_| parse(&format!("{text}Z"))).map_err(|_| {
        format!(
            "{field} is a time in seconds or milliseconds since 1970, or ISO 8601 such as \
             2026-11-27T12:00:00Z"
        )
    })
}

/// A number of a JSON object, or nothing.
fn number(object: &Map<String, Value>, field: &str) -> Result<Option<f64>, Wrong> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or_else(|| format!("{field} is a number")),
    }
}

/// A number that must be there.
fn needed(number: Option<f64>, field: &str) -> Result<f64, Wrong> {
    number.ok_or_else(|| format!("{field} is missing"))
}

impl Api {
    /// Puts what a report says into the room of the key. Returns the room, the thing's id and what
    /// became of it.
    async fn put_report(&self, key: &ApiKey, report: Report) -> Result<(String, Placed), Problem> {
        let room = key.room().ok_or_else(|| {
            Problem::forbidden(
                "this key is for all rooms: use one that has a room, for its right \"feed\"",
            )
        })?;
        key.feeds(room)?;
        let thing =
            report.thing(key.prefix(), OffsetDateTime::now_utc()).map_err(Problem::wrong)?;
        let mut put = self.put_things(key, room, vec![thing]).await?;
        let placed = put.pop().unwrap_or_else(|| Err(Problem::nothing("nothing was put")))?;
        Ok((room.to_owned(), placed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
    }

    fn report() -> Report {
        Report {
            who: "ada".into(),
            lat: 46.05,
            lng: 14.51,
            accuracy: Some(5.0),
            speed: Some(1.5),
            course: Some(90.0),
            time: Some(now() - Duration::from_secs(90)),
        }
    }

    #[test]
    fn a_report_is_a_person_for_an_hour() {
        let thing = report().thing("phone-", now()).unwrap();
        assert_eq!((thing.key.as_str(), thing.name.as_str()), ("phone-ada", "ada"));
        assert_eq!((thing.profile.as_str(), thing.ttl.as_secs()), (r#"{"icon":"person"}"#, 3_600));
        assert_eq!((thing.age.as_secs(), thing.accuracy), (90, Some(5.0)));
        assert_eq!(thing.motion, Some(Moving { speed: 1.5, course: 90.0 }));
        let still = Report { course: None, time: None, ..report() }.thing("", now()).unwrap();
        assert_eq!((still.motion, still.age), (None, Duration::ZERO));
        for who in ["", "Ada Lovelace", &"a".repeat(65)] {
            let wrong = Report { who: who.to_owned(), ..report() }.thing("", now()).unwrap_err();
            assert!(wrong.contains("1 to 64 of a-z"), "{wrong}");
        }
    }

    #[test]
    fn times_of_no_sample_are_refused() {
        let at = |time| Report { time: Some(time), ..report() }.thing("", now()).map(|it| it.age);
        assert_eq!(at(now() + Duration::from_secs(59)), Ok(Duration::ZERO));
        assert!(at(now() + Duration::from_secs(61)).unwrap_err().contains("in the future"));
        assert!(at(OffsetDateTime::UNIX_EPOCH).unwrap_err().contains("before 2000"));
    }

    #[test]
    fn times_are_read_in_all_their_forms() {
        let time = |text| written_time("timestamp", text).map(OffsetDateTime::unix_timestamp);
        for text in [
            "1800000000",
            "1800000000000",
            "2027-01-15T08:00:00Z",
            "2027-01-15T09:00:00+01:00",
            "2027-01-15 08:00:00",
            "2027-01-15T08:00:00.000",
        ] {
            assert_eq!(time(text), Ok(1_800_000_000), "{text}");
        }
        for text in ["", "yesterday", "-1", "NaN", "inf", "1e300", "2027-13-01T00:00:00Z"] {
            assert!(time(text).unwrap_err().starts_with("timestamp is a time"), "{text}");
        }
    }
}
