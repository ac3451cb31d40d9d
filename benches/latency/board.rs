//! Who took which sample when, and who knows which: the benchmark's only clock, and the truth that
//! ages are measured against. Positions alone tell samples apart ([`crate::track`]), so no codec
//! has to be trusted.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use gpys::proto::geo::Position;

use crate::ages::Ages;
use crate::tally::Tally;
use crate::track::{Mark, PERIOD};

/// The interval between looks at all pictures.
pub const LOOK: Duration = Duration::from_millis(10);
/// The age above which a picture is stale, in us.
const STALE_US: u64 = 100_000;
/// Number of samples before an arrived one whose fate it may settle; older ones have missed every
/// deadline, and their times may be overwritten.
const SKIPPED: u32 = PERIOD / 2;
/// How long before its beginning a measurement is set up, in us: every sample that it waits for is
/// counted when it is taken.
const LEAD_US: u64 = 1_000;
/// Number of looks per point of the timeline: 100 ms.
const LOOKS_PER_POINT: u32 = 10;

/// What every peer in one room has sent and knows.
#[derive(Debug)]
pub struct Board {
    epoch: Instant,
    people: u32,
    /// When a sample was taken, in us since the epoch, by peer and number modulo [`PERIOD`].
    taken: Vec<AtomicU64>,
    /// Number of samples taken by each peer.
    count: Vec<AtomicU32>,
    /// One more than the newest sample of each peer that each receiver knows; 0 for none.
    known: Vec<AtomicU32>,
    eyes: Vec<Mutex<Eye>>,
    measuring: AtomicBool,
    tally: OnceLock<Tally>,
}

/// Measurements of one receiver.
#[derive(Debug, Default)]
struct Eye {
    ages: Ages,
    /// When the first position of another peer arrived, in us since the epoch.
    first: Option<u64>,
    /// Number of positions that belong to no peer.
    strange: u64,
}

/// The aggregate of looks at all pictures.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    pub ages: Ages,
    pub looks: u64,
    pub stale: u64,
    /// Timeline points: (s since the start, median in ms, maximum in ms).
    pub timeline: Vec<(f64, f64, f64)>,
    point: Ages,
    looks_in_point: u32,
}

impl Board {
    pub fn new(people: u32) -> Arc<Self> {
        let n = people as usize;
        Arc::new(Self {
            epoch: Instant::now(),
            people,
            taken: (0..n * PERIOD as usize).map(|_| AtomicU64::new(0)).collect(),
            count: (0..n).map(|_| AtomicU32::new(0)).collect(),
            known: (0..n * n).map(|_| AtomicU32::new(0)).collect(),
            eyes: (0..n).map(|_| Mutex::default()).collect(),
            measuring: AtomicBool::new(false),
            tally: OnceLock::new(),
        })
    }

    /// The time in us since the epoch.
    pub fn now(&self) -> u64 {
        self.epoch.elapsed().as_micros() as u64
    }

    /// Takes a sample of `person` now, and returns its number.
    pub fn take(&self, person: u32) -> u32 {
        let number = self.count[person as usize].load(Ordering::Relaxed);
        let now = self.now();
        self.taken(person, number).store(now, Ordering::Relaxed);
        if let Some(tally) = self.tally.get() {
            tally.take(person, now);
        }
        self.count[person as usize].store(number + 1, Ordering::Release);
        number
    }

    /// Records that `receiver` received a position.
    pub fn see(&self, receiver: u32, position: Position) {
        let now = self.now();
        let mut eye = self.eye(receiver);
        let Some(Mark { person, .. }) = Mark::of(position).filter(|mark| mark.person < self.people)
        else {
            eye.strange += 1;
            return;
        };
        if person == receiver {
            return;
        }
        eye.first.get_or_insert(now);
        let known = self.known(receiver, person);
        let old = known.load(Ordering::Relaxed);
        let count = self.count[person as usize].load(Ordering::Acquire);
        let newest = if old == 0 { count.saturating_sub(1) } else { old - 1 };
        let Some(mark) = Mark::of(position) else { return };
        let number = mark.number(newest);
        // On any transport, only samples newer than the known one are news.
        if number < old || number >= count {
            return;
        }
        known.store(number + 1, Ordering::Relaxed);
        let taken = self.taken(person, number).load(Ordering::Relaxed);
        if self.measuring.load(Ordering::Relaxed) {
            eye.ages.record(now.saturating_sub(taken));
        }
        let Some(tally) = self.tally.get() else { return };
        tally.arrive(person, taken, now);
        // Those that it replaces are lost, or will come late.
        for skipped in old.max(number.saturating_sub(SKIPPED))..number {
            tally.settle(person, self.taken(person, skipped).load(Ordering::Relaxed), now);
        }
    }

