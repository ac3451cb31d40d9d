//! GeoJSON (RFC 7946): a point for each.

use serde_json::{Map, Value, json};

use super::places::Spot;

/// A collection of points.
pub(super) fn write(spots: &[Spot]) -> String {
    let features: Vec<_> = spots.iter().map(feature).collect();
    json!({ "type": "FeatureCollection", "features": features }).to_string()
}

fn feature(spot: &Spot) -> Value {
    let said = [
        ("name", Some(json!(spot.name))),
        ("presence", Some(json!(spot.presence))),
        ("time", Some(json!(spot.written_time()))),
        ("thing", spot.thing.as_ref().map(|id| json!(id))),
        ("accuracy", spot.accuracy.map(|metres| json!(metres))),
        ("speed", spot.speed.map(|speed| json!(speed))),
        ("course", spot.course.map(|degrees| json!(degrees))),
        ("profile", spot.profile.clone()),
    ];
    let said = said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    json!({
        "type": "Feature",
        "id": spot.uuid,
        "geometry": { "type": "Point", "coordinates": [spot.lng, spot.lat] },
        "properties": said.collect::<Map<_, _>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::formats::places::example;

    #[test]
    fn a_point_has_the_longitude_first() {
        let text = write(&[example("Bus \"7\"")]);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["type"], "FeatureCollection");
        let feature = &value["features"][0];
        assert_eq!(feature["geometry"], json!({ "type": "Point", "coordinates": [14.5, 46.05] }));
        assert_eq!(
            feature["properties"],
            json!({
                "name": "Bus \"7\"", "presence": "sharing", "thing": "bus-7", "accuracy": 5.0,
                "speed": 8.5, "course": 90.0, "profile": { "icon": "bus" },
                "time": "2027-01-15T08:00:00.5Z",
            })
        );
        assert_eq!(write(&[]), r#"{"features":[],"type":"FeatureCollection"}"#);
    }
}
