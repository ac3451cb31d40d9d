//! What a person costs in a frame, measured: `cargo run --release --example frame_sizes -- GPX...`
//!
//! People walk along the given tracks (or along made-up ones without any), tilting their devices
//! as they go, in rooms of the same density and of several sizes. A phone at street zoom looks at
//! about 100 of them. Its frames come from the real [`World`] and are decoded again; the bytes
//! are every byte of every frame, divided by the samples that reached the viewer. The same
//! samples, encoded otherwise, stand beside them.

#![allow(clippy::print_stdout, reason = "the figures are what this example is for")]
#![allow(clippy::indexing_slicing, reason = "an example may panic")]

use std::collections::BTreeMap;
use std::f64::consts::{PI, TAU};
use std::fs;

use anyhow::{Context, Result, ensure};
use gpys::proto::bits::BitWriter;
use gpys::proto::frame::{self, Frame, Kind};
use gpys::proto::geo::{Position, Viewport, cell_bits};
use gpys::proto::pose::{Accuracy, Orientation, Pose, angle_between};
use gpys::proto::time::Time;
use gpys::proto::view::View;
use gpys::proto::wire::{PeerId, Presence, PublicId, Sample, Token};
use gpys::proto::world::{Arrival, Newcomer, Settings, World};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// People in the viewport of the viewer.
const IN_VIEW: f64 = 100.0;
/// A phone at street zoom, in metres.
const VIEWPORT: (f64, f64) = (240.0, 430.0);
/// Metres in a degree of latitude.
const DEGREE: f64 = 111_320.0;
/// Metres per second.
const PACE: f64 = 1.4;
/// Milliseconds between two samples of a person.
const SAMPLE_MS: u64 = 100;
/// How long the rooms run, in ms; the first second, in which the view fills, is not counted.
const RUN_MS: u64 = 11_000;
const COUNT_FROM_MS: u64 = 1_000;
/// The world's clock when a room begins.
const START_MS: u64 = 100_000;

/// A track in metres, and the place that it is near.
struct Track {
    points: Vec<(f64, f64)>,
    lat: f64,
    lng: f64,
}

impl Track {
    /// From degrees.
    fn new(degrees: &[(f64, f64)]) -> Result<Self> {
        let &(lat, lng) = degrees.first().context("a track has a point")?;
        let narrow = (lat * PI / 180.0).cos();
        let metres = |&(a, b): &(f64, f64)| ((b - lng) * DEGREE * narrow, (a - lat) * DEGREE);
        let points: Vec<_> = degrees.iter().map(metres).collect();
        let track = Self { points, lat, lng };
        ensure!(track.length() > PACE * RUN_MS as f64 / 1000.0, "a track is longer than the walk");
        Ok(track)
    }

    /// The points of a GPX file, whatever their segments.
    fn from_gpx(text: &str) -> Result<Self> {
        let attribute = |tag: &str, name: &str| -> Option<f64> {
            let (_, rest) = tag.split_once(&format!("{name}=\""))?;
            rest.split_once('"')?.0.parse().ok()
        };
        let tags = text.split("<trkpt").skip(1).filter_map(|rest| rest.split('>').next());
        let points: Option<Vec<_>> =
            tags.map(|tag| Some((attribute(tag, "lat")?, attribute(tag, "lon")?))).collect();
        Self::new(&points.context("a track point has a latitude and a longitude")?)
    }

    /// A walk of gentle turns with a corner now and then; the same every time.
    fn made_up() -> Result<Self> {
        let mut random = fastrand::Rng::with_seed(2012);
        let (mut heading, mut at) = (0.5_f64, (45.75_f64, 14.36_f64));
        let mut points = vec![at];
        for _ in 0..600 {
            let corner = if random.u8(..) < 20 { 1.2 } else { 0.2 };
            heading += (random.f64() - 0.5) * 2.0 * corner;
            let stride = 5.0 + 15.0 * random.f64();
            at.0 += heading.cos() * stride / DEGREE;
            at.1 += heading.sin() * stride / DEGREE / (at.0 * PI / 180.0).cos();
            points.push(at);
        }
        Self::new(&points)
    }

