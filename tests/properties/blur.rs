use gpys::proto::blur::{approximate, blur};
use gpys::proto::geo::{MAX_LAT, MAX_LNG, Position};
use gpys::proto::pose::{Accuracy, MAX_ACCURACY, Pose};
use gpys::proto::time::Time;
use proptest::prelude::*;

fn at(lat: i32, lng: i32) -> Position {
    Position::new(lat, lng).unwrap()
}

/// Returns the distance in metres on a sphere with the largest radius of curvature of WGS 84 (the
/// polar one), so never too short.
fn metres(a: Position, b: Position) -> f64 {
    let ((a_lat, a_lng), (b_lat, b_lng)) = (a.degrees(), b.degrees());
    let [p, q, east] = [a_lat, b_lat, b_lng - a_lng].map(f64::to_radians);
    let half = |angle: f64| (angle / 2.0).sin().powi(2);
    let h = half(q - p) + p.cos() * q.cos() * half(east);
    2.0 * 6_399_594.0 * h.min(1.0).sqrt().asin()
}

/// Any position, more often near the hard places: the poles, the equator, the antimeridian.
fn position() -> impl Strategy<Value = Position> {
    let near = |middle: i32, most: i32| {
        (-400_000..400_000).prop_map(move |by: i32| (middle + by).clamp(-most, most))
    };
    let lat = prop_oneof![
        -MAX_LAT..=MAX_LAT,
        near(MAX_LAT, MAX_LAT),
        near(-MAX_LAT, MAX_LAT),
        near(0, MAX_LAT)
    ];
    let lng = prop_oneof![
        -MAX_LNG..=MAX_LNG,
        (0..400_000).prop_map(|by| by - MAX_LNG),
        (0..400_000).prop_map(|by| MAX_LNG - by),
        near(0, MAX_LNG)
    ];
    (lat, lng).prop_map(|(lat, lng)| at(lat, lng))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    #[test]
    fn the_middle_is_near_and_stays_where_it_is(position in position()) {
        let middle = blur(position);
        prop_assert!(metres(position, middle) <= 871.0, "{}", metres(position, middle));
        prop_assert_eq!(blur(middle), middle);
    }

    /// The result depends on the cell alone: it is the same for every place in the box between one
    /// place and its middle.
    #[test]
    fn a_cell_is_a_box_and_all_of_it_looks_the_same(
        position in position(), north in 0.0..1.0_f64, east in 0.0..1.0_f64,
    ) {
        let middle = blur(position);
        let mix = |a: i32, b: i32, t: f64| {
            (f64::from(a) + (f64::from(b) - f64::from(a)) * t).round() as i32
        };
        let between = at(
            mix(middle.lat(), position.lat(), north),
            mix(middle.lng(), position.lng(), east),
        );
        prop_assert_eq!(blur(between), middle);
    }

    #[test]
    fn accuracy_is_never_finer_than_a_cell(position in position(), code in 0..=MAX_ACCURACY) {
        let accuracy = Accuracy::from_code(code).unwrap();
        let pose = Pose { position, orientation: None, accuracy, sampled: Time::from_ms(7) };
        let blurred = approximate(pose);
        prop_assert!(blurred.accuracy.metres().unwrap() >= metres(position, blurred.position));
        prop_assert!(blurred.accuracy.code() >= code);
        prop_assert_eq!(approximate(blurred), blurred);
    }
}
