//! Measures what a person costs in a frame: `cargo run --release --example frame_sizes -- GPX...`
//!
//! People walk along the given tracks (by default, a made-up one), tilting their devices as they
//! go, in rooms of the same density and of several sizes. A phone at street zoom looks at about
//! 100 of them. Its frames come from the real [`World`] and are decoded again; the cost is every
//! byte of every frame, divided by the samples that reached the viewer. For comparison, the same
//! samples are also encoded in other formats.
//!
//! [`track`] moves the people, [`tally`] counts our bits, [`others`] has the other formats.

#![allow(clippy::print_stdout, reason = "the figures are what this example is for")]
#![allow(clippy::indexing_slicing, reason = "an example may panic")]
#![allow(unreachable_pub, reason = "a program has no outside")]

mod others;
mod tally;
mod track;

use std::collections::BTreeMap;
use std::f64::consts::PI;

use anyhow::{Context, Result, ensure};
use gpys::proto::geo::{Position, Viewport};
use gpys::proto::pose::angle_between;
use gpys::proto::time::Time;
use gpys::proto::view::View;
use gpys::proto::wire::frame::Frame;
use gpys::proto::wire::{PeerId, Presence, PublicId, ResumeToken, Sample};
use gpys::proto::world::{Arrival, Newcomer, RoomSettings, World};

use crate::others::{JSON, Others, identity};
use crate::tally::Tally;
use crate::track::{DEGREE, Track, Truth, Walker};

/// Number of people in the viewer's viewport.
const IN_VIEW: f64 = 100.0;
/// The viewport of a phone at street zoom, in metres.
const VIEWPORT: (f64, f64) = (240.0, 430.0);
/// Time between two samples of a person, in ms.
const SAMPLE_MS: u64 = 100;
/// How long the rooms run, in ms. The first second, while the view fills, is not counted.
const RUN_MS: u64 = 11_000;
const COUNT_FROM_MS: u64 = 1_000;
/// The world's time when a room begins.
const START_MS: u64 = 100_000;

/// A room, its walkers, and one phone that watches.
struct Room<'a> {
    world: World,
    walkers: Vec<Walker<'a>>,
    centre: (f64, f64),
    /// The newest samples taken by the world, oldest first, by walker.
    truths: Vec<[Truth; 4]>,
    known: BTreeMap<PeerId, Time>,
    viewer: PeerId,
    view: View,
    tally: Tally,
    others: Others,
}

/// The first id, as on a server that has run for a while.
const FIRST_ID: u32 = 40_000;

impl<'a> Room<'a> {
    fn new(tracks: &'a [Track], people: usize) -> Result<Self> {
        let mut random = fastrand::Rng::with_seed(people as u64);
        let (lat, lng) = (tracks[0].lat, tracks[0].lng);
        let scale = (people as f64 / IN_VIEW).sqrt();
        let (wide, tall) = (VIEWPORT.0 * scale, VIEWPORT.1 * scale);
        let walkers: Vec<Walker<'_>> = (0..people)
            .map(|_| {
                let track = &tracks[random.usize(..tracks.len())];
                let from = random.f64() * (track.length() - track::walk());
                Walker {
                    track,
                    from,
                    start: track.at(from).0,
                    home: (wide * (random.f64() - 0.5), tall * (random.f64() - 0.5)),
                    offset: random.u64(..SAMPLE_MS),
                    sway: [random.f64(), random.f64(), random.f64()],
                }
            })
            .collect();
        let mut world = World::new(RoomSettings::default(), 7);
        let now = Time::from_ms(START_MS);
        let narrow = (lat * PI / 180.0).cos();
        let half = |metres: f64, narrow: f64| (metres / 2.0 / DEGREE / narrow * 1e7) as i32;
        let middle = Position::from_degrees(lat, lng)?;
        let viewport = Viewport {
            south: middle.lat() - half(VIEWPORT.1, 1.0),
            north: middle.lat() + half(VIEWPORT.1, 1.0),
            west: middle.lng() - half(VIEWPORT.0, narrow),
            east: middle.lng() + half(VIEWPORT.0, narrow),
            zoom: 174,
        };
        let viewer = PeerId(FIRST_ID + people as u32);
        for id in FIRST_ID..=viewer.0 {
            let watches = id == viewer.0;
            let id = PeerId(id);
            let presence = if watches { Presence::Watching } else { Presence::Sharing };
            let newcomer = Newcomer {
                id,
                uuid: PublicId(identity(id)),
                token: ResumeToken::mint(id, [0; 12]),
                arrival: Arrival {
                    presence,
                    viewport: watches.then_some(viewport),
                    ..Arrival::default()
                },
            };
            world.join(newcomer, now)?;
            while world.poll_event().is_some() {}
        }
        let centre = (lat, lng);
        // Nothing has been sent yet: samples from the start of the clock match no figure.
        let none =
            |walker: &Walker<'_>| Truth { sampled: Time::from_ms(0), ..walker.truth(now, centre) };
        let truths = walkers.iter().map(|walker| [none(walker); 4]).collect();
        Ok(Self {
            world,
            walkers,
            centre,
            truths,
            known: BTreeMap::new(),
            viewer,
            view: View::default(),
            tally: Tally::default(),
            others: Others::default(),
        })
    }