    /// Where one is after so many metres, fewer than its length, and the heading there.
    fn at(&self, metres: f64) -> ((f64, f64), f64) {
        let mut left = metres;
        let mut last = (self.points[0], 0.0);
        for pair in self.points.windows(2) {
            let ((x, y), (to_x, to_y)) = (pair[0], pair[1]);
            let length = (to_x - x).hypot(to_y - y);
            let part = if length > 0.0 { (left / length).min(1.0) } else { 1.0 };
            let place = (x + (to_x - x) * part, y + (to_y - y) * part);
            last = (place, (to_x - x).atan2(to_y - y));
            if left < length {
                break;
            }
            left -= length;
        }
        last
    }

    fn length(&self) -> f64 {
        self.points.windows(2).map(|p| (p[1].0 - p[0].0).hypot(p[1].1 - p[0].1)).sum()
    }
}

/// Somebody on a walk: a stretch of a track, moved to where they live in the room.
struct Walker<'a> {
    track: &'a Track,
    from: f64,
    start: (f64, f64),
    home: (f64, f64),
    /// When in the sample interval their sensors speak, in ms.
    offset: u64,
    sway: [f64; 3],
}

/// What the sensors say, before any quantisation.
#[derive(Clone, Copy, Debug)]
struct Truth {
    sampled: Time,
    lat: f64,
    lng: f64,
    /// Alpha, beta, gamma in degrees.
    angles: [f64; 3],
}

impl Walker<'_> {
    fn truth(&self, sampled: Time, centre: (f64, f64)) -> Truth {
        let seconds = (sampled.0 - START_MS) as f64 / 1000.0;
        let ((x, y), heading) = self.track.at(self.from + PACE * seconds);
        let (east, north) = (self.home.0 + x - self.start.0, self.home.1 + y - self.start.1);
        let narrow = (centre.0 * PI / 180.0).cos();
        let swing = |i: usize, hertz: f64| (TAU * (hertz * seconds + self.sway[i])).sin();
        let alpha = -heading * 180.0 / PI + 12.0 * swing(0, 0.3) + 360.0;
        Truth {
            sampled,
            lat: centre.0 + north / DEGREE,
            lng: centre.1 + east / DEGREE / narrow,
            angles: [
                alpha.rem_euclid(360.0),
                45.0 + 20.0 * swing(1, 0.5) + 3.0 * swing(0, 1.9),
                15.0 * swing(2, 0.7),
            ],
        }
    }
}

impl Truth {
    fn pose(&self) -> Result<Pose> {
        let [alpha, beta, gamma] = self.angles;
        Ok(Pose {
            position: Position::from_degrees(self.lat, self.lng)?,
            orientation: Some(Orientation::from_euler(alpha, beta, gamma)?),
            accuracy: Accuracy::from_metres(5.0),
            sampled: self.sampled,
        })
    }

    /// Centimetres between the true place and this one.
    fn away(&self, lat: f64, lng: f64) -> f64 {
        let narrow = (self.lat * PI / 180.0).cos();
        ((lat - self.lat) * DEGREE).hypot((lng - self.lng) * DEGREE * narrow) * 100.0
    }

    /// The exact unit quaternion.
    fn quaternion(&self) -> [f64; 4] {
        quaternion(self.angles)
    }
}

/// The browser's angles, in degrees, as a unit quaternion.
fn quaternion(angles: [f64; 3]) -> [f64; 4] {
    let [(sz, cz), (sx, cx), (sy, cy)] = angles.map(|degrees| (degrees * PI / 360.0).sin_cos());
    [
        cz * cx * cy - sz * sx * sy,
        cz * sx * cy - sz * cx * sy,
        cz * cx * sy + sz * sx * cy,
        sz * cx * cy + cz * sx * sy,
    ]
}

/// Bits of all counted frames, by what they say.
#[derive(Default)]
struct Tally {
    frames: u64,
    bytes: u64,
    header: u64,
    chunks: u64,
    chunk_headers: u64,
    ids: u64,
    positions: u64,
    orientations: u64,
    ages: u64,
    key_fields: u64,
    delta_bits: u64,
    delta_entries: u64,
    key_bits: u64,
    key_entries: u64,
    /// Samples that the viewer did not have before.
    updates: u64,
    worst_cm: f64,
    worst_degree: f64,
}

