//! What a tick of a room costs: `cargo bench --bench world`.
//!
//! Without arguments it prints the table of bars, measured with all rooms interleaved in one run,
//! and then lets criterion time single ticks; `cargo bench --bench world -- --bars` and
//! `-- --criterion` do one of the two.
//!
//! A tick is all that a server does for a room in 33.3 ms: the poses of a third of the people (10
//! Hz each) go in, timeouts run, and every viewer whose turn it is gets its frame composed.

#![allow(clippy::print_stdout, reason = "the figures are what this bench is for")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench may panic")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use gpys::proto::geo::{Cell, Cover, Position, Viewport};
use gpys::proto::pose::{Accuracy, Orientation, Pose};
use gpys::proto::time::Time;
use gpys::proto::wire::bits::BitWriter;
use gpys::proto::wire::frame::{self, ChunkKind, Entry, Ids, Page};
use gpys::proto::wire::{PeerId, PublicId, ResumeToken, Sample};
use gpys::proto::world::{Arrival, Feedback, Newcomer, Parting, RoomSettings, World};
use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

/// Units of 1e-7 degree in a metre of latitude, and of longitude at [`MIDDLE`].
const NORTH: f64 = 89.83;
const EAST: f64 = 128.73;
/// The middle of every room, in degrees.
const MIDDLE: (f64, f64) = (45.75, 14.36);
/// A phone at street zoom, in metres, with about [`IN_VIEW`] people on it.
const VIEWPORT: (f64, f64) = (240.0, 430.0);
const IN_VIEW: f64 = 100.0;
/// Every how many ticks somebody sends a pose: 10 Hz at 30 Hz.
const POSE_TICKS: u64 = 3;
const TICK_HZ: u64 = 30;

/// How the people of a room stand.
#[derive(Clone, Copy)]
enum Crowd {
    /// As many to a viewport whatever the room's size, each viewer looking at its surroundings.
    Spread,
    /// All in one cell of 80 m.
    OneCell,
    /// All within everybody's viewport, and budgets that carry them all.
    AllInView,
}

/// Somebody who walks and tilts.
struct Walker {
    at: (f64, f64),
    step: (f64, f64),
    pose: Pose,
}

/// A room with as many viewers as walkers, or fewer; the viewers walk as well.
struct Room {
    world: World,
    walkers: Vec<Walker>,
    wide: f64,
    tall: f64,
    max_len: usize,
    /// What every viewer may be sent, in bytes a second.
    budget: u32,
    /// Ticks since the beginning.
    tick: u64,
    now: Time,
    random: fastrand::Rng,
    out: Vec<u8>,
    samples: Vec<(PeerId, Sample)>,
}

/// The time that this thread ran, so that what else the machine does counts less.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What one tick cost and made.
#[derive(Clone, Copy, Default)]
struct Cost {
    time: Duration,
    frames: usize,
    bytes: usize,
}

fn position((east, north): (f64, f64)) -> Position {
    let middle = Position::from_degrees(MIDDLE.0, MIDDLE.1).unwrap();
    let lat = middle.lat() + (north * NORTH) as i32;
    Position::new(lat, middle.lng() + (east * EAST) as i32).unwrap()
}

fn viewport((east, north): (f64, f64)) -> Viewport {
    let (wide, tall) = (VIEWPORT.0 / 2.0, VIEWPORT.1 / 2.0);
    let (low, high) =
        (position((east - wide, north - tall)), position((east + wide, north + tall)));
    Viewport { south: low.lat(), west: low.lng(), north: high.lat(), east: high.lng(), zoom: 174 }
}

