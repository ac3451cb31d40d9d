//! Places in a room's own space: degrees on the earth, the room's unit on a plane.

use std::time::Duration;

use gpys_proto::geo::{CIRCLE, GeoError, Position, Viewport};
use gpys_proto::kind::Space;
use gpys_proto::motion::Motion;
use gpys_proto::pose::{Accuracy, Orientation};

use crate::options::Reading;

/// Width of a screen on which bounds without a scale are shown, in CSS pixels.
const SCREEN: f64 = 1_024.0;
/// Width of a map tile at zoom 0, in CSS pixels.
const TILE: f64 = 512.0;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// Not on the earth.
    #[error(transparent)]
    Geo(#[from] GeoError),
    /// Not a number.
    #[error("a place on a plane has finite coordinates")]
    NotFinite,
    /// The room is on a plane.
    #[error("this room is on a plane: give x and y, not latitude and longitude")]
    OnPlane,
    /// The room is on the earth.
    #[error("this room is on the earth: give latitude and longitude, not x and y")]
    OnEarth,
    /// A speed or a course that is not finite, or a speed below 0.
    #[error("a speed is a finite number from 0 up, and a course a finite one")]
    Motion,
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

    /// Where somebody is who was here `after` ago and has gone on at this speed and course, as
    /// [`Move::with_motion`] has them.
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

/// Where somebody is now, how they hold their device, and how they move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Move {
    place: Place,
    orientation: Option<Orientation>,
    accuracy: Accuracy,
    /// Speed and course.
    motion: Option<(f64, f64)>,
}

impl From<Place> for Move {
    fn from(place: Place) -> Self {
        Self { place, orientation: None, accuracy: Accuracy::UNKNOWN, motion: None }
    }
}

impl Move {
    /// To a place on the earth, in degrees.
    #[must_use]
    pub fn earth(lat: f64, lng: f64) -> Self {
        Place::Earth { lat, lng }.into()
    }

    /// To a place on a plane, in the room's unit.
    #[must_use]
    pub fn plane(x: f64, y: f64) -> Self {
        Place::Plane { x, y }.into()
    }

    /// With how the device is held.
    #[must_use]
    pub const fn with_orientation(self, orientation: Orientation) -> Self {
        Self { orientation: Some(orientation), ..self }
    }

    /// With the radius within which the place is right, in metres.
    #[must_use]
    pub fn with_accuracy(self, metres: f64) -> Self {
        Self { accuracy: Accuracy::from_metres(metres), ..self }
    }

    /// With a speed, in metres a second on the earth and in the room's unit a second on a plane,
    /// and a course in degrees, clockwise from north (on a plane, from upwards). Others carry the
    /// place on along it until the next one comes.
    #[must_use]
    pub const fn with_motion(self, speed: f64, course: f64) -> Self {
        Self { motion: Some((speed, course)), ..self }
    }

    /// What goes on the wire in a room of this space.
    pub(crate) fn reading(self, space: &Space) -> Result<(Reading, Option<Motion>), PlaceError> {
        let Self { place, orientation, accuracy, motion } = self;
        let reading = Reading { position: place.position(space)?, orientation, accuracy };
        let code =
            |(speed, course)| Motion::new(speed / unit(space), course).ok_or(PlaceError::Motion);
        Ok((reading, motion.map(code).transpose()?))
    }
}

/// The unit of speeds on the wire, in that of the room.
pub(crate) fn unit(space: &Space) -> f64 {
    match space {
        Space::Earth => 1.0,
        Space::Plane(plane) => plane.step.0,
    }
}

/// What a program looks at: a rectangle, and at which scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    low: Place,
    high: Place,
    /// How wide a CSS pixel is, in degrees of longitude or the plane's unit.
    pixel: Option<f64>,
}

impl Bounds {
    /// On the earth, in degrees; `west` above `east` crosses the antimeridian.
    #[must_use]
    pub const fn earth(south: f64, west: f64, north: f64, east: f64) -> Self {
        let low = Place::Earth { lat: south, lng: west };
        Self { low, high: Place::Earth { lat: north, lng: east }, pixel: None }
    }

