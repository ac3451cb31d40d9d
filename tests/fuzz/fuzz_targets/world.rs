//! Any sequence of operations on a world, as a shell might make them.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::Arbitrary;
use gpys_proto::blur::blur;
use gpys_proto::geo::{Position, Viewport, cell_step};
use gpys_proto::pose::{Accuracy, ORIENTATION_CODES, Orientation, Pose};
use gpys_proto::time::Time;
use gpys_proto::view::View;
use gpys_proto::wire::frame::Frame;
use gpys_proto::wire::{
    ClientMessage, Pace, PeerId, Presence, PublicId, ResumeToken, Sample, ServerMessage, Sharing,
};
use gpys_proto::world::{Arrival, Feedback, Newcomer, Parting, RoomSettings, World};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

/// An operation of a shell; a wait lets time pass and runs what is due.
#[derive(Arbitrary, Debug)]
enum Op {
    Join { presence: u8, budget: u32, looks: Option<Looks> },
    Leave { who: u8 },
    Detach { who: u8, silent_ms: u16, closed: bool },
    Resume { who: u8, forged: bool, presence: u8, terms: Terms },
    Pose { who: u8, place: Place, orientation: u32, age: u16 },
    RepeatedPose { who: u8 },
    Look { who: u8, looks: Looks },
    SetPresence { who: u8, presence: u8 },
    SetSharing { who: u8, terms: Terms },
    Budget { who: u8, budget: u32 },
    Pace { who: u8, max_frames_hz: u8 },
    Cost { frames: u32, us: u64 },
    Feedback { who: u8, lost: u8, refused: u8, rtt_ms: u16 },
    Wait { ms: u16, max_len: u16, skip: u8 },
}

/// Terms of sharing, most of which end soon, if at all.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Terms {
    approximate: bool,
    ends: bool,
    seconds: u8,
}

impl Terms {
    fn sharing(self) -> Sharing {
        let seconds = match (self.ends, self.seconds) {
            (false, _) => 0,
            (true, u8::MAX) => u32::MAX,
            (true, seconds) => u32::from(seconds),
        };
        Sharing { approximate: self.approximate, seconds }
    }
}

/// A place near one of a few corners of the world, so that people meet.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Place {
    corner: u8,
    north: i16,
    east: i16,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Looks {
    from: Place,
    tall: u32,
    wide: u32,
    zoom: u8,
}

impl Place {
    fn position(self) -> Position {
        let (lat, lng) = [
            (457_500_000, 143_600_000),
            (-899_990_000, 1_799_990_000),
            (899_990_000, -1_799_990_000),
            (0, 0),
        ][usize::from(self.corner % 4)];
        let lat = (lat + i32::from(self.north)).clamp(-900_000_000, 900_000_000);
        let lng = (lng + i32::from(self.east)).clamp(-1_800_000_000, 1_800_000_000);
        Position::new(lat, lng).unwrap()
    }
}

impl Looks {
    fn viewport(self) -> Viewport {
        let from = self.from.position();
        let north = i64::from(from.lat()) + i64::from(self.tall % 1_800_000_001);
        let east = i64::from(from.lng()) + i64::from(self.wide % 3_600_000_001);
        let east = if east > 1_800_000_000 { east - 3_600_000_000 } else { east };
        Viewport {
            south: from.lat(),
            west: from.lng(),
            north: north.min(900_000_000) as i32,
            east: east as i32,
            zoom: self.zoom,
        }
    }
}

fn presence(n: u8) -> Presence {
    [Presence::Sharing, Presence::Watching, Presence::Hidden][usize::from(n % 3)]
}

/// What the shell knows of a peer.
struct Known {
    seq: u32,
    approximate: bool,
    linked: bool,
    view: View,
}

struct Shell {
    world: World,
    now: Time,
    next: u32,
    peers: BTreeMap<PeerId, Known>,
    /// Peers whose leave everyone was told of.
    left: BTreeSet<PeerId>,
}

impl Shell {
    fn pick(&self, who: u8) -> Option<PeerId> {
        let n = self.peers.len();
        (n > 0).then(|| *self.peers.keys().nth(usize::from(who) % n).unwrap())
    }

    fn token(id: PeerId) -> ResumeToken {
        ResumeToken::mint(id, [7; 12])
    }