impl Tally {
    /// Counts the bits of a frame by encoding its parts again.
    fn count(&mut self, bytes: &[u8], frame: &Frame) {
        self.frames += 1;
        self.bytes += bytes.len() as u64;
        let mut in_chunks = 0;
        for (chunk, entries) in frame.chunks() {
            let mut out = BitWriter::default();
            frame::write_chunk(&mut out, chunk.cell, chunk.kind, chunk.page, frame.ids, entries);
            let (n, all) = (entries.len() as u64, out.len() as u64);
            // The cells' distances come to about a bit a chunk: they are counted as headers.
            in_chunks += all;
            let position = 2 * u64::from(cell_bits(chunk.cell.level)) * n;
            let key = if chunk.kind == Kind::Delta { 0 } else { 7 * n };
            let mut bare = BitWriter::default();
            frame::write_chunk(&mut bare, chunk.cell, chunk.kind, chunk.page, frame.ids, &[]);
            let count_bits = 2 * u64::from((n + 1).ilog2()) + u64::from(n > 0);
            let head = bare.len() as u64 + count_bits;
            self.chunks += 1;
            self.chunk_headers += head;
            self.positions += position;
            self.orientations += 27 * n;
            self.ages += 5 * n;
            self.key_fields += key;
            self.ids += all - head - position - 27 * n - 5 * n - key;
            if chunk.kind == Kind::Delta {
                (self.delta_bits, self.delta_entries) =
                    (self.delta_bits + all, self.delta_entries + n);
            } else {
                (self.key_bits, self.key_entries) = (self.key_bits + all, self.key_entries + n);
            }
        }
        self.header += bytes.len() as u64 * 8 - in_chunks;
    }

    fn print(&self, people: usize) {
        let per = |bits: u64| bits as f64 / self.updates as f64;
        println!(
            "\nroom of {people}: {} updates in {} frames of {:.0} bytes and {:.1} chunks",
            self.updates,
            self.frames,
            self.bytes as f64 / self.frames as f64,
            self.chunks as f64 / self.frames as f64,
        );
        println!(
            "  {:.2} bytes an update, {:.2} bytes an entry; a delta entry {:.2}, a key entry {:.2} (headers of frames \
             not included); {:.3} entries an update",
            per(8 * self.bytes) / 8.0,
            self.bytes as f64 / (self.delta_entries + self.key_entries) as f64,
            self.delta_bits as f64 / 8.0 / self.delta_entries as f64,
            self.key_bits as f64 / 8.0 / self.key_entries as f64,
            (self.delta_entries + self.key_entries) as f64 / self.updates as f64,
        );
        println!(
            "  bits an update: ids {:.2}, position {:.2}, orientation {:.2}, age {:.2}, accuracy \
             and hidden {:.2}, chunk headers {:.2}, frame headers and links {:.2}",
            per(self.ids),
            per(self.positions),
            per(self.orientations),
            per(self.ages),
            per(self.key_fields),
            per(self.chunk_headers),
            per(self.header),
        );
    }
}

/// One other way to encode the same samples.
struct Peer {
    name: &'static str,
    bytes: u64,
    worst_cm: f64,
    worst_degree: f64,
}

/// The samples of one frame, each encoding's way.
#[derive(Default)]
struct Others {
    peers: Vec<Peer>,
    samples: u64,
}

/// A pose as one would write it down without a thought of bits.
#[derive(Serialize, Deserialize)]
struct Plain {
    uuid: [u8; 16],
    lat: f64,
    lng: f64,
    alpha: f32,
    beta: f32,
    gamma: f32,
}

/// A pose of the same integers that our frames are made of.
#[derive(Serialize, Deserialize)]
struct Quantised {
    id: u32,
    lat: i32,
    lng: i32,
    orientation: u32,
    age: u8,
}

fn rounded(value: f64, digits: i32) -> f64 {
    (value * 10_f64.powi(digits)).round() / 10_f64.powi(digits)
}

