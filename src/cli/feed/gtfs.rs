//! GTFS-realtime: vehicle positions in protobuf
//! (<https://gtfs.org/documentation/realtime/proto/>), the fields that a map needs.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message;
use serde_json::Value;

use crate::cli::feed::vehicle::{Icon, Vehicle};

/// A feed.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FeedMessage {
    #[prost(message, optional, tag = "1")]
    header: Option<FeedHeader>,
    #[prost(message, repeated, tag = "2")]
    entity: Vec<FeedEntity>,
}

#[derive(Clone, PartialEq, Message)]
struct FeedHeader {
    #[prost(string, optional, tag = "1")]
    gtfs_realtime_version: Option<String>,
    /// 0 for everything, 1 for what has changed.
    #[prost(int32, optional, tag = "2")]
    incrementality: Option<i32>,
    /// In seconds since 1970.
    #[prost(uint64, optional, tag = "3")]
    timestamp: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct FeedEntity {
    #[prost(string, optional, tag = "1")]
    id: Option<String>,
    #[prost(bool, optional, tag = "2")]
    is_deleted: Option<bool>,
    #[prost(message, optional, tag = "4")]
    vehicle: Option<VehiclePosition>,
}

#[derive(Clone, PartialEq, Message)]
struct VehiclePosition {
    #[prost(message, optional, tag = "1")]
    trip: Option<TripDescriptor>,
    #[prost(message, optional, tag = "2")]
    position: Option<Position>,
    /// In seconds since 1970.
    #[prost(uint64, optional, tag = "5")]
    timestamp: Option<u64>,
    #[prost(message, optional, tag = "8")]
    vehicle: Option<VehicleDescriptor>,
}

#[derive(Clone, PartialEq, Message)]
struct TripDescriptor {
    #[prost(string, optional, tag = "5")]
    route_id: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Position {
    /// In degrees.
    #[prost(float, optional, tag = "1")]
    latitude: Option<f32>,
    #[prost(float, optional, tag = "2")]
    longitude: Option<f32>,
    /// In degrees, clockwise from north.
    #[prost(float, optional, tag = "3")]
    bearing: Option<f32>,
    /// In m/s.
    #[prost(float, optional, tag = "5")]
    speed: Option<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct VehicleDescriptor {
    #[prost(string, optional, tag = "1")]
    id: Option<String>,
    #[prost(string, optional, tag = "2")]
    label: Option<String>,
}

/// Why bytes are no feed of vehicles.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FeedFormatError {
    /// They are no protobuf of this form.
    #[error(
        "it is not GTFS-realtime in protobuf ({0}); check that the address is that of vehicle positions, not of a page or of JSON"
    )]
    Protobuf(String),
    /// It has no header.
    #[error("it has no GTFS-realtime header; check that the address is that of a feed in protobuf")]
    Header,
    /// It has only what has changed.
    #[error("it is differential, which GTFS-realtime leaves undefined; use the full dataset")]
    Differential,
}

/// The vehicles of a feed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Vehicles {
    vehicles: BTreeMap<String, Vehicle>,
    /// What was left out, in words; empty if nothing was.
    pub(super) left_out: String,
}

impl Vehicles {
    /// Reads a feed.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, FeedFormatError> {
        let feed = FeedMessage::decode(bytes)
            .map_err(|error| FeedFormatError::Protobuf(error.to_string()))?;
        let header = feed.header.ok_or(FeedFormatError::Header)?;
        if header.gtfs_realtime_version.is_none() {
            return Err(FeedFormatError::Header);
        }
        if header.incrementality == Some(1) {
            return Err(FeedFormatError::Differential);
        }
        let mut all = Self::default();
        let (mut placeless, mut others) = (0, 0);
        for entity in feed.entity.into_iter().filter(|it| it.is_deleted != Some(true)) {
            let FeedEntity { id, vehicle: Some(vehicle), .. } = entity else {
                others += 1;
                continue;
            };
            match read(id, vehicle, header.timestamp) {
                Some(vehicle) => drop(all.vehicles.insert(vehicle.id.clone(), vehicle)),
                None => placeless += 1,
            }
        }
        let counted = [
            (placeless, "without an id or a place on the earth"),
            (others, "entities that are no vehicles"),
        ];
        let counted = counted.iter().filter(|(count, _)| *count > 0);
        let counted: Vec<_> = counted.map(|(count, what)| format!("{count} {what}")).collect();
        if !counted.is_empty() {
            all.left_out = format!("left out {}", counted.join(", "));
        }
        Ok(all)
    }

    /// The things that the server's API takes.
    pub(super) fn things(&self, prefix: &str, icon: Icon, ttl: Duration) -> Vec<Value> {
        self.vehicles.values().filter_map(|vehicle| vehicle.thing(prefix, icon, ttl)).collect()
    }
}

