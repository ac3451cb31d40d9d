//! Where peers walk in the latency benchmark. A position alone identifies its peer and sample: no
//! codec has to carry a number, and none can get it wrong.
//!
//! Each peer owns a strip of the area that runs from west to east, and walks up its southern half,
//! down its northern half, and so on: each sample is one column further. The walk repeats after
//! [`PERIOD`] samples, so a mark gives the sample's number modulo that; knowing roughly how far
//! that peer has got gives the whole number.

use gpys::proto::geo::{Position, Viewport};
use gpys::proto::pose::{Accuracy, Orientation, Pose};
use gpys::proto::time::Time;

/// Number of peers that have strips.
pub const PEOPLE: u32 = 1 << 10;
/// Samples after which a walk repeats: 17 s at 60 Hz.
pub const PERIOD: u32 = 2 * COLUMNS;
/// Number of columns in the area.
const COLUMNS: u32 = 512;
/// Width of a column in units of 1e-7 degrees, 0.5 m at the area's latitude: from its centre to its
/// edges, ten times the largest error of a position in a frame at street zoom (3 units).
const COLUMN: i32 = 64;
/// Height of each half of a strip in units of 1e-7 degrees, 0.27 m: likewise four times that error.
const LINE: i32 = 24;
/// The area's south-west corner, in units of 1e-7 degrees (45.75 N, 14.36 E).
const SOUTH: i32 = 457_500_000;
const WEST: i32 = 143_600_000;
/// Zoom in tenths at which the area fills a phone's screen of 390 by 840 CSS pixels.
const ZOOM: u8 = 163;
/// Strips and starts are assigned in steps of these, modulo their number: 2^10 over the powers of
/// the plastic number (made odd), which spreads any number of peers evenly over the area.
const STRIP_STEP: u32 = 773;
const START_STEP: u32 = 583;
/// The inverse of [`STRIP_STEP`].
const STRIP_BACK: u32 = inverse(STRIP_STEP);
/// Accuracy of every position, in metres: what a phone reports outdoors.
const ACCURACY_M: f64 = 5.0;
/// How many samples older than the newest known one a sample may be and still be identified, 2 s at
/// 60 Hz. The rest of the period is for newer ones: 15 s at 60 Hz of silence or queue growth.
const OLDER: u32 = 128;

/// One sample of one peer, as a device reports it.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Number of samples that this peer took before.
    pub number: u32,
    /// The position.
    pub position: Position,
    /// The device's alpha, beta and gamma, in degrees, with all the digits of a sensor.
    pub angles: [f64; 3],
    /// When it was taken, on the sender's clock.
    pub sampled: Time,
}

impl Reading {
    /// Sample `number` of `person`, which must be below [`PEOPLE`], taken at `sampled`.
    pub fn new(person: u32, number: u32, sampled: Time) -> Self {
        Self { number, position: position(person, number), angles: angles(person, number), sampled }
    }

    /// The same as GPyS sends it.
    pub fn pose(&self) -> Pose {
        let [alpha, beta, gamma] = self.angles;
        Pose {
            position: self.position,
            orientation: Orientation::from_euler(alpha, beta, gamma).ok(),
            accuracy: Accuracy::from_metres(ACCURACY_M),
            sampled: self.sampled,
        }
    }
}

/// The position of `person`, which must be below [`PEOPLE`], at sample `number`.
pub fn position(person: u32, number: u32) -> Position {
    let phase = number.wrapping_add(start(person)) % PERIOD;
    let north = phase >= COLUMNS;
    let column = if north { PERIOD - 1 - phase } else { phase };
    let line = 2 * (person.wrapping_mul(STRIP_STEP) % PEOPLE) + u32::from(north);
    let lat = SOUTH + LINE * line as i32 + LINE / 2;
    let lng = WEST + COLUMN * column as i32 + COLUMN / 2;
    Position::new(lat, lng).expect("the area is on the map")
}

/// The device's angles at sample `number`: turning slowly, in a trembling hand.
fn angles(person: u32, number: u32) -> [f64; 3] {
    let (person, number) = (f64::from(person), f64::from(number));
    let turn = (person * 137.508 + number * 0.731).rem_euclid(360.0);
    [turn, 42.0 + 17.0 * (person + number * 0.113).sin(), 9.0 * (person + number * 0.071).cos()]
}

/// What a position identifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The peer.
    pub person: u32,
    /// The sample's number modulo [`PERIOD`].
    pub phase: u32,
}

impl Mark {
    /// Reads the mark of `position`, quantised by a codec or not; `None` outside the area.
    pub fn of(position: Position) -> Option<Self> {
        let line = u32::try_from((position.lat() - SOUTH).div_euclid(LINE)).ok()?;
        let column = u32::try_from((position.lng() - WEST).div_euclid(COLUMN)).ok()?;
        if line >= 2 * PEOPLE || column >= COLUMNS {
            return None;
        }
        let person = (line / 2).wrapping_mul(STRIP_BACK) % PEOPLE;
        let phase = if line % 2 == 1 { PERIOD - 1 - column } else { column };
        Some(Self { person, phase: phase.wrapping_sub(start(person)) % PERIOD })
    }

    /// The sample's whole number. `newest` is this peer's newest number known at the receiver: 0 if
    /// none is and the peer has just started, otherwise the newest that was sent. The sample is at
    /// most 128 older, and less than [`PERIOD`] - 128 newer.
    pub fn number(self, newest: u32) -> u32 {
        let oldest = newest.saturating_sub(OLDER);
        oldest + self.phase.wrapping_sub(oldest) % PERIOD
    }
}

/// A viewport that shows the whole area, and so every peer.
pub fn viewport() -> Viewport {
    Viewport {
        south: SOUTH,
        west: WEST,
        north: SOUTH + LINE * 2 * PEOPLE as i32,
        east: WEST + COLUMN * COLUMNS as i32,
        zoom: ZOOM,
    }
}

/// Where `person` starts its walk, so that peers do not walk abreast.
const fn start(person: u32) -> u32 {
    person.wrapping_mul(START_STEP) % PERIOD
}

/// The inverse of the odd number `n` modulo any power of two: each Newton step doubles the number
/// of correct bits.
const fn inverse(n: u32) -> u32 {
    let mut x = n;
    let mut round = 0;
    while round < 4 {
        x = x.wrapping_mul(2_u32.wrapping_sub(n.wrapping_mul(x)));
        round += 1;
    }
    x
}
