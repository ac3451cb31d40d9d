//! Values that several subcommands read from the command line.

use std::ops::RangeInclusive;
use std::time::Duration;

use gpys_proto::wire::is_room_name;

/// The name of a room.
///
/// # Errors
/// If the protocol does not allow it.
pub(super) fn room(text: &str) -> Result<String, String> {
    if is_room_name(text) {
        return Ok(text.to_owned());
    }
    Err("a room name is 1 to 64 of a-z, 0-9 and -".to_owned())
}

/// A number in a range; `hint` describes the valid ones.
///
/// # Errors
/// If it is not a number, or out of range.
pub(super) fn number(text: &str, range: &RangeInclusive<f64>, hint: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| hint.to_owned())
}

/// A time such as `25ms` in a range; `hint` describes the valid ones.
///
/// # Errors
/// If it is not a time, or out of range.
pub(super) fn time(
    text: &str,
    range: &RangeInclusive<Duration>,
    hint: &str,
) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).ok().filter(|time| range.contains(time));
    time.ok_or_else(|| hint.to_owned())
}

/// The arguments that these words give a subcommand, for tests.
#[cfg(test)]
pub(super) fn arguments<A: clap::Args>(
    words: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>,
) -> Result<A, clap::Error> {
    let command = A::augment_args(clap::Command::new("gpys").no_binary_name(true));
    A::from_arg_matches(&command.try_get_matches_from(words)?)
}
