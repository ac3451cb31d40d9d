//! `/osmand/{key}`: the protocol of OsmAnd, as Traccar reads it (<https://www.traccar.org/osmand/>):
//! a query, a form, or the JSON of Traccar Client from version 9 on.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::{Request, State};
use http::StatusCode;
use serde_json::Value;
use url::form_urlencoded;

use super::{ACCURACY, Bounds, COURSE, LATITUDE, LONGITUDE, Report, Wrong};
use super::{needed, number, written_time};

use crate::api::ask::Named;
use crate::api::problem::Problem;
use crate::api::state::Api;

/// A knot in m/s: a nautical mile (1,852 m) an hour. The unit of speed in a query.
const KNOT: f64 = 1_852.0 / 3_600.0;
/// Speed in a query.
const KNOTS: Bounds = Bounds(0.0..=20_000.0, "in knots from 0 to 20,000");
/// Speed in JSON.
const METRES_A_SECOND: Bounds = Bounds(0.0..=10_000.0, "in m/s from 0 to 10,000");

/// `GET` and `POST /osmand/{key}`.
pub(crate) async fn report(
    State(api): State<Arc<Api>>,
    Named(key): Named<String>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let key = api.key(&key)?;
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = api.bytes(request.into_body()).await?;
    if let Some(report) = read(&query, &body).map_err(Problem::wrong)? {
        api.put_report(&key, report).await?;
    }
    // The app takes the status for its answer, and would take a body for a command.
    Ok(StatusCode::OK)
}

/// What a request reports; nothing if it says that its place is not valid.
fn read(query: &str, body: &[u8]) -> Result<Option<Report>, Wrong> {
    if body.trim_ascii_start().starts_with(b"{") {
        return json(body).map(Some);
    }
    let fields = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(body));
    form(fields)
}

/// What a query or a form reports. Fields that are not known belong to other uses of the protocol.
fn form<'a>(
    fields: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
) -> Result<Option<Report>, Wrong> {
    let (mut who, mut time) = (None, None);
    let [mut lat, mut lng, mut accuracy, mut speed, mut course] = [None; 5];
    for (field, value) in fields {
        let number = || {
            let number = value.trim().parse::<f64>().ok().filter(|number| number.is_finite());
            number.map(Some).ok_or_else(|| format!("{field} is a number"))
        };
        match &*field {
            "id" | "deviceid" => who = Some(value.trim().to_owned()),
            "valid" if matches!(&*value, "0" | "false") => return Ok(None),
            "timestamp" => time = Some(written_time("timestamp", &value)?),
            "lat" => lat = number()?,
            "lon" => lng = number()?,
            "location" => {
                let wrong = || "location is a latitude and a longitude: location=46.05,14.51";
                let (north, east) = value.split_once(',').ok_or_else(wrong)?;
                let degrees = |text: &str| text.trim().parse().map(Some).map_err(|_| wrong());
                (lat, lng) = (degrees(north)?, degrees(east)?);
            }
            "accuracy" => accuracy = number()?,
            "speed" => speed = number()?,
            "bearing" | "heading" => course = number()?,
            _ => {}
        }
    }
    Ok(Some(Report {
        who: who.ok_or("id is missing: what the app calls you")?,
        lat: LATITUDE.check("lat", needed(lat, "lat")?)?,
        lng: LONGITUDE.check("lon", needed(lng, "lon")?)?,
        accuracy: ACCURACY.known("accuracy", accuracy)?,
        speed: KNOTS.known("speed", speed)?.map(|knots| knots * KNOT),
        course: COURSE.known("bearing", course)?,
        time,
    }))
}

