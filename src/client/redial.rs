//! When a link is suspect, and when to dial again. Pure: times are arguments, in ms on one local
//! clock, and so is chance.

/// A link on which nothing arrives for this long, plus a round trip, is suspect, in ms. Pongs come
/// once a second, and the pings of [`Redial::eager`] leave two more chances before it is over.
const SUSPECT_MS: f64 = 1_500.0;
/// Silence after which a client pings more often, in ms: the pong of the last ping is late.
const UNEASY_MS: f64 = 1_100.0;
/// The shortest limit of an attempt, in ms. TCP repeats a lost SYN after 1 s, then 2 and 4; a new
/// attempt sends one sooner.
const ATTEMPT_MS: f64 = 800.0;
/// Round trips that an attempt may take on top of half of that: TCP, TLS, the request and the
/// welcome take four or five, and one may have to be repeated.
const ATTEMPT_TRIPS: f64 = 8.0;
/// The longest limit of an attempt, in ms.
const LONGEST_ATTEMPT_MS: f64 = 10_000.0;
/// Attempts before their limit doubles with each: the round trip may have grown.
const BRISK: u32 = 6;
/// The first pause before an attempt once the link is over, in ms; each later one is twice as long,
/// and drawn from half of that to one and a half times it, so that a crowd does not come at once.
const BACKOFF_MS: f64 = 250.0;
/// The longest pause before it is drawn, in ms.
const BACKOFF_MAX_MS: f64 = 10_000.0;
/// A link that lived this long was good, in ms: after it, pauses begin with the first again. Others
/// may be those of a server that welcomes and fails.
const GOOD_MS: f64 = 5_000.0;
/// A timer that fires this much too late shows that the process did not run, in ms.
const LATE_MS: f64 = 250.0;

/// Decides when to open a link in place of one that is silent or over.
#[derive(Clone, Debug)]
pub struct Redial {
    /// When something last arrived; time in which the process did not run is added.
    heard: f64,
    /// When the next attempt may begin.
    next: f64,
    /// Attempts since something last arrived.
    attempts: u32,
    /// When the link was welcomed; `None` once it is over.
    welcomed: Option<f64>,
    /// Pauses since the last good link.
    pauses: u32,
}

impl Redial {
    /// Begins with a link that was welcomed at `now`.
    #[must_use]
    pub const fn new(now: f64) -> Self {
        Self { heard: now, next: now, attempts: 0, welcomed: Some(now), pauses: 0 }
    }

    /// Another link was welcomed at `now`.
    pub const fn welcome(&mut self, now: f64) {
        *self = Self { pauses: self.pauses, ..Self::new(now) };
    }

    /// Something has arrived at `now`.
    pub const fn hear(&mut self, now: f64) {
        (self.heard, self.next, self.attempts) = (now, now, 0);
    }

    /// A timer that was due at `due` has fired at `now`. If that is late, the process did not run
    /// in between, and that time is no silence.
    pub fn wake(&mut self, due: f64, now: f64) {
        let late = now - due;
        if late > LATE_MS {
            self.heard = (self.heard + late).min(now);
            self.next = self.next.max(self.heard);
        }
    }

    /// When the link becomes suspect, and a second one is opened beside it: not before what was
    /// tried last is over. `round_trip` is the shortest of late.
    #[must_use]
    pub fn suspect_at(&self, round_trip: Option<f64>) -> f64 {
        (self.heard + SUSPECT_MS + round_trip.unwrap_or(0.0)).max(self.next)
    }

    /// When to ping more often than once a second.
    #[must_use]
    pub const fn eager(&self) -> f64 {
        self.heard + UNEASY_MS
    }

    /// Begins an attempt at `now`, and returns how long it may take, in ms.
    pub fn attempt(&mut self, now: f64, round_trip: Option<f64>) -> f64 {
        let trips = ATTEMPT_MS / 2.0 + ATTEMPT_TRIPS * round_trip.unwrap_or(0.0);
        let doubled = 2_f64.powi(self.attempts.saturating_sub(BRISK - 1).min(16) as i32);
        // Without a link there are pauses, and an attempt that is given up early costs another one.
        let patience = if self.welcomed.is_none() { self.backoff() } else { 0.0 };
        let limit = (trips.max(ATTEMPT_MS) * doubled).max(patience).min(LONGEST_ATTEMPT_MS);
        self.attempts += 1;
        self.next = now + limit;
        limit
    }

    /// The pause before the next attempt once there is no link at `now`, in ms. `retry_ms` is the
    /// time that the server named, `chance` is from 0 to 1.
    pub fn pause(&mut self, now: f64, retry_ms: Option<u32>, chance: f64) -> f64 {
        if self.welcomed.take().is_some_and(|welcomed| now - welcomed > GOOD_MS) {
            self.pauses = 0;
        }
        let backoff = self.backoff();
        self.pauses += 1;
        match retry_ms {
            Some(retry_ms) => f64::from(retry_ms) * (1.0 + chance),
            None => backoff * (0.5 + chance),
        }
    }

