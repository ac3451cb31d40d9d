//! Times: how files write them, and how long a track's steps take.

use time::{Date, Month, Time};

use crate::cli::swarm::gpx::notes::Notes;
use crate::cli::swarm::gpx::pace::WALKING_PACE;
use crate::cli::swarm::gpx::point::Point;
use crate::cli::swarm::walk::{STANDING, TOP_SPEED, distance};

/// Times further apart than this, in seconds, come from two clocks: no pause within a track is
/// longer than a day, but the date of a receiver without satellites is off by years.
const LONGEST: f64 = 86_400.0;
/// Most unfitting times in a row to skip; of more, it is unclear which are wrong.
const MOST_ODD: usize = 3;
/// A step of more than this many metres may be a jump.
pub(super) const JUMP: f64 = 10_000.0;
/// It is a jump above this speed, in metres per second, faster than airliners.
const JUMP_SPEED: f64 = 350.0;
/// Lowest pace to derive from a track's times, in metres per second.
const SLOWEST: f64 = 0.5;

/// Parses seconds since 1970 from ISO 8601 as devices write it: with any offset or none (UTC, as
/// GPX says), `T` in either case or a space, and optional seconds with a fraction.
pub(super) fn parse_time(text: &str) -> Option<f64> {
    let text = text.trim();
    let (date, clock) = text.split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-').map(str::parse);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?;

    let clock = clock.trim_start();
    let end = clock.find(['Z', 'z', '+', '-', '\u{2212}']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(end);
    let mut parts = clock.trim_end().splitn(3, ':');
    let (hour, minute) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let second: f64 = parts.next().unwrap_or("0").replace(',', ".").parse().ok()?;
    // A leap second counts as the first second of the next minute.
    let is_clock = (0.0..61.0).contains(&second);
    let midnight = date.with_time(Time::from_hms(hour, minute, 0).ok()?).assume_utc();
    let seconds = midnight.unix_timestamp() as f64 + second - offset(zone)?;
    is_clock.then_some(seconds)
}

/// Seconds by which a zone is ahead of UTC: `Z`, `+02:00`, `+0200`, `+02`.
fn offset(zone: &str) -> Option<f64> {
    let mut rest = zone.chars();
    let sign = match rest.next() {
        None | Some('Z' | 'z') => return Some(0.0),
        Some('+') => 1.0,
        Some(_) => -1.0,
    };
    let digits: String = rest.filter(char::is_ascii_digit).collect();
    let (hours, minutes) = digits.split_at(digits.len().min(2));
    let hours: f64 = hours.parse().ok()?;
    let minutes: f64 = if minutes.is_empty() { 0.0 } else { minutes.parse().ok()? };
    (hours < 24.0 && minutes < 60.0).then_some(sign * (hours * 3_600.0 + minutes * 60.0))
}

/// The duration of each step between points, in seconds: as recorded where plausible, otherwise at
/// the track's pace.
pub(super) fn steps(points: &[Point], notes: &mut Notes) -> Vec<f64> {
    let metres: Vec<f64> = points
        .windows(2)
        .map(|two| distance(two[0].position.degrees(), two[1].position.degrees()))
        .collect();
    let recorded = recorded(points, &metres, notes);
    if recorded.iter().all(Option::is_none) {
        notes.paced |= metres.iter().sum::<f64>() > 0.0;
        return metres.iter().map(|metres| metres / WALKING_PACE).collect();
    }
    let pace = pace(&metres, &recorded);
    let step = |(&metres, &recorded): (&f64, &Option<f64>)| match recorded {
        None => metres / pace,
        Some(seconds) if is_jump(metres, seconds) => seconds,
        Some(seconds) if metres > seconds * TOP_SPEED => {
            notes.fast += 1;
            metres / pace
        }
        Some(seconds) => seconds,
    };
    metres.iter().zip(&recorded).map(step).collect()
}

/// Whether a step of this length and duration is too fast to be real.
pub(super) fn is_jump(metres: f64, seconds: f64) -> bool {
    metres > JUMP && metres > seconds * JUMP_SPEED
}

/// The median speed while moving, in metres per second.
fn pace(metres: &[f64], recorded: &[Option<f64>]) -> f64 {
    let speed = |(metres, seconds): (&f64, &Option<f64>)| Some(metres / (*seconds)?);
    let mut speeds: Vec<f64> = metres
        .iter()
        .zip(recorded)
        .filter_map(speed)
        .filter(|speed| (STANDING..=TOP_SPEED).contains(speed))
        .collect();
    speeds.sort_by(f64::total_cmp);
    speeds.get(speeds.len() / 2).map_or(WALKING_PACE, |median| median.max(SLOWEST))
}

/// The duration of each step by the times that fit together. Where times are missing or odd, the
/// time between their neighbours is divided by distance.
fn recorded(points: &[Point], metres: &[f64], notes: &mut Notes) -> Vec<Option<f64>> {
    let mut steps = vec![None; metres.len()];
    let kept = fitting(points, notes);
    for pair in kept.windows(2) {
        let ((from, start), (to, end)) = (pair[0], pair[1]);
        if !fits(start, end) {
            notes.leaps += 1;
            continue;
        }
        let length: f64 = metres[from..to].iter().sum();
        for (step, metres) in steps[from..to].iter_mut().zip(&metres[from..to]) {
            let share = if length > 0.0 { metres / length } else { 1.0 / (to - from) as f64 };
            *step = Some(share * (end - start));
        }
    }
    steps
}

fn fits(before: f64, after: f64) -> bool {
    after > before && after - before <= LONGEST
}

/// The points whose times are worth keeping, with those times. Neighbours that do not fit come from
/// two clocks.
fn fitting(points: &[Point], notes: &mut Notes) -> Vec<(usize, f64)> {
    let known = points.iter().enumerate().filter_map(|(at, point)| Some((at, point.time?)));
    let mut known: Vec<_> = known.collect();
    if !known.is_empty() {
        notes.timeless += points.len() - known.len();
    }
    // A clock of whole seconds repeats a time.
    known.dedup_by(|next, last| next.1 == last.1);
    let mut kept: Vec<(usize, f64)> = Vec::with_capacity(known.len());
    let mut next = 0;
    while let Some(&(_, time)) = known.get(next) {
        let last = kept.last().map(|&(_, last)| last);
        if last.is_none_or(|last| fits(last, time)) {
            kept.push(known[next]);
            next += 1;
            continue;
        }
        let ahead = |odd: usize| {
            known
                .get(next + odd)
                .is_some_and(|&(_, t)| Some(t).zip(last).is_some_and(|(t, last)| fits(last, t)))
        };
        let back = |odd: usize| kept.iter().rev().nth(odd).is_some_and(|&(_, t)| fits(t, time));
        if let Some(odd) = (1..=MOST_ODD).find(|&odd| ahead(odd) || back(odd)) {
            notes.odd += odd;
            if ahead(odd) {
                next += odd;
            } else {
                kept.truncate(kept.len() - odd);
            }
        } else {
            kept.push(known[next]);
            next += 1;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-05-01 10:00 UTC.
    const TEN: f64 = 1_714_557_600.0;

    #[test]
    fn reads_times_as_devices_write_them() {
        for text in [
            "2024-05-01T10:00:00Z",
            "2024-05-01T10:00:00",
            " \n2024-05-01t10:00:00z ",
            "2024-05-01 10:00:00",
            "2024-05-01T10:00Z",
            "2024-5-1T10:0:0Z",
            "2024-05-01T12:00:00+02:00",
            "2024-05-01T12:00:00+0200",
            "2024-05-01T12:00:00 +02",
            "2024-05-01T04:30:00-05:30",
            "2024-05-01T04:30:00\u{2212}05:30",
            "2024-05-01T09:59:60Z",
        ] {
            assert_eq!(parse_time(text), Some(TEN), "{text}");
        }
        for text in
            ["2024-05-01T10:00:00.250Z", "2024-05-01T10:00:00,25", "2024-05-01T12:00:00.25+02:00"]
        {
            assert_eq!(parse_time(text), Some(TEN + 0.25), "{text}");
        }
    }

    #[test]
    fn rejects_what_is_not_a_time() {
        for text in [
            "",
            "now",
            "2024-05-01",
            "2024-13-01T10:00:00Z",
            "2024-02-30T10:00:00Z",
            "T",
            "--T::",
            "2024-05-01T25:00:00Z",
            "2024-05-01T10:00:61Z",
            "2024-05-01T10:00:nanZ",
            "2024-05-01T10:00:infZ",
            "2024-05-01T10:00:00+99:00",
            "2024-05-01T10:00:00+",
            "99999999-05-01T10:00:00Z",
            "2024-05-01T10:00:00é",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
