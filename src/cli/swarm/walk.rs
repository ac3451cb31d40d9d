//! Walkers: the position and orientation of a device as a pure function of time.

use std::f64::consts::TAU;
use std::sync::Arc;

use gpys_client::Reading;
use gpys_proto::geo::{Position, Viewport};
use gpys_proto::pose::{Accuracy, Orientation};

/// Metres in a degree of latitude, and of longitude at the equator.
const METRES_PER_DEGREE: f64 = 111_320.0;
/// Top speed on a track, in metres per second; a file with a higher one has wrong times.
pub(super) const TOP_SPEED: f64 = 70.0;
/// A way whose ends are this close, in metres, is a round.
const ROUND: f64 = 50.0;
/// A way shorter than this, in metres, leads nowhere.
const SHORTEST: f64 = 2.0;
/// How far back and ahead the heading looks, in seconds, so that it turns instead of snapping.
const LOOK: f64 = 1.5;
/// Largest sideways distance from the track, in metres.
const SIDEWAYS: f64 = 4.0;
/// Below this speed, in metres per second, a walker stands.
pub(super) const STANDING: f64 = 0.3;
/// Steps a second.
const CADENCE: f64 = 1.8;
/// Fastest pace of a stroll, in metres per second.
const STROLL: f64 = 1.4;

/// A place on the way, and the time of arrival.
#[derive(Clone, Copy, Debug)]
struct Stop {
    /// Seconds from the start.
    at: f64,
    /// Degrees.
    lat: f64,
    /// Degrees; past ±180 where the way crosses the antimeridian.
    lng: f64,
}

/// A way to walk in a loop without a jump: round and round if it ends where it starts, otherwise
/// there and back.
#[derive(Clone, Debug)]
pub struct Way {
    stops: Vec<Stop>,
}

impl Way {
    /// Creates a way through these places. Step *i*, from place *i* to the next, takes
    /// `seconds[i]`, or longer if it would exceed 70 m/s. `None` if the way leads nowhere.
    #[must_use]
    pub fn new(places: &[Position], seconds: &[f64]) -> Option<Self> {
        let (lat, lng) = places.first()?.degrees();
        let mut stops = vec![Stop { at: 0.0, lat, lng }];
        let (mut last, mut length) = (stops[0], 0.0);
        for (i, place) in places.iter().enumerate().skip(1) {
            let (lat, lng) = place.degrees();
            let lng = last.lng + wrapped(lng - last.lng);
            let metres = distance((last.lat, last.lng), (lat, lng));
            let recorded = seconds.get(i - 1).copied().unwrap_or_default();
            last = Stop { at: last.at + recorded.max(metres / TOP_SPEED), lat, lng };
            length += metres;
            stops.push(last);
        }
        let start = stops[0];
        let gap = distance((last.lat, last.lng), (start.lat, start.lng));
        if length < SHORTEST {
            return None;
        }
        if gap < ROUND && length > 4.0 * ROUND {
            let pace = (length / last.at.max(1.0)).clamp(0.5, STROLL);
            stops.push(Stop { at: last.at + gap / pace, ..start });
        } else {
            let turn = last.at;
            let back: Vec<_> = stops.iter().rev().skip(1).copied().collect();
            stops.extend(back.into_iter().map(|stop| Stop { at: 2.0 * turn - stop.at, ..stop }));
        }
        Some(Self { stops })
    }

    /// A way that stays at one place.
    #[must_use]
    pub fn standing(place: Position) -> Self {
        let (lat, lng) = place.degrees();
        Self { stops: [0.0, 1.0].map(|at| Stop { at, lat, lng }).to_vec() }
    }

    /// The duration of one round, or there and back, in seconds.
    #[must_use]
    pub fn round(&self) -> f64 {
        self.stops.last().map_or(0.0, |stop| stop.at)
    }

    /// Latitude and longitude, in degrees, `seconds` after the start.
    #[must_use]
    pub fn at(&self, seconds: f64) -> (f64, f64) {
        let time = seconds.rem_euclid(self.round().max(f64::MIN_POSITIVE));
        let next = self.stops.partition_point(|stop| stop.at <= time).min(self.stops.len() - 1);
        let (from, to) = (self.stops[next.saturating_sub(1)], self.stops[next]);
        let part = if to.at > from.at { (time - from.at) / (to.at - from.at) } else { 0.0 };
        let part = part.clamp(0.0, 1.0);
        (from.lat + part * (to.lat - from.lat), from.lng + part * (to.lng - from.lng))
    }
}

/// The route of a walker.
#[derive(Clone, Debug)]
enum Route {
    /// Along a path.
    Track(Arc<Way>),
    /// Around a home: swings in metres east and north, at speeds in radians per second.
    Stroll { home: (f64, f64), swing: (f64, f64), speed: (f64, f64) },
}

/// One walker.
#[derive(Clone, Debug)]
pub struct Walker {
    route: Route,
    /// Head start, in seconds.
    ahead: f64,
    /// Metres east and north of the route; constant, so that the walker never jumps.
    aside: (f64, f64),
    /// Speed of this walker's time.
    speed: f64,
    accuracy: Accuracy,
}

