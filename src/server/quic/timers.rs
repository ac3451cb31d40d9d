//! The timers of all connections, one each.

use std::collections::BTreeMap;
use std::time::Instant;

/// Deadlines in order, and among equal ones by number, so that equal runs act in equal order.
#[derive(Debug)]
pub(super) struct Timers<T>(BTreeMap<(Instant, usize), T>);

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Timers<T> {
    /// Moves a timer to `deadline`. A timer that is armed for an earlier time stays there: most
    /// deadlines only move back, and whoever takes an early timer arms it again.
    pub(super) fn arm(
        &mut self,
        number: usize,
        armed: &mut Option<Instant>,
        deadline: Option<Instant>,
        value: impl FnOnce() -> T,
    ) {
        if let (Some(armed), Some(deadline)) = (*armed, deadline)
            && armed <= deadline
        {
            return;
        }
        self.disarm(number, armed);
        if let Some(deadline) = deadline {
            self.0.insert((deadline, number), value());
            *armed = Some(deadline);
        }
    }

    /// Removes a timer.
    pub(super) fn disarm(&mut self, number: usize, armed: &mut Option<Instant>) {
        if let Some(armed) = armed.take() {
            self.0.remove(&(armed, number));
        }
    }

    /// Takes a timer that is due. It is no longer armed.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<T> {
        let first = self.0.first_entry()?;
        if first.key().0 <= now { Some(first.remove()) } else { None }
    }

    /// When the next timer is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first_key_value().map(|((deadline, _), _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_timer_moves_back_lazily_and_forward_at_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let (mut timers, mut armed) = (Timers::default(), None);
        timers.arm(1, &mut armed, Some(at(10)), || "one");
        timers.arm(1, &mut armed, Some(at(90)), || "later");
        assert_eq!((armed, timers.next()), (Some(at(10)), Some(at(10))));
        timers.arm(1, &mut armed, Some(at(5)), || "sooner");
        assert_eq!((armed, timers.next()), (Some(at(5)), Some(at(5))));
        assert_eq!(timers.take_due(at(4)), None);
        assert_eq!(timers.take_due(at(5)), Some("sooner"));
        assert_eq!((timers.take_due(at(1_000)), timers.next()), (None, None));
    }

    #[test]
    fn equal_deadlines_go_off_in_the_order_of_their_numbers() {
        let (now, mut timers) = (Instant::now(), Timers::default());
        let mut armed = [None; 4];
        for number in [2, 0, 3, 1] {
            timers.arm(number, &mut armed[number], Some(now), || number);
        }
        timers.arm(1, &mut armed[1], None, || unreachable!());
        let due: Vec<_> = std::iter::from_fn(|| timers.take_due(now)).collect();
        assert_eq!(due, [0, 2, 3]);
    }
}
