//! Which poses a client sends, and when (docs/PROTOCOL.md, section 4). Pure: time is an argument.

use gpys_proto::pose::{Extra, Pose};
use gpys_proto::wire::Sample;

/// Number of quick repeats after a new pose.
const QUICK_REPEATS: u32 = 3;
/// Interval of the quick repeats, in ms.
const QUICK_MS: f64 = 1_000.0;
/// Interval of later repeats, in ms.
const SLOW_MS: f64 = 5_000.0;

/// A copy follows its pose after this time, which outlasts most bursts of losses, in ms.
const COPY_MS: f64 = 6.0;
/// New poses further apart than this are copied, in ms; of faster ones, the next comes soon enough.
const SPARSE_MS: f64 = 40.0;

/// Latest wins: keeps only the newest pose, paces itself, and repeats the last pose now and then to
/// make up for a lost one.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Interval of new poses, in ms.
    pace: f64,
    /// When the next new pose may go, in ms, at that pace.
    turn: f64,
    waiting: Option<(Pose, Extra)>,
    last: Option<Sent>,
    /// Whether the server misses poses and wants copies of sparse ones.
    copies: bool,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    sample: Sample,
    /// When it was new, in ms.
    at: f64,
    /// When its copy is due, in ms.
    copy_at: Option<f64>,
    repeats: u32,
    /// When to repeat it next, in ms.
    repeat_at: f64,
}

impl Sender {
    /// Creates a sender of at most `pose_hz` new poses a second.
    #[must_use]
    pub fn new(pose_hz: u8) -> Self {
        let pace = 1_000.0 / f64::from(pose_hz.max(1));
        Self { pace, turn: 0.0, waiting: None, last: None, copies: false }
    }

    /// Sends copies of new poses from now on, or no more of them.
    pub const fn set_copies(&mut self, wanted: bool) {
        self.copies = wanted;
    }

    /// Takes a new pose, with its motion and state, in place of one that still waits. One equal to
    /// the last one sent is dropped.
    pub fn offer(&mut self, pose: Pose, extra: Extra) {
        let news = self.last.is_none_or(|last| {
            let (old, old_extra) = (last.sample.pose, last.sample.extra);
            (old.position, old.orientation, old.accuracy, old_extra)
                != (pose.position, pose.orientation, pose.accuracy, extra)
        });
        self.waiting = news.then_some((pose, extra));
    }

    /// The newest pose, with its motion and state: one that still waits, or else the last one sent.
    #[must_use]
    pub fn newest(&self) -> Option<(Pose, Extra)> {
        self.waiting.or_else(|| self.last.map(|last| (last.sample.pose, last.sample.extra)))
    }

    /// When [`Sender::poll`] next has something to send, in ms.
    #[must_use]
    pub fn due(&self) -> Option<f64> {
        let copy = self.last.and_then(|last| last.copy_at);
        match (self.waiting, self.last) {
            // A sensor at the pace is never quite even. Half a turn of slack keeps one late sample
            // from delaying all later ones.
            (Some(_), _) => {
                let turn = self.turn - self.pace / 2.0;
                Some(copy.map_or(turn, |copy| copy.min(turn)))
            }
            (None, last) => last.map(|last| copy.unwrap_or(last.repeat_at)),
        }
    }

