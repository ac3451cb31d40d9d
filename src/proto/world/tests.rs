use uuid::Uuid;

use crate::blur::{FINEST, blur};
use crate::geo::{Position, Viewport};
use crate::pose::{Accuracy, Orientation, Pose};
use crate::time::Time;
use crate::view::View;
use crate::wire::frame::Frame;
use crate::wire::{
    ClientMessage, Online, PeerId, Presence, PublicId, ResumeToken, Sample, ServerMessage, Sharing,
};
use crate::world::interface::VIEWPORT_BURST;
use crate::world::{
    Ages, Arrival, Audience, JoinError, Newcomer, Parting, RoomSettings, SILENCE_MS, Violation,
    World,
};

mod bulletins;
mod kinds;
mod pace;
mod sharing;
mod talk;
mod things;

/// A room, and what its people see.
struct Room {
    world: World,
    now: Time,
    views: Vec<(PeerId, View)>,
    /// The frames sent, with their viewers and times.
    sent: Vec<(PeerId, Time, Frame)>,
}

fn named(name: &str) -> Arrival {
    Arrival { name: name.to_owned(), ..Arrival::default() }
}

impl Room {
    fn new() -> Self {
        Self {
            world: World::new(RoomSettings::default(), 1),
            now: Time::from_ms(1000),
            views: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn join(&mut self, id: u32, presence: Presence) -> PeerId {
        let id = PeerId(id);
        let newcomer = Newcomer {
            id,
            uuid: PublicId(Uuid::from_u128(id.0.into())),
            token: ResumeToken::mint(id, [3; 12]),
            arrival: Arrival {
                name: format!("n{id}"),
                presence,
                viewport: Some(viewport()),
                ..Arrival::default()
            },
        };
        self.world.join(newcomer, self.now).unwrap();
        self.views.push((id, View::default()));
        id
    }

    fn pose(&mut self, id: PeerId, seq: u32, lat: f64) {
        let pose = Pose {
            position: Position::from_degrees(lat, 14.0).unwrap(),
            orientation: Some(Orientation::from_euler(1.0, 2.0, 3.0).unwrap()),
            accuracy: Accuracy::from_metres(5.0),
            sampled: self.now,
        };
        self.world.handle_pose(id, Sample::new(seq, pose));
    }

    fn say(&mut self, id: PeerId, message: &ClientMessage) {
        self.world.handle_message(id, message, self.now).unwrap();
    }

    fn share_for(&mut self, id: PeerId, approximate: bool, seconds: u32) {
        self.say(id, &ClientMessage::Sharing(Sharing { approximate, seconds }));
    }

    fn deliver(&mut self) {
        while let Some(event) = self.world.poll_event() {
            let message = ServerMessage::decode(&event.message).unwrap();
            for (id, view) in &mut self.views {
                if event.to == Audience::Everyone || event.to == Audience::One(*id) {
                    view.handle_message(&message);
                }
            }
        }
        let mut bytes = Vec::new();
        while let Some(viewer) = self.world.poll_viewer() {
            bytes.clear();
            if self.world.poll_frame(viewer, 1000, self.now, &mut bytes) {
                assert!(bytes.len() <= 1000);
                let mut frame = Frame::default();
                frame.decode(&bytes).unwrap();
                self.sent.push((viewer, self.now, frame));
                for (id, view) in &mut self.views {
                    if *id == viewer {
                        view.handle_frame(&bytes, |_, _| {}).unwrap();
                    }
                }
            }
        }
    }

    fn run(&mut self, ms: u64) {
        let until = self.now + ms;
        while let Some(next) = self.world.poll_timeout().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.world.handle_timeout(self.now);
            self.deliver();
        }
        self.now = until;
    }

    /// Runs the next tick alone.
    fn tick(&mut self) {
        self.now = self.now.max(self.world.next_change());
        self.world.handle_timeout(self.now);
        self.deliver();
    }

    fn view(&self, id: PeerId) -> &View {
        &self.views.iter().find(|(other, _)| *other == id).unwrap().1
    }
}

fn viewport() -> Viewport {
    Viewport {
        south: 459_990_000,
        north: 460_010_000,
        west: 139_990_000,
        east: 140_010_000,
        zoom: 170,
    }
}

#[test]
fn a_pose_is_seen_within_a_tick_and_a_leave_at_once() {
    let mut room = Room::new();
    let walker = room.join(1, Presence::Sharing);
    let watcher = room.join(2, Presence::Watching);
    room.run(200);
    room.pose(walker, 0, 46.0);
    room.run(9);
    let seen = *room.view(watcher).figure(walker).unwrap();
    assert!(seen.position.lat().abs_diff(460_000_000) <= 3);
    assert_eq!(room.view(watcher).online().total(), 2);
    room.world.leave(walker);
    room.run(40);
    assert_eq!(room.view(watcher).figure(walker), None);
    assert_eq!(room.view(watcher).online().total(), 1);
    assert_eq!(room.view(watcher).roster().count(), 1);
}

#[test]
fn poses_out_of_order_are_dropped() {
    let mut room = Room::new();
    let walker = room.join(1, Presence::Sharing);
    let watcher = room.join(2, Presence::Watching);
    room.pose(walker, 5, 46.0);
    room.pose(walker, 4, 46.0005);
    room.run(50);
    assert!(room.view(watcher).figure(walker).unwrap().position.lat() < 460_000_100);
}

#[test]
fn stopping_to_share_removes_the_pin_even_if_poses_come_late() {
    let mut room = Room::new();
    let walker = room.join(1, Presence::Sharing);
    let watcher = room.join(2, Presence::Watching);
    room.pose(walker, 0, 46.0);
    room.run(50);
    let stop = ClientMessage::Presence(Presence::Watching);
    room.world.handle_message(walker, &stop, room.now).unwrap();
    room.pose(walker, 1, 46.0);
    room.run(1100);
    assert_eq!(room.view(watcher).figure(walker), None);
    assert_eq!(room.view(watcher).online(), Online { watching: 2, ..Online::default() });
}

#[test]
fn silent_peers_are_gone_and_later_have_left() {
    let mut room = Room::new();
    let walker = room.join(1, Presence::Sharing);
    let watcher = room.join(2, Presence::Watching);
    room.pose(walker, 0, 46.0);
    room.run(50);
    let heard = room.now;
    room.world.detach(walker, Parting::Lost(heard), room.now);
    room.run(14_900);
    assert!(room.view(watcher).figure(walker).is_some());
    room.run(1_300);
    assert!(room.view(watcher).figure(walker).is_none());
    assert_eq!(room.view(watcher).online().total(), 1);
    assert_eq!(room.view(watcher).roster().count(), 2);
    room.run(14_000);
    assert_eq!(room.view(watcher).roster().count(), 1);
    assert_eq!(
        room.world.resume(ResumeToken::mint(walker, [3; 12]), &Arrival::default(), room.now),
        None
    );
}

#[test]
fn a_closed_link_is_gone_earlier_but_keeps_its_place_as_long() {
    let mut room = Room::new();
    let walker = room.join(1, Presence::Sharing);
    let watcher = room.join(2, Presence::Watching);
    room.pose(walker, 0, 46.0);
    room.run(50);
    room.world.detach(walker, Parting::Closed, room.now);
    room.run(4_900);
    assert!(room.view(watcher).figure(walker).is_some(), "a page that is reloaded is back by now");
    room.run(200);
    assert!(room.view(watcher).figure(walker).is_none());
    assert_eq!(room.view(watcher).online().total(), 1);
    room.run(24_000);
    let back = room.world.resume(ResumeToken::mint(walker, [3; 12]), &Arrival::default(), room.now);
    assert_eq!(back, Some(walker));
    // Its deadlines are called off with its absence.
    room.run(40_000);
    assert_eq!(room.view(watcher).roster().count(), 2);
}

#[test]
fn time_while_the_server_is_stopped_is_no_silence() {
    let mut room = Room::new();
    let (away, gone) = (room.join(1, Presence::Sharing), room.join(2, Presence::Sharing));
    let watcher = room.join(3, Presence::Watching);
    room.share_for(away, false, 100);
    for id in [away, gone] {
        room.pose(id, 0, 46.0);
    }
    room.run(50);
    room.world.detach(gone, Parting::Lost(room.now), room.now);
    room.run(16_000);
    room.world.detach(away, Parting::Lost(room.now), room.now);
    room.run(1_000);
    room.now = room.now + 60_000;
    room.world.excuse(60_000);
    room.run(12_900);
    assert_eq!(room.view(watcher).online().sharing, 1, "14 s of silence, and 60 s of nothing");
    assert!(room.world.is_here(gone), "30 s of silence");
    room.run(2_100);
    assert_eq!(room.view(watcher).online().sharing, 0);
    assert!(!room.world.is_here(gone));
    // What was shared for a time ended when it was to end.
    let token = ResumeToken::mint(away, [3; 12]);
    room.run(8_000);
    let arrival = Arrival { presence: Presence::Hidden, ..named("n#1") };
    assert_eq!(room.world.resume(token, &arrival, room.now), Some(away));
    room.run(1_100);
    assert!(room.view(watcher).figure(away).is_none());
}

#[test]
fn resuming_in_time_keeps_the_peer_and_tells_no_one_else() {
    let mut room = Room::new();
    let walker = room.join(1, Presence::Sharing);
    let watcher = room.join(2, Presence::Watching);
    room.pose(walker, 7, 46.0);
    room.run(50);
    room.world.detach(walker, Parting::Lost(room.now), room.now);
    room.run(5_000);
    let wrong = ResumeToken::mint(walker, [4; 12]);
    assert_eq!(room.world.resume(wrong, &named(""), room.now), None);
    let token = ResumeToken::mint(walker, [3; 12]);
    let back = room.world.resume(token, &named("n#1"), room.now);
    assert_eq!(back, Some(walker));
    while let Some(event) = room.world.poll_event() {
        assert_eq!(event.to, Audience::One(walker));
    }
    room.pose(walker, 0, 46.0005);
    room.run(40);
    assert!(room.view(watcher).figure(walker).unwrap().position.lat() > 460_004_000);
    let _ = room.world.resume(token, &named("Ada"), room.now);
    room.run(40);
    assert!(room.view(watcher).roster().any(|person| person.name == "Ada"));
}

#[test]
fn a_peer_without_the_right_to_share_is_not_shown() {
    let mut room = Room::new();
    let walker = room.join(1, Presence::Sharing);
    let watcher = room.join(2, Presence::Watching);
    room.pose(walker, 0, 46.0);
    room.run(50);
    assert!(room.view(watcher).figure(walker).is_some());
    // Whoever hides goes on being shown, but not by right of a token that only watches.
    let token = ResumeToken::mint(walker, [3; 12]);
    for presence in [Presence::Hidden, Presence::Sharing] {
        let arrival = Arrival { presence, may_share: false, ..named("n#1") };
        assert_eq!(room.world.resume(token, &arrival, room.now), Some(walker));
        room.pose(walker, 0, 46.0);
        room.run(50);
        assert!(room.view(watcher).figure(walker).is_none(), "{presence:?}");
        assert_eq!(room.world.online().sharing, 0);
        let share = ClientMessage::Presence(Presence::Sharing);
        let refused = room.world.handle_message(walker, &share, room.now);
        assert_eq!(refused, Err(Violation::MayNotShare));
        let arrival = named("n#1");
        assert_eq!(room.world.resume(token, &arrival, room.now), Some(walker));
        room.pose(walker, 0, 46.0);
        room.run(50);
        assert!(room.view(watcher).figure(walker).is_some());
    }
}

#[test]
fn a_host_gets_into_a_full_room_and_no_uuid_comes_twice() {
    let settings = RoomSettings { max_people: 1, ..RoomSettings::default() };
    let mut world = World::new(settings, 1);
    let mut join = |id, host| {
        let (id, uuid) = (PeerId(id), PublicId(Uuid::from_u128(id.into())));
        let arrival = Arrival { host, ..Arrival::default() };
        let token = ResumeToken::mint(id, [3; 12]);
        world.join(Newcomer { id, uuid, token, arrival }, Time::from_ms(1000))
    };
    assert_eq!(join(1, false), Ok(()));
    assert_eq!(join(2, false), Err(JoinError::Full(1)));
    assert_eq!(join(3, true), Ok(()));
    let has = |id| world.has(PublicId(Uuid::from_u128(id)));
    assert_eq!([has(1), has(2), has(3)], [true, false, true]);
}

#[test]
fn an_empty_room_has_nothing_to_do() {
    let mut room = Room::new();
    let walker = room.join(1, Presence::Sharing);
    room.run(100);
    room.world.leave(walker);
    room.run(100);
    assert!(room.world.is_empty());
    assert_eq!(room.world.poll_timeout(), None);
}

#[test]
fn too_many_viewports_end_the_link() {
    let mut room = Room::new();
    let walker = room.join(1, Presence::Sharing);
    let look = ClientMessage::Viewport(viewport());
    for _ in 0..VIEWPORT_BURST {
        room.world.handle_message(walker, &look, room.now).unwrap();
    }
    let refused = room.world.handle_message(walker, &look, room.now);
    assert_eq!(refused, Err(Violation::TooFast));
}

#[test]
fn a_crowd_that_grows_and_shrinks_is_right_for_viewers_who_came_at_other_times() {
    let mut room = Room::new();
    let mut watchers = Vec::new();
    for id in 1..=12 {
        watchers.push(room.join(id, Presence::Watching));
        room.run(33);
    }
    // Two cells, so that chunks of one lie behind those of the other.
    let lat = |id: u32| if id.is_multiple_of(4) { 46.0005 } else { 46.0 } + f64::from(id) * 1e-6;
    let people: Vec<PeerId> = (100..300).map(|id| room.join(id, Presence::Sharing)).collect();
    for seq in 0..60 {
        // They come over 20 ticks, and all but a few leave over the next 20.
        let there = |at: u32| at / 10 <= seq && (at < 6 || at / 10 + 20 > seq);
        for (at, &id) in (0..).zip(&people).filter(|&(at, _)| there(at)) {
            room.pose(id, seq, lat(id.0));
            if at >= 6 && at / 10 + 19 == seq {
                room.world.leave(id);
            }
        }
        room.run(33);
        for &watcher in &watchers {
            for (id, figure) in room.view(watcher).figures() {
                let truth = Position::from_degrees(lat(id.0), 14.0).unwrap();
                let error = figure.position.lat().abs_diff(truth.lat());
                assert!(error <= 5, "{id} is {error} off in tick {seq}");
            }
        }
    }
    room.run(1_100);
    for watcher in watchers {
        assert_eq!(room.view(watcher).figures().count(), 6);
    }
}

#[test]
fn only_new_samples_have_an_age() {
    let mut room = Room::new();
    let walker = room.join(1, Presence::Sharing);
    room.run(200);
    room.world.take_ages();
    room.pose(walker, 0, 46.0);
    room.run(50);
    let ages = room.world.take_ages();
    assert_eq!((ages.counts[0], ages.counts.iter().sum()), (1, 1_u32), "{ages:?}");
    let say = |room: &mut Room, presence| {
        room.world.handle_message(walker, &ClientMessage::Presence(presence), room.now).unwrap();
        room.run(2_000);
    };
    say(&mut room, Presence::Hidden);
    say(&mut room, Presence::Sharing);
    assert_eq!(room.world.take_ages(), Ages::default(), "an old pose that is shown again");
}