    fn run(&mut self) -> Result<()> {
        let mut random = fastrand::Rng::with_seed(3);
        // Samples in flight to the server: the walker, and which of its samples.
        let mut travelling: BTreeMap<u64, Vec<(usize, Truth)>> = BTreeMap::new();
        for ms in START_MS..START_MS + RUN_MS {
            let now = Time::from_ms(ms);
            for (index, walker) in self.walkers.iter().enumerate() {
                if ms % SAMPLE_MS == walker.offset {
                    let truth = walker.truth(now, self.centre);
                    travelling.entry(ms + random.u64(8..45)).or_default().push((index, truth));
                }
            }
            for (index, truth) in travelling.remove(&ms).unwrap_or_default() {
                let id = PeerId(FIRST_ID + index as u32);
                let seq = ((ms - START_MS) / 10) as u32;
                self.world.handle_pose(id, Sample::new(seq, truth.pose()?));
                self.truths[index].rotate_left(1);
                self.truths[index][3] = truth;
            }
            if self.world.poll_timeout().is_some_and(|next| next <= now) {
                self.world.handle_timeout(now);
                self.deliver(now)?;
            }
        }
        Ok(())
    }

    fn deliver(&mut self, now: Time) -> Result<()> {
        while self.world.poll_event().is_some() {}
        let mut bytes = Vec::new();
        while let Some(id) = self.world.poll_viewer() {
            bytes.clear();
            if id != self.viewer || !self.world.poll_frame(id, 1000, now, &mut bytes) {
                continue;
            }
            let mut frame = Frame::default();
            frame.decode(&bytes)?;
            let mut fresh = Vec::new();
            self.view.handle_frame(&bytes, |id, figure| fresh.push((id, *figure)))?;
            let counted = now.as_ms() >= START_MS + COUNT_FROM_MS;
            if counted {
                self.tally.count(&bytes, &frame);
            }
            let mut samples = Vec::new();
            for (id, figure) in fresh {
                let truths = &self.truths[(id.0 - FIRST_ID) as usize];
                // Ages are rounded up, by less than the time between two samples.
                let of = |truth: &&Truth| truth.sampled.stamp().after(figure.sampled) >= 0;
                let truth = truths.iter().find(of).context("a figure matches no sample")?;
                ensure!(truth.sampled.stamp().after(figure.sampled) < 64, "an age is wrong");
                let (lat, lng) = figure.position.degrees();
                let turned = figure.orientation.context("no orientation")?.quaternion();
                let tally = &mut self.tally;
                tally.worst_cm = tally.worst_cm.max(truth.away(lat, lng));
                tally.worst_degree =
                    tally.worst_degree.max(angle_between(turned, truth.quaternion()));
                if self.known.insert(id, truth.sampled) != Some(truth.sampled) && counted {
                    self.tally.updates += 1;
                    samples.push((id, *truth));
                }
            }
            if !samples.is_empty() {
                self.others.measure(&samples)?;
            }
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let mut tracks = Vec::new();
    for file in &files {
        tracks.push(Track::read(file)?);
    }
    if tracks.is_empty() {
        println!("no GPX files given: using a made-up walk");
        tracks.push(Track::made_up()?);
    }
    println!(
        "{IN_VIEW} people in a viewport of {} x {} m at latitude {:.2}, a sample every \
         {SAMPLE_MS} ms, 30 Hz, {} s",
        VIEWPORT.0,
        VIEWPORT.1,
        tracks[0].lat,
        (RUN_MS - COUNT_FROM_MS) / 1000
    );
    for people in [100, 1_000, 10_000] {
        let mut room = Room::new(&tracks, people)?;
        room.run()?;
        room.tally.print(people);
        let ours = room.tally.bytes as f64 / room.tally.updates as f64;
        let row = |name: &str, bytes: f64, cm: f64, degree: f64| {
            println!("  {name:<48} {bytes:7.2} {:7.2} {cm:9.4} {degree:9.4}", bytes / ours);
        };
        println!("  {:<48} {:>7} {:>7} {:>9} {:>9}", "", "bytes", "x ours", "cm", "degree");
        row("ours, everything included", ours, room.tally.worst_cm, room.tally.worst_degree);
        for peer in &room.others.peers {
            let bytes = peer.bytes as f64 / room.others.samples as f64;
            row(peer.name, bytes, peer.worst_cm, peer.worst_degree);
        }
        let json = room.others.peers.iter().find(|peer| peer.name == JSON);
        let json = json.context("the JSON list was not measured")?;
        let ratio = json.bytes as f64 / room.others.samples as f64 / ours;
        let mark = |met: bool| if met { "met" } else { "MISSED" };
        println!(
            "  bars: 9 bytes {} (stretch 7 {}), 5 cm {}, 0.5 degree {}, 12 x JSON {}",
            mark(ours <= 9.0),
            mark(ours <= 7.0),
            mark(room.tally.worst_cm <= 5.0),
            mark(room.tally.worst_degree <= 0.5),
            mark(ratio >= 12.0),
        );
    }
    Ok(())
}
