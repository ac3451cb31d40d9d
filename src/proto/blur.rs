//! Approximate positions: the middle of a cell of about 1 km (docs/PROTOCOL.md, section 4).
//!
//! The cells are fixed, so many samples of one place average to no better position, and the result
//! depends on the cell alone. Rows are 0.009 degree high, 10,000 a hemisphere:
//! between 995 m at the equator and 1,005 m at the poles (WGS 84). Each row is divided into as
//! many columns as make them about as wide, by integers only, so that every implementation finds
//! the same cells: the cosine of a row's latitude is Bhaskara I's fraction for the sine
//! (Mahabhaskariya, 7th century), sin x = 4p / (40,500 - p) with p = x (180 - x) in degrees, which
//! is off by at most 0.0017, and by 2 % of itself next to the poles.

use crate::geo::{CIRCLE, MAX_LAT, MAX_LNG, Position};
use crate::pose::{Accuracy, MAX_ACCURACY, Pose};

/// Height of a row, in units of 1e-7 degree: 0.009 degree.
const ROW: u32 = 90_000;
/// Rows from pole to pole.
const ROWS: u32 = 2 * MAX_LAT as u32 / ROW;
/// The finest accuracy of an approximate position, as a code: 986 m. In any row, no place is
/// further than 871 m from the middle of its cell; the code below stands for 789 m.
pub const FINEST: u8 = 35;

const _: () = assert!(FINEST <= MAX_ACCURACY && ROWS * ROW == 2 * MAX_LAT as u32);

/// The number of columns of `row`, counted from the south pole: 3 at the poles, 39,999 at the
/// equator.
const fn columns(row: u32) -> u64 {
    let mirrored = ROWS - 1 - row;
    // Half rows from the nearer pole to the row's middle; 180 degrees are 2 * ROWS of them, so 1
    // degree is ROWS / 90, and 40,500 square degrees are 5 * ROWS^2.
    let halves = 2 * (if row < mirrored { row } else { mirrored }) as u64 + 1;
    let rows = ROWS as u64;
    let p = halves * (2 * rows - halves);
    // The equator is as long as 2 * ROWS rows are high.
    2 * rows * 4 * p / (5 * rows * rows - p)
}

/// Returns the middle of the cell that holds `position`.
#[must_use]
pub fn blur(position: Position) -> Position {
    let (north, east) = (position.north(), u64::from(position.east()));
    // The north pole belongs to the row below it.
    let row = (north / ROW).min(ROWS - 1);
    let columns = columns(row);
    let column = east * columns / u64::from(CIRCLE);
    let lat = i64::from(row * ROW + ROW / 2) - i64::from(MAX_LAT);
    let lng = (2 * column + 1) * u64::from(CIRCLE) / (2 * columns);
    // The middle of a cell is always on the map.
    Position::new(lat as i32, (lng as i64 - i64::from(MAX_LNG)) as i32).unwrap_or_default()
}

/// Makes a pose's position approximate, and its accuracy no finer than that. The orientation stays.
#[must_use]
pub fn approximate(pose: Pose) -> Pose {
    let Pose { position, accuracy, .. } = pose;
    let accuracy = Accuracy::from_code(accuracy.code().max(FINEST)).unwrap_or(accuracy);
    Pose { position: blur(position), accuracy, ..pose }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lat: i32, lng: i32) -> Position {
        Position::new(lat, lng).unwrap()
    }

    #[test]
    fn cells_are_about_a_kilometre_wide_everywhere() {
        for row in 0..ROWS {
            let middle = f64::from(row) * 0.009 + 0.0045 - 90.0;
            let width = 40_075_017.0 * middle.to_radians().cos() / columns(row) as f64;
            let end = row.min(ROWS - 1 - row);
            // A short row next to a pole cannot be divided into whole kilometres evenly.
            let most = if end < 10 { 1_050.0 } else { 1_004.0 };
            assert!((984.0..most).contains(&width), "{width} m in row {row}");
            assert_eq!(columns(row), columns(ROWS - 1 - row), "the hemispheres are alike");
        }
        assert_eq!([0, 1, 2, 9_999, 10_000, 19_999].map(columns), [3, 9, 15, 39_999, 39_999, 3]);
    }

    #[test]
    fn the_examples_of_the_protocol_hold() {
        for (from, to) in [
            ((457_500_000, 143_600_000), (457_515_000, 143_545_203)),
            ((0, 0), (45_000, 0)),
            ((900_000_000, 0), (899_955_000, 0)),
            ((-900_000_000, -1_800_000_000), (-899_955_000, -1_200_000_000)),
            ((-165_000_000, 1_799_999_999), (-165_015_000, 1_799_953_043)),
        ] {
            assert_eq!(blur(at(from.0, from.1)), at(to.0, to.1), "{from:?}");
        }
    }

    #[test]
    fn the_antimeridian_and_the_poles_are_borders_of_cells() {
        assert_ne!(blur(at(0, MAX_LNG - 1)), blur(at(0, -MAX_LNG)));
        assert_eq!(blur(at(0, MAX_LNG)), blur(at(0, -MAX_LNG)));
        assert_eq!(blur(at(MAX_LAT, 5)), blur(at(MAX_LAT - 1, 5)));
        assert_ne!(blur(at(0, 5)), blur(at(-1, 5)));
    }
}
