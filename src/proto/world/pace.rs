//! The pace of a room: when it ticks, and when each of its viewers gets its turn.
//!
//! A change makes a tick as soon as the room can afford one: the more its turns cost, the longer it
//! waits, from [`SHORTEST_US`] up to the period of `tick_hz`. Without changes, a room with viewers
//! ticks at that slowest pace, for the refreshes.
//!
//! Receivers order what they get by its stamp, in whole milliseconds. So no two ticks have the same
//! one: a tick within the millisecond of the last has the next stamp.
//!
//! In a large room viewers take turns in groups, a millisecond apart, so that it does not send
//! everything at one instant. A viewer with more to get than one datagram holds gets a second turn.

use crate::time::Time;

/// The shortest time between two ticks, in µs: changes that come at once share a frame.
const SHORTEST_US: u64 = 250;
/// A room's turns may take one in this many of a core's seconds before the room slows down.
const SHARE_DIVISOR: u64 = 2;
/// What a frame costs before the first is known, in ns: about what one over QUIC takes.
const FIRST_COST_NS: u64 = 20_000;
/// Most that a frame is taken to cost, in ns: as much as no room can afford.
const MOST_COST_NS: u64 = 1_000_000_000;
/// Each report moves the known cost by one in this many of the difference.
const SMOOTH_DIVISOR: u64 = 8;
/// Viewers in a group.
const GROUP_VIEWERS: usize = 64;
/// Most groups of a tick.
const MAX_GROUPS: usize = 8;
/// Time from one group's turn to the next, in µs.
const GROUP_US: u64 = 1_000;
/// The shortest time to a second turn, in µs.
const SECOND_US: u64 = 4_000;
/// How far the room's stamps may be ahead of its clock, in ms: a few ticks may follow one another
/// within a millisecond, no more than one a millisecond for long.
const LEAD_MS: u64 = 3;

/// A group of viewers whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Number of the group within the tick.
    pub(crate) group: usize,
    /// Only for viewers with something left over.
    pub(crate) second: bool,
}

/// The room's clockwork.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// The longest time between two ticks of a room with viewers, in µs.
    slowest: u64,
    /// What a frame costs, in ns.
    frame_cost: u64,
    /// The time from the last tick to the next one with a change, in µs.
    period: u64,
    /// When the last tick was, or was meant to be.
    ticked: Option<Time>,
    /// The last stamp.
    stamped: Time,
    /// When the last tick with a change was.
    changed: Option<Time>,
    /// Whether something changed since the last tick.
    pending: bool,
    /// When a viewer that was passed over in this tick may have its frame.
    wanted: Option<Time>,
    /// Groups of this tick.
    groups: usize,
    /// Time from one group's turn to the next in this tick, in µs.
    spread: u64,
    /// Turns wanted in this tick, a bit each: the first of every group, then the second.
    turns: u32,
    /// Turns taken in this tick: there is no third one.
    taken: u32,
}

impl Pace {
    pub(crate) fn new(tick_hz: u8) -> Self {
        Self {
            slowest: 1_000_000 / u64::from(tick_hz.max(1)),
            frame_cost: FIRST_COST_NS,
            period: 0,
            ticked: None,
            stamped: Time::default(),
            changed: None,
            pending: false,
            wanted: None,
            groups: 1,
            spread: 0,
            turns: 0,
            taken: 0,
        }
    }

    /// The longest time between two ticks of a room with viewers, in µs.
    pub(crate) const fn slowest(&self) -> u64 {
        self.slowest
    }

    /// The time from the last tick to the next one with a change, in µs.
    pub(crate) const fn period(&self) -> u64 {
        self.period
    }

    /// Groups of this tick.
    pub(crate) const fn groups(&self) -> usize {
        self.groups
    }

    /// Learns what frames cost: `us` µs for so many of them.
    pub(crate) fn note_cost(&mut self, frames: u32, us: u64) {
        if frames > 0 {
            let cost = (us.saturating_mul(1000) / u64::from(frames)).min(MOST_COST_NS);
            self.frame_cost = (self.frame_cost * (SMOOTH_DIVISOR - 1) + cost) / SMOOTH_DIVISOR;
        }
    }

    /// Notes a change; it makes a tick as soon as the pace allows.
    pub(crate) const fn note_change(&mut self) {
        self.pending = true;
    }

