//! Scripted peers, links, the world under test and the reference model, in one virtual time.

use std::collections::BTreeMap;

use fastrand::Rng;
use gpys::proto::geo::{MAX_LAT, MAX_LNG, Position, Viewport};
use gpys::proto::pose::{Accuracy, ORIENTATION_CODES, Orientation, Pose};
use gpys::proto::time::{Stamp, Time};
use gpys::proto::view::View;
use gpys::proto::wire::{
    ClientMessage, Limits, Pace, PeerId, Presence, PublicId, ResumeToken, Sample, Sharing,
};
use gpys::proto::world::{Arrival, Feedback, Newcomer, Parting, RoomSettings, World};
use uuid::Uuid;

use self::exchange::{Allowance, Down, Up};
use self::put::Things;
use crate::Tally;
use crate::extra;
use crate::link::{Lane, Weather};
use crate::model::Model;

mod exchange;
mod put;

/// One device: its script's state and what it sees.
#[derive(Debug)]
pub struct Device {
    pub id: PeerId,
    pub view: View,
    /// The view of the frames as sent, as over a perfect link.
    pub sent: View,
    pub viewport: Viewport,
    /// Since when each person was continuously in the viewport, and could be sent.
    pub in_view_since: BTreeMap<PeerId, Time>,
    up: Lane<Up>,
    down: Lane<Down>,
    weather: Weather,
    pub linked: bool,
    /// Whether the link takes no frames.
    pub refuses: bool,
    presence: Presence,
    /// What its owner wants; every hello repeats it.
    sharing: Sharing,
    place: Position,
    /// The error of the device's idea of the server's clock, in ms; positive if it is late.
    clock_error: i64,
    /// Number of the newest sample over the device's life, also its orientation code.
    sample: u32,
    seq: u32,
    last: Option<Pose>,
    moved: Time,
    repeated: Time,
    allowance: Allowance,
    /// The newest sample seen of each person.
    newest: BTreeMap<PeerId, u32>,
    /// The newest frame of this link, and the last one that came after a gap of more than 2 s.
    heard: Option<Stamp>,
    pub after_gap: Option<Stamp>,
}

/// The settings of a run.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    pub people: usize,
    /// The middle of their places, and how far these spread, in units of 1e-7 degree.
    pub centre: (i32, i32),
    pub spread: i32,
    /// Bytes per second that each viewer asks for.
    pub budget: u32,
    /// Share of people who share approximately, and of those who share for a time.
    pub careful: f64,
    /// Whether a program puts things among them.
    pub things: bool,
    pub chaos_ms: u64,
}

pub struct Sim {
    pub rng: Rng,
    pub world: World,
    pub model: Model,
    pub now: Time,
    pub devices: Vec<Device>,
    pub settings: RoomSettings,
    pub script: Script,
    /// Bits of everybody's state.
    pub state_bits: u32,
    /// What a frame costs, in µs: decides the pace.
    frame_us: u64,
    next_id: u32,
    /// All people ever announced, and whether they left.
    announced: BTreeMap<PeerId, bool>,
    things: Things,
    pub tally: Tally,
}

impl Device {
    /// The bytes of its newest sample, which has this pose.
    fn bytes(&self, pose: Pose, state_bits: u32) -> Vec<u8> {
        let extra = extra::of(self.sample, state_bits);
        Sample { extra, ..Sample::new(self.seq, pose) }.encode(state_bits)
    }
}

fn token(id: PeerId) -> ResumeToken {
    ResumeToken::mint(id, [9; 12])
}

impl Sim {
    pub fn new(seed: u64, script: Script) -> Self {
        let limits = Limits { resume_ms: 30_000, ..RoomSettings::default().limits };
        let settings = RoomSettings { limits, ..RoomSettings::default() };
        let state_bits = [0, 13, 64][(seed % 3) as usize];
        let mut world = World::new(settings, seed);
        world.set_kind(extra::kind(state_bits));
        Self {
            rng: Rng::with_seed(seed),
            world,
            state_bits,
            model: Model::default(),
            now: Time::from_ms(1_000 + seed % 77),
            devices: Vec::new(),
            settings,
            script,
            frame_us: [20, 300, 1_000, 3_000, 10_000, 10_000][seed as usize / 6 % 6],
            next_id: (seed % 5_000) as u32,
            announced: BTreeMap::new(),
            things: Things::default(),
            tally: Tally::default(),
        }
    }

    /// Draws terms; some end soon.
    fn any_terms(&mut self) -> Sharing {
        let Self { rng, script, .. } = self;
        let seconds = if rng.f64() < script.careful { rng.u32(1..5) } else { 0 };
        Sharing { approximate: rng.f64() < script.careful, seconds }
    }

    /// Draws a place near the crowd, wrapped at the antimeridian and clamped at the poles.
    fn anywhere(&mut self) -> Position {
        let Script { centre, spread, .. } = self.script;
        let lat = (centre.0 + self.rng.i32(-spread..=spread)).clamp(-MAX_LAT, MAX_LAT);
        let lng = i64::from(centre.1) + i64::from(self.rng.i32(-spread..=spread));
        Position::new(lat, wrap(lng)).unwrap()
    }

