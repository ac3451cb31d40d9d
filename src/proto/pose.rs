//! A pose: where a person is and how they hold their device (docs/PROTOCOL.md, sections 2 and 4).
//!
//! Orientation and accuracy are quantised once, by the sender, so the core only copies integers
//! and every receiver shows the same.

use std::error::Error;
use std::f64::consts::{FRAC_PI_4, PI};
use std::fmt;
use std::num::{NonZeroU8, NonZeroU32};

use crate::geo::Position;
use crate::motion::Motion;
use crate::time::Time;

/// Steps of each of the three smaller components of an orientation. 4 times its cube is below
/// 2^27, and with the arctangent's even spacing the largest error is below 0.5 degree.
const STEPS: u32 = 322;
/// Number of orientation codes.
pub const ORIENTATION_CODES: u32 = 4 * STEPS * STEPS * STEPS;
/// Bits of an orientation in a frame.
pub const ORIENTATION_BITS: u32 = 27;
/// The largest accuracy code.
pub const MAX_ACCURACY: u8 = 63;

/// Why a pose is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoseError {
    /// The orientation code is not below [`ORIENTATION_CODES`].
    Orientation,
    /// The accuracy code is above [`MAX_ACCURACY`].
    Accuracy,
    /// The quaternion has a component that is not finite, or no length.
    NotARotation,
}

impl fmt::Display for PoseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Orientation => "the orientation code is out of range",
            Self::Accuracy => "the accuracy code is out of range",
            Self::NotARotation => "the orientation is not a rotation",
        })
    }
}

impl Error for PoseError {}

/// How a device is held: a quantised unit quaternion from the device's axes (right, top, out of
/// the screen) to the earth's (east, north, up).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Orientation(
    /// The code plus one, so that an `Option` of it takes no more memory.
    NonZeroU32,
);

impl Orientation {
    /// From a code on the wire.
    ///
    /// # Errors
    /// If the code is out of range.
    pub const fn from_code(code: u32) -> Result<Self, PoseError> {
        match NonZeroU32::new(code.wrapping_add(1)) {
            Some(above) if code < ORIENTATION_CODES => Ok(Self(above)),
            _ => Err(PoseError::Orientation),
        }
    }

    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u32 {
        self.0.get() - 1
    }

    /// The nearest code to the quaternion (w, x, y, z), of any length above zero.
    ///
    /// # Errors
    /// If a component is not finite or all are zero.
    pub fn from_quaternion(q: [f64; 4]) -> Result<Self, PoseError> {
        let mut largest = 0;
        for i in 1..4 {
            if q[i].abs() > q[largest].abs() {
                largest = i;
            }
        }
        if q.iter().any(|c| !c.is_finite()) || q[largest] == 0.0 {
            return Err(PoseError::NotARotation);
        }
        let mut code = largest as u32;
        for (i, component) in q.iter().enumerate() {
            if i != largest {
                let a = (component / q[largest]).atan() / FRAC_PI_4;
                let n = ((a + 1.0) / 2.0 * f64::from(STEPS)).floor() as u32;
                code = code * STEPS + n.min(STEPS - 1);
            }
        }
        Self::from_code(code)
    }

    /// The unit quaternion (w, x, y, z), its largest component positive.
    #[must_use]
    pub fn quaternion(self) -> [f64; 4] {
        let mut rest = self.code();
        let mut smaller = [0.0; 3];
        for slot in smaller.iter_mut().rev() {
            let a = (f64::from(rest % STEPS) + 0.5) / f64::from(STEPS) * 2.0 - 1.0;
            *slot = (a * FRAC_PI_4).tan();
            rest /= STEPS;
        }
        let largest = rest as usize;
        let mut q = [1.0; 4];
        let mut next = smaller.iter();
        for (i, component) in q.iter_mut().enumerate() {
            if i != largest {
                *component = next.next().copied().unwrap_or(0.0);
            }
        }
        let length = q.iter().map(|c| c * c).sum::<f64>().sqrt();
        q.map(|c| c / length)
    }

    /// From the browser's angles in degrees: turned by `alpha` about Z, then `beta` about X, then
    /// `gamma` about Y (W3C Device Orientation, section "deviceorientation event").
    ///
    /// # Errors
    /// If an angle is not finite.
    pub fn from_euler(alpha: f64, beta: f64, gamma: f64) -> Result<Self, PoseError> {
        let [(sz, cz), (sx, cx), (sy, cy)] =
            [alpha, beta, gamma].map(|degrees| (degrees * PI / 360.0).sin_cos());
        Self::from_quaternion([
            cz * cx * cy - sz * sx * sy,
            cz * sx * cy - sz * cx * sy,
            cz * cx * sy + sz * sx * cy,
            sz * cx * cy + cz * sx * sy,
        ])
    }