/// What JSON reports. Its speed is in m/s, and a number below 0 is unknown.
fn json(body: &[u8]) -> Result<Report, Wrong> {
    let body: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let who = match &body["device_id"] {
        Value::String(who) => who.trim().to_owned(),
        Value::Number(who) => who.to_string(),
        _ => return Err("device_id is missing: what the app calls you".to_owned()),
    };
    let location = body["location"].as_object().ok_or("location is missing, an object")?;
    let coords = location.get("coords").and_then(Value::as_object);
    let coords = coords.ok_or("location.coords is missing, an object")?;
    let time = match location.get("timestamp") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(written_time("location.timestamp", text)?),
        Some(other) => Some(written_time("location.timestamp", &other.to_string())?),
    };
    let given = |field| number(coords, field);
    Ok(Report {
        who,
        lat: LATITUDE.check("latitude", needed(given("latitude")?, "latitude")?)?,
        lng: LONGITUDE.check("longitude", needed(given("longitude")?, "longitude")?)?,
        accuracy: ACCURACY.known("accuracy", given("accuracy")?)?,
        speed: METRES_A_SECOND.known("speed", given("speed")?)?,
        course: COURSE.known("heading", given("heading")?)?,
        time,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(query: &str) -> Result<Report, Wrong> {
        read(query, b"").map(Option::unwrap)
    }

    #[test]
    fn reads_what_trackers_send_in_a_query() {
        let told = query(
            "id=4711&lat=46.0512&lon=14.5061&timestamp=1800000000&accuracy=6.5&speed=10&\
             bearing=271.5&altitude=298&batt=81.0&hdop=0.8",
        )
        .unwrap();
        assert_eq!((told.who.as_str(), told.lat, told.lng), ("4711", 46.0512, 14.5061));
        assert_eq!((told.accuracy, told.course), (Some(6.5), Some(271.5)));
        assert!((told.speed.unwrap() - 5.144).abs() < 0.001, "knots");
        assert_eq!(told.time.unwrap().unix_timestamp(), 1_800_000_000);
        let other = query(
            "deviceid=tram-6&location=-33.86,151.21&heading=12&timestamp=2027-01-15T08%3A00%3A00Z",
        )
        .unwrap();
        assert_eq!((other.who.as_str(), other.lat, other.lng), ("tram-6", -33.86, 151.21));
        assert_eq!((other.course, other.speed), (Some(12.0), None));
        assert_eq!(other.time, told.time);
        let form = read("", b"id=4711&lat=46.0512&lon=14.5061").unwrap().unwrap();
        assert_eq!((form.lat, form.time), (told.lat, None));
        assert_eq!(read("id=1&lat=0&lon=0&valid=false", b""), Ok(None));
    }

    #[test]
    fn reads_the_json_of_the_app() {
        let body = |coords: &str| {
            format!(
                r#"{{"device_id":"4711","location":{{"timestamp":"2027-01-15T08:00:00.500Z",
                "is_moving":true,"odometer":120.5,"event":"motionchange","activity":
                {{"type":"walking","confidence":90}},"battery":{{"level":0.5,"is_charging":false}},
                "coords":{{"latitude":46.0512,"longitude":14.5061{coords}}}}}}}"#
            )
        };
        let told = body(r#","accuracy":4.1,"speed":1.4,"heading":88,"altitude":300"#);
        let told = json(told.as_bytes()).unwrap();
        assert_eq!((told.who.as_str(), told.speed, told.course), ("4711", Some(1.4), Some(88.0)));
        assert_eq!(told.time.unwrap().unix_timestamp(), 1_800_000_000);
        let still = json(body(r#","accuracy":-1,"speed":-1,"heading":-1"#).as_bytes()).unwrap();
        assert_eq!((still.accuracy, still.speed, still.course), (None, None, None));
        for (coords, wrong) in [
            (r#","latitude":91"#, "latitude is in degrees from -90 to 90"),
            (r#","heading":361"#, "heading is in degrees from 0 to 360"),
            (r#","speed":"fast""#, "speed is a number"),
        ] {
            assert_eq!(json(body(coords).as_bytes()), Err(wrong.to_owned()));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (sent, wrong) in [
            ("", "id is missing"),
            ("id=1", "lat is missing"),
            ("id=1&lat=1", "lon is missing"),
            ("id=1&lat=91&lon=1", "lat is in degrees from -90 to 90"),
            ("id=1&lat=1&lon=-181", "lon is in degrees from -180 to 180"),
            ("id=1&lat=north&lon=1", "lat is a number"),
            ("id=1&lat=NaN&lon=1", "lat is a number"),
            ("id=1&location=5", "location is a latitude and a longitude"),
            ("id=1&location=NaN,1", "lat is in degrees"),
            ("id=1&lat=1&lon=1&timestamp=noon", "timestamp is a time"),
            ("id=1&lat=1&lon=1&accuracy=1e9", "accuracy is in metres"),
            ("id=1&lat=1&lon=1&speed=30000", "speed is in knots"),
            ("id=1&lat=1&lon=1&bearing=400", "bearing is in degrees"),
        ] {
            let said = query(sent).unwrap_err();
            assert!(said.starts_with(wrong), "{sent}\n{said}");
        }
        for body in ["{", "{}", r#"{"device_id":"1","location":{}}"#] {
            assert!(read("", body.as_bytes()).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(query in ".*", body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&query, &body);
            let _ = read(&format!("id=1&lat=1&lon=1&timestamp={query}"), b"");
            let _ = read("", &[b"{".as_slice(), &body].concat());
        }

        #[test]
        fn what_is_read_is_in_bounds(lat in any::<f64>(), lng in any::<f64>(), speed in any::<f64>()) {
            if let Ok(told) = query(&format!("id=1&lat={lat}&lon={lng}&speed={speed}")) {
                prop_assert!(told.lat.abs() <= 90.0 && told.lng.abs() <= 180.0);
                prop_assert!(told.speed.is_none_or(|speed| (0.0..=11_000.0).contains(&speed)));
            }
        }
    }
}
