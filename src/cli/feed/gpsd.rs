//! gpsd's JSON (<https://gpsd.gitlab.io/gpsd/gpsd_json.html>): a line for each report.

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::feed::vehicle::Vehicle;

/// Asks gpsd for reports.
pub(super) const WATCH: &str = "?WATCH={\"enable\":true,\"json\":true};\n";
/// Reports from here on have a place: 2 is a fix in two dimensions, 3 one in three.
const FIX: u8 = 2;

/// What a line says that matters here.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// Where the receiver is.
    Fix(Fix),
    /// The receiver does not know where it is.
    NoFix,
    /// gpsd does not do what it was asked for.
    Error(String),
    /// Something else.
    Other,
}

/// Where a receiver is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fix {
    device: String,
    lat: f64,
    lng: f64,
    accuracy: Option<f64>,
    speed: Option<f64>,
    course: Option<f64>,
    time: Option<i64>,
}

/// A line of gpsd, the fields that matter here.
#[derive(Deserialize)]
struct Line {
    class: String,
    device: Option<String>,
    mode: Option<u8>,
    /// ISO 8601.
    time: Option<String>,
    /// In degrees.
    lat: Option<f64>,
    lon: Option<f64>,
    /// The error in the plane, in metres, with a probability of 95 %.
    eph: Option<f64>,
    /// In m/s.
    speed: Option<f64>,
    /// In degrees, clockwise from north.
    track: Option<f64>,
    message: Option<String>,
}

/// Reads a line.
///
/// # Errors
/// If gpsd does not write such lines.
pub(super) fn read(line: &str) -> Result<Said, String> {
    let line: Line =
        serde_json::from_str(line).map_err(|error| format!("this is no gpsd: {error}"))?;
    Ok(match line.class.as_str() {
        "TPV" if line.mode.unwrap_or_default() < FIX => Said::NoFix,
        "TPV" => fix(line).map_or(Said::NoFix, Said::Fix),
        "ERROR" => Said::Error(line.message.unwrap_or_default()),
        _ => Said::Other,
    })
}

fn fix(line: Line) -> Option<Fix> {
    let (lat, lng) = (line.lat?, line.lon?);
    if !(-90.0..=90.0).contains(&lat) || !(-180.0..=180.0).contains(&lng) {
        return None;
    }
    let time = line.time.and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok());
    let ms = time.map(|time| time.unix_timestamp_nanos() / 1_000_000);
    Some(Fix {
        device: line.device.unwrap_or_default(),
        lat,
        lng,
        accuracy: line.eph.filter(|metres| (0.0..=20_000_000.0).contains(metres)),
        speed: line.speed.filter(|speed| (0.0..=100_000.0).contains(speed)),
        course: line.track.filter(|track| (0.0..=360.0).contains(track)),
        time: ms.and_then(|ms| i64::try_from(ms).ok()),
    })
}

impl Fix {
    /// The vehicle with this receiver, named so or after its device.
    pub(super) fn vehicle(self, name: Option<&str>) -> Vehicle {
        let device = self.device.rsplit('/').find(|part| !part.is_empty()).unwrap_or("gpsd");
        Vehicle {
            name: name.unwrap_or(device).to_owned(),
            id: device.to_owned(),
            route: None,
            lat: self.lat,
            lng: self.lng,
            accuracy: self.accuracy,
            speed: self.speed,
            course: self.course,
            time: self.time,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_where_the_receiver_is() {
        let line = r#"{"class":"TPV","device":"/dev/ttyACM0","mode":3,"status":2,
            "time":"2027-01-15T08:00:00.500Z","ept":0.005,"lat":46.051200000,"lon":14.506100000,
            "altHAE":345.1,"epx":3.5,"epy":4.2,"track":271.5,"speed":5.1,"eph":6.1,"climb":0.1}"#;
        let Ok(Said::Fix(fix)) = read(line) else { panic!("no fix") };
        let ship = fix.clone().vehicle(Some("Argo"));
        assert_eq!((ship.id.as_str(), ship.name.as_str()), ("ttyACM0", "Argo"));
        assert_eq!((ship.lat, ship.lng, ship.accuracy), (46.0512, 14.5061, Some(6.1)));
        assert_eq!((ship.speed, ship.course), (Some(5.1), Some(271.5)));
        assert_eq!(ship.time, Some(1_800_000_000_500));
        assert_eq!(fix.vehicle(None).name, "ttyACM0");
    }

    #[test]
    fn other_lines_are_told_apart() {
        for (line, said) in [
            (
                r#"{"class":"VERSION","release":"3.25","proto_major":3,"proto_minor":15}"#,
                Said::Other,
            ),
            (r#"{"class":"SKY","device":"/dev/ttyACM0","satellites":[]}"#, Said::Other),
            (r#"{"class":"TPV","device":"/dev/ttyACM0","mode":1}"#, Said::NoFix),
            (r#"{"class":"TPV","mode":3,"lat":91,"lon":0}"#, Said::NoFix),
            (r#"{"class":"TPV","mode":2,"lat":1}"#, Said::NoFix),
            (
                r#"{"class":"ERROR","message":"Unrecognized request"}"#,
                Said::Error("Unrecognized request".into()),
            ),
        ] {
            assert_eq!(read(line), Ok(said), "{line}");
        }
        assert!(read("HTTP/1.1 400 Bad Request").unwrap_err().starts_with("this is no gpsd"));
    }

    proptest! {
        #[test]
        fn no_line_panics(line in ".*", lat in any::<f64>(), time in ".*") {
            let _ = read(&line);
            let tpv = serde_json::json!({ "class": "TPV", "mode": 3, "lat": lat, "lon": 1, "time": time });
            let _ = read(&tpv.to_string());
        }
    }
}
