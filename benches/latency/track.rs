//! Where people walk in the latency benchmark, so that a position alone tells whose sample it is
//! and which: no codec has to carry a number, and none can get it wrong.
//!
//! Everybody owns a strip of the area that runs from west to east, and walks up its southern
//! half, down its northern half, and so on: a sample is a column further than the last.
//! [`PERIOD`] samples later they are where they were, so a mark tells the sample's number modulo
//! that; whoever knows about how far that person has got knows the whole number.

use gpys::proto::geo::{Position, Viewport};
use gpys::proto::pose::{Accuracy, Orientation, Pose};
use gpys::proto::time::Time;

/// How many people there are strips for.
pub const PEOPLE: u32 = 1 << 10;
/// Samples after which a walk repeats itself: 17 s at 60 Hz.
pub const PERIOD: u32 = 2 * COLUMNS;
/// Columns of the area.
const COLUMNS: u32 = 512;
/// Width of a column in units of 1e-7 degree, 0.5 m at the area's latitude: from its middle to its
/// edges, ten times the largest error of a position in a frame of street zoom (3 units).
const COLUMN: i32 = 64;
/// Height of each of a strip's two halves in units of 1e-7 degree, 0.27 m: likewise four times
/// that error.
const LINE: i32 = 24;
/// The area's south-west corner, in units of 1e-7 degree (45.75 N, 14.36 E).
const SOUTH: i32 = 457_500_000;
const WEST: i32 = 143_600_000;
/// Zoom in tenths at which the area fills the screen of a phone, 390 by 840 CSS pixels.
const ZOOM: u8 = 163;
/// Strips and starts are dealt out by steps of these, modulo their number: 2^10 over the powers of
/// the plastic number (made odd), which spreads any number of people evenly over the area.
const STRIP_STEP: u32 = 773;
const START_STEP: u32 = 583;
/// Undoes [`STRIP_STEP`].
const STRIP_BACK: u32 = inverse(STRIP_STEP);
/// How sure every position is, in metres: what a phone outdoors says.
const ACCURACY_M: f64 = 5.0;
/// How many samples older than the newest known one a sample may be told apart, 2 s at 60 Hz.
/// The rest of the period is for what is newer: 15 s at 60 Hz of silence or of a queue's growth.
const OLDER: u32 = 128;

/// One sample of one person, as a device gives it.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// How many samples this person took before.
    pub number: u32,
    /// Where.
    pub position: Position,
    /// Alpha, beta and gamma of the device, in degrees, with all the digits of a sensor.
    pub angles: [f64; 3],
    /// When, on the clock of whoever sends it.
    pub sampled: Time,
}

impl Reading {
    /// Sample `number` of `person`, who is below [`PEOPLE`], taken at `sampled`.
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

/// Where `person`, who is below [`PEOPLE`], took sample `number`.
pub fn position(person: u32, number: u32) -> Position {
    let phase = number.wrapping_add(start(person)) % PERIOD;
    let north = phase >= COLUMNS;
    let column = if north { PERIOD - 1 - phase } else { phase };
    let line = 2 * (person.wrapping_mul(STRIP_STEP) % PEOPLE) + u32::from(north);
    let lat = SOUTH + LINE * line as i32 + LINE / 2;
    let lng = WEST + COLUMN * column as i32 + COLUMN / 2;
    Position::new(lat, lng).expect("the area is on the map")
}

/// How `person` holds the device at sample `number`: turning slowly, in a hand that trembles.
fn angles(person: u32, number: u32) -> [f64; 3] {
    let (person, number) = (f64::from(person), f64::from(number));
    let turn = (person * 137.508 + number * 0.731).rem_euclid(360.0);
    [turn, 42.0 + 17.0 * (person + number * 0.113).sin(), 9.0 * (person + number * 0.071).cos()]
}

/// What a position tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whose it is.
    pub person: u32,
    /// The sample's number modulo [`PERIOD`].
    pub phase: u32,
}

impl Mark {
    /// What `position`, quantised by a codec or not, tells; none if it is outside of the area.
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

    /// The sample's whole number. `newest` is the newest number of this person that is known where
    /// the sample arrived: 0 if none is and the person has only begun, else the newest that was
    /// sent. The sample is at most 128 older, and less than [`PERIOD`] - 128 newer.
    pub fn number(self, newest: u32) -> u32 {
        let oldest = newest.saturating_sub(OLDER);
        oldest + self.phase.wrapping_sub(oldest) % PERIOD
    }
}

/// A viewport that shows the whole area, in which everybody is, however many they are.
pub fn viewport() -> Viewport {
    Viewport {
        south: SOUTH,
        west: WEST,
        north: SOUTH + LINE * 2 * PEOPLE as i32,
        east: WEST + COLUMN * COLUMNS as i32,
        zoom: ZOOM,
    }
}

/// Where in the walk `person` begins, so that people do not walk abreast.
const fn start(person: u32) -> u32 {
    person.wrapping_mul(START_STEP) % PERIOD
}

/// What undoes a multiplication by the odd number `n` modulo any power of two: each round of
/// Newton's doubles the right bits.
const fn inverse(n: u32) -> u32 {
    let mut x = n;
    let mut round = 0;
    while round < 4 {
        x = x.wrapping_mul(2_u32.wrapping_sub(n.wrapping_mul(x)));
        round += 1;
    }
    x
}
