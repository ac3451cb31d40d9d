//! When a room ticks and when each of its viewers gets its turn.
//!
//! Viewers take turns in groups, a millisecond apart, so that a full room does not send everything
//! at one instant; a viewer with more to get than one datagram holds gets a second turn half a tick
//! later. After a quiet spell the first change makes a tick at once.

use crate::time::Time;

/// Most groups within a tick.
const MAX_GROUPS: usize = 8;

/// A group of viewers whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Number of the group within the tick.
    pub(crate) group: usize,
    /// Only for viewers with something left over.
    pub(crate) second: bool,
}

/// The room's clockwork, in microseconds so that 30 Hz does not drift.
#[derive(Clone, Debug)]
pub(crate) struct Ticker {
    period: u64,
    groups: usize,
    next: u64,
    ticked: u64,
    /// When the last tick with a change was.
    changed: Option<u64>,
    /// Whether something changed since the last tick.
    pending: bool,
    /// Turns wanted in this tick, a bit each: the first of every group, then the second.
    turns: u32,
    /// Turns taken in this tick: there is no third one.
    taken: u32,
    /// Whether this tick's first turns are all at once.
    hurried: bool,
}

impl Ticker {
    pub(crate) fn new(tick_hz: u8) -> Self {
        let period = 1_000_000 / u64::from(tick_hz.max(1));
        let groups = ((period / 4_000) as usize).clamp(1, MAX_GROUPS);
        Self {
            period,
            groups,
            next: 0,
            ticked: 0,
            changed: None,
            pending: false,
            turns: 0,
            taken: 0,
            hurried: false,
        }
    }

    pub(crate) const fn groups(&self) -> usize {
        self.groups
    }

    /// Notes a change; the next tick is at once if the room was quiet for a tick.
    pub(crate) fn note_change(&mut self, now: Time) {
        let now = now.0 * 1000;
        self.pending = true;
        if self.changed.is_none_or(|changed| now >= changed + self.period) {
            self.next = self.next.min(now);
        }
    }

    /// When there is something to do; `watched` is whether the room has viewers.
    pub(crate) fn poll_timeout(&self, watched: bool) -> Option<Time> {
        let turn = (self.turns != 0).then(|| self.turn_at(self.turns.trailing_zeros() as usize));
        let tick = (self.pending || watched).then_some(self.next);
        let soonest = match (turn, tick) {
            (Some(turn), Some(tick)) => turn.min(tick),
            (turn, tick) => turn.or(tick)?,
        };
        Some(Time(soonest.div_ceil(1000)))
    }

    /// Begins a tick if it is due, and reports whether it did. No group has a turn yet.
    pub(crate) fn begin(&mut self, now: Time, watched: bool) -> bool {
        let now = now.0 * 1000;
        if now < self.next || !(self.pending || watched) {
            return false;
        }
        // A room that fell behind, or was asleep, does not make up for missed ticks.
        self.hurried =
            self.pending && self.changed.is_none_or(|changed| now >= changed + 2 * self.period);
        let late = now - self.next >= self.period;
        self.next = if late || self.hurried { now } else { self.next } + self.period;
        if self.pending {
            self.changed = Some(now);
        }
        (self.ticked, self.pending, self.turns, self.taken) = (now, false, 0, 0);
        true
    }

    /// Gives groups, a bit each, their first turn in the tick that began.
    pub(crate) const fn want_first(&mut self, groups: u32) {
        self.turns |= groups;
    }

    /// Gives a group a second turn: one of its viewers has something left over.
    pub(crate) const fn want_second(&mut self, group: usize) {
        self.turns |= 1 << (self.groups + group) & !self.taken;
    }

    /// The next turn that is due.
    pub(crate) fn next_turn(&mut self, now: Time) -> Option<Turn> {
        let turn = self.turns.trailing_zeros() as usize;
        if self.turns == 0 || self.turn_at(turn) > now.0 * 1000 {
            return None;
        }
        self.turns &= self.turns - 1;
        self.taken |= 1 << turn;
        Some(Turn { group: turn % self.groups, second: turn >= self.groups })
    }

    fn turn_at(&self, turn: usize) -> u64 {
        let (group, second) = (turn % self.groups, turn >= self.groups);
        let spread = if self.hurried && !second { 0 } else { group as u64 * 1000 };
        self.ticked + spread + if second { self.period / 2 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(ticker: &mut Ticker, until: u64) -> Vec<u64> {
        let mut ticks = Vec::new();
        while let Some(Time(now)) = ticker.poll_timeout(true).filter(|time| time.0 <= until) {
            while ticker.next_turn(Time(now)).is_some() {}
            if ticker.begin(Time(now), true) {
                ticks.push(now);
            }
        }
        ticks
    }

    #[test]
    fn thirty_hertz_does_not_drift() {
        let ticks = ticks(&mut Ticker::new(30), 10_000);
        assert_eq!(ticks.len(), 301);
        assert_eq!(ticks[300], 10_000);
    }

    #[test]
    fn a_quiet_room_ticks_at_once() {
        let mut ticker = Ticker::new(30);
        ticks(&mut ticker, 1000);
        ticker.note_change(Time(1007));
        assert_eq!(ticks(&mut ticker, 1045), [1007, 1041]);
        ticker.note_change(Time(1046));
        assert_eq!(ticker.poll_timeout(true).map(|time| time.0 > 1046), Some(false));
        assert_eq!(ticks(&mut ticker, 1046), [1046]);
        // Not quiet any more: the next change waits for its tick.
        ticker.note_change(Time(1050));
        assert_eq!(ticks(&mut ticker, 1078), Vec::<u64>::new());
        assert_eq!(ticks(&mut ticker, 1080), [1080]);
    }

    #[test]
    fn an_unwatched_room_sleeps() {
        let mut ticker = Ticker::new(30);
        assert_eq!(ticker.poll_timeout(false), None);
        assert!(!ticker.begin(Time(5), false));
        ticker.note_change(Time(5));
        assert!(ticker.begin(Time(5), false));
    }

    #[test]
    fn a_group_with_viewers_has_a_turn_and_a_second_one_if_wanted() {
        let mut ticker = Ticker::new(30);
        assert!(ticker.begin(Time(100), true));
        ticker.want_first(0b1000_0001);
        let mut turns = Vec::new();
        while let Some(Time(now)) = ticker.poll_timeout(false) {
            while let Some(turn) = ticker.next_turn(Time(now)) {
                turns.push((now, turn.group, turn.second));
                ticker.want_second(7);
            }
        }
        assert_eq!(turns, [(100, 0, false), (107, 7, false), (124, 7, true)]);
    }
}