impl Walker {
    /// Creates a walker on a path, `ahead` seconds along it and a few metres sideways, with time
    /// `speed` times as fast.
    #[must_use]
    pub fn on_path(path: Arc<Way>, ahead: f64, speed: f64, rng: &mut fastrand::Rng) -> Self {
        let (angle, far) = (rng.f64() * TAU, SIDEWAYS * rng.f64().sqrt());
        let aside = (far * angle.cos(), far * angle.sin());
        let accuracy = Accuracy::from_metres(3.0 + 12.0 * rng.f64());
        Self { route: Route::Track(path), ahead, aside, speed, accuracy }
    }

    /// Creates a walker that strolls within `radius` metres of a place, never faster than a walk.
    #[must_use]
    pub fn around(centre: Position, radius: f64, speed: f64, rng: &mut fastrand::Rng) -> Self {
        let (angle, far) = (rng.f64() * TAU, radius * rng.f64().sqrt());
        let home = offset(centre.degrees(), (far * angle.cos(), far * angle.sin()));
        let swing = (10.0 + 20.0 * rng.f64(), 10.0 + 20.0 * rng.f64());
        // The two swings together stay below the pace.
        let pace = STROLL * (0.5 + 0.5 * rng.f64()) / 2.0_f64.sqrt();
        let route = Route::Stroll { home, swing, speed: (pace / swing.0, pace / swing.1) };
        let accuracy = Accuracy::from_metres(3.0 + 12.0 * rng.f64());
        Self { route, ahead: 3_600.0 * rng.f64(), aside: (0.0, 0.0), speed, accuracy }
    }

    /// Latitude and longitude, in degrees, `time` seconds after the start.
    #[must_use]
    pub fn place(&self, time: f64) -> (f64, f64) {
        let time = time * self.speed + self.ahead;
        match &self.route {
            Route::Track(path) => offset(path.at(time), self.aside),
            Route::Stroll { home, swing, speed } => {
                let east = swing.0 * (time * speed.0).sin();
                let north = swing.1 * (time * speed.1).cos();
                offset(*home, (east, north))
            }
        }
    }

    /// The position nearest to that place.
    #[must_use]
    pub fn position(&self, time: f64) -> Position {
        let (lat, lng) = self.place(time);
        // A place comes from positions, and stays on the earth when it is wrapped and clamped.
        Position::from_degrees(lat.clamp(-90.0, 90.0), wrapped(lng)).unwrap_or_default()
    }

    /// The reading of the walker's device `time` seconds after the start: held at an angle in front
    /// of a walking person, and turned to where they go.
    #[must_use]
    pub fn reading(&self, time: f64) -> Reading {
        let (back, front) = (self.place(time - LOOK), self.place(time + LOOK));
        let east = wrapped(front.1 - back.1) * back.0.to_radians().cos();
        let heading = east.atan2(front.0 - back.0).to_degrees();
        let walks = distance(back, front) / (2.0 * LOOK) > STANDING;
        // Two steps, left and right, make one sway.
        let phase = TAU * CADENCE * (time + self.ahead);
        let depth = if walks { 1.0 } else { 0.2 };
        let (beta, gamma) = (40.0 + depth * 5.0 * phase.sin(), depth * 9.0 * (phase / 2.0).sin());
        Reading {
            position: self.position(time),
            orientation: Orientation::from_euler(-heading, beta, gamma).ok(),
            accuracy: self.accuracy,
        }
    }
}

/// The viewport of a walker at `position`: this many metres from west to east and twice as many
/// from south to north, as on an upright phone.
#[must_use]
pub fn viewport(position: Position, metres: f64) -> Viewport {
    let (lat, lng) = position.degrees();
    let cos = lat.to_radians().cos().max(0.01);
    let north = metres / METRES_PER_DEGREE;
    let east = (metres / 2.0 / METRES_PER_DEGREE / cos).min(179.0);
    // The map's zoom at which 400 CSS pixels, a phone's width, show that many metres.
    let zoom = (METRES_PER_DEGREE * 360.0 * cos * 400.0 / (512.0 * metres)).log2() * 10.0;
    let units = |degrees: f64| (degrees * 1e7).round() as i32;
    Viewport {
        south: units((lat - north).max(-90.0)),
        west: units(wrapped(lng - east)),
        north: units((lat + north).min(90.0)),
        east: units(wrapped(lng + east)),
        zoom: zoom.clamp(0.0, 255.0) as u8,
    }
}

/// Distance between two nearby places, in metres.
#[must_use]
pub fn distance(a: (f64, f64), b: (f64, f64)) -> f64 {
    let east = wrapped(b.1 - a.1) * f64::midpoint(a.0, b.0).to_radians().cos();
    METRES_PER_DEGREE * east.hypot(b.0 - a.0)
}

/// The place this many metres east and north of another.
fn offset((lat, lng): (f64, f64), (east, north): (f64, f64)) -> (f64, f64) {
    let cos = lat.to_radians().cos().max(0.01);
    (lat + north / METRES_PER_DEGREE, lng + east / METRES_PER_DEGREE / cos)
}