/// The original's list, `[lat, lng, uuid, alpha, beta, gamma]` for everybody.
type Row = (f64, f64, Uuid, f64, f64, f64);

impl Others {
    fn add(&mut self, name: &'static str, bytes: usize, errors: impl Iterator<Item = (f64, f64)>) {
        let at = match self.peers.iter().position(|peer| peer.name == name) {
            Some(at) => at,
            None => {
                self.peers.push(Peer { name, bytes: 0, worst_cm: 0.0, worst_degree: 0.0 });
                self.peers.len() - 1
            }
        };
        let peer = &mut self.peers[at];
        peer.bytes += bytes as u64;
        for (cm, degree) in errors {
            peer.worst_cm = peer.worst_cm.max(cm);
            peer.worst_degree = peer.worst_degree.max(degree);
        }
    }

    /// Encodes and decodes the samples that one frame brought.
    fn measure(&mut self, samples: &[(PeerId, Truth)]) -> Result<()> {
        self.samples += samples.len() as u64;
        self.lists(samples)?;
        let plain: Vec<Plain> = samples.iter().map(|(id, truth)| plain(*id, truth)).collect();
        let errors = |back: Vec<Plain>| {
            let angles = |p: &Plain| [p.alpha, p.beta, p.gamma].map(f64::from);
            let error = |(p, (_, truth)): (Plain, &(PeerId, Truth))| {
                let turned = angle_between(quaternion(angles(&p)), truth.quaternion());
                (truth.away(p.lat, p.lng), turned)
            };
            back.into_iter().zip(samples).map(error).collect::<Vec<_>>()
        };
        let packed = rmp_serde::to_vec(&plain)?;
        let found = errors(rmp_serde::from_slice(&packed)?);
        self.add("MessagePack, doubles, 16-byte uuid, floats", packed.len(), found.into_iter());
        let config = bincode::config::standard();
        let packed = bincode::serde::encode_to_vec(&plain, config)?;
        let found = errors(bincode::serde::decode_from_slice(&packed, config)?.0);
        self.add("bincode, doubles, 16-byte uuid, floats", packed.len(), found.into_iter());
        let ours: Result<Vec<Quantised>> = samples.iter().map(quantised).collect();
        let ours = ours?;
        let errors = |back: Vec<Quantised>| -> Result<Vec<(f64, f64)>> {
            let error = |(q, (_, truth)): (Quantised, &(PeerId, Truth))| {
                let (lat, lng) = Position::new(q.lat, q.lng)?.degrees();
                let turned = Orientation::from_code(q.orientation)?.quaternion();
                Ok((truth.away(lat, lng), angle_between(turned, truth.quaternion())))
            };
            back.into_iter().zip(samples).map(error).collect()
        };
        let packed = rmp_serde::to_vec(&ours)?;
        let found = errors(rmp_serde::from_slice(&packed)?)?;
        self.add("MessagePack of our integers", packed.len(), found.into_iter());
        let packed = bincode::serde::encode_to_vec(&ours, config)?;
        let found = errors(bincode::serde::decode_from_slice(&packed, config)?.0)?;
        self.add("bincode of our integers", packed.len(), found.into_iter());
        Ok(())
    }

    fn lists(&mut self, samples: &[(PeerId, Truth)]) -> Result<()> {
        let errors = |back: Vec<Row>| {
            let error = |((lat, lng, _, a, b, c), (_, truth)): (Row, &(PeerId, Truth))| {
                (truth.away(lat, lng), angle_between(quaternion([a, b, c]), truth.quaternion()))
            };
            back.into_iter().zip(samples).map(error).collect::<Vec<_>>()
        };
        for (name, place, angle) in [
            (JSON, 7, 15),
            ("JSON list, every double in full", 15, 15),
            ("JSON list, 1e-7 degree and angles to 0.1 degree", 7, 1),
        ] {
            let row = |(id, truth): &(PeerId, Truth)| -> Row {
                let [alpha, beta, gamma] =
                    truth.angles.map(|value| if angle > 9 { value } else { rounded(value, angle) });
                let at = |value| if place > 9 { value } else { rounded(value, place) };
                (at(truth.lat), at(truth.lng), identity(*id), alpha, beta, gamma)
            };
            let list: Vec<Row> = samples.iter().map(row).collect();
            let text = serde_json::to_string(&list)?;
            let found = errors(serde_json::from_str(&text)?);
            self.add(name, text.len(), found.into_iter());
        }
        Ok(())
    }
}

