//! Things: they are shown as people are, and end by themselves.

use super::*;
use crate::pose::Extra;
use crate::wire::{CloseCode, HostAction, Role, Said, Say, To};
use crate::world::{LAST_SEEN_MS, Placed, Put, PutError};

fn put(key: &str, lat: f64) -> Put {
    Put {
        key: key.into(),
        name: "Line\u{7} 7".into(),
        profile: String::new(),
        position: Position::from_degrees(lat, 14.0).unwrap(),
        orientation: None,
        accuracy: Accuracy::from_metres(5.0),
        extra: Extra::default(),
        age_ms: 0,
        ttl_ms: 10_000,
    }
}

impl Room {
    /// Puts a thing, which has this number if it is new.
    fn put(&mut self, id: u32, put: &Put) -> Result<Placed, PutError> {
        let uuid = PublicId(Uuid::from_u128(put.key.len() as u128 + 1_000_000));
        self.world.put_thing(put, || Some((PeerId(id), uuid)), self.now)
    }
}

#[test]
fn a_thing_is_seen_within_a_tick_and_counts_as_nobody() {
    let mut room = Room::new();
    let watcher = room.join(1, Presence::Watching);
    room.run(200);
    let placed = room.put(7, &put("bus", 46.0)).unwrap();
    assert_eq!(placed, Placed { id: PeerId(7), is_new: true, is_newest: true });
    room.run(9);
    assert!(room.view(watcher).figure(placed.id).is_some());
    room.run(200);
    let thing = room.view(watcher).roster().find(|it| it.id == placed.id).unwrap();
    assert_eq!((thing.role, &*thing.name), (Role::Thing, "Line 7"));
    assert_eq!(room.view(watcher).online(), Online { watching: 1, things: 1, ..Online::default() });

    let again = room.put(8, &put("bus", 46.0005)).unwrap();
    assert_eq!(again, Placed { id: PeerId(7), is_new: false, is_newest: true });
    room.run(9);
    let at = room.view(watcher).figure(placed.id).unwrap().position;
    assert!(at.lat().abs_diff(460_005_000) <= 3);
}

#[test]
fn a_thing_ends_with_its_time_or_when_its_program_takes_it_out() {
    let mut room = Room::new();
    let watcher = room.join(1, Presence::Watching);
    room.put(7, &put("bus", 46.0)).unwrap();
    room.put(8, &put("tram", 46.0)).unwrap();
    room.run(6_000);
    room.put(0, &put("bus", 46.0)).unwrap();
    room.run(4_100);
    assert!(room.view(watcher).figure(PeerId(7)).is_some(), "it was put again");
    assert!(room.view(watcher).figure(PeerId(8)).is_none(), "its time is over");
    assert!(room.world.remove_thing("bus") && !room.world.remove_thing("bus"));
    room.run(200);
    assert_eq!(room.view(watcher).online().things, 0);
    assert!(!room.world.is_empty());
    room.world.leave(watcher);
    assert!(room.world.is_empty());
}

#[test]
fn an_older_sample_moves_nothing_and_an_old_one_is_shown_as_last_seen() {
    let mut room = Room::new();
    room.now = Time::from_ms(500_000);
    let watcher = room.join(1, Presence::Watching);
    room.put(7, &Put { age_ms: LAST_SEEN_MS, ..put("bus", 46.0) }).unwrap();
    room.run(200);
    assert!(room.view(watcher).figure(PeerId(7)).unwrap().hidden);
    let late = room.put(0, &Put { age_ms: LAST_SEEN_MS + 300, ..put("bus", 46.0004) }).unwrap();
    assert!(!late.is_newest);
    room.run(200);
    let figure = *room.view(watcher).figure(PeerId(7)).unwrap();
    assert!(figure.hidden && figure.position.lat().abs_diff(460_000_000) <= 3);
    room.put(0, &put("bus", 46.0)).unwrap();
    room.run(200);
    assert!(!room.view(watcher).figure(PeerId(7)).unwrap().hidden);
}

