//! A room with walkers and viewers, and the cost of its ticks.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use gpys::proto::geo::{Cell, Cover, Position, Viewport};
use gpys::proto::pose::{Accuracy, Orientation, Pose};
use gpys::proto::time::Time;
use gpys::proto::wire::bits::BitWriter;
use gpys::proto::wire::frame::{self, ChunkKind, Coding, Entry, Ids, Page};
use gpys::proto::wire::{PeerId, PublicId, ResumeToken, Sample};
use gpys::proto::world::{Arrival, Feedback, Newcomer, Parting, RoomSettings, World};
use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

/// Units of 1e-7 degree in a metre of latitude, and of longitude at [`MIDDLE`].
pub(crate) const NORTH: f64 = 89.83;
pub(crate) const EAST: f64 = 128.73;
/// The middle of every room, in degrees.
pub(crate) const MIDDLE: (f64, f64) = (45.75, 14.36);
/// A phone at street zoom, in metres, with about [`IN_VIEW`] people on it.
pub(crate) const VIEWPORT: (f64, f64) = (240.0, 430.0);
pub(crate) const IN_VIEW: f64 = 100.0;
/// Ticks between two poses of a person: 10 Hz at 30 Hz.
pub(crate) const POSE_TICKS: u64 = 3;
pub(crate) const TICK_HZ: u64 = 30;

/// The layout of a room.
#[derive(Clone, Copy)]
pub(crate) enum Crowd {
    /// The same density whatever the room's size; each viewer looks at its surroundings.
    Spread,
    /// All in one cell of 80 m.
    OneCell,
    /// All within each viewer's viewport, with budgets that carry them all.
    AllInView,
}

/// A person who walks and tilts.
pub(crate) struct Walker {
    pub(crate) at: (f64, f64),
    pub(crate) step: (f64, f64),
    pub(crate) pose: Pose,
}

/// A room with as many viewers as walkers, or fewer; the viewers walk as well.
pub(crate) struct Room {
    pub(crate) world: World,
    pub(crate) walkers: Vec<Walker>,
    pub(crate) wide: f64,
    pub(crate) tall: f64,
    pub(crate) max_len: usize,
    /// The budget of every viewer, in bytes a second.
    pub(crate) budget: u32,
    /// Ticks since the beginning.
    pub(crate) tick: u64,
    pub(crate) now: Time,
    pub(crate) random: fastrand::Rng,
    pub(crate) out: Vec<u8>,
    pub(crate) samples: Vec<(PeerId, Sample)>,
}

/// Returns this thread's running time, so that other work on the machine counts less.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The cost of one tick, and its output.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) time: Duration,
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
}

pub(crate) fn position((east, north): (f64, f64)) -> Position {
    let middle = Position::from_degrees(MIDDLE.0, MIDDLE.1).unwrap();
    let lat = middle.lat() + (north * NORTH) as i32;
    Position::new(lat, middle.lng() + (east * EAST) as i32).unwrap()
}

pub(crate) fn viewport((east, north): (f64, f64)) -> Viewport {
    let (wide, tall) = (VIEWPORT.0 / 2.0, VIEWPORT.1 / 2.0);
    let (low, high) =
        (position((east - wide, north - tall)), position((east + wide, north + tall)));
    Viewport { south: low.lat(), west: low.lng(), north: high.lat(), east: high.lng(), zoom: 174 }
}

