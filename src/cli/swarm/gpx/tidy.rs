//! Turns a segment's points into ways to walk: drops stray points, splits at jumps, and shortens
//! pauses.

use crate::cli::swarm::gpx::notes::Notes;
use crate::cli::swarm::gpx::pace::{PAUSE, WALKING_PACE};
use crate::cli::swarm::gpx::point::Point;
use crate::cli::swarm::gpx::time::{JUMP, is_jump, steps};
use crate::cli::swarm::walk::{STANDING, Way, distance};
use gpys_proto::geo::Position;

/// Points within this many metres count as standing still.
const SPOT: f64 = 5.0;
/// Most stray points in a row to drop, if the track then goes on.
const MOST_STRAY: usize = 5;
/// Points closer than this in time, in seconds, are one: no receiver reports that often.
const SHORTEST: f64 = 0.01;

/// The ways of a segment, and a place on it in case there are none.
pub(super) fn ways(mut points: Vec<Point>, notes: &mut Notes) -> (Vec<Way>, Option<Position>) {
    drop_null_island(&mut points, notes);
    drop_strays(&mut points, notes);
    let place = points.first().map(|point| point.position);
    let steps = steps(&points, notes);
    let stops = stops(&points, &steps);
    let ways = parts(stops, notes).into_iter().filter_map(|part| way(&part, notes)).collect();
    (ways, place)
}

/// Drops points at latitude 0, longitude 0, which programs write for no position, unless the track
/// is there.
fn drop_null_island(points: &mut Vec<Point>, notes: &mut Notes) {
    let is_null = |point: &Point| point.position == Position::default();
    let is_near = |point: &Point| {
        let (lat, lng) = point.position.degrees();
        lat.abs() < 1.0 && lng.abs() < 1.0
    };
    let nulls = points.iter().filter(|point| is_null(point)).count();
    if nulls < points.len() && points.iter().filter(|p| is_near(p)).count() == nulls {
        notes.stray += nulls;
        points.retain(|point| !is_null(point));
    }
}

fn metres(from: &Point, to: &Point) -> f64 {
    distance(from.position.degrees(), to.position.degrees())
}

/// Drops a few far-off points if the track then goes on where it was.
fn drop_strays(points: &mut Vec<Point>, notes: &mut Notes) {
    let mut kept: Vec<Point> = Vec::with_capacity(points.len());
    let mut next = 0;
    while let Some(point) = points.get(next) {
        let strays = kept.last().map_or(0, |last| strays(last, &points[next..]));
        if strays == 0 {
            kept.push(*point);
        }
        notes.stray += strays;
        next += strays.max(1);
    }
    *points = kept;
}

/// Number of leading points that are strays.
fn strays(last: &Point, points: &[Point]) -> usize {
    let away = points.first().map_or(0.0, |first| metres(last, first));
    if away < JUMP {
        return 0;
    }
    let is_back = |&count: &usize| {
        let Some(back) = points.get(count) else { return false };
        let home = metres(&points[count - 1], back);
        home > JUMP && 10.0 * metres(last, back) < away.min(home)
    };
    (1..=MOST_STRAY).find(is_back).unwrap_or(0)
}

/// A position, with seconds and metres since the previous one.
#[derive(Clone, Copy, Debug)]
struct Stop {
    position: Position,
    seconds: f64,
    metres: f64,
}

/// Merges points of the same moment.
fn stops(points: &[Point], steps: &[f64]) -> Vec<Stop> {
    let mut stops: Vec<Stop> = Vec::with_capacity(points.len());
    let mut waited = 0.0;
    for (at, point) in points.iter().enumerate() {
        waited += at.checked_sub(1).and_then(|step| steps.get(step)).copied().unwrap_or_default();
        if stops.is_empty() || waited >= SHORTEST {
            let before = stops.last().map_or(point.position, |last| last.position);
            let metres = distance(before.degrees(), point.position.degrees());
            stops.push(Stop { position: point.position, seconds: waited, metres });
            waited = 0.0;
        }
    }
    stops
}

/// The parts between jumps. A part of one point leads nowhere; the point is a stray.
fn parts(stops: Vec<Stop>, notes: &mut Notes) -> Vec<Vec<Stop>> {
    let mut parts: Vec<Vec<Stop>> = Vec::new();
    for stop in stops {
        let jumps = is_jump(stop.metres, stop.seconds);
        match parts.last_mut() {
            Some(part) if !jumps => part.push(stop),
            _ => parts.push(vec![Stop { seconds: 0.0, metres: 0.0, ..stop }]),
        }
    }
    if parts.len() > 1 {
        let all = parts.len();
        parts.retain(|part| part.len() > 1);
        notes.stray += all - parts.len();
        notes.jumps += parts.len().saturating_sub(1);
    }
    parts
}

/// A part as a way, with shortened pauses.
fn way(part: &[Stop], notes: &mut Notes) -> Option<Way> {
    let moving: Vec<_> = part.iter().filter(|stop| stop.metres > stop.seconds * STANDING).collect();
    let (metres, seconds) =
        moving.iter().fold((0.0, 0.0), |sum, stop| (sum.0 + stop.metres, sum.1 + stop.seconds));
    let pace = if seconds > 0.0 { metres / seconds } else { WALKING_PACE };
    let mut brisk = without_stays(part, notes);
    for stop in &mut brisk {
        let hurried = PAUSE.max(stop.metres / pace);
        if stop.seconds > hurried && stop.metres < stop.seconds * STANDING {
            notes.pause(stop.seconds - hurried);
            stop.seconds = hurried;
        }
    }
    let places: Vec<_> = brisk.iter().map(|stop| stop.position).collect();
    let seconds: Vec<_> = brisk.iter().skip(1).map(|stop| stop.seconds).collect();
    Way::new(&places, &seconds)
}

/// Cuts every stay at one spot, however many points it has, to a pause, and at either end to
/// nothing: a recorder runs before its owner sets out and after the arrival.
fn without_stays(stops: &[Stop], notes: &mut Notes) -> Vec<Stop> {
    let mut kept: Vec<Stop> = Vec::with_capacity(stops.len());
    let mut next = 0;
    while let Some(&stop) = stops.get(next) {
        let (more, seconds) = stay(&stops[next..]);
        let is_first = kept.is_empty();
        kept.push(if is_first { Stop { seconds: 0.0, metres: 0.0, ..stop } } else { stop });
        next += 1;
        if seconds < PAUSE {
            continue;
        }
        next += more;
        let last = stops[next - 1];
        if is_first {
            kept = vec![Stop { seconds: 0.0, metres: 0.0, ..last }];
        } else if next < stops.len() {
            kept.push(Stop { seconds: PAUSE, ..last });
        }
        let is_end = is_first || next == stops.len();
        notes.pause(if is_end { seconds } else { seconds - PAUSE });
    }
    kept
}

/// Number of stops after the first one that are at its spot, and their duration.
fn stay(stops: &[Stop]) -> (usize, f64) {
    let Some((first, rest)) = stops.split_first() else { return (0, 0.0) };
    let here = |stop: &&Stop| distance(first.position.degrees(), stop.position.degrees()) < SPOT;
    rest.iter().take_while(here).fold((0, 0.0), |sum, stop| (sum.0 + 1, sum.1 + stop.seconds))
}
