//! The server's clock as a client estimates it (docs/PROTOCOL.md, section 6). Pure: the local
//! time is an argument.

use std::collections::VecDeque;

use crate::proto::time::Stamp;

/// How many pongs the estimate looks back on.
const WINDOW: usize = 8;
/// Times on the wire count modulo this many milliseconds.
const WRAP: f64 = 4_294_967_296.0;

/// One answer of the server.
#[derive(Clone, Copy, Debug)]
struct Answer {
    /// Round trip, in ms.
    round_trip: f64,
    /// Server's clock minus local clock, in ms, modulo [`WRAP`].
    offset: f64,
}

/// Estimates the server's clock from its answers: the offset of the one with the shortest round
/// trip among the last eight, because its two ways are the most alike.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    answers: VecDeque<Answer>,
}

impl Clock {
    /// Notes that the server said `stamp` in answer to what was sent at `sent` and that this
    /// arrived at `received`, both in ms on one local clock that never goes back.
    pub fn note(&mut self, sent: f64, received: f64, stamp: Stamp) {
        let round_trip = (received - sent).max(0.0);
        let offset = f64::from(stamp.0) + round_trip / 2.0 - received;
        if self.answers.len() == WINDOW {
            self.answers.pop_front();
        }
        self.answers.push_back(Answer { round_trip, offset });
    }

    fn best(&self) -> Option<&Answer> {
        self.answers.iter().min_by(|a, b| a.round_trip.total_cmp(&b.round_trip))
    }

    /// The server's clock when the local one shows `now` ms. Before any answer it is the local
    /// clock.
    #[must_use]
    pub fn server(&self, now: f64) -> Stamp {
        let offset = self.best().map_or(0.0, |answer| answer.offset);
        Stamp((now + offset).rem_euclid(WRAP) as u32)
    }

    /// The shortest round trip of the last eight, in ms.
    #[must_use]
    pub fn round_trip(&self) -> Option<f64> {
        self.best().map(|answer| answer.round_trip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_round_trip_wins() {
        let mut clock = Clock::default();
        // The server is 1,000 ms ahead; the slow answer was late on its way back.
        clock.note(0.0, 200.0, Stamp(1_010));
        clock.note(300.0, 310.0, Stamp(1_305));
        assert_eq!(clock.server(400.0), Stamp(1_400));
        assert_eq!(clock.round_trip(), Some(10.0));
    }

    #[test]
    fn old_answers_are_forgotten() {
        let mut clock = Clock::default();
        clock.note(0.0, 1.0, Stamp(0));
        for n in 1..=WINDOW as u32 {
            let sent = f64::from(n) * 1_000.0;
            clock.note(sent, sent + 20.0, Stamp(n * 1_000 + 60));
        }
        assert_eq!(clock.server(20_000.0), Stamp(20_050));
    }

    #[test]
    fn the_wrap_after_fifty_days_is_no_jump() {
        let mut clock = Clock::default();
        clock.note(0.0, 0.0, Stamp(u32::MAX - 9));
        assert_eq!(clock.server(5.0), Stamp(u32::MAX - 4));
        assert_eq!(clock.server(20.0), Stamp(10));
        clock.note(100.0, 102.0, Stamp(91));
        assert_eq!(clock.server(200.0), Stamp(190));
    }
}
