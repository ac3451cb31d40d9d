//! What programs tell a room of places: moves, and what they look at.

use gpys_proto::geo::{CIRCLE, Viewport};
use gpys_proto::kind::Space;
use gpys_proto::motion::Motion;
use gpys_proto::place::{Place, PlaceError};
use gpys_proto::pose::{Accuracy, Orientation};

use crate::options::Reading;

/// Width of a screen on which bounds without a scale are shown, in CSS pixels.
const SCREEN: f64 = 1_024.0;
/// Width of a map tile at zoom 0, in CSS pixels.
const TILE: f64 = 512.0;

/// Where somebody is now, how they hold their device, and how they move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Move {
    place: Place,
    orientation: Option<Orientation>,
    /// In metres or the plane's unit.
    accuracy: Option<f64>,
    /// Speed and course.
    motion: Option<(f64, f64)>,
}

impl From<Place> for Move {
    fn from(place: Place) -> Self {
        Self { place, orientation: None, accuracy: None, motion: None }
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

    /// With the radius within which the place is right, in metres on the earth and in the room's
    /// unit on a plane.
    #[must_use]
    pub const fn with_accuracy(self, radius: f64) -> Self {
        Self { accuracy: Some(radius), ..self }
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
        let position = place.position(space)?;
        let accuracy = accuracy.map_or(Accuracy::UNKNOWN, |radius| space.accuracy(radius));
        let motion = motion.map(|(speed, course)| space.motion(speed, course)).transpose()?;
        Ok((Reading { position, orientation, accuracy }, motion))
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
    use gpys_proto::geo::GeoError;
    use gpys_proto::kind::{Number, Plane};

    use super::*;

    fn plane() -> Space {
        Space::Plane(Plane { unit: "px".into(), step: Number(0.5) })
    }

    #[test]
    fn a_move_on_a_plane_is_in_its_unit() {
        let moved = Move::plane(0.0, 0.0).with_motion(40.0, 90.0).with_accuracy(10.0);
        let (reading, motion) = moved.reading(&plane()).unwrap();
        assert_eq!(motion, Some(plane().motion(40.0, 90.0).unwrap()));
        assert_eq!(reading.accuracy, Accuracy::from_metres(20.0));
        let bad = Move::plane(0.0, 0.0).with_motion(-1.0, 0.0).reading(&plane());
        assert_eq!(bad.unwrap_err(), PlaceError::Motion);
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