    /// The next pause before it is drawn, in ms.
    fn backoff(&self) -> f64 {
        (BACKOFF_MS * 2_f64.powi(self.pauses.min(16) as i32)).min(BACKOFF_MAX_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_link_is_suspect_after_a_pong_and_a_half() {
        let mut redial = Redial::new(0.0);
        redial.hear(1_000.0);
        assert_eq!(redial.suspect_at(None), 2_500.0);
        assert_eq!(redial.suspect_at(Some(600.0)), 3_100.0, "a pong may be under way");
        assert!(redial.eager() < redial.suspect_at(None) - 200.0);
    }

    #[test]
    fn attempts_follow_each_other_while_the_silence_lasts() {
        let mut redial = Redial::new(0.0);
        let mut now = redial.suspect_at(Some(50.0));
        let mut begun = Vec::new();
        while now < 5_500.0 {
            begun.push(now);
            let limit = redial.attempt(now, Some(50.0));
            assert_eq!(limit, 800.0, "five round trips, and one to repeat");
            now = redial.suspect_at(Some(50.0));
            assert_eq!(now, begun.last().unwrap() + limit, "not before the last one is over");
        }
        assert_eq!(begun.len(), 5);
        redial.hear(5_600.0);
        assert_eq!(redial.suspect_at(Some(50.0)), 7_150.0);
    }

    #[test]
    fn an_attempt_may_take_as_long_as_the_path_needs() {
        assert_eq!(Redial::new(0.0).attempt(0.0, Some(300.0)), 2_800.0);
        let mut redial = Redial::new(0.0);
        let limits: Vec<_> = (0..11).map(|n| redial.attempt(f64::from(n), None)).collect();
        assert_eq!(limits[..6], [800.0; 6]);
        assert_eq!(limits[6..], [1_600.0, 3_200.0, 6_400.0, 10_000.0, 10_000.0]);
    }

    #[test]
    fn attempts_grow_with_the_pauses_once_there_is_no_link() {
        let mut redial = Redial::new(0.0);
        let limits: Vec<_> = (0..4)
            .map(|_| {
                redial.pause(0.0, None, 0.5);
                redial.attempt(0.0, None)
            })
            .collect();
        assert_eq!(limits, [800.0, 1_000.0, 2_000.0, 4_000.0]);
        (0..9).for_each(|_| assert!(redial.pause(0.0, None, 0.5) > 0.0));
        assert_eq!(redial.attempt(0.0, None), 10_000.0);
        redial.welcome(1.0);
        assert_eq!(redial.attempt(1.0, None), 800.0);
    }

    #[test]
    fn time_in_which_the_process_did_not_run_is_no_silence() {
        let mut redial = Redial::new(0.0);
        // Stopped for a minute, 0.4 s after something arrived; the next ping was due at 1 s.
        redial.wake(1_000.0, 60_400.0);
        assert_eq!(redial.suspect_at(None), 59_400.0 + 1_500.0);
        // A timer is never quite on time.
        redial.wake(60_900.0, 60_950.0);
        assert_eq!(redial.suspect_at(None), 60_900.0);
    }

    #[test]
    fn pauses_grow_and_differ_and_follow_the_server() {
        let mut redial = Redial::new(0.0);
        assert_eq!(redial.clone().pause(1.0, None, 0.0), 125.0);
        assert_eq!(redial.pause(1.0, None, 1.0), 375.0);
        assert_eq!(redial.pause(2.0, None, 0.5), 500.0);
        assert_eq!(redial.pause(3.0, Some(2_000), 0.25), 2_500.0);
        assert_eq!(redial.pause(4.0, None, 0.5), 2_000.0);
        for _ in 0..30 {
            redial.pause(5.0, None, 0.5);
        }
        assert_eq!(redial.pause(6.0, None, 1.0), 15_000.0);
    }

    #[test]
    fn pauses_begin_again_after_a_good_link_however_long_it_was_silent() {
        let mut redial = Redial::new(0.0);
        redial.pause(10_000.0, None, 0.5);
        redial.pause(20_000.0, None, 0.5);
        redial.welcome(21_000.0);
        assert_eq!(redial.pause(22_000.0, None, 0.5), 1_000.0, "welcomed, and ended at once");
        redial.welcome(30_000.0);
        for _ in 0..20 {
            redial.attempt(32_000.0, None);
        }
        assert_eq!(redial.pause(45_000.0, None, 0.5), 250.0);
        assert_eq!(redial.pause(46_000.0, None, 0.5), 500.0);
    }
}