impl Room {
    fn new(people: usize, viewers: usize, crowd: Crowd) -> Self {
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
        let now = Time(1_000);
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
                // Not over the room's edge, so that small and large rooms show as many people.
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
            room.world.handle_pose(id, Sample { seq: 0, pose }, now);
        }
        room
    }

    /// Lets somebody in; whoever does not look has no link, as if the server were a relay, and is
    /// never found silent.
    fn join(&mut self, id: PeerId, looks: Option<Viewport>) {
        let newcomer = Newcomer {
            id,
            uuid: PublicId(Uuid::from_u128(id.0.into())),
            token: ResumeToken::mint(id, [0; 12]),
            arrival: Arrival { viewport: looks, ..Arrival::default() },
        };
        self.world.join(newcomer, self.now).unwrap();
        if looks.is_none() {
            self.world.detach(id, Parting::Lost(Time(1 << 40)), self.now);
        }
        // A path that carries whatever is asked for.
        let quiet = Feedback { sent: 1, rtt_ms: 10, ..Feedback::default() };
        while self.world.budget(id).is_some_and(|budget| budget < self.budget) {
            self.world.handle_feedback(id, quiet, self.now);
        }
        while self.world.poll_event().is_some() {}
    }

    /// The poses of the next tick: everybody walks on, turns round at the room's edge, and tilts.
    fn walk(&mut self) {
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
            self.samples.push((PeerId(index as u32), Sample { seq: tick as u32 + 1, pose: *pose }));
        }
        // Poses arrive in no order.
        self.random.shuffle(&mut self.samples);
    }

    /// A tick's time, from poses to frames.
    fn tick(&mut self) -> Cost {
        self.walk();
        self.tick += 1;
        let end = Time(1_000 + self.tick * 1_000 / TICK_HZ);
        let mut cost = Cost::default();
        let begin = cpu_time();
        for &(id, sample) in &self.samples {
            self.world.handle_pose(id, sample, self.now);
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

    fn ticks(&mut self, n: usize) -> Vec<Cost> {
        (0..n).map(|_| self.tick()).collect()
    }

    /// The same room's frames without sharing: each viewer looks through everybody, and sorts and
    /// encodes whoever it sees. `all`: everybody, as a server without deltas does, or only those
    /// who changed in this tick.
    fn naive_tick(&mut self, viewers: usize, all: bool) -> Cost {
        self.walk();
        self.tick += 1;
        let looks = viewport((0.0, 0.0));
        let cover = Cover::of(looks);
        let ids = Ids::between(0, self.walkers.len() as u32);
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
                });
            };
            if all {
                let people = self.walkers.iter().enumerate();
                people.for_each(|(index, walker)| see(PeerId(index as u32), &walker.pose));
            } else {
                self.samples.iter().for_each(|(id, sample)| see(*id, &sample.pose));
            }
            let mut bits = BitWriter::default();
            frame::write_header(&mut bits, self.now, cover, ids);
            let (mut last, kind) = (0, if all { ChunkKind::Key } else { ChunkKind::Delta });
            for (index, mut entries) in cells {
                entries.sort_unstable_by_key(|entry| entry.id);
                frame::write_link(&mut bits, index - last);
                last = index;
                let cell = cover.cell(index);
                frame::write_chunk(&mut bits, cell, kind, Page::default(), ids, &entries);
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

/// Low, middle and high of some measurements.
#[derive(Clone, Copy)]
struct Spread {
    low: f64,
    middle: f64,
    high: f64,
}

fn spread(values: impl IntoIterator<Item = f64>) -> Spread {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let at = |part: f64| values[((values.len() - 1) as f64 * part) as usize];
    Spread { low: at(0.1), middle: at(0.5), high: at(0.9) }
}

fn row(what: &str, unit: &str, Spread { low, middle, high }: Spread, bar: f64, at_least: bool) {
    let met = if at_least { middle >= bar } else { middle <= bar };
    let (mark, sign) = (if met { "met" } else { "MISSED" }, if at_least { ">=" } else { "<=" });
    println!(
        "{what:<52} {middle:9.3} {unit:<3} ({low:.3} to {high:.3})  {sign} {bar}: {mark}, {:.2}",
        if at_least { middle / bar } else { bar / middle }
    );
}

fn ms(cost: &Cost) -> f64 {
    cost.time.as_secs_f64() * 1e3
}

/// Resident memory of this process in bytes, where the system tells.
fn resident() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(text.split_whitespace().nth(1)?.parse::<f64>().ok()? * 4096.0)
}

fn memory() {
    for people in [10_000, 100_000] {
        let before = resident();
        let mut room = Room::new(people, 0, Crowd::Spread);
        room.ticks(4);
        let own = room.world.memory() as f64 / people as f64;
        row(
            &format!("memory per person, {people}, by its own count"),
            "B",
            spread([own]),
            300.0,
            false,
        );
        if let (Some(before), Some(after)) = (before, resident()) {
            let bench = room.walkers.capacity() * size_of::<Walker>()
                + room.samples.capacity() * size_of::<(PeerId, Sample)>();
            let grown = (after - before - bench as f64) / people as f64;
            println!(
                "{:<52} {grown:9.3} B   (resident, with names, leftovers of joining and all)",
                format!("memory per person, {people}, as the system sees it")
            );
        }
    }
}