    fn any_viewport(&mut self) -> Viewport {
        let middle = self.anywhere();
        let size = (self.script.spread / 4).max(1) << self.rng.u32(0..4);
        let zoom = self.rng.u8(120..200);
        Viewport {
            south: (middle.lat() - size).max(-MAX_LAT),
            north: (middle.lat() + size).min(MAX_LAT),
            west: wrap(i64::from(middle.lng()) - i64::from(size)),
            east: wrap(i64::from(middle.lng()) + i64::from(size)),
            zoom,
        }
    }

    pub fn join(&mut self) {
        self.next_id += self.rng.u32(1..4);
        let id = PeerId(self.next_id);
        let presence =
            [Presence::Sharing, Presence::Sharing, Presence::Watching][self.rng.usize(0..3)];
        let viewport = self.any_viewport();
        let sharing = self.any_terms();
        let newcomer = Newcomer {
            id,
            uuid: PublicId(Uuid::from_u128(id.0.into())),
            token: token(id),
            arrival: Arrival {
                presence,
                budget: self.script.budget,
                viewport: Some(viewport),
                sharing,
                ..Arrival::default()
            },
        };
        self.world.join(newcomer, self.now).unwrap();
        self.model.join(id, presence, sharing, self.now);
        let weather = Weather::any(&mut self.rng);
        let place = self.anywhere();
        self.devices.push(Device {
            id,
            view: View::default(),
            sent: View::default(),
            viewport,
            in_view_since: BTreeMap::new(),
            up: Lane::new(weather),
            down: Lane::new(weather),
            weather,
            linked: true,
            refuses: false,
            presence,
            sharing,
            place,
            clock_error: 0,
            sample: 0,
            seq: 0,
            last: None,
            moved: self.now,
            repeated: self.now,
            allowance: self.allowance(),
            newest: BTreeMap::new(),
            heard: None,
            after_gap: None,
        });
    }

    fn allowance(&self) -> Allowance {
        let limits = self.settings.limits;
        let rate = u64::from(self.script.budget.clamp(limits.min_budget, limits.max_budget));
        Allowance { rate, tokens: Allowance::burst(rate) * 1_000_000, filled: self.now }
    }

    pub fn leave(&mut self, index: usize) {
        let device = self.devices.swap_remove(index);
        self.world.leave(device.id);
        self.model.leave(device.id);
    }

    /// Ends a link: it is lost, or its device closes it.
    pub fn detach(&mut self, index: usize, closed: bool) {
        let device = &mut self.devices[index];
        if std::mem::replace(&mut device.linked, false) {
            device.up.cut();
            device.down.cut();
            let parting = if closed { Parting::Closed } else { Parting::Lost(self.now) };
            self.world.detach(device.id, parting, self.now);
            let resume_ms = u64::from(self.settings.limits.resume_ms);
            self.model.detach(device.id, closed, resume_ms, self.now);
        }
    }

    pub fn resume(&mut self, index: usize) {
        let viewport = self.any_viewport();
        let allowance = self.allowance();
        let device = &mut self.devices[index];
        device.up.cut();
        device.down.cut();
        let arrival = Arrival {
            presence: device.presence,
            budget: self.script.budget,
            viewport: Some(viewport),
            sharing: device.sharing,
            ..Arrival::default()
        };
        let back = self.world.resume(token(device.id), &arrival, self.now);
        assert_eq!(back.is_some(), self.model.people.contains_key(&device.id));
        if back.is_none() {
            self.devices.swap_remove(index);
            return;
        }
        self.model.resume(device.id, device.presence, device.sharing, self.now);
        device.linked = true;
        device.seq = 0;
        device.repeated = self.now;
        device.viewport = viewport;
        device.in_view_since.clear();
        device.allowance = allowance;
        // The device's screen stays as it is; the link starts over.
        device.sent = View::default();
        let id = device.id;
        self.has_jumped(id);
    }

    /// Steps the device's clock, or the server's as seen from there; or lets the device learn it.
    pub fn step_clock(&mut self, index: usize, learns: bool) {
        let error = self.rng.i64(-90_000..90_000);
        self.devices[index].clock_error = if learns { 0 } else { error };
    }

    /// Stops the server for a while. That counts as no peer's silence.
    pub fn stop_server(&mut self, ms: u64) -> Result<(), String> {
        self.world.handle_timeout(self.now);
        self.tally.ended += self.model.expire(self.now);
        let before = self.model.silent();
        self.now = self.now + ms;
        self.world.excuse(ms);
        self.model.excuse(ms);
        for device in &mut self.devices {
            device.in_view_since.clear();
        }
        self.step()?;
        self.tally.stops += 1;
        let after = self.model.silent();
        if after == before { Ok(()) } else { Err(format!("{after:?} are silent, not {before:?}")) }
    }

