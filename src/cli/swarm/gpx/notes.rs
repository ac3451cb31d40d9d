//! Notes on what was left out of a track.

use std::fmt;
use std::time::Duration;

use crate::cli::swarm::gpx::pace::{PAUSE, WALKING_PACE};
use crate::cli::swarm::walk::TOP_SPEED;

/// What was left out or changed of a file, and why. Displayed, it is one line, empty if the file is
/// followed as recorded.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// Points with a position.
    pub(super) points: usize,
    /// Points without one.
    pub(super) placeless: usize,
    /// The line of the first of these, and why.
    pub(super) first_placeless: Option<(usize, String)>,
    /// Points far off the others.
    pub(super) stray: usize,
    /// Places with broken XML.
    pub(super) broken: usize,
    /// The line of the first of these, and the parser's message.
    pub(super) first_broken: Option<(usize, String)>,
    /// Why the file's end is missing.
    pub(super) cut: Option<&'static str>,
    /// There are neither tracks nor routes.
    pub(super) only_waypoints: bool,
    /// Points without a time among points with one.
    pub(super) timeless: usize,
    /// Times that do not fit those around them.
    pub(super) odd: usize,
    /// Leaps of the clock.
    pub(super) leaps: usize,
    /// Steps faster than the top speed.
    pub(super) fast: usize,
    /// Jumps to elsewhere.
    pub(super) jumps: usize,
    /// A segment has no usable times at all.
    pub(super) paced: bool,
    /// Shortened pauses.
    pub(super) pauses: usize,
    /// Total time cut from them, in seconds.
    pub(super) paused: f64,
    /// Nothing leads anywhere.
    pub(super) standing: bool,
}

impl Notes {
    /// Whether the file is followed as recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts().is_empty()
    }

    /// Counts a pause shortened by this many seconds.
    pub(super) fn pause(&mut self, seconds: f64) {
        if seconds >= 1.0 {
            self.pauses += 1;
            self.paused += seconds;
        }
    }

    /// Why there are no points.
    pub(super) fn because(&self) -> String {
        let parts = self.reading();
        if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) }
    }

    /// Notes on what could not be read.
    fn reading(&self) -> Vec<String> {
        let mut parts = Vec::new();
        if let Some((line, reason)) = &self.first_placeless {
            let all = self.points + self.placeless;
            let points = count(all, "point", "points");
            let all = format!("{} of {points} left out for want of a place", self.placeless);
            parts.push(format!("{all} (line {line}: {reason})"));
        }
        if let Some((line, reason)) = &self.first_broken {
            let places = count(self.broken, "part", "parts");
            parts.push(format!("{places} of broken XML left out (line {line}: {reason})"));
        }
        if let Some(cut) = self.cut {
            parts.push(format!("{cut}, so its end is left out"));
        }
        parts
    }

    fn parts(&self) -> Vec<String> {
        let mut parts = self.reading();
        let mut note = |is: bool, words: String| parts.extend(is.then_some(words));
        let points = |n| count(n, "point", "points");
        note(self.only_waypoints, "there are only waypoints, followed in their order".to_owned());
        note(self.stray > 0, format!("{} far off the others left out", points(self.stray)));
        note(self.jumps > 0, format!("the track goes on elsewhere {}", times(self.jumps)));
        let odd = count(self.odd, "time that does", "times that do");
        note(self.odd > 0, format!("{odd} not fit passed over"));
        note(self.timeless > 0, format!("{} without a time", points(self.timeless)));
        note(self.leaps > 0, format!("the clock leaps {}, which is left out", times(self.leaps)));
        let fast = count(self.fast, "step", "steps");
        note(self.fast > 0, format!("{fast} faster than {TOP_SPEED} m/s slowed down"));
        let paced = "points without usable times are walked at";
        note(self.paced, format!("{paced} {WALKING_PACE} m/s"));
        let cut = Duration::from_secs(self.paused.min(1e12) as u64);
        let pauses = count(self.pauses, "pause", "pauses");
        let cut = format!(
            "{pauses} cut to {PAUSE} s or less, {} in all",
            humantime::format_duration(cut)
        );
        note(self.pauses > 0 && !self.standing, cut);
        note(self.standing, "it leads nowhere, so people stand there".to_owned());
        parts
    }
}

impl fmt::Display for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts().join("; "))
    }
}

fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

fn times(n: usize) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}