fn bars() {
    memory();
    let sizes = [(1_000, 50), (10_000, 500), (100_000, 5_000)];
    let mut spread_rooms: Vec<Room> =
        sizes.map(|(people, viewers)| Room::new(people, viewers, Crowd::Spread)).into();
    let mut crowds: Vec<Room> = [(1_000, 500), (10_000, 500), (10_000, 5_000), (100_000, 500)]
        .map(|(people, viewers)| Room::new(people, viewers, Crowd::OneCell))
        .into();
    // As much memory as the largest room, and none of its size: what is left is the algorithm.
    let mut hundred: Vec<Room> = (0..100).map(|_| Room::new(1_000, 50, Crowd::Spread)).collect();
    let mut shared = Room::new(1_000, 1_000, Crowd::AllInView);
    let mut naive = Room::new(1_000, 0, Crowd::AllInView);
    let all_rooms = spread_rooms.iter_mut().chain(&mut hundred).chain(&mut crowds);
    for room in all_rooms.chain([&mut shared]) {
        room.ticks(60);
    }
    let mut times: Vec<Vec<Cost>> = vec![Vec::new(); 3];
    let mut crowded: Vec<Vec<Cost>> = vec![Vec::new(); crowds.len()];
    let (mut exponents, mut all, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut sharing, mut apart, mut equals) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..12 {
        let rounds: Vec<f64> = spread_rooms
            .iter_mut()
            .zip(&mut times)
            .map(|(room, times)| {
                let costs = room.ticks(15);
                times.extend(&costs);
                costs.iter().map(ms).sum::<f64>()
            })
            .collect();
        exponents.push((rounds[2] / rounds[0]).ln() / 100.0_f64.ln());
        let round: Vec<f64> =
            (0..15).map(|_| hundred.iter_mut().map(|room| ms(&room.tick())).sum()).collect();
        equals.push(1.0 + (rounds[2] / round.iter().sum::<f64>()).ln() / 100.0_f64.ln());
        apart.extend(round);
        for (room, crowded) in crowds.iter_mut().zip(&mut crowded) {
            crowded.extend(room.ticks(5));
        }
        let ours = shared.ticks(15);
        let mean = ours.iter().map(ms).sum::<f64>() / 15.0;
        sharing.extend(ours);
        all.push(ms(&naive.naive_tick(1_000, true)) / mean);
        let costs: Vec<f64> = (0..3).map(|_| ms(&naive.naive_tick(1_000, false))).collect();
        changed.push(costs.iter().sum::<f64>() / 3.0 / mean);
    }
    for (((people, viewers), times), bar) in sizes.iter().zip(&times).zip([0.3, 3.0, 33.0]) {
        let what = format!("tick, {people} people, {viewers} viewers");
        row(&what, "ms", spread(times.iter().map(ms)), bar, false);
        note(times);
    }
    row("growth exponent, 1,000 to 100,000", "", spread(exponents), 1.1, false);
    let Spread { low, middle, high } = spread(apart);
    println!(
        "{:<52} {middle:9.3} ms  ({low:.3} to {high:.3})",
        "a hundred rooms of 1,000, 50 viewers"
    );
    row("the same, against these hundred rooms", "", spread(equals), 1.1, false);
    for (what, times) in
        ["1,000, 500", "10,000, 500", "10,000, 5,000", "100,000, 500"].iter().zip(&crowded)
    {
        let Spread { low, middle, high } = spread(times.iter().map(ms));
        println!(
            "{:<52} {middle:9.3} ms  ({low:.3} to {high:.3})",
            format!("one cell: {what} viewers")
        );
        note(times);
    }
    row("all in view of all: naive, everybody / ours", "x", spread(all), 20.0, true);
    row("all in view of all: naive, only changes / ours", "x", spread(changed), 20.0, true);
    note(&sharing);
}

fn note(costs: &[Cost]) {
    let n = costs.len() as f64;
    let frames: usize = costs.iter().map(|cost| cost.frames).sum();
    let bytes: usize = costs.iter().map(|cost| cost.bytes).sum();
    println!(
        "    {:.0} frames a tick of {:.0} bytes, {:.0} ns a frame",
        frames as f64 / n,
        bytes as f64 / frames as f64,
        costs.iter().map(ms).sum::<f64>() * 1e6 / frames as f64
    );
}

fn timed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tick");
    let mut time = |name: &str, people, viewers, crowd| {
        let mut room = Room::new(people, viewers, crowd);
        room.ticks(60);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| (0..iterations).map(|_| room.tick().time).sum());
        });
    };
    time("1,000 people, 500 viewers", 1_000, 500, Crowd::Spread);
    time("10,000 people, 500 viewers", 10_000, 500, Crowd::Spread);
    time("10,000 people, 5,000 viewers", 10_000, 5_000, Crowd::Spread);
    time("100,000 people, 500 viewers", 100_000, 500, Crowd::Spread);
    time("100,000 people, 5,000 viewers", 100_000, 5_000, Crowd::Spread);
    time("one cell, 1,000 people, 500 viewers", 1_000, 500, Crowd::OneCell);
    time("one cell, 10,000 people, 500 viewers", 10_000, 500, Crowd::OneCell);
    time("all in view of all, 1,000", 1_000, 1_000, Crowd::AllInView);
    group.finish();
}

fn main() {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    // Cargo runs benches with --test to see whether they work, and nothing more.
    if has("--test") {
        Room::new(1_000, 50, Crowd::Spread).ticks(3);
        return;
    }
    if !has("--criterion") {
        bars();
    }
    if !has("--bars") {
        let mut criterion = Criterion::default()
            .sample_size(10)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(3));
        timed(&mut criterion);
        criterion.final_summary();
    }
}