impl Room {
    pub(crate) fn new(people: usize, viewers: usize, crowd: Crowd) -> Self {
        let mut random = fastrand::Rng::with_seed(people as u64);
        let (wide, tall) = match crowd {
            Crowd::Spread => {
                let scale = (people as f64 / IN_VIEW).sqrt();
                (VIEWPORT.0 * scale, VIEWPORT.1 * scale)
            }
            Crowd::OneCell => (40.0, 60.0),
            Crowd::AllInView => VIEWPORT,
        };
        let mut settings = RoomSettings::default();
        let max_len = if matches!(crowd, Crowd::AllInView) {
            settings.default_budget = settings.limits.max_budget;
            60_000
        } else {
            usize::from(settings.limits.max_frame)
        };
        let now = Time::from_ms(1_000);
        let mut room = Self {
            world: World::new(settings, 7),
            walkers: Vec::with_capacity(people),
            wide,
            tall,
            max_len,
            budget: settings.default_budget,
            tick: 0,
            now,
            random: fastrand::Rng::with_seed(9),
            out: Vec::new(),
            samples: Vec::new(),
        };
        for index in 0..people {
            let mut at = (wide * (random.f64() - 0.5), tall * (random.f64() - 0.5));
            if matches!(crowd, Crowd::OneCell) {
                // The middle of the cell around MIDDLE, which itself may be at a border.
                let cell = Cell::at(0, position((0.0, 0.0)));
                let (mid, origin) = (cell.position(512, 512), position((0.0, 0.0)));
                at.0 += f64::from(mid.lng() - origin.lng()) / EAST;
                at.1 += f64::from(mid.lat() - origin.lat()) / NORTH;
            }
            let looks = match crowd {
                // Within the room's edge, so that small and large rooms show as many people.
                Crowd::Spread => {
                    let (east, north) = (wide / 2.0 - 200.0, tall / 2.0 - 350.0);
                    viewport((at.0.clamp(-east, east), at.1.clamp(-north, north)))
                }
                Crowd::OneCell | Crowd::AllInView => viewport((0.0, 0.0)),
            };
            let id = PeerId(index as u32);
            room.join(id, (index < viewers).then_some(looks));
            let heading = random.f64() * std::f64::consts::TAU;
            let pose = Pose {
                position: position(at),
                orientation: Some(Orientation::from_code(random.u32(..130_000_000)).unwrap()),
                accuracy: Accuracy::from_metres(5.0),
                sampled: now,
            };
            let step = (0.14 * heading.sin(), 0.14 * heading.cos());
            room.walkers.push(Walker { at, step, pose });
            room.world.handle_pose(id, Sample::new(0, pose));
        }
        room
    }

    /// Lets a person in. One who does not look has no link, as if the server were a relay, and
    /// never counts as silent.
    pub(crate) fn join(&mut self, id: PeerId, looks: Option<Viewport>) {
        let newcomer = Newcomer {
            id,
            uuid: PublicId(Uuid::from_u128(id.0.into())),
            token: ResumeToken::mint(id, [0; 12]),
            arrival: Arrival { viewport: looks, ..Arrival::default() },
        };
        self.world.join(newcomer, self.now).unwrap();
        if looks.is_none() {
            self.world.detach(id, Parting::Lost(Time::from_ms(1 << 40)), self.now);
        }
        // The path carries any rate.
        let quiet = Feedback { sent: 1, rtt_ms: 10, ..Feedback::default() };
        while self.world.budget(id).is_some_and(|budget| budget < self.budget) {
            self.world.handle_feedback(id, quiet, self.now);
        }
        while self.world.poll_event().is_some() {}
    }

    /// Makes the poses of the next tick: all walk on, turn round at the room's edge, and tilt.
    pub(crate) fn walk(&mut self) {
        self.samples.clear();
        let (tick, now) = (self.tick, self.now);
        let (wide, tall) = (self.wide / 2.0 + 20.0, self.tall / 2.0 + 20.0);
        for (index, walker) in self.walkers.iter_mut().enumerate() {
            if !(index as u64 + tick).is_multiple_of(POSE_TICKS) {
                continue;
            }
            let Walker { at, step, pose } = walker;
            if at.0.abs() > wide && at.0 * step.0 > 0.0 {
                step.0 = -step.0;
            }
            if at.1.abs() > tall && at.1 * step.1 > 0.0 {
                step.1 = -step.1;
            }
            (at.0, at.1) = (at.0 + step.0, at.1 + step.1);
            let code = pose.orientation.unwrap().code() + 323 * self.random.u32(..8);
            pose.orientation = Some(Orientation::from_code(code % 130_000_000).unwrap());
            pose.position = position(*at);
            pose.sampled = now - self.random.u64(10..40);
            self.samples.push((PeerId(index as u32), Sample::new(tick as u32 + 1, *pose)));
        }
        // Poses arrive in no order.
        self.random.shuffle(&mut self.samples);
    }

