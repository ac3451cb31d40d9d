//! OGC GeoPose 1.0 (21-056r11): an array of Basic-Quaternion poses, because the standard's own
//! composites are graphs, chains and series of one moving thing. Each pose has an `id`, a `name`
//! and a `validTime` besides, which the permissive schema allows.

use serde_json::{Value, json};

use super::places::Spot;

/// An array of poses of those whose orientation or course is known.
pub(super) fn write(spots: &[Spot]) -> String {
    let poses: Vec<_> = spots.iter().filter_map(pose).collect();
    Value::from(poses).to_string()
}

fn pose(spot: &Spot) -> Option<Value> {
    let [x, y, z, w] = spot.orientation.or_else(|| spot.course.map(heading))?;
    Some(json!({
        "id": spot.uuid,
        "name": spot.name,
        // In ms since 1970.
        "validTime": (spot.time.unix_timestamp_nanos() / 1_000_000) as i64,
        // No height is known, and the standard requires one.
        "position": { "lat": spot.lat, "lon": spot.lng, "h": 0.0 },
        "quaternion": { "x": x, "y": y, "z": z, "w": w },
    }))
}

/// Upright, with the top towards a course: a turn about the axis up, which counts the other way
/// round.
fn heading(course: f64) -> [f64; 4] {
    let (sin, cos) = (-course.to_radians() / 2.0).sin_cos();
    [0.0, 0.0, sin, cos]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::formats::places::example;

    #[test]
    fn a_pose_is_an_orientation_else_a_course() {
        let east = example("Bus");
        let turned = Spot { orientation: Some([0.5, 0.5, 0.5, 0.5]), ..east.clone() };
        let still = Spot { course: None, ..east.clone() };
        let poses: Value = serde_json::from_str(&write(&[east, turned, still])).unwrap();
        assert_eq!(poses.as_array().map(Vec::len), Some(2), "without a direction there is none");
        let bus = &poses[0];
        assert_eq!(bus["position"], json!({ "lat": 46.05, "lon": 14.5, "h": 0.0 }));
        assert_eq!(bus["validTime"], 1_800_000_000_500_i64);
        let [z, w] = ["z", "w"].map(|axis| bus["quaternion"][axis].as_f64().unwrap());
        // The top of the device, y, points east: 2 (xy - wz) is 1.
        assert!((-2.0 * w * z - 1.0).abs() < 1e-9);
        assert_eq!(poses[1]["quaternion"], json!({ "x": 0.5, "y": 0.5, "z": 0.5, "w": 0.5 }));
    }
}