    fn apply(&mut self, op: Op) {
        let now = self.now;
        match op {
            Op::Join { presence: p, budget, looks } => self.join(p, budget, looks),
            Op::Leave { who } => {
                if let Some(id) = self.pick(who) {
                    self.world.leave(id);
                    self.peers.remove(&id);
                }
            }
            Op::Detach { who, silent_ms, closed } => {
                if let Some(id) = self.pick(who) {
                    self.peers.get_mut(&id).unwrap().linked = false;
                    // A peer that was silent for longer than the resume time has left at once.
                    let heard = now - u64::from(silent_ms % 20_000);
                    let lost = Parting::Lost(heard);
                    self.world.detach(id, if closed { Parting::Closed } else { lost }, now);
                }
            }
            Op::Resume { who, forged, presence: p, terms } => {
                let Some(id) = self.pick(who) else { return };
                let token = if forged { ResumeToken::mint(id, [8; 12]) } else { Self::token(id) };
                let sharing = terms.sharing();
                let arrival = Arrival { presence: presence(p), sharing, ..Arrival::default() };
                let back = self.world.resume(token, &arrival, now);
                assert_eq!(back, (!forged).then_some(id));
                if !forged {
                    let known = self.peers.get_mut(&id).unwrap();
                    let Terms { approximate, .. } = terms;
                    *known = Known { seq: 0, approximate, linked: true, view: View::default() };
                }
            }
            Op::Pose { who, place, orientation, age } => {
                let Some(id) = self.pick(who) else { return };
                let pose = Pose {
                    position: place.position(),
                    orientation: Orientation::from_code(orientation % (ORIENTATION_CODES + 9)).ok(),
                    accuracy: Accuracy::from_metres(f64::from(age)),
                    sampled: now - u64::from(age),
                };
                let known = self.peers.get_mut(&id).unwrap();
                let seq = known.seq;
                known.seq += 1;
                self.world.handle_pose(id, Sample::new(seq, pose));
            }
            Op::RepeatedPose { who } => {
                let Some(id) = self.pick(who) else { return };
                let position = Position::new(1, 1).unwrap();
                let (orientation, accuracy) = (None, Accuracy::UNKNOWN);
                let pose = Pose { position, orientation, accuracy, sampled: now };
                if let Some(seq) = self.peers[&id].seq.checked_sub(1) {
                    self.world.handle_pose(id, Sample::new(seq, pose));
                }
            }
            Op::Look { who, looks } => self.tell(who, &ClientMessage::Viewport(looks.viewport())),
            Op::SetPresence { who, presence: p } => {
                self.tell(who, &ClientMessage::Presence(presence(p)));
            }
            Op::SetSharing { who, terms } => {
                self.tell(who, &ClientMessage::Sharing(terms.sharing()));
                if let Some(id) = self.pick(who) {
                    self.peers.get_mut(&id).unwrap().approximate = terms.approximate;
                }
            }
            Op::Budget { who, budget } => self.tell(who, &ClientMessage::Budget(budget)),
            Op::Pace { who, max_frames_hz } => {
                self.tell(who, &ClientMessage::Pace(Pace { max_frames_hz }));
            }
            Op::Cost { frames, us } => self.world.handle_cost(frames, us),
            Op::Feedback { who, lost, refused, rtt_ms } => {
                let Some(id) = self.pick(who) else { return };
                let (lost, refused) = (u64::from(lost), u32::from(refused));
                let feedback = Feedback { sent: 40, lost, rtt_ms: rtt_ms.into(), refused };
                self.world.handle_feedback(id, feedback, self.now);
            }
            Op::Wait { ms, max_len, skip } => self.wait(ms % 4_000, max_len, skip),
        }
    }

    fn join(&mut self, p: u8, budget: u32, looks: Option<Looks>) {
        let id = PeerId(self.next);
        self.next += 1 + u32::from(p) * 17;
        let newcomer = Newcomer {
            id,
            uuid: PublicId(Uuid::from_u128(id.0.into())),
            token: Self::token(id),
            arrival: Arrival {
                presence: presence(p),
                budget,
                viewport: looks.map(Looks::viewport),
                ..Arrival::default()
            },
        };
        match self.world.join(newcomer, self.now) {
            Ok(()) => {
                let view = View::default();
                let known = Known { seq: 0, approximate: false, linked: true, view };
                self.peers.insert(id, known);
            }
            Err(_) => assert_eq!(self.peers.len(), 40),
        }
    }

