use gpys::proto::pose::{ORIENTATION_CODES, Orientation, angle_between};
use proptest::prelude::*;

fn quaternion() -> impl Strategy<Value = [f64; 4]> {
    [-1.0..1.0_f64, -1.0..1.0_f64, -1.0..1.0_f64, -1.0..1.0_f64]
        .prop_filter("has a length", |q| q.iter().map(|c| c * c).sum::<f64>() > 1e-3)
        .prop_map(|q| {
            let length = q.iter().map(|c| c * c).sum::<f64>().sqrt();
            q.map(|c| c / length)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    #[test]
    fn orientation_errs_by_less_than_half_a_degree(q in quaternion()) {
        let code = Orientation::from_quaternion(q).unwrap();
        prop_assert!(angle_between(q, code.quaternion()) < 0.485);
    }

    #[test]
    fn orientation_is_quantised_once(code in 0..ORIENTATION_CODES) {
        let orientation = Orientation::from_code(code).unwrap();
        prop_assert_eq!(Orientation::from_quaternion(orientation.quaternion()), Ok(orientation));
    }
}