#[test]
fn things_are_limited_in_number_in_puts_and_in_news() {
    let settings = RoomSettings { max_things: 2, max_people: 1, ..RoomSettings::default() };
    let mut room = Room { world: World::new(settings, 1), ..Room::new() };
    room.put(7, &put("a", 46.0)).unwrap();
    room.put(8, &put("bb", 46.0)).unwrap();
    assert_eq!(room.put(9, &put("ccc", 46.0)), Err(PutError::Full(2)));
    assert!(!room.world.is_full(), "things take no people's places");
    room.join(1, Presence::Watching);
    assert!(room.world.is_full());
    let refused = |room: &mut Room, put: &dyn Fn(u32) -> Put| {
        (0..40_000).find_map(|n| room.put(0, &put(n)).err())
    };
    let renamed = |n: u32| Put { name: format!("{n}"), profile: "0".repeat(500), ..put("a", 46.0) };
    assert_eq!(refused(&mut room, &renamed), Some(PutError::TooMuchNews));
    assert_eq!(refused(&mut room, &|_| put("bb", 46.0)), Some(PutError::TooFast));
    room.now = room.now + 60_000;
    assert!(room.put(0, &put("a", 46.0)).is_ok());
}

#[test]
fn ten_thousand_new_things_fit_every_link_s_queue() {
    let mut room = Room::new();
    room.join(1, Presence::Watching);
    room.run(1_000);
    for n in 0..10_000 {
        room.put(10 + n, &put(&format!("bus-{n}"), 46.0)).unwrap();
    }
    room.world.handle_timeout(room.now + 100);
    let messages = std::iter::from_fn(|| room.world.poll_event()).count();
    assert!((50..130).contains(&messages), "{messages} messages at once");
}

#[test]
fn nobody_comes_back_as_a_thing() {
    let mut room = Room::new();
    room.put(7, &put("bus", 46.0)).unwrap();
    let token = ResumeToken::mint(PeerId(7), [0; 12]);
    assert_eq!(room.world.resume(token, &Arrival::default(), room.now), None);
}

#[test]
fn hosts_remove_things_and_close_rooms_with_them() {
    let mut room = Room::new();
    let host = Arrival { host: true, ..named("host") };
    let newcomer = Newcomer {
        id: PeerId(1),
        uuid: PublicId(Uuid::from_u128(1)),
        token: ResumeToken::mint(PeerId(1), [3; 12]),
        arrival: host,
    };
    room.world.join(newcomer, room.now).unwrap();
    room.put(7, &put("bus", 46.0)).unwrap();
    let removal = crate::wire::Removal { peer: PeerId(7), reason: String::new() };
    room.say(PeerId(1), &ClientMessage::Host(HostAction::Remove(removal)));
    let dismissed = room.world.poll_dismissal().unwrap();
    assert_eq!((dismissed.peer, dismissed.code), (PeerId(7), CloseCode::Removed));
    room.world.leave(dismissed.peer);
    assert_eq!(room.put(8, &put("bus", 46.0)), Err(PutError::Removed));
    room.put(9, &put("other", 46.0)).unwrap();
    room.say(PeerId(1), &ClientMessage::Host(HostAction::Close(String::new())));
    assert_eq!(room.put(0, &put("other", 46.0)), Err(PutError::Ended));
    while let Some(dismissal) = room.world.poll_dismissal() {
        room.world.leave(dismissal.peer);
    }
    assert!(room.world.is_empty());
}

#[test]
fn a_program_says_something_to_the_room_or_to_one_but_not_to_things() {
    let mut room = Room::new();
    room.join(1, Presence::Watching);
    room.join(2, Presence::Watching);
    room.put(7, &put("bus", 46.0)).unwrap();
    room.run(200);
    let say = |to| Say { to, topic: "door".into(), body: b"7".to_vec() };
    assert_eq!(room.world.say_as_program(&say(To::Room), room.now), Ok(2));
    let event = std::iter::from_fn(|| room.world.poll_event()).last().unwrap();
    let ServerMessage::Said(Said { from, .. }) = ServerMessage::decode(&event.message).unwrap()
    else {
        panic!("it is no message")
    };
    assert_eq!((from, event.to), (PeerId::PROGRAM, Audience::Everyone));
    assert_eq!(room.world.say_as_program(&say(To::Peer(PeerId(2))), room.now), Ok(1));
    assert_eq!(room.world.say_as_program(&say(To::Hosts), room.now), Ok(0));
    for nobody in [To::Near, To::Peer(PeerId(7)), To::Peer(PeerId(9))] {
        assert!(room.world.say_as_program(&say(nobody), room.now).is_err());
    }
}
