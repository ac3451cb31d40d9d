//! People on their walks, with exact sensor readings.

use std::f64::consts::{PI, TAU};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use gpys::cli::swarm::gpx::{self, WALKING_PACE as PACE};
use gpys::proto::geo::Position;
use gpys::proto::pose::{Accuracy, Orientation, Pose};
use gpys::proto::time::Time;

use crate::{RUN_MS, START_MS};

/// Length of a degree of latitude, in metres.
pub const DEGREE: f64 = 111_320.0;

/// A track in metres, and its approximate place on the map.
pub struct Track {
    pub points: Vec<(f64, f64)>,
    pub lat: f64,
    pub lng: f64,
}

impl Track {
    /// Converts a track from degrees.
    pub fn new(degrees: &[(f64, f64)]) -> Result<Self> {
        let &(lat, lng) = degrees.first().context("the track has no points")?;
        let narrow = (lat * PI / 180.0).cos();
        let metres = |&(a, b): &(f64, f64)| ((b - lng) * DEGREE * narrow, (a - lat) * DEGREE);
        let points: Vec<_> = degrees.iter().map(metres).collect();
        let track = Self { points, lat, lng };
        ensure!(track.length() > walk(), "the track is shorter than the walk");
        Ok(track)
    }

    /// Reads the points of a GPX file, ignoring segments.
    pub fn read(file: &str) -> Result<Self> {
        let points = gpx::places(Path::new(file))?.concat();
        Self::new(&points.into_iter().map(Position::degrees).collect::<Vec<_>>())
    }

    /// Makes a walk of gentle turns with occasional corners; always the same one.
    pub fn made_up() -> Result<Self> {
        let mut random = fastrand::Rng::with_seed(2012);
        let (mut heading, mut at) = (0.5_f64, (45.75_f64, 14.36_f64));
        let mut points = vec![at];
        for _ in 0..600 {
            let corner = if random.u8(..) < 20 { 1.2 } else { 0.2 };
            heading += (random.f64() - 0.5) * 2.0 * corner;
            let stride = 5.0 + 15.0 * random.f64();
            at.0 += heading.cos() * stride / DEGREE;
            at.1 += heading.sin() * stride / DEGREE / (at.0 * PI / 180.0).cos();
            points.push(at);
        }
        Self::new(&points)
    }

    /// Returns the position and heading after this many metres, fewer than the track's length.
    pub fn at(&self, metres: f64) -> ((f64, f64), f64) {
        let mut left = metres;
        let mut last = (self.points[0], 0.0);
        for pair in self.points.windows(2) {
            let ((x, y), (to_x, to_y)) = (pair[0], pair[1]);
            let length = (to_x - x).hypot(to_y - y);
            let part = if length > 0.0 { (left / length).min(1.0) } else { 1.0 };
            let place = (x + (to_x - x) * part, y + (to_y - y) * part);
            last = (place, (to_x - x).atan2(to_y - y));
            if left < length {
                break;
            }
            left -= length;
        }
        last
    }

    pub fn length(&self) -> f64 {
        self.points.windows(2).map(|p| (p[1].0 - p[0].0).hypot(p[1].1 - p[0].1)).sum()
    }
}

/// How far each person walks, in metres.
pub fn walk() -> f64 {
    PACE * RUN_MS as f64 / 1000.0
}

/// A person on a walk: a stretch of a track, moved to the person's place in the room.
pub struct Walker<'a> {
    pub track: &'a Track,
    pub from: f64,
    pub start: (f64, f64),
    pub home: (f64, f64),
    /// When in the sample interval the sensors report, in ms.
    pub offset: u64,
    pub sway: [f64; 3],
}

/// A sensor reading, before any quantisation.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    pub sampled: Time,
    pub lat: f64,
    pub lng: f64,
    /// Alpha, beta and gamma, in degrees.
    pub angles: [f64; 3],
}

impl Walker<'_> {
    pub fn truth(&self, sampled: Time, centre: (f64, f64)) -> Truth {
        let seconds = (sampled.as_ms() - START_MS) as f64 / 1000.0;
        let ((x, y), heading) = self.track.at(self.from + PACE * seconds);
        let (east, north) = (self.home.0 + x - self.start.0, self.home.1 + y - self.start.1);
        let narrow = (centre.0 * PI / 180.0).cos();
        let swing = |i: usize, hertz: f64| (TAU * (hertz * seconds + self.sway[i])).sin();
        let alpha = -heading * 180.0 / PI + 12.0 * swing(0, 0.3) + 360.0;
        Truth {
            sampled,
            lat: centre.0 + north / DEGREE,
            lng: centre.1 + east / DEGREE / narrow,
            angles: [
                alpha.rem_euclid(360.0),
                45.0 + 20.0 * swing(1, 0.5) + 3.0 * swing(0, 1.9),
                15.0 * swing(2, 0.7),
            ],
        }
    }
}

impl Truth {
    pub fn pose(&self) -> Result<Pose> {
        let [alpha, beta, gamma] = self.angles;
        Ok(Pose {
            position: Position::from_degrees(self.lat, self.lng)?,
            orientation: Some(Orientation::from_euler(alpha, beta, gamma)?),
            accuracy: Accuracy::from_metres(5.0),
            sampled: self.sampled,
        })
    }

    /// Distance from the true place to this one, in cm.
    pub fn away(&self, lat: f64, lng: f64) -> f64 {
        let narrow = (self.lat * PI / 180.0).cos();
        ((lat - self.lat) * DEGREE).hypot((lng - self.lng) * DEGREE * narrow) * 100.0
    }

    /// Returns the exact unit quaternion.
    pub fn quaternion(&self) -> [f64; 4] {
        quaternion(self.angles)
    }
}

/// Converts the browser's angles, in degrees, to a unit quaternion.
pub fn quaternion(angles: [f64; 3]) -> [f64; 4] {
    let [(sz, cz), (sx, cx), (sy, cy)] = angles.map(|degrees| (degrees * PI / 360.0).sin_cos());
    [
        cz * cx * cy - sz * sx * sy,
        cz * sx * cy - sz * cx * sy,
        cz * cx * sy + sz * sx * cy,
        sz * cx * cy + cz * sx * sy,
    ]
}
