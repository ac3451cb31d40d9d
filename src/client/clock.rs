//! The server's clock as a client estimates it (docs/PROTOCOL.md, section 6). Pure: the local
//! time is an argument.

use std::collections::VecDeque;

use gpys_proto::time::Stamp;

/// Number of pongs that the estimate uses.
const WINDOW: usize = 8;
/// Two answers of one clock differ by at most half of both round trips plus this, in ms: times on
/// the wire are whole milliseconds, and clocks drift.
const SLACK_MS: f64 = 10.0;
/// A frame this far off the estimate, in ms, is a reason to ask for the server's clock at once.
/// Queues in the path are rarely that long.
const ODD_MS: f64 = 500.0;
/// Times on the wire wrap at this many milliseconds.
const WRAP: f64 = 4_294_967_296.0;

/// One pong of the server.
#[derive(Clone, Copy, Debug)]
struct Answer {
    /// Round trip, in ms.
    round_trip: f64,
    /// Server's clock minus local clock, in ms, modulo [`WRAP`].
    offset: f64,
}

/// Estimates the server's clock from its pongs: the offset of the one with the shortest round trip
/// among the last eight, because its two ways differ least. Either clock may step, for example when
/// the server was suspended; the estimate then starts over.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    answers: VecDeque<Answer>,
}

impl Clock {
    /// Records that the server answered `stamp` to a ping sent at `sent`, and that this arrived at
    /// `received`, both in ms on one local clock. Returns whether either clock has stepped.
    pub fn note(&mut self, sent: f64, received: f64, stamp: Stamp) -> bool {
        let round_trip = (received - sent).max(0.0);
        let offset = f64::from(stamp.0) + round_trip / 2.0 - received;
        let stepped = self.best().is_some_and(|best| {
            let most = f64::midpoint(round_trip, best.round_trip) + SLACK_MS;
            wrapped(offset - best.offset).abs() > most
        });
        if stepped {
            self.answers.clear();
        } else if self.answers.len() == WINDOW {
            self.answers.pop_front();
        }
        self.answers.push_back(Answer { round_trip, offset });
        stepped
    }

    /// Whether the time of a frame that arrives at `now` ms is so far off the estimate that a clock
    /// may have stepped.
    #[must_use]
    pub fn is_odd(&self, frame: Stamp, now: f64) -> bool {
        let error = |best: &Answer| wrapped(f64::from(frame.0) - best.offset - now).abs();
        self.best().is_some_and(|best| error(best) > ODD_MS)
    }

    fn best(&self) -> Option<&Answer> {
        self.answers.iter().min_by(|a, b| a.round_trip.total_cmp(&b.round_trip))
    }

    /// The server's clock when the local clock shows `now` ms; the local clock itself before any
    /// pong.
    #[must_use]
    pub fn server(&self, now: f64) -> Stamp {
        let offset = self.best().map_or(0.0, |answer| answer.offset);
        Stamp((now + offset).rem_euclid(WRAP) as u32)
    }

    /// The shortest of the last eight round trips, in ms.
    #[must_use]
    pub fn round_trip(&self) -> Option<f64> {
        self.best().map(|answer| answer.round_trip)
    }
}

/// Wraps a difference of two times on the wire to the value nearest zero.
fn wrapped(difference: f64) -> f64 {
    (difference + WRAP / 2.0).rem_euclid(WRAP) - WRAP / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_round_trip_wins() {
        let mut clock = Clock::default();
        // The server is 1,000 ms ahead; the slow pong was late on its way back.
        clock.note(0.0, 200.0, Stamp(1_010));
        clock.note(300.0, 310.0, Stamp(1_305));
        assert_eq!(clock.server(400.0), Stamp(1_400));
        assert_eq!(clock.round_trip(), Some(10.0));
    }

    #[test]
    fn forgets_old_pongs() {
        let mut clock = Clock::default();
        clock.note(0.0, 1.0, Stamp(0));
        for n in 1..=WINDOW as u32 {
            let sent = f64::from(n) * 1_000.0;
            assert!(!clock.note(sent, sent + 20.0, Stamp(n * 1_000 + 20)));
        }
        assert_eq!(clock.server(20_000.0), Stamp(20_010));
    }

    #[test]
    fn learns_a_step_of_either_clock_from_one_pong() {
        // A server that was suspended for 6 s, one that was set ahead, a laptop that slept while
        // its clock stood still.
        for step in [-6_000_i64, 3_000, 60_000] {
            let mut clock = Clock::default();
            for n in 0..8_u32 {
                let sent = f64::from(n) * 1_000.0;
                assert!(!clock.note(sent, sent + 4.0, Stamp(1_000_002 + n * 1_000)));
            }
            let server = Stamp(1_010_000_u32.saturating_add_signed(step as i32));
            assert!(clock.is_odd(server, 10_000.0) && !clock.is_odd(Stamp(1_010_200), 10_000.0));
            assert!(clock.note(9_970.0, 10_030.0, server), "{step}");
            assert_eq!(clock.server(10_000.0), server);
            // A better pong refines the estimate and is no step.
            assert!(!clock.note(11_000.0, 11_004.0, Stamp(server.0 + 1_012)));
            assert_eq!(clock.server(11_002.0), Stamp(server.0 + 1_012));
        }
    }

    #[test]
    fn a_pong_as_late_as_the_server_slept_is_no_step() {
        let mut clock = Clock::default();
        clock.note(0.0, 4.0, Stamp(1_002));
        assert!(!clock.note(1_000.0, 7_000.0, Stamp(2_000)), "suspended, its clock stood still");
        assert!(!clock.note(1_000.0, 7_000.0, Stamp(8_000)), "stopped, its clock went on");
    }

    #[test]
    fn the_wrap_after_fifty_days_is_no_step() {
        let mut clock = Clock::default();
        clock.note(0.0, 0.0, Stamp(u32::MAX - 9));
        assert_eq!(clock.server(5.0), Stamp(u32::MAX - 4));
        assert_eq!(clock.server(20.0), Stamp(10));
        clock.note(100.0, 102.0, Stamp(91));
        assert_eq!(clock.server(200.0), Stamp(190));
    }
}