    /// On a plane, in the room's unit.
    #[must_use]
    pub const fn plane(left: f64, bottom: f64, right: f64, top: f64) -> Self {
        let low = Place::Plane { x: left, y: bottom };
        Self { low, high: Place::Plane { x: right, y: top }, pixel: None }
    }

    /// How wide a CSS pixel is, in degrees of longitude or the plane's unit. It decides in how much
    /// detail people are sent; without it, the bounds are taken to be 1,024 pixels wide.
    #[must_use]
    pub const fn with_pixel(self, pixel: f64) -> Self {
        Self { pixel: Some(pixel), ..self }
    }

    /// What goes on the wire in a room of this space.
    pub(crate) fn viewport(self, space: &Space) -> Result<Viewport, PlaceError> {
        let (low, high) = (self.low.position(space)?, self.high.position(space)?);
        let (south, west) = (low.lat(), low.lng());
        let (north, mut east) = (high.lat(), high.lng());
        if let (Place::Earth { .. }, Place::Earth { lng, .. }) = (self.low, self.high)
            && lng >= 180.0
        {
            // The antimeridian is stored as its western self.
            east = -east;
        }
        let edges = Viewport { south, west, north, east, zoom: 0 }.validate()?;
        let units = match self.pixel {
            Some(pixel) if pixel.is_finite() && pixel > 0.0 => pixel * units(space),
            _ => f64::from(edges.width().max(1)) / SCREEN,
        };
        let zoom = (f64::from(CIRCLE) / (TILE * units)).log2() * 10.0;
        Ok(Viewport { zoom: zoom.round().clamp(0.0, 255.0) as u8, ..edges })
    }
}

/// Grid units in a degree, or in a plane's unit (docs/PROTOCOL.md, section 2, "Kinds of rooms").
fn units(space: &Space) -> f64 {
    match space {
        Space::Earth => 1e7,
        Space::Plane(plane) => 7.0 / plane.step.0,
    }
}

#[cfg(test)]
mod tests {
    use gpys_proto::kind::{Number, Plane};

    use super::*;

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
    fn speeds_on_a_plane_are_in_its_unit() {
        let (_, motion) = Move::plane(0.0, 0.0).with_motion(40.0, 90.0).reading(&plane()).unwrap();
        let speed = motion.unwrap().speed() * unit(&plane());
        assert!((speed / 40.0 - 1.0).abs() < 0.025, "{speed}");
        let bad = Move::plane(0.0, 0.0).with_motion(-1.0, 0.0).reading(&plane());
        assert_eq!(bad.unwrap_err(), PlaceError::Motion);
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

    #[test]
    fn bounds_say_how_finely_they_are_shown() {
        // A CSS pixel of half a unit, which is a step of 7 units.
        let bounds = Bounds::plane(-100.0, -50.0, 100.0, 50.0);
        let viewport = bounds.with_pixel(0.5).viewport(&plane()).unwrap();
        assert_eq!(viewport.zoom, 199);
        assert_eq!((viewport.west, viewport.east), (-1_398, 1_402));
        assert_eq!(bounds.viewport(&plane()).unwrap().zoom, 213);
        let world = Bounds::earth(-90.0, -180.0, 90.0, 180.0).viewport(&Space::Earth).unwrap();
        assert_eq!((world, world.width()), (Viewport { zoom: 10, ..Viewport::WORLD }, CIRCLE));
        let crossing = Bounds::earth(-1.0, 179.0, 1.0, -179.0).viewport(&Space::Earth).unwrap();
        assert_eq!(crossing.width(), 20_000_000);
        let upside_down = Bounds::earth(1.0, 0.0, -1.0, 1.0).viewport(&Space::Earth);
        assert_eq!(upside_down, Err(PlaceError::Geo(GeoError::UpsideDown)));
    }
}
