//! Motion: how fast and which way somebody moves (docs/PROTOCOL.md, section 2), so that receivers
//! can carry on a position that is sampled once a second.

/// The ratio of one speed code to the one before.
const RATIO: f64 = 1.05;
/// The speed of code 1, in metres a second on the earth and in steps a second on a plane. Code 255
/// is 240,000 times as fast.
const SLOWEST: f64 = 0.1;
/// Course codes in a full turn.
const COURSES: f64 = 256.0;

/// A speed and a course, quantised by the sender.
///
/// Speeds are in metres a second on the earth, and in steps a second on a plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Motion {
    /// Code of the speed: 0 for none, else 0.1 · 1.05^(code - 1).
    pub speed: u8,
    /// Code of the course, clockwise from north (from the y axis on a plane), in 256ths of a turn.
    pub course: u8,
}

impl Motion {
    /// The nearest codes to a speed and a course in degrees, clockwise from north. `None` if either
    /// is not finite, or the speed is negative.
    #[must_use]
    pub fn new(speed: f64, course: f64) -> Option<Self> {
        if !speed.is_finite() || !course.is_finite() || speed < 0.0 {
            return None;
        }
        let code = (speed / SLOWEST).ln() / RATIO.ln() + 1.0;
        let speed = if speed < SLOWEST / 2.0 { 0.0 } else { code.round().clamp(1.0, 255.0) };
        let course = (course / 360.0 * COURSES).round().rem_euclid(COURSES);
        Some(Self { speed: speed as u8, course: course as u8 })
    }

    /// The speed, off by at most 2.5 %.
    #[must_use]
    pub fn speed(self) -> f64 {
        if self.speed == 0 { 0.0 } else { SLOWEST * RATIO.powi(i32::from(self.speed) - 1) }
    }

    /// The course in degrees, clockwise from north, off by at most 0.71.
    #[must_use]
    pub fn course(self) -> f64 {
        f64::from(self.course) * 360.0 / COURSES
    }

    /// The 16 bits on the wire: the speed's code, then the course's.
    #[must_use]
    pub const fn bits(self) -> u16 {
        u16::from_le_bytes([self.speed, self.course])
    }

    /// From the 16 bits on the wire; all of them are a motion.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        let [speed, course] = bits.to_le_bytes();
        Self { speed, course }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_near_what_they_stand_for() {
        for speed in [0.1, 0.5, 1.4, 30.0, 250.0, 7_800.0, 20_000.0] {
            for course in [0.0, 0.7, 89.0, 180.0, 359.0, 359.9, 725.0, -90.0] {
                let motion = Motion::new(speed, course).unwrap();
                assert!((motion.speed() / speed - 1.0).abs() <= 0.025, "{speed}: {motion:?}");
                let off = (motion.course() - course).rem_euclid(360.0);
                assert!(off.min(360.0 - off) <= 0.71, "{course}: {motion:?}");
                assert_eq!(Motion::from_bits(motion.bits()), motion);
            }
        }
        assert_eq!(Motion::new(0.04, 90.0).map(Motion::speed), Some(0.0));
        assert_eq!(Motion::new(1e9, 0.0).map(|it| it.speed), Some(255));
    }

    #[test]
    fn what_is_no_motion_has_no_code() {
        for (speed, course) in [(-1.0, 0.0), (f64::NAN, 0.0), (1.0, f64::INFINITY)] {
            assert_eq!(Motion::new(speed, course), None);
        }
    }
}