    /// Asks for a tick at `at`, or soon after, for a viewer that was passed over.
    pub(crate) fn want(&mut self, at: Time) {
        self.wanted = Some(self.wanted.map_or(at, |wanted| wanted.min(at)));
    }

    /// The earliest moment of the next tick: that of one with a change.
    pub(crate) fn next_change(&self) -> Time {
        let affordable = self.ticked.map_or_else(Time::default, |it| it.after_us(self.period));
        affordable.max(Time::from_ms((self.stamped.as_ms() + 1).saturating_sub(LEAD_MS)))
    }

    /// The moment as which a tick, or a roster between ticks, counts to receivers: `now`, or a
    /// millisecond after the last one, if that is later; at most [`LEAD_MS`] ahead.
    pub(crate) fn stamp(&mut self, now: Time) -> Time {
        let next = Time::from_ms(self.stamped.as_ms() + 1);
        self.stamped = now.max(next.min(now + LEAD_MS));
        self.stamped
    }

    fn next(&self, watched: bool) -> Option<Time> {
        if self.pending {
            return Some(self.next_change());
        }
        let slowest = || self.ticked.map_or_else(Time::default, |it| it.after_us(self.slowest));
        let wanted = self.wanted.map(|at| at.max(self.next_change()));
        watched.then(slowest).into_iter().chain(wanted).min()
    }

    /// When there is something to do; `watched` is whether the room has viewers.
    pub(crate) fn poll_timeout(&self, watched: bool) -> Option<Time> {
        let turn = (self.turns != 0).then(|| self.turn_at(self.turns.trailing_zeros() as usize));
        self.next(watched).into_iter().chain(turn).min()
    }

    /// Begins a tick if it is due, for so many viewers, and reports whether it did. No group has a
    /// turn yet.
    pub(crate) fn begin(&mut self, now: Time, viewers: usize) -> bool {
        let Some(due) = self.next(viewers > 0).filter(|&due| due <= now) else { return false };
        // Small delays do not add up. A room that fell behind, or was asleep, does not make up for
        // missed ticks.
        let late = now.us_since(due);
        let planned = self.ticked.map_or(0, |ticked| due.us_since(ticked));
        let quiet = self.changed.is_none_or(|it| now.us_since(it) >= 2 * self.slowest);
        self.period = (self.frame_cost * viewers as u64 / 1000 * SHARE_DIVISOR)
            .clamp(SHORTEST_US.min(self.slowest), self.slowest);
        self.ticked = Some(if late < planned / 2 { due } else { now });
        self.groups = (viewers / GROUP_VIEWERS).clamp(1, MAX_GROUPS);
        // What comes after a quiet spell is told to all at once.
        let hurried = self.pending && quiet;
        self.spread = if hurried { 0 } else { GROUP_US.min(self.period / 2 / self.groups as u64) };
        if self.pending {
            self.changed = Some(now);
        }
        (self.pending, self.wanted, self.turns, self.taken) = (false, None, 0, 0);
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
        if self.turns == 0 || self.turn_at(turn) > now {
            return None;
        }
        self.turns &= self.turns - 1;
        self.taken |= 1 << turn;
        Some(Turn { group: turn % self.groups, second: turn >= self.groups })
    }