/// A vehicle; `None` if it has no id or no place.
fn read(entity: Option<String>, it: VehiclePosition, header: Option<u64>) -> Option<Vehicle> {
    let text = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let (id, label) = it.vehicle.map_or((None, None), |it| (text(it.id), text(it.label)));
    let id = id.or_else(|| label.clone()).or_else(|| text(entity))?;
    let route = it.trip.and_then(|trip| text(trip.route_id));
    let place = it.position?;
    let (lat, lng) = (degrees(place.latitude?), degrees(place.longitude?));
    let on_earth = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lng);
    // 0, 0 is in the sea: a receiver without a fix says so.
    if !on_earth || lat == 0.0 && lng == 0.0 {
        return None;
    }
    let time = it.timestamp.filter(|time| *time > 0).or(header);
    Some(Vehicle {
        name: label.or_else(|| route.clone()).unwrap_or_else(|| id.clone()),
        id,
        route,
        lat,
        lng,
        accuracy: None,
        speed: place.speed.map(f64::from).filter(|speed| (0.0..=1_000.0).contains(speed)),
        course: place.bearing.map(f64::from).filter(|course| (0.0..=360.0).contains(course)),
        time: time.and_then(|time| i64::try_from(time).ok()?.checked_mul(1_000)),
    })
}

/// Degrees as the source wrote them: the shortest decimal that is this float.
fn degrees(degrees: f32) -> f64 {
    degrees.to_string().parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> Option<FeedHeader> {
        Some(FeedHeader {
            gtfs_realtime_version: Some("2.0".into()),
            incrementality: None,
            timestamp: Some(1_800_000_000),
        })
    }

    fn entity(id: &str, latitude: f32, timestamp: Option<u64>) -> FeedEntity {
        FeedEntity {
            id: Some(id.into()),
            is_deleted: None,
            vehicle: Some(VehiclePosition {
                trip: Some(TripDescriptor { route_id: Some("6".into()) }),
                position: Some(Position {
                    latitude: Some(latitude),
                    longitude: Some(14.51),
                    bearing: Some(90.0),
                    speed: Some(8.5),
                }),
                timestamp,
                vehicle: None,
            }),
        }
    }

    #[test]
    fn reads_vehicles_and_says_what_it_leaves_out() {
        let mut named = entity("e1", 46.05, Some(1_799_999_990));
        let label = VehicleDescriptor { id: Some("7036".into()), label: Some("Tram 6".into()) };
        named.vehicle.as_mut().unwrap().vehicle = Some(label);
        let deleted = FeedEntity { is_deleted: Some(true), ..entity("e4", 46.0, None) };
        let alert = FeedEntity { vehicle: None, ..entity("e5", 46.0, None) };
        let feed = FeedMessage {
            header: header(),
            entity: vec![
                named,
                entity("e2", 46.1, Some(0)),
                entity("e3", 95.0, None),
                deleted,
                alert,
            ],
        };
        let read = Vehicles::read(&feed.encode_to_vec()).unwrap();
        assert_eq!(
            read.left_out,
            "left out 1 without an id or a place on the earth, 1 entities that are no vehicles"
        );
        let tram = &read.vehicles["7036"];
        assert_eq!((tram.name.as_str(), tram.lat, tram.lng), ("Tram 6", 46.05, 14.51));
        assert_eq!((tram.speed, tram.course), (Some(8.5), Some(90.0)));
        assert_eq!(tram.time, Some(1_799_999_990_000));
        let plain = &read.vehicles["e2"];
        assert_eq!((plain.name.as_str(), plain.time), ("6", Some(1_800_000_000_000)));
        let things = read.things("city-", Icon::Tram, Duration::from_secs(75));
        assert_eq!((things.len(), &things[0]["id"]), (2, &"city-7036".into()));
    }

    #[test]
    fn what_is_no_feed_is_explained() {
        let wrong = |bytes: &[u8]| Vehicles::read(bytes).unwrap_err().to_string();
        assert!(wrong(b"<!doctype html>").contains("not GTFS-realtime in protobuf"));
        assert!(wrong(b"").contains("no GTFS-realtime header"));
        let header = header().map(|it| FeedHeader { incrementality: Some(1), ..it });
        let feed = FeedMessage { header, entity: Vec::new() };
        assert!(wrong(&feed.encode_to_vec()).contains("differential"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Vehicles::read(&bytes);
        }

        #[test]
        fn no_vehicle_panics(
            id in ".*", lat in any::<f32>(), time in any::<u64>(), bearing in any::<f32>(),
        ) {
            let mut one = entity(&id, lat, Some(time));
            one.vehicle.as_mut().unwrap().position.as_mut().unwrap().bearing = Some(bearing);
            let feed = FeedMessage { header: header(), entity: vec![one] };
            let read = Vehicles::read(&feed.encode_to_vec()).unwrap();
            for thing in read.things("", Icon::Bus, Duration::from_secs(60)) {
                let lat = thing["lat"].as_f64().unwrap();
                prop_assert!((-90.0..=90.0).contains(&lat));
            }
        }
    }
}