    pub fn look(&mut self, index: usize) {
        let viewport = self.any_viewport();
        let Self { rng, devices, now, .. } = self;
        devices[index].up.reliable(rng, *now, Up::Message(ClientMessage::Viewport(viewport)));
    }

    /// Asks for so many frames a second at most.
    pub fn set_pace(&mut self, index: usize, max_frames_hz: u8) {
        let Self { rng, devices, now, .. } = self;
        let pace = Pace { max_frames_hz };
        devices[index].up.reliable(rng, *now, Up::Message(ClientMessage::Pace(pace)));
    }

    pub fn set_presence(&mut self, index: usize, presence: Presence) {
        let Self { rng, devices, now, .. } = self;
        let device = &mut devices[index];
        device.presence = presence;
        if device.linked {
            device.up.reliable(rng, *now, Up::Message(ClientMessage::Presence(presence)));
        }
    }

    /// Changes the terms on which its owner wants to share.
    pub fn set_sharing(&mut self, index: usize) {
        let sharing = self.any_terms();
        self.say_sharing(index, sharing);
    }

    fn say_sharing(&mut self, index: usize, sharing: Sharing) {
        let Self { rng, devices, now, .. } = self;
        let device = &mut devices[index];
        device.sharing = sharing;
        if device.linked {
            device.up.reliable(rng, *now, Up::Message(ClientMessage::Sharing(sharing)));
        }
    }

    pub fn refuse(&mut self, index: usize, refuses: bool) {
        self.devices[index].refuses = refuses;
        self.devices[index].in_view_since.clear();
    }

    pub fn feedback(&mut self, index: usize) {
        let lost = self.rng.u64(0..8);
        let feedback = Feedback { sent: 30, lost, rtt_ms: self.rng.u32(5..60), refused: 0 };
        self.world.handle_feedback(self.devices[index].id, feedback, self.now);
    }

    /// Takes a new sample on the device and sends it.
    pub fn walk(&mut self, index: usize) {
        let now = self.now;
        let Self { rng, devices, state_bits, .. } = self;
        let device = &mut devices[index];
        let step = if rng.f64() < 0.01 { 20_000 } else { 60 };
        let lat = (device.place.lat() + rng.i32(-step..=step)).clamp(-MAX_LAT, MAX_LAT);
        let lng = wrap(i64::from(device.place.lng()) + i64::from(rng.i32(-step..=step)));
        device.place = Position::new(lat, lng).unwrap();
        device.sample += 1;
        let pose = Pose {
            position: device.place,
            orientation: Some(Orientation::from_code(device.sample % ORIENTATION_CODES).unwrap()),
            accuracy: Accuracy::from_code(rng.u8(0..64)).unwrap(),
            sampled: Time::from_ms(now.as_ms().saturating_add_signed(device.clock_error)),
        };
        device.last = Some(pose);
        device.moved = now;
        device.repeated = now;
        if device.linked && device.presence != Presence::Watching {
            device.seq += 1;
            device.up.datagram(rng, now, Up::Pose(device.bytes(pose, *state_bits)));
        }
    }

    /// Repeats last poses, as docs/PROTOCOL.md, section 4, tells senders to.
    fn repeat(&mut self) {
        let now = self.now;
        let Self { rng, devices, state_bits, .. } = self;
        for device in devices {
            let gap = if now.since(device.moved) <= 3_500 { 1_000 } else { 5_000 };
            if let Some(pose) = device.last
                && device.linked
                && device.presence != Presence::Watching
                && now.since(device.repeated) >= gap
            {
                device.repeated = now;
                device.up.datagram(rng, now, Up::Pose(device.bytes(pose, *state_bits)));
            }
        }
    }

    /// Ends losses on all links; what was lost stays lost. The last poses arrive, and those who
    /// share go on.
    pub fn calm(&mut self) {
        self.keep_things();
        for index in 0..self.devices.len() {
            let sharing = Sharing { seconds: 0, ..self.devices[index].sharing };
            self.say_sharing(index, sharing);
        }
        let now = self.now;
        let Self { rng, devices, state_bits, .. } = self;
        for device in devices.iter_mut().filter(|device| device.linked) {
            device.up.set_weather(device.weather.calm());
            device.down.set_weather(device.weather.calm());
            device.refuses = false;
            device.in_view_since.clear();
            if let Some(pose) = device.last
                && device.presence != Presence::Watching
            {
                device.up.datagram(rng, now, Up::Pose(device.bytes(pose, *state_bits)));
            }
        }
    }

    /// Runs everything until `until`, and checks the invariants at every step.
    pub fn run(&mut self, until: Time) -> Result<(), String> {
        loop {
            let links =
                self.devices.iter().flat_map(|device| [device.up.next(), device.down.next()]);
            let next = links.flatten().chain(self.world.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            self.step()?;
        }
        self.now = until;
        self.repeat();
        Ok(())
    }
}

/// Wraps a longitude in units into the circle.
fn wrap(lng: i64) -> i32 {
    let circle = 2 * i64::from(MAX_LNG);
    ((lng + i64::from(MAX_LNG)).rem_euclid(circle) - i64::from(MAX_LNG)) as i32
}
