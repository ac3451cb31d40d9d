//! What a feed says while it runs.

use std::io::stderr;

use time::OffsetDateTime;

use gpys_server::terminal;

/// Says something on standard error, with the time (UTC).
pub(super) fn note(text: &str) {
    let (hour, minute, second) = OffsetDateTime::now_utc().time().as_hms();
    let line = format!("{hour:02}:{minute:02}:{second:02} {text}");
    // Nothing is left to say it with if standard error is closed.
    let _ = terminal::say(&mut stderr(), &line);
}
