use super::*;
use crate::kind::{Claim, Layout, Mismatch, Number, Plane, Space, StateField, Values};
use crate::motion::Motion;
use crate::pose::Extra;
use crate::wire::Field;

fn plane() -> Plane {
    Plane { unit: "px".into(), step: Number(0.5) }
}

fn layout() -> Layout {
    let field = |name: &str, values| StateField { name: name.into(), values };
    Layout { fields: vec![field("tool", Values::Unsigned(12)), field("down", Values::Flag)] }
}

fn claim() -> Claim {
    Claim { space: Some(Space::Plane(plane())), layout: Some(layout()) }
}

fn newcomer(id: u32, claim: Claim) -> Newcomer {
    let id = PeerId(id);
    let uuid = PublicId(Uuid::from_u128(id.0.into()));
    let arrival = Arrival { claim, ..Arrival::default() };
    Newcomer { id, uuid, token: ResumeToken::mint(id, [3; 12]), arrival }
}

impl Room {
    fn join_as(&mut self, id: u32, arrival: Arrival) -> Result<PeerId, JoinError> {
        let id = PeerId(id);
        let newcomer = Newcomer { arrival, ..newcomer(id.0, Claim::default()) };
        self.world.join(newcomer, self.now)?;
        self.views.push((id, View::default()));
        Ok(id)
    }

    fn place(&mut self, id: PeerId, seq: u32, (x, y): (f64, f64), extra: Extra) {
        let pose = Pose {
            position: plane().position(x, y).unwrap(),
            orientation: None,
            accuracy: Accuracy::UNKNOWN,
            sampled: self.now,
        };
        self.world.handle_pose(id, Sample { extra, ..Sample::new(seq, pose) });
    }
}

/// What the peer is told that is not about people.
fn refusals(room: &mut Room, id: PeerId) -> Vec<u8> {
    let mut fields = Vec::new();
    while let Some(event) = room.world.poll_event() {
        if let ServerMessage::Refused(refused) = ServerMessage::decode(&event.message).unwrap()
            && event.to == Audience::One(id)
        {
            fields.push(refused.field);
        }
    }
    fields
}

#[test]
fn the_first_peer_says_what_a_room_is_for() {
    let mut room = Room::new();
    assert_eq!(room.world.join(newcomer(1, claim()), room.now), Ok(()));
    assert_eq!(room.world.join(newcomer(2, Claim::default()), room.now), Ok(()));
    assert_eq!(room.world.kind(), Some(&claim().kind()));
    let earth = Claim { space: Some(Space::Earth), layout: None };
    let error = JoinError::Kind(Mismatch::Space(Space::Plane(plane()), Space::Earth));
    assert_eq!(room.world.join(newcomer(3, earth.clone()), room.now), Err(error));
    let stateless = Claim { space: None, layout: Some(Layout::default()) };
    let error = JoinError::Kind(Mismatch::Layout(layout(), Layout::default()));
    assert_eq!(room.world.join(newcomer(3, stateless), room.now), Err(error));
    // Whoever asks for nothing begins a room on the earth.
    let mut room = Room::new();
    assert_eq!(room.world.join(newcomer(1, Claim::default()), room.now), Ok(()));
    assert_eq!(room.world.join(newcomer(2, earth), room.now), Ok(()));
    assert!(room.world.join(newcomer(3, claim()), room.now).is_err());
    // What the operator set counts for the first peer, too.
    let mut room = Room::new();
    room.world.set_kind(claim().kind());
    assert!(
        room.world
            .join(newcomer(1, Claim { space: Some(Space::Earth), layout: None }), room.now)
            .is_err()
    );
}

#[test]
fn a_point_its_state_and_its_motion_are_seen_as_they_are() {
    let mut room = Room::new();
    let walker = room.join_as(1, Arrival { claim: claim(), ..Arrival::default() }).unwrap();
    let near = Viewport { south: -7_000, north: 7_000, west: -7_000, east: 7_000, zoom: 200 };
    let watcher = Arrival { viewport: Some(near), ..Arrival::default() };
    let watcher = room.join_as(2, watcher).unwrap();
    let mut points = (0..).map(|n| (f64::from(n % 50), f64::from(n % 7) - 3.0));
    // Long enough for deltas and keys, with and without motion.
    for (seq, state) in (0..60).zip([5, 0, 0x1FFF, 0x1000].into_iter().cycle()) {
        let point = points.next().unwrap();
        let motion = Motion::new(f64::from(seq), 45.0).filter(|_| seq % 3 > 0);
        let extra = Extra { motion, state };
        room.place(walker, seq, point, extra);
        room.run(50);
        let figure = room.view(watcher).figure(walker).unwrap();
        assert_eq!((plane().point(figure.position), figure.extra), (point, extra));
    }
    // The next peer in its place has nothing of it.
    room.world.leave(walker);
    let next = room.join_as(3, Arrival::default()).unwrap();
    room.place(next, 0, (1.0, 1.0), Extra::default());
    room.run(50);
    assert_eq!(room.view(watcher).figure(next).unwrap().extra, Extra::default());
}

#[test]
fn a_plane_has_no_approximate_positions() {
    let mut room = Room::new();
    let approximate = Sharing { approximate: true, seconds: 0 };
    let first = Arrival { claim: claim(), sharing: approximate, ..Arrival::default() };
    let first = room.join_as(1, first).unwrap();
    assert_eq!(refusals(&mut room, first), [Field::Sharing as u8]);
    assert_eq!(room.world.online(), Online { watching: 1, ..Online::default() });
    let second = room.join_as(2, Arrival::default()).unwrap();
    refusals(&mut room, second);
    room.say(second, &ClientMessage::Sharing(approximate));
    assert_eq!(refusals(&mut room, second), [Field::Sharing as u8]);
    assert_eq!(room.world.online(), Online { watching: 1, sharing: 1, ..Online::default() });
}

#[test]
fn an_approximate_peer_s_motion_is_nobody_s_business() {
    let mut room = Room::new();
    let [walker, watcher] = [1, 2].map(|id| room.join(id, Presence::Sharing));
    let extra = Extra { motion: Motion::new(2.0, 90.0), state: 0 };
    let pose = |room: &mut Room, seq| {
        let pose = Pose {
            position: Position::from_degrees(46.0, 14.0).unwrap(),
            orientation: None,
            accuracy: Accuracy::UNKNOWN,
            sampled: room.now,
        };
        room.world.handle_pose(walker, Sample { extra, ..Sample::new(seq, pose) });
    };
    pose(&mut room, 0);
    room.run(50);
    assert_eq!(room.view(watcher).figure(walker).unwrap().extra, extra);
    room.share_for(walker, true, 0);
    sharing::look_around(&mut room, watcher);
    room.run(50);
    assert_eq!(room.view(watcher).figure(walker).unwrap().extra.motion, None);
    pose(&mut room, 1);
    room.run(50);
    assert_eq!(room.view(watcher).figure(walker).unwrap().extra.motion, None);
}
