//! What sources tell of: vehicles, and the things that they become.

use std::fmt::Write as _;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};

use gpys_proto::world::MAX_KEY;

/// Longest name of a thing, in characters; people see the first ones.
const LONGEST_NAME: usize = 64;

/// How a thing is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Icon {
    Person,
    Bus,
    Tram,
    Train,
    Ship,
    Car,
    Bike,
    Drone,
    Pin,
}

impl Icon {
    /// Its name in a profile.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Bus => "bus",
            Self::Tram => "tram",
            Self::Train => "train",
            Self::Ship => "ship",
            Self::Car => "car",
            Self::Bike => "bike",
            Self::Drone => "drone",
            Self::Pin => "pin",
        }
    }
}

/// A vehicle, as a source describes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Vehicle {
    /// What the source calls it.
    pub(super) id: String,
    /// The name that people see.
    pub(super) name: String,
    /// The line that it serves.
    pub(super) route: Option<String>,
    /// In degrees.
    pub(super) lat: f64,
    pub(super) lng: f64,
    /// The radius within which it is, in metres.
    pub(super) accuracy: Option<f64>,
    /// In m/s.
    pub(super) speed: Option<f64>,
    /// In degrees, clockwise from north.
    pub(super) course: Option<f64>,
    /// When it was there, in ms since 1970.
    pub(super) time: Option<i64>,
}

impl Vehicle {
    /// The thing that the server's API takes; `None` if its id is too long.
    pub(super) fn thing(&self, prefix: &str, icon: Icon, ttl: Duration) -> Option<Value> {
        let id = format!("{prefix}{}", written(&self.id));
        if id.len() > MAX_KEY {
            return None;
        }
        let mut profile = json!({ "icon": icon.name() });
        if let Some(route) = &self.route {
            profile["route"] = json!(short(route));
        }
        let mut thing = json!({
            "id": id,
            "name": short(&self.name),
            "lat": self.lat,
            "lng": self.lng,
            "profile": profile,
            "ttl": ttl.as_secs_f64(),
        });
        let numbers = [("accuracy", self.accuracy), ("course", self.course)];
        for (field, number) in numbers {
            if let Some(number) = number {
                thing[field] = json!(number);
            }
        }
        // The direction of a speed would be made up.
        if let (Some(speed), Some(_)) = (self.speed, self.course) {
            thing["speed"] = json!(speed);
        }
        if let Some(time) = self.time {
            thing["time"] = json!(time);
        }
        Some(thing)
    }
}

/// An id in the letters that the server allows: each other byte as `.` and two hexadecimal digits,
/// so that different ids stay different.
fn written(id: &str) -> String {
    let mut written = String::new();
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"_-:".contains(&byte) {
            written.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(written, ".{byte:02x}");
        }
    }
    written
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tram() -> Vehicle {
        Vehicle {
            id: "7036".into(),
            name: "Tram 6".into(),
            route: Some("6".into()),
            lat: 46.05,
            lng: 14.51,
            accuracy: None,
            speed: Some(8.5),
            course: Some(90.0),
            time: Some(1_800_000_000_000),
        }
    }

    #[test]
    fn a_vehicle_becomes_a_thing() {
        let ttl = Duration::from_secs(75);
        assert_eq!(
            tram().thing("city-", Icon::Tram, ttl),
            Some(json!({
                "id": "city-7036", "name": "Tram 6", "lat": 46.05, "lng": 14.51, "ttl": 75.0,
                "profile": { "icon": "tram", "route": "6" }, "speed": 8.5, "course": 90.0,
                "time": 1_800_000_000_000_i64,
            }))
        );
        let still = Vehicle { course: None, route: None, time: None, ..tram() };
        let thing = still.thing("", Icon::Bus, ttl).unwrap();
        assert!(thing.get("speed").is_none() && thing.get("time").is_none(), "{thing}");
        let long = Vehicle { id: "x".repeat(60), ..tram() };
        assert_eq!(long.thing("city-", Icon::Bus, ttl), None);
    }

    #[test]
    fn different_ids_stay_different() {
        assert_eq!(written("VY:Bus_1-2"), "VY:Bus_1-2");
        assert_eq!(written("a b"), "a.20b");
        assert_ne!(written("a.20b"), written("a b"));
        assert_eq!(written("\u{e9}"), ".c3.a9");
    }
}