/// The list against which the bar is measured.
const JSON: &str = "JSON list, 1e-7 degree and angles in full";

fn identity(id: PeerId) -> Uuid {
    Uuid::from_u128(0x9f3c_1d2a_4b5e_4a77_8c0d_0000_0000_0000 | u128::from(id.0))
}

fn plain(id: PeerId, truth: &Truth) -> Plain {
    let [alpha, beta, gamma] = truth.angles.map(|angle| angle as f32);
    let Truth { lat, lng, .. } = *truth;
    Plain { uuid: *identity(id).as_bytes(), lat, lng, alpha, beta, gamma }
}

fn quantised(&(id, truth): &(PeerId, Truth)) -> Result<Quantised> {
    let pose = truth.pose()?;
    Ok(Quantised {
        id: id.0,
        lat: pose.position.lat(),
        lng: pose.position.lng(),
        orientation: pose.orientation.map_or(u32::MAX, Orientation::code),
        age: 10,
    })
}

/// A room, its walkers, and one phone that looks on.
struct Room<'a> {
    world: World,
    walkers: Vec<Walker<'a>>,
    centre: (f64, f64),
    /// The newest samples that the world took, oldest first, by walker.
    truths: Vec<[Truth; 4]>,
    known: BTreeMap<PeerId, Time>,
    viewer: PeerId,
    view: View,
    tally: Tally,
    others: Others,
}

/// Ids as a server that runs for a while gives them out.
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
                let from = random.f64() * (track.length() - PACE * RUN_MS as f64 / 1000.0);
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
        let mut world = World::new(Settings::default(), 7);
        let now = Time(START_MS);
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
                token: Token::mint(id, [0; 12]),
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
        // Nothing was sent yet: samples from the clock's beginning match no figure.
        let none = |walker: &Walker<'_>| Truth { sampled: Time(0), ..walker.truth(now, centre) };
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
        // On their way to the server: who, and which of their samples.
        let mut travelling: BTreeMap<u64, Vec<(usize, Truth)>> = BTreeMap::new();
        for ms in START_MS..START_MS + RUN_MS {
            let now = Time(ms);
            for (index, walker) in self.walkers.iter().enumerate() {
                if ms % SAMPLE_MS == walker.offset {
                    let truth = walker.truth(now, self.centre);
                    travelling.entry(ms + random.u64(8..45)).or_default().push((index, truth));
                }
            }
            for (index, truth) in travelling.remove(&ms).unwrap_or_default() {
                let id = PeerId(FIRST_ID + index as u32);
                let seq = ((ms - START_MS) / 10) as u32;
                self.world.handle_pose(id, Sample { seq, pose: truth.pose()? }, now);
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
            let counted = now.0 >= START_MS + COUNT_FROM_MS;
            if counted {
                self.tally.count(&bytes, &frame);
            }
            let mut samples = Vec::new();
            for (id, figure) in fresh {
                let truths = &self.truths[(id.0 - FIRST_ID) as usize];
                // An age is rounded up, by less than the time between two samples.
                let of = |truth: &&Truth| truth.sampled.stamp().after(figure.sampled) >= 0;
                let truth = truths.iter().find(of).context("a figure shows a sample")?;
                ensure!(truth.sampled.stamp().after(figure.sampled) < 64, "ages are right");
                let (lat, lng) = figure.position.degrees();
                let turned = figure.orientation.context("everybody tilts")?.quaternion();
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
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
        tracks.push(Track::from_gpx(&text).with_context(|| format!("{file} has no track"))?);
    }
    if tracks.is_empty() {
        println!("no GPX files given: a made-up walk");
        tracks.push(Track::made_up()?);
    }
    println!(
        "{IN_VIEW} people in a viewport of {} x {} m at latitude {:.2}, a sample each {SAMPLE_MS} \
         ms, 30 Hz, {} s",
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
        let json = json.context("the list was measured")?;
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
