//! Places as programs give them: degrees on the earth, the room's own unit on a plane. What goes on
//! the wire beside them (speeds, accuracies) counts in metres on the earth and in steps on a plane.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::geo::{GeoError, Position};
use crate::kind::Space;
use crate::motion::Motion;
use crate::pose::Accuracy;

/// Metres in a degree of latitude, on a sphere of the earth's mean radius (6,371,009 m).
const METRES_PER_DEGREE: f64 = 111_195.0;
/// A sample is carried on along its motion for at most this long (docs/PROTOCOL.md, section 2).
const CARRIED: Duration = Duration::from_secs(3);

/// A place in a room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// On the earth (WGS 84).
    Earth {
        /// Latitude, in degrees, northwards.
        lat: f64,
        /// Longitude, in degrees, eastwards.
        lng: f64,
    },
    /// On a plane, in its unit.
    Plane {
        /// To the right.
        x: f64,
        /// Upwards.
        y: f64,
    },
}

/// Why something is not a place, or not bounds, in this room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlaceError {
    /// Not on the earth.
    Geo(GeoError),
    /// Not a number.
    NotFinite,
    /// The room is on a plane.
    OnPlane,
    /// The room is on the earth.
    OnEarth,
    /// A speed or a course that is not finite, or a speed below 0.
    Motion,
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Geo(error) => return error.fmt(f),
            Self::NotFinite => "a place on a plane has finite coordinates",
            Self::OnPlane => "this room is on a plane: give x and y, not latitude and longitude",
            Self::OnEarth => "this room is on the earth: give latitude and longitude, not x and y",
            Self::Motion => "a speed is a finite number from 0 up, and a course a finite one",
        })
    }
}

impl Error for PlaceError {}

impl From<GeoError> for PlaceError {
    fn from(error: GeoError) -> Self {
        Self::Geo(error)
    }
}

impl Place {
    /// The position on the wire.
    ///
    /// # Errors
    /// If it is not a place in `space`.
    pub fn position(self, space: &Space) -> Result<Position, PlaceError> {
        match (self, space) {
            (Self::Earth { lat, lng }, Space::Earth) => Ok(Position::from_degrees(lat, lng)?),
            (Self::Plane { x, y }, Space::Plane(plane)) => {
                plane.position(x, y).ok_or(PlaceError::NotFinite)
            }
            (Self::Earth { .. }, Space::Plane(_)) => Err(PlaceError::OnPlane),
            (Self::Plane { .. }, Space::Earth) => Err(PlaceError::OnEarth),
        }
    }

    /// The place of a position on the wire.
    #[must_use]
    pub fn of(position: Position, space: &Space) -> Self {
        match space {
            Space::Earth => {
                let (lat, lng) = position.degrees();
                Self::Earth { lat, lng }
            }
            Space::Plane(plane) => {
                let (x, y) = plane.point(position);
                Self::Plane { x, y }
            }
        }
    }

    /// Where somebody is who was here `after` ago and has gone on since: at this speed, in metres a
    /// second or the plane's unit a second, and on this course in degrees, clockwise from north (on a
    /// plane, from upwards).
    #[must_use]
    pub fn carried(self, speed: f64, course: f64, after: Duration) -> Self {
        let way = speed * after.min(CARRIED).as_secs_f64();
        let (east, north) = course.to_radians().sin_cos();
        match self {
            Self::Earth { lat, lng } => {
                let degrees = way / METRES_PER_DEGREE;
                let across = lat.to_radians().cos().max(1e-6);
                let lng = (lng + degrees * east / across + 180.0).rem_euclid(360.0) - 180.0;
                Self::Earth { lat: (lat + degrees * north).clamp(-90.0, 90.0), lng }
            }
            Self::Plane { x, y } => Self::Plane { x: x + way * east, y: y + way * north },
        }
    }
}

impl Space {
    /// What lengths on the wire count in, in the room's own unit: a metre, or a step.
    #[must_use]
    pub fn step(&self) -> f64 {
        match self {
            Self::Earth => 1.0,
            Self::Plane(plane) => plane.step.0,
        }
    }

    /// The code of a speed, in metres a second or the plane's unit a second, and of a course in
    /// degrees, clockwise from north (on a plane, from upwards).
    ///
    /// # Errors
    /// If either is not finite, or the speed is below 0.
    pub fn motion(&self, speed: f64, course: f64) -> Result<Motion, PlaceError> {
        Motion::new(speed / self.step(), course).ok_or(PlaceError::Motion)
    }

    /// The code of the radius within which a place is right, in metres or the plane's unit.
    #[must_use]
    pub fn accuracy(&self, radius: f64) -> Accuracy {
        Accuracy::from_metres(radius / self.step())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::{Number, Plane};

    fn plane() -> Space {
        Space::Plane(Plane { unit: "px".into(), step: Number(0.5) })
    }

    #[test]
    fn a_place_goes_both_ways_in_its_own_space_and_is_refused_in_the_other() {
        let here = Place::Earth { lat: 45.75, lng: 14.36 };
        assert_eq!(Place::of(here.position(&Space::Earth).unwrap(), &Space::Earth), here);
        assert_eq!(here.position(&plane()), Err(PlaceError::OnPlane));
        let there = Place::Plane { x: 640.5, y: -12.0 };
        assert_eq!(Place::of(there.position(&plane()).unwrap(), &plane()), there);
        assert_eq!(there.position(&Space::Earth), Err(PlaceError::OnEarth));
        let nowhere = Place::Plane { x: f64::NAN, y: 0.0 };
        assert_eq!(nowhere.position(&plane()), Err(PlaceError::NotFinite));
        let beyond = Place::Earth { lat: 91.0, lng: 0.0 };
        assert_eq!(beyond.position(&Space::Earth), Err(PlaceError::Geo(GeoError::Latitude)));
    }

    #[test]
    fn speeds_and_accuracies_on_a_plane_are_in_its_unit() {
        let speed = plane().motion(40.0, 90.0).unwrap().speed() * plane().step();
        assert!((speed / 40.0 - 1.0).abs() < 0.025, "{speed}");
        assert_eq!(plane().motion(-1.0, 0.0), Err(PlaceError::Motion));
        assert_eq!(plane().accuracy(10.0), Accuracy::from_metres(20.0));
        assert_eq!(Space::Earth.accuracy(10.0), Accuracy::from_metres(10.0));
    }

    #[test]
    fn somebody_is_carried_on_for_three_seconds() {
        let east = |after| {
            Place::Plane { x: 1.0, y: 1.0 }.carried(2.0, 90.0, Duration::from_millis(after))
        };
        let is_at = |place, at: f64| match place {
            Place::Plane { x, y } => (x - at).abs() < 1e-9 && (y - 1.0).abs() < 1e-9,
            Place::Earth { .. } => false,
        };
        assert!(is_at(east(500), 2.0) && is_at(east(3_000), 7.0) && is_at(east(60_000), 7.0));
        // 111 m a second northwards, across the antimeridian eastwards.
        let Place::Earth { lat, .. } =
            Place::Earth { lat: 10.0, lng: 0.0 }.carried(111.195, 0.0, Duration::from_secs(1))
        else {
            panic!("the space changed")
        };
        assert!((lat - 10.001).abs() < 1e-9);
        let Place::Earth { lng, .. } =
            Place::Earth { lat: 0.0, lng: 179.9999 }.carried(111.195, 90.0, Duration::from_secs(1))
        else {
            panic!("the space changed")
        };
        assert!((lng + 179.9991).abs() < 1e-9, "{lng}");
    }
}