    fn tell(&mut self, who: u8, message: &ClientMessage) {
        if let Some(id) = self.pick(who) {
            // A violation ends the link, but not the peer; the shell decides.
            let _ = self.world.handle_message(id, message, self.now);
        }
    }

    /// Runs the world, and passes over every `skip`th turn, as a link without room does.
    fn wait(&mut self, ms: u16, max_len: u16, skip: u8) {
        let until = self.now + u64::from(ms);
        let mut turns = 0_u32;
        while let Some(next) = self.world.poll_timeout().filter(|&next| next <= until) {
            let before = self.now;
            self.now = self.now.max(next);
            self.world.handle_timeout(self.now);
            self.events();
            while let Some(id) = self.world.poll_viewer() {
                turns += 1;
                if skip == 0 || turns % u32::from(skip) != 0 {
                    self.frame(id, usize::from(max_len));
                }
            }
            // The world must not be due at once for ever.
            turns += u32::from(before == self.now);
            assert!(turns < 2_000_000);
        }
        self.now = until;
    }

    fn frame(&mut self, id: PeerId, max_len: usize) {
        let mut bytes = vec![0xAA; 3];
        let made = self.world.poll_frame(id, max_len, self.now, &mut bytes);
        assert_eq!(bytes[..3], [0xAA; 3]);
        assert_eq!(made, bytes.len() > 3);
        assert!(bytes.len() - 3 <= max_len);
        if !made {
            return;
        }
        self.approximate_are_in_the_middle(&bytes[3..]);
        let peers = &mut self.peers;
        let known = peers.get_mut(&id).expect("frames are for peers that are here");
        assert!(known.linked, "frames are for peers with a link");
        let left = &self.left;
        let see = |shown: PeerId, _: &_| assert!(!left.contains(&shown), "{shown} has left");
        known.view.handle_frame(&bytes[3..], see).expect("frames decode");
    }

    /// Checks that a frame shows approximate peers only in the middle of their cells.
    fn approximate_are_in_the_middle(&self, bytes: &[u8]) {
        let mut frame = Frame::default();
        frame.decode(bytes).expect("frames decode");
        for (chunk, entries) in frame.chunks() {
            let half = cell_step(chunk.cell.level).div_ceil(2);
            for entry in entries {
                let middle = blur(entry.position);
                let near = |a: i32, b: i32| a.abs_diff(b) <= half;
                let near = near(entry.position.lat(), middle.lat())
                    && near(entry.position.lng(), middle.lng());
                let exact = self.peers.get(&entry.id).is_some_and(|known| !known.approximate);
                // Steps of half a cell and more reveal no place.
                assert!(near || exact || half > 20_000, "{} at {:?}", entry.id, entry.position);
            }
        }
    }

    fn events(&mut self) {
        while let Some(event) = self.world.poll_event() {
            let message = ServerMessage::decode(&event.message).unwrap();
            assert_eq!(*event.message, *message.encode());
            if let ServerMessage::Roster(roster) = &message {
                for &id in &roster.left {
                    self.peers.remove(&id);
                    self.left.insert(id);
                }
                assert!(roster.joined.iter().all(|person| !self.left.contains(&person.id)));
            }
            for (&id, known) in &mut self.peers {
                if event.to.includes(id) {
                    known.view.handle_message(&message);
                }
            }
        }
    }

    fn check(&self) {
        let online = self.world.online();
        assert!(online.total() as usize <= self.peers.len());
        if self.world.is_empty() {
            assert_eq!(online.total(), 0);
        }
        if self.peers.is_empty() {
            assert!(self.world.is_empty());
        }
    }
}

fuzz_target!(|input: (u64, Vec<Op>)| {
    let settings = RoomSettings { max_people: 40, ..RoomSettings::default() };
    let (seed, ops) = input;
    let mut shell = Shell {
        world: World::new(settings, seed),
        // Late enough that the wire's clock wraps now and then.
        now: Time::from_ms((1 << 32) - seed % 20_000),
        next: (seed >> 32) as u32 % 1_000,
        peers: BTreeMap::new(),
        left: BTreeSet::new(),
    };
    for op in ops.into_iter().take(400) {
        shell.apply(op);
        shell.check();
    }
    // Once all have left, the world has nothing to do.
    for id in shell.peers.keys().copied().collect::<Vec<_>>() {
        shell.world.leave(id);
    }
    shell.wait(200, 1_000, 0);
    assert!(shell.world.is_empty());
    assert_eq!(shell.world.poll_timeout(), None);
});
