//! When a room tells its peers who comes and goes, and how much at a time.

use super::*;

/// How many messages told everyone of something, while people came and went for `seconds`.
fn told_of_visits(room: &mut Room, visits: u32, seconds: u32) -> usize {
    let mut told = 0;
    for visit in 0..visits * seconds {
        let id = room.join(100_000 + visit, Presence::Watching);
        room.views.pop();
        room.now = room.now + u64::from(1_000 / visits);
        room.world.leave(id);
        room.world.handle_timeout(room.now);
        while let Some(event) = room.world.poll_event() {
            told += usize::from(event.to == Audience::Everyone);
        }
        while room.world.poll_viewer().is_some() {}
    }
    told
}

#[test]
fn joins_and_leaves_are_told_at_a_pace() {
    let mut room = Room::new();
    room.join(1, Presence::Watching);
    room.run(500);
    let few = told_of_visits(&mut room, 10, 1);
    assert!((5..=10).contains(&few), "{few}");
    room.run(500);
    // One message holds 280 people who left.
    let many = told_of_visits(&mut room, 500, 1);
    assert!(many <= 10, "{many}");
}

#[test]
fn a_large_room_gets_a_bounded_number_of_messages_a_second() {
    for (people, most) in [(10, 10 * 10), (1_000, 2_000), (10_000, 5_000)] {
        let mut room = Room::new();
        for id in 0..people {
            let id = room.join(id, Presence::Watching);
            room.say(id, &ClientMessage::Viewport(viewport()));
        }
        room.views.clear();
        room.run(5_000);
        let told = told_of_visits(&mut room, 100, 4);
        // The first telling may have waited from before.
        assert!(told >= 1 && (told - 1) * people as usize <= 4 * most, "{people}: {told}");
    }
}

#[test]
fn a_roster_message_is_about_a_packet_long() {
    let mut room = Room::new();
    let watcher = room.join(1, Presence::Watching);
    room.run(500);
    for id in 0..500 {
        let newcomer = Newcomer {
            id: PeerId(1_000_000_000 - id),
            uuid: PublicId(Uuid::from_u128(id.into())),
            token: ResumeToken::mint(PeerId(1_000_000_000 - id), [3; 12]),
            arrival: named(&"n".repeat(id as usize % 64)),
        };
        room.world.join(newcomer, room.now).unwrap();
    }
    let mut longest = 0;
    while let Some(next) = room.world.poll_timeout().filter(|&next| next <= Time::from_ms(3_000)) {
        room.now = room.now.max(next);
        room.world.handle_timeout(room.now);
        while let Some(event) = room.world.poll_event() {
            longest = longest.max(event.message.len());
            if event.to == Audience::Everyone {
                let message = ServerMessage::decode(&event.message).unwrap();
                room.views[0].1.handle_message(&message);
            }
        }
        while room.world.poll_viewer().is_some() {}
    }
    assert!((1_300..=1_440).contains(&longest), "{longest}");
    assert_eq!(room.view(watcher).roster().count(), 501);
}

#[test]
fn a_withdrawn_pose_is_told_at_once() {
    let mut room = Room::new();
    let watcher = room.join(1, Presence::Watching);
    let ids: Vec<_> = (2..6).map(|id| room.join(id, Presence::Sharing)).collect();
    for &id in &ids {
        room.pose(id, 0, 46.0);
    }
    room.run(20_000);
    for ((round, &id), other) in ids.iter().enumerate().zip(50..) {
        // News just before, so that the next news would have to wait.
        room.join(other, Presence::Watching);
        room.run(34);
        assert!(room.view(watcher).figure(id).is_some());
        match round {
            0 => room.world.leave(id),
            1 => room.say(id, &ClientMessage::Presence(Presence::Watching)),
            2 => room.world.detach(id, Parting::Lost(room.now - SILENCE_MS), room.now),
            _ => {
                room.say(id, &ClientMessage::Presence(Presence::Hidden));
                room.share_for(id, false, 1);
                room.run(966);
                room.join(60, Presence::Watching);
            }
        }
        room.run(34);
        assert!(room.view(watcher).figure(id).is_none(), "{round}");
    }
}
