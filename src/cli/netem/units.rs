//! Times, shares, rates and sizes as users write them.

use std::fs;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::cli::parse;
use gpys_path::{Queue, Trace};

/// A time such as `25ms`, at most an hour.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let range = Duration::ZERO..=Duration::from_secs(3_600);
    parse::time(text, &range, "a time is at most 1h, such as 25ms, 500us or 2s")
}

/// A share of packets such as `2%`, as a number from 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let hint = "a share of packets is from 0% to 100%, such as 2% or 0.1%";
    let percent = text.strip_suffix('%').ok_or(hint)?;
    Ok(parse::number(percent, &(0.0..=100.0), hint)? / 100.0)
}

/// A mean length of bursts, in packets.
pub(super) fn burst(text: &str) -> Result<f64, String> {
    parse::number(text, &(1.0..=1e6), "a burst is 1 to 1000000 packets on average")
}

/// A rate such as `2mbit`, in bits a second.
pub(super) fn rate(text: &str) -> Result<NonZeroU64, String> {
    let rate = with_unit(text, &[("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3), ("bit", 1.0)]);
    let rate = rate.filter(|rate| (1e3..=1e11).contains(rate));
    // The range has no zero, and no number that has no place in 64 bits.
    rate.and_then(|rate| NonZeroU64::new(rate as u64))
        .ok_or_else(|| "a rate is from 1kbit to 100gbit a second, such as 2mbit".to_owned())
}

/// The names of two files with a comma in between, and the traces in them.
pub(super) fn traces(text: &str) -> Result<[Trace; 2], String> {
    let read = |file: &str| {
        let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        Trace::parse(&text).map_err(|error| format!("{file}: {error}"))
    };
    let (up, down) = text.split_once(',').ok_or("traces are two files, UP,DOWN")?;
    Ok([read(up)?, read(down)?])
}

/// A queue such as `100ms`, `64kB` or `fq-codel`.
pub(super) fn queue(text: &str) -> Result<Queue, String> {
    if text == "fq-codel" {
        return Ok(Queue::FqCodel);
    }
    let bytes = with_unit(text, &[("kB", 1e3), ("MB", 1e6), ("B", 1.0)]);
    match (bytes.filter(|bytes| (0.0..=1e12).contains(bytes)), time(text)) {
        (Some(bytes), _) => Ok(Queue::Bytes(bytes as u64)),
        (None, Ok(time)) => Ok(Queue::Time(time)),
        (None, Err(_)) => {
            Err("a queue is a time, a size or fq-codel, such as 100ms or 64kB".to_owned())
        }
    }
}

/// When a blackout begins and how long it lasts, such as `10s+5s`.
pub(super) fn blackout(text: &str) -> Result<(Duration, Duration), String> {
    match text.split_once('+').map(|(start, length)| (time(start), time(length))) {
        Some((Ok(start), Ok(length))) => Ok((start, length)),
        _ => Err("a blackout is START+LENGTH, such as 10s+5s".to_owned()),
    }
}

/// A number before the first matching unit, multiplied by that unit's value.
fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    units.iter().find_map(|(unit, worth)| {
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        Some(number * worth)
    })
}
