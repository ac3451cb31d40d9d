//! The purple pin.

use std::fmt;

use gpys_proto::geo::Position;
use gpys_proto::text;

/// A place on the map that is not a peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Venue {
    /// Latitude in degrees.
    pub lat: f64,
    /// Longitude in degrees.
    pub lng: f64,
    /// The text beside the pin.
    pub label: String,
}

impl Venue {
    /// Parses latitude, longitude and label, with commas between; the label may be missing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ',').map(str::trim);
        let (lat, lng): (f64, f64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let label = text::name(parts.next().unwrap_or_default());
        Position::from_degrees(lat, lng).ok()?;
        Some(Self { lat, lng, label })
    }
}

impl fmt::Display for Venue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", self.lat, self.lng, self.label)
    }
}