    /// How far apart two codes are, in steps of about half a degree: a cheap measure of a turn,
    /// good enough to tell much from little.
    pub(crate) fn steps_between(a: Self, b: Self) -> u32 {
        let (mut a, mut b, mut steps) = (a.code(), b.code(), 0);
        for _ in 0..3 {
            steps += (a % STEPS).abs_diff(b % STEPS);
            (a, b) = (a / STEPS, b / STEPS);
        }
        if a == b { steps } else { STEPS }
    }

    /// The angle of the turn from `self` to `other`, in degrees.
    #[must_use]
    pub fn angle_to(self, other: Self) -> f64 {
        angle_between(self.quaternion(), other.quaternion())
    }
}

/// The angle of the turn between two unit quaternions, in degrees.
#[must_use]
pub fn angle_between(a: [f64; 4], b: [f64; 4]) -> f64 {
    let dot: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
    2.0 * dot.abs().min(1.0).acos() * 180.0 / PI
}

/// The radius within which a position is right, as a code: 0 unknown, *c* for 0.5 · 1.25^(c-1) m.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Accuracy(
    /// The code plus one, so that an `Option` of a pose takes no more memory.
    NonZeroU8,
);

impl Default for Accuracy {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl Accuracy {
    /// The device did not say.
    pub const UNKNOWN: Self = Self(NonZeroU8::MIN);

    /// From a code on the wire.
    ///
    /// # Errors
    /// If the code is above [`MAX_ACCURACY`].
    pub const fn from_code(code: u8) -> Result<Self, PoseError> {
        match NonZeroU8::new(code.wrapping_add(1)) {
            Some(above) if code <= MAX_ACCURACY => Ok(Self(above)),
            _ => Err(PoseError::Accuracy),
        }
    }

    /// The smallest radius that is no smaller than `metres`; unknown if that is not a radius.
    #[must_use]
    pub fn from_metres(metres: f64) -> Self {
        if !metres.is_finite() || metres < 0.0 {
            return Self::UNKNOWN;
        }
        let all = (1..=MAX_ACCURACY).filter_map(|code| Self::from_code(code).ok());
        let enough = |accuracy: &Self| accuracy.metres() >= Some(metres);
        let mut last = Self::UNKNOWN;
        all.inspect(|&accuracy| last = accuracy).find(enough).unwrap_or(last)
    }

    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0.get() - 1
    }

    /// The radius in metres, if known.
    #[must_use]
    pub fn metres(self) -> Option<f64> {
        (self.code() > 0).then(|| 0.5 * 1.25_f64.powi(i32::from(self.code()) - 1))
    }
}

/// Where a person is and how they hold their device, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pose {
    /// The position.
    pub position: Position,
    /// How the device is held; `None` without such a sensor.
    pub orientation: Option<Orientation>,
    /// The accuracy of the position.
    pub accuracy: Accuracy,
    /// When the sample was taken, on the server's clock.
    pub sampled: Time,
}

/// What a pose has besides, where the sender or the room wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// How fast and which way the person moves, if known.
    pub motion: Option<Motion>,
    /// The room's state bits; 0 in a room without state.
    pub state: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orientation_codes_fit() {
        const { assert!(ORIENTATION_CODES < 1 << ORIENTATION_BITS) };
        assert_eq!(Orientation::from_code(ORIENTATION_CODES), Err(PoseError::Orientation));
        for bad in [[f64::NAN, 1.0, 0.0, 0.0], [0.0; 4], [f64::INFINITY, 0.0, 0.0, 0.0]] {
            assert_eq!(Orientation::from_quaternion(bad), Err(PoseError::NotARotation));
        }
    }

    #[test]
    fn a_phone_held_upright_points_its_top_up() {
        let [w, x, y, z] = Orientation::from_euler(0.0, 90.0, 0.0).unwrap().quaternion();
        // The device's Y axis (its top) turned into the earth's frame.
        let top = [2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)];
        assert!(top[2] > 0.999, "{top:?}");
    }

    #[test]
    fn accuracy_is_never_better_than_measured() {
        for metres in [0.0, 0.5, 0.51, 4.9, 35.0, 20_000.0, 400_000.0] {
            let code = Accuracy::from_metres(metres);
            let radius = code.metres().unwrap();
            assert!(radius >= metres && radius <= (metres * 1.2501).max(0.5), "{metres} {radius}");
        }
        assert_eq!(Accuracy::from_metres(f64::NAN), Accuracy::UNKNOWN);
        assert_eq!(Accuracy::from_metres(1e12).code(), MAX_ACCURACY);
    }
}