    fn turn_at(&self, turn: usize) -> Time {
        let (group, second) = (turn % self.groups, turn >= self.groups);
        let later = if second { (self.period / 2).max(SECOND_US) } else { 0 };
        self.ticked.unwrap_or_default().after_us(group as u64 * self.spread + later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Time {
        Time::from_ms(ms)
    }

    /// Runs until `until`, with a change at every step while `busy`, and returns the ticks.
    fn ticks(pace: &mut Pace, viewers: usize, busy: bool, until: Time) -> Vec<Time> {
        let mut ticks = Vec::new();
        while let Some(now) = pace.poll_timeout(true).filter(|&time| time <= until) {
            while pace.next_turn(now).is_some() {}
            if pace.begin(now, viewers) {
                ticks.push(now);
                pace.want_first((1 << pace.groups()) - 1);
            }
            if busy {
                pace.note_change();
            }
        }
        ticks
    }

    #[test]
    fn thirty_hertz_does_not_drift() {
        let mut pace = Pace::new(30);
        assert!(pace.begin(Time::default(), 1));
        let mut last = Time::default();
        for _ in 0..300 {
            last = pace.poll_timeout(true).unwrap();
            // The timer is late.
            assert!(pace.begin(last.after_us(700), 1));
        }
        assert_eq!(last, Time::from_us(300 * 33_333));
    }

    #[test]
    fn a_quiet_room_shows_a_change_at_once_and_then_at_its_pace() {
        let mut pace = Pace::new(30);
        assert!(pace.begin(ms(1_000), 2));
        pace.note_change();
        let now = ms(1_007).after_us(13);
        assert!(pace.poll_timeout(true).unwrap() <= now && pace.begin(now, 2));
        pace.note_change();
        assert_eq!(
            pace.poll_timeout(true),
            Some(now.after_us(250)),
            "two viewers cost next to nothing"
        );
        assert!(!pace.begin(now.after_us(249), 2) && pace.begin(now.after_us(250), 2));
    }

    #[test]
    fn no_two_ticks_have_one_stamp_and_none_is_far_ahead() {
        let mut pace = Pace::new(30);
        let (mut last, mut count) = (None, 0);
        for us in (5_000_000..5_100_000).step_by(10) {
            let now = Time::from_us(us);
            pace.note_change();
            if pace.begin(now, 2) {
                let stamp = pace.stamp(now);
                assert!(
                    stamp >= now && stamp.as_ms() <= now.as_ms() + LEAD_MS,
                    "{now:?} {stamp:?}"
                );
                assert!(last < Some(stamp.stamp().0), "{now:?}");
                (last, count) = (Some(stamp.stamp().0), count + 1);
            }
        }
        assert_eq!(count, 100 + LEAD_MS, "one a millisecond, and a few at first");
        // A quiet room's clock is that of the server.
        assert_eq!(pace.stamp(ms(5_200).after_us(7)), ms(5_200).after_us(7));
    }

    #[test]
    fn the_pace_follows_what_frames_cost_up_to_the_slowest() {
        let mut pace = Pace::new(30);
        let mut count = |viewers, us: u64| {
            (0..200).for_each(|_| pace.note_cost(10, 10 * us));
            let from = pace.ticked.map_or(0, Time::as_us);
            ticks(&mut pace, viewers, true, Time::from_us(from + 1_000_000)).len()
        };
        // Half a second over 20 viewers at 20 µs each.
        assert!((1_240..=1_260).contains(&count(20, 20)));
        assert!((495..=505).contains(&count(50, 20)));
        assert!((245..=255).contains(&count(100, 20)));
        assert!((122..=128).contains(&count(100, 40)));
        assert!((30..=31).contains(&count(10_000, 20)), "the slowest pace");
        assert!((2_400..=2_510).contains(&count(10, 20)), "it recovers");
    }

    #[test]
    fn a_viewer_that_was_passed_over_gets_a_tick_in_time() {
        let mut pace = Pace::new(30);
        assert!(pace.begin(ms(100), 2));
        pace.want(ms(120));
        pace.want(ms(111));
        assert_eq!(pace.poll_timeout(true), Some(ms(111)));
        let soonest = ms(100).after_us(250);
        pace.want(ms(100).after_us(1));
        assert_eq!(pace.poll_timeout(true), Some(soonest), "not above the pace");
        assert!(pace.begin(soonest, 2));
        assert_eq!(pace.poll_timeout(true), Some(soonest.after_us(33_333)));
    }

    #[test]
    fn an_unwatched_room_sleeps() {
        let mut pace = Pace::new(30);
        assert_eq!(pace.poll_timeout(false), None);
        assert!(!pace.begin(ms(5), 0));
        pace.note_change();
        assert!(pace.begin(ms(5), 0));
    }

    #[test]
    fn a_group_has_a_turn_and_a_second_one_if_wanted() {
        let mut pace = Pace::new(30);
        let viewers = 3 * GROUP_VIEWERS;
        pace.note_change();
        assert!(pace.begin(ms(100), viewers));
        pace.note_change();
        assert!(pace.begin(ms(140), viewers));
        pace.want_first(0b101);
        let mut turns = Vec::new();
        while let Some(now) = pace.poll_timeout(false) {
            while let Some(turn) = pace.next_turn(now) {
                turns.push((now.since(ms(140)), turn.group, turn.second));
                pace.want_second(2);
            }
        }
        // 192 viewers, 20 µs each: 7.7 ms.
        assert_eq!(turns, [(0, 0, false), (2, 2, false), (6, 2, true)]);
    }
}