/// Wraps degrees to -180 to 180.
fn wrapped(degrees: f64) -> f64 {
    (degrees + 180.0).rem_euclid(360.0) - 180.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(lat: f64, lng: f64) -> Position {
        Position::from_degrees(lat, lng).unwrap()
    }

    /// A way at a walker's pace.
    fn paced(places: &[Position]) -> Option<Way> {
        let metres = places.windows(2).map(|two| distance(two[0].degrees(), two[1].degrees()));
        Way::new(places, &metres.map(|metres| metres / 1.4).collect::<Vec<_>>())
    }

    /// The fastest move between samples of 30 a second, in metres per second.
    fn top_speed(walker: &Walker, seconds: u32) -> f64 {
        (0..seconds * 30)
            .map(|i| {
                let time = f64::from(i) / 30.0;
                distance(walker.place(time), walker.place(time + 1.0 / 30.0)) * 30.0
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn walks_there_and_back_without_a_jump() {
        let places = [place(45.0, 14.0), place(45.001, 14.0), place(45.001, 14.002)];
        let path = paced(&places).unwrap();
        let length = 111.3 + 157.4;
        assert!((path.round() - 2.0 * length / 1.4).abs() < 2.0, "{}", path.round());
        let walker = Walker::on_path(Arc::new(path), 50.0, 1.0, &mut fastrand::Rng::with_seed(1));
        assert!((1.3..1.5).contains(&top_speed(&walker, 600)));
    }

    #[test]
    fn walks_a_round_in_one_direction() {
        let places: Vec<_> = (0..=40)
            .map(|i| {
                let angle = f64::from(i) / 40.0 * TAU;
                place(45.0 + 0.001 * angle.sin(), 14.0 + 0.001 * angle.cos())
            })
            .collect();
        let path = paced(&places).unwrap();
        let quarter = path.at(path.round() * 0.25);
        let three = path.at(path.round() * 0.75);
        assert!(quarter.0 > 45.0009 && three.0 < 44.9991, "{quarter:?} {three:?}");
    }

    #[test]
    fn recorded_times_are_kept_and_impossible_ones_are_not() {
        let places = [place(45.0, 14.0), place(45.0001, 14.0), place(45.01, 14.0)];
        let path = Way::new(&places, &[10.0, 0.0]).unwrap();
        let tenth = path.at(5.0);
        assert!((tenth.0 - 45.00005).abs() < 1e-9);
        assert!(path.round() > 2.0 * (10.0 + 1_100.0 / TOP_SPEED));
        assert!(Way::new(&[place(1.0, 1.0); 3], &[1.0, 1.0]).is_none());
        let stands = Way::standing(place(1.0, 1.0));
        assert!((stands.round() - 1.0).abs() < 1e-9 && stands.at(1e6) == (1.0, 1.0));
        assert!(paced(&[]).is_none());
    }

    #[test]
    fn the_antimeridian_is_no_jump() {
        let path = paced(&[place(0.0, 179.999), place(0.0, -179.999)]).unwrap();
        let walker = Walker::on_path(Arc::new(path), 0.0, 1.0, &mut fastrand::Rng::with_seed(1));
        assert!(top_speed(&walker, 400) < 1.5);
        let view = viewport(place(0.0, 179.999), 600.0);
        assert!(view.validate().is_ok() && view.east < view.west);
    }

    #[test]
    fn strollers_stay_near_and_slow() {
        let centre = place(45.75, 14.36);
        for seed in 0..20 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let walker = Walker::around(centre, 100.0, 1.0, &mut rng);
            assert!(top_speed(&walker, 120) <= STROLL * 1.01);
            for time in 0..600 {
                let far = distance(walker.place(f64::from(time)), centre.degrees());
                assert!(far < 100.0 + 45.0, "{far}");
            }
        }
    }

    #[test]
    fn the_device_points_where_they_go_and_sways() {
        let path = paced(&[place(45.0, 14.0), place(45.0, 14.01)]).unwrap();
        let walker = Walker::on_path(Arc::new(path), 10.0, 1.0, &mut fastrand::Rng::with_seed(1));
        let readings: Vec<_> = (0..30).map(|i| walker.reading(f64::from(i) / 30.0)).collect();
        for reading in &readings {
            let [w, x, y, z] = reading.orientation.unwrap().quaternion();
            // The device's top, turned into the earth's frame, points east.
            let (east, north) = (2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z));
            assert!(east.atan2(north).to_degrees() - 90.0 < 12.0, "{east} {north}");
        }
        let turns = readings.windows(2).filter(|two| two[0].orientation != two[1].orientation);
        assert!(turns.count() > 20);
    }

    #[test]
    fn a_viewport_has_the_requested_size() {
        let view = viewport(place(45.75, 14.36), 300.0);
        let height = f64::from(view.north - view.south) / 1e7 * METRES_PER_DEGREE;
        assert!((height - 600.0).abs() < 1.0 && view.zoom.abs_diff(162) < 2, "{height} {view:?}");
        assert!(viewport(place(89.9999, 0.0), 1e6).validate().is_ok());
    }
}