    /// Returns what to send at `now` ms, if anything, and whether it is new.
    pub fn poll(&mut self, now: f64) -> Option<(Sample, bool)> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        if self.turn - self.pace / 2.0 <= now
            && let Some((pose, extra)) = self.waiting.take()
        {
            let sparse = self.last.is_none_or(|last| now - last.at > SPARSE_MS);
            let copy_at = (self.copies && sparse).then_some(now + COPY_MS);
            let seq = self.last.map_or(0, |last| last.sample.seq.wrapping_add(1));
            let sample = Sample { seq, pose, extra };
            self.turn = self.turn.max(now) + self.pace;
            self.last =
                Some(Sent { sample, at: now, copy_at, repeats: 0, repeat_at: now + QUICK_MS });
            return Some((sample, true));
        }
        let last = self.last.as_mut()?;
        if last.copy_at.take().is_some() {
            return Some((last.sample, false));
        }
        last.repeats += 1;
        last.repeat_at = now + if last.repeats < QUICK_REPEATS { QUICK_MS } else { SLOW_MS };
        Some((last.sample, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gpys_proto::geo::Position;
    use gpys_proto::pose::Accuracy;
    use gpys_proto::time::Time;

    fn pose(lat: i32, sampled: u64) -> Pose {
        Pose {
            position: Position::new(lat, 0).unwrap(),
            orientation: None,
            accuracy: Accuracy::UNKNOWN,
            sampled: Time::from_ms(sampled),
        }
    }

    #[test]
    fn only_the_newest_pose_waits_for_its_turn() {
        let mut sender = Sender::new(10);
        sender.offer(pose(1, 0), Extra::default());
        assert_eq!(sender.poll(0.0).unwrap().0, Sample::new(0, pose(1, 0)));
        sender.offer(pose(2, 20), Extra::default());
        assert_eq!(sender.poll(20.0), None);
        sender.offer(pose(3, 40), Extra::default());
        assert_eq!(sender.due(), Some(50.0));
        assert_eq!(sender.poll(50.0), Some((Sample::new(1, pose(3, 40)), true)));
        sender.offer(pose(4, 120), Extra::default());
        assert_eq!(sender.poll(149.0), None);
        assert_eq!(sender.poll(150.0), Some((Sample::new(2, pose(4, 120)), true)));
    }

    #[test]
    fn a_sensor_at_the_pace_never_waits() {
        let mut sender = Sender::new(60);
        let mut random = fastrand::Rng::with_seed(1);
        for n in 0..1_000_u16 {
            let now = f64::from(n) * 1_000.0 / 59.8 + 6.0 * random.f64();
            sender.offer(pose(n.into(), n.into()), Extra::default());
            assert!(sender.poll(now).is_some_and(|(_, new)| new), "{n}");
        }
    }

    #[test]
    fn repeats_keep_the_number_and_time_of_the_last_pose() {
        let mut sender = Sender::new(30);
        sender.offer(pose(1, 5), Extra::default());
        sender.poll(0.0);
        let mut times = Vec::new();
        for now in 1..=20_000 {
            // A device that stands still offers the same position again and again.
            sender.offer(pose(1, now), Extra::default());
            if let Some((sample, new)) = sender.poll(now as f64) {
                assert_eq!((sample, new), (Sample::new(0, pose(1, 5)), false));
                times.push(now);
            }
        }
        assert_eq!(times, [1_000, 2_000, 3_000, 8_000, 13_000, 18_000]);
    }

    #[test]
    fn sparse_poses_are_copied_while_the_server_wants_it() {
        let mut sender = Sender::new(60);
        let sent = |sender: &mut Sender, from: u32, every: u32| {
            let mut sent = Vec::new();
            for now in from..from + 400 {
                if (now - from).is_multiple_of(every) {
                    sender.offer(pose(now as i32, now.into()), Extra::default());
                }
                if let Some((sample, new)) = sender.poll(now.into()) {
                    sent.push((now - from, sample.seq, new));
                }
            }
            sent
        };
        let count = |sent: &[(u32, u32, bool)], new| sent.iter().filter(|it| it.2 == new).count();
        assert_eq!(count(&sent(&mut sender, 0, 100), false), 0);
        sender.set_copies(true);
        let slow = sent(&mut sender, 1_000, 100);
        assert_eq!(slow[..4], [(0, 4, true), (6, 4, false), (100, 5, true), (106, 5, false)]);
        assert_eq!(slow.len(), 8);
        let fast = sent(&mut sender, 2_000, 20);
        assert_eq!((count(&fast, true), count(&fast, false)), (20, 1), "the first one's");
        sender.set_copies(false);
        assert_eq!(count(&sent(&mut sender, 3_000, 100), false), 0);
    }

    #[test]
    fn motion_and_state_are_news_like_a_place() {
        let mut sender = Sender::new(10);
        let state = |state| Extra { motion: None, state };
        sender.offer(pose(1, 0), state(1));
        assert_eq!(sender.poll(0.0).unwrap().0.extra, state(1));
        sender.offer(pose(1, 100), state(2));
        assert_eq!(sender.newest(), Some((pose(1, 100), state(2))));
        assert_eq!(sender.poll(100.0).unwrap().0.extra, state(2));
        sender.offer(pose(1, 200), state(2));
        assert_eq!(sender.poll(200.0), None);
    }

    #[test]
    fn sends_nothing_before_the_first_pose() {
        let mut sender = Sender::new(30);
        assert_eq!((sender.due(), sender.poll(1e9)), (None, None));
    }
}
