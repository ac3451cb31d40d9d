//! Delivery traces in Mahimahi's format: what a link carries, recorded or made up.

use std::time::Duration;

/// What one opportunity carries, in bytes.
pub(super) const OPPORTUNITY: u64 = 1_500;
/// The longest trace, in opportunities.
const MOST: usize = 5_000_000;

/// When a link carries packets: each line of a file is a time in milliseconds at which
/// 1,500 bytes may pass. The times never fall; equal ones are several opportunities. After
/// the last one, the trace starts again (mm-link(1)).
///
/// A trace is kept for the life of the program, because settings are copied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Trace(&'static [u32]);

/// Why a text is no trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// A line is not a number of milliseconds.
    #[error("line {line} is no whole number of milliseconds")]
    NotATime {
        /// The line's number, from 1.
        line: usize,
    },
    /// A time is before the one above it.
    #[error("line {line} is earlier than the line above it")]
    Earlier {
        /// The line's number, from 1.
        line: usize,
    },
    /// There is no line, or the last time is 0, so a second would carry no end of bytes.
    #[error("the trace has no time above 0")]
    Empty,
    /// It is too long.
    #[error("the trace has more than {MOST} lines")]
    Long,
}

impl Trace {
    /// Reads a trace. Empty lines are skipped.
    ///
    /// # Errors
    /// If the text is no trace.
    pub fn parse(text: &str) -> Result<Self, TraceError> {
        let mut times: Vec<u32> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let word = line.trim();
            if word.is_empty() {
                continue;
            }
            let line = at + 1;
            let time = word.parse().map_err(|_| TraceError::NotATime { line })?;
            if times.last().is_some_and(|&last| time < last) {
                return Err(TraceError::Earlier { line });
            }
            if times.len() == MOST {
                return Err(TraceError::Long);
            }
            times.push(time);
        }
        if times.last().is_none_or(|&last| last == 0) {
            return Err(TraceError::Empty);
        }
        Ok(Self(times.leak()))
    }

    /// How long it takes until the trace starts again.
    #[must_use]
    pub fn period(self) -> Duration {
        Duration::from_millis(self.0[self.0.len() - 1].into())
    }

    /// What it carries on average, in bits a second.
    #[must_use]
    pub fn bits_per_second(self) -> u64 {
        let bits = self.0.len() as f64 * OPPORTUNITY as f64 * 8.0;
        (bits / self.period().as_secs_f64()) as u64
    }

    /// The time of an opportunity, counted from the start of the path.
    fn time(self, number: u64) -> Duration {
        let len = self.0.len() as u64;
        let times = self.period().as_millis() as u64 * (number / len);
        Duration::from_millis(times + u64::from(self.0[(number % len) as usize]))
    }

    /// The first opportunity at this time or later.
    fn first_from(self, time: Duration) -> u64 {
        let len = self.0.len() as u64;
        let round = (time.as_nanos() / self.period().as_nanos()) as u64;
        // The end of one round is the beginning of the next.
        let rounds = round.saturating_sub(1)..=round;
        let find = |round: u64| {
            let start = self.period().as_millis() as u64 * round;
            let earlier = |&at: &u32| Duration::from_millis(start + u64::from(at)) < time;
            (round, self.0.partition_point(earlier) as u64)
        };
        let found = rounds.map(find).find(|(_, at)| *at < len);
        // The last opportunity of a round is after its beginning, so there is one.
        found.map_or(round * len, |(round, at)| round * len + at)
    }
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trace of {} opportunities in {:?}", self.0.len(), self.period())
    }
}

/// How far a link has used its trace.
#[derive(Clone, Debug, Default)]
pub(super) struct Position {
    /// The opportunity in use, and the bytes left of it.
    current: Option<(u64, u64)>,
}

impl Position {
    /// When a packet of this many bytes has passed, if the link turns to it at `start`, which never
    /// goes back. What an opportunity has left when nothing waits is lost.
    pub(super) fn pass(&mut self, trace: Trace, len: u64, start: Duration) -> Duration {
        let current = self.current.filter(|&(number, _)| trace.time(number) >= start);
        let (mut number, mut left) =
            current.unwrap_or_else(|| (trace.first_from(start), OPPORTUNITY));
        let mut rest = len;
        while rest > left {
            rest -= left;
            (number, left) = (number + 1, OPPORTUNITY);
        }
        self.current = Some((number, left - rest));
        trace.time(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// When packets of these lengths have passed, each offered at its time.
    fn passed(trace: &str, packets: &[(u64, u64)]) -> Vec<u64> {
        let trace = Trace::parse(trace).unwrap();
        let (mut position, mut last) = (Position::default(), Duration::ZERO);
        let pass = |&(at, len): &(u64, u64)| {
            last = position.pass(trace, len, ms(at).max(last));
            last.as_millis() as u64
        };
        packets.iter().map(pass).collect()
    }

    #[test]
    fn an_opportunity_carries_1500_bytes() {
        let three = [(0, 1_500), (0, 1_500), (0, 1_500)];
        assert_eq!(passed("2\n2\n9\n", &three), [2, 2, 9]);
        assert_eq!(passed("2\n5\n9\n", &[(0, 700), (0, 800), (0, 1), (0, 1_500)]), [2, 2, 5, 9]);
        assert_eq!(passed("2\n5\n9\n", &[(0, 1_501), (0, 1_499), (0, 4_500)]), [5, 5, 14]);
    }

    #[test]
    fn what_an_idle_link_does_not_use_is_lost() {
        assert_eq!(passed("2\n5\n9\n", &[(0, 100), (3, 100), (9, 100), (10, 100)]), [2, 5, 9, 11]);
    }

    #[test]
    fn the_trace_starts_again_after_its_last_time() {
        let trace = "0\n4\n10\n";
        // At 10 and at 20 two opportunities meet: the last of one round and the first of the next.
        let full = |at: u64| (at, 1_500);
        assert_eq!(passed(trace, &[full(5), full(5), full(5), full(19)]), [10, 10, 14, 20]);
        assert_eq!(passed(trace, &[full(1_000_003), full(1_000_003)]), [1_000_004, 1_000_010]);
    }

    #[test]
    fn its_mean_rate_is_that_of_its_bytes() {
        let trace = Trace::parse("1\n2\n3\n4\n").unwrap();
        assert_eq!((trace.period(), trace.bits_per_second()), (ms(4), 12_000_000));
    }

    #[test]
    fn a_text_that_is_no_trace_says_where() {
        for (text, error) in [
            ("", TraceError::Empty),
            ("0\n0\n", TraceError::Empty),
            ("1\n\nx\n", TraceError::NotATime { line: 3 }),
            ("-1\n", TraceError::NotATime { line: 1 }),
            ("5\n4\n", TraceError::Earlier { line: 2 }),
        ] {
            assert_eq!(Trace::parse(text), Err(error), "{text:?}");
        }
    }
}