    /// Whether each of `receivers` knows a sample of every peer.
    pub fn is_full(&self, receivers: &[u32]) -> bool {
        receivers.iter().all(|&receiver| {
            let others = (0..self.people).filter(|&person| person != receiver);
            others.into_iter().all(|person| {
                self.count[person as usize].load(Ordering::Relaxed) == 0
                    || self.known(receiver, person).load(Ordering::Relaxed) > 0
            })
        })
    }

    /// Starts measuring, for this time. Measures once.
    pub fn begin(&self, time: Duration) {
        (0..self.people).for_each(|receiver| self.eye(receiver).ages.clear());
        let begin = || self.now() + LEAD_US;
        self.tally.get_or_init(|| Tally::new(self.people, time, begin));
        self.measuring.store(true, Ordering::Relaxed);
    }

    /// What is counted by sender and second, once measuring has begun.
    pub fn tally(&self) -> Option<&Tally> {
        self.tally.get()
    }

    /// Stops measuring ages. Returns those of everything that arrived in between.
    pub fn end(&self) -> Ages {
        self.measuring.store(false, Ordering::Relaxed);
        let mut all = Ages::default();
        (0..self.people).for_each(|receiver| all.add(&self.eye(receiver).ages));
        all
    }

    /// When `receiver` first received another peer's position, in us since the epoch.
    pub fn first(&self, receiver: u32) -> Option<u64> {
        self.eye(receiver).first
    }

    /// The number of positions that belong to no peer, which must be zero.
    pub fn strange(&self) -> u64 {
        (0..self.people).map(|receiver| self.eye(receiver).strange).sum()
    }

    /// Looks once at the pictures of `receivers`. Peers that a receiver does not know yet, or that
    /// took no sample, are not in its picture.
    pub fn look(&self, receivers: &[u32], picture: &mut Picture) {
        let now = self.now();
        for &receiver in receivers {
            for person in (0..self.people).filter(|&person| person != receiver) {
                let known = self.known(receiver, person).load(Ordering::Relaxed);
                if known == 0 {
                    continue;
                }
                let taken = self.taken(person, known - 1).load(Ordering::Relaxed);
                let age = now.saturating_sub(taken);
                picture.record(age);
                if let Some(tally) = self.tally.get() {
                    tally.look(person, age, now);
                }
            }
        }
        picture.end_look();
    }

    /// The age of the oldest sample in the picture of `receiver`, in us.
    pub fn oldest(&self, receiver: u32) -> u64 {
        let now = self.now();
        let others = (0..self.people).filter(|&person| person != receiver);
        let ages = others.map(|person| {
            let known = self.known(receiver, person).load(Ordering::Relaxed);
            if known == 0 {
                return 0;
            }
            now.saturating_sub(self.taken(person, known - 1).load(Ordering::Relaxed))
        });
        ages.max().unwrap_or(0)
    }

    /// The share of the first `receivers`' pictures that is at most `us` old.
    pub fn fresh_share(&self, receivers: u32, us: u64) -> f64 {
        let (now, mut fresh, mut all) = (self.now(), 0_u32, 0_u32);
        for receiver in 0..receivers.min(self.people) {
            for person in (0..self.people).filter(|&person| person != receiver) {
                let known = self.known(receiver, person).load(Ordering::Relaxed);
                all += 1;
                fresh += u32::from(
                    known > 0 && {
                        let taken = self.taken(person, known - 1).load(Ordering::Relaxed);
                        now.saturating_sub(taken) <= us
                    },
                );
            }
        }
        f64::from(fresh) / f64::from(all.max(1))
    }

    fn taken(&self, person: u32, number: u32) -> &AtomicU64 {
        &self.taken[(person * PERIOD + number % PERIOD) as usize]
    }

    fn known(&self, receiver: u32, person: u32) -> &AtomicU32 {
        &self.known[(receiver * self.people + person) as usize]
    }

    fn eye(&self, receiver: u32) -> std::sync::MutexGuard<'_, Eye> {
        self.eyes[receiver as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Picture {
    fn record(&mut self, us: u64) {
        self.ages.record(us);
        self.point.record(us);
        self.looks += 1;
        self.stale += u64::from(us > STALE_US);
    }

    fn end_look(&mut self) {
        self.looks_in_point += 1;
        if self.looks_in_point < LOOKS_PER_POINT {
            return;
        }
        let seconds = self.timeline.len() as f64 * f64::from(LOOKS_PER_POINT) * LOOK.as_secs_f64();
        let Self { point, timeline, .. } = self;
        let percentiles = point.percentiles();
        timeline.push((seconds, percentiles.p50, percentiles.max));
        point.clear();
        self.looks_in_point = 0;
    }

    /// The share of looks at pictures older than 100 ms.
    pub fn stale_share(&self) -> f64 {
        self.stale as f64 / self.looks.max(1) as f64
    }
}