    /// Runs a tick, from poses to frames, and returns its cost.
    pub(crate) fn tick(&mut self) -> Cost {
        self.walk();
        self.tick += 1;
        let end = Time::from_ms(1_000).after_us(self.tick * 1_000_000 / TICK_HZ);
        let mut cost = Cost::default();
        let begin = cpu_time();
        for &(id, sample) in &self.samples {
            self.world.handle_pose(id, sample);
        }
        while let Some(next) = self.world.poll_timeout().filter(|&next| next < end) {
            self.now = self.now.max(next);
            self.world.handle_timeout(self.now);
            while let Some(event) = self.world.poll_event() {
                black_box(event);
            }
            while let Some(id) = self.world.poll_viewer() {
                self.out.clear();
                if self.world.poll_frame(id, self.max_len, self.now, &mut self.out) {
                    cost.frames += 1;
                    cost.bytes += black_box(&self.out).len();
                }
            }
        }
        cost.time = cpu_time() - begin;
        self.now = end;
        cost
    }

    pub(crate) fn ticks(&mut self, n: usize) -> Vec<Cost> {
        (0..n).map(|_| self.tick()).collect()
    }

    /// Makes the same room's frames without sharing: each viewer looks through all people, and
    /// sorts and encodes those it sees: `all` of them, as a server without deltas does, or only
    /// those who changed in this tick.
    pub(crate) fn naive_tick(&mut self, viewers: usize, all: bool) -> Cost {
        self.walk();
        self.tick += 1;
        let looks = viewport((0.0, 0.0));
        let cover = Cover::of(looks);
        let coding = Coding::from(Ids::between(0, self.walkers.len() as u32));
        let mut cost = Cost::default();
        let begin = cpu_time();
        for _ in 0..viewers {
            let mut cells: BTreeMap<u32, Vec<Entry>> = BTreeMap::new();
            let mut see = |id: PeerId, pose: &Pose| {
                let cell = Cell::at(cover.level, pose.position);
                let Some(index) = cover.index(cell) else { return };
                let age = frame::age_code(self.now.since(pose.sampled));
                cells.entry(index).or_default().push(Entry {
                    id,
                    position: pose.position,
                    orientation: pose.orientation,
                    age,
                    accuracy: pose.accuracy,
                    hidden: false,
                    extra: 0,
                });
            };
            if all {
                let people = self.walkers.iter().enumerate();
                people.for_each(|(index, walker)| see(PeerId(index as u32), &walker.pose));
            } else {
                self.samples.iter().for_each(|(id, sample)| see(*id, &sample.pose));
            }
            let mut bits = BitWriter::default();
            frame::write_header(&mut bits, self.now, cover, coding);
            let (mut last, kind) = (0, if all { ChunkKind::Key } else { ChunkKind::Delta });
            for (index, mut entries) in cells {
                entries.sort_unstable_by_key(|entry| entry.id);
                frame::write_link(&mut bits, index - last);
                last = index;
                let cell = cover.cell(index);
                frame::write_chunk(&mut bits, cell, kind, Page::default(), coding, &entries, &[]);
            }
            frame::write_end(&mut bits);
            self.out.clear();
            bits.write_bytes(&mut self.out);
            cost.frames += 1;
            cost.bytes += black_box(&self.out).len();
        }
        cost.time = cpu_time() - begin;
        self.now = self.now + 33;
        cost
    }
}
