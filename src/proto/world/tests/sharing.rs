//! The terms of sharing: approximate positions, and sharing for a time.

use super::*;

/// Whether it is the same to a frame's precision, here at most 28 units a step.
fn close_to(seen: Position, position: Position) -> bool {
    seen.lat().abs_diff(position.lat()) <= 14 && seen.lng().abs_diff(position.lng()) <= 14
}

/// The lanes race: a pose that was sent after its sender had begun to share again may come before the
/// message that ended the sharing before that.
#[test]
fn a_pose_that_overtakes_the_presence_heals_with_its_repeat() {
    let mut room = Room::new();
    let [walker, watcher] = [1, 2].map(|id| room.join(id, Presence::Sharing));
    room.pose(walker, 0, 46.0);
    room.say(walker, &ClientMessage::Presence(Presence::Watching));
    room.say(walker, &ClientMessage::Presence(Presence::Sharing));
    room.run(200);
    assert_eq!(room.view(watcher).figure(walker), None);
    room.pose(walker, 0, 46.0);
    room.run(200);
    assert!(room.view(watcher).figure(walker).is_some());
}

/// A viewport of some 4 km, so that it holds the middle of the cell of about 1 km as well.
pub(super) fn look_around(room: &mut Room, id: PeerId) {
    let zoom = 140;
    let viewport = Viewport {
        south: 459_800_000,
        north: 460_200_000,
        west: 139_700_000,
        east: 140_300_000,
        zoom,
    };
    room.say(id, &ClientMessage::Viewport(viewport));
}

#[test]
fn an_approximate_peer_is_seen_in_the_middle_of_its_cell() {
    let mut room = Room::new();
    let walker = room.join(1, Presence::Sharing);
    let watcher = room.join(2, Presence::Watching);
    look_around(&mut room, watcher);
    room.share_for(walker, true, 0);
    room.pose(walker, 0, 46.0);
    room.run(1_100);
    let middle = blur(Position::from_degrees(46.0, 14.0).unwrap());
    let seen = *room.view(watcher).figure(walker).unwrap();
    assert!(close_to(seen.position, middle), "{seen:?}");
    assert_eq!(seen.accuracy.code(), FINEST);
    assert!(seen.orientation.is_some());
    // Exact again with the next pose, and not before.
    room.share_for(walker, false, 0);
    room.run(1_100);
    assert!(close_to(room.view(watcher).figure(walker).unwrap().position, middle));
    room.pose(walker, 1, 46.0);
    room.run(50);
    assert!(!close_to(room.view(watcher).figure(walker).unwrap().position, middle));
}

#[test]
fn no_frame_shows_the_exact_place_of_a_peer_that_became_approximate() {
    let mut room = Room::new();
    let walker = room.join(1, Presence::Sharing);
    let watchers: Vec<PeerId> = (2..40).map(|id| room.join(id, Presence::Watching)).collect();
    watchers.iter().for_each(|&id| look_around(&mut room, id));
    room.run(1_100);
    let exact = Position::from_degrees(46.0, 14.0).unwrap();
    let (mut exactly, mut frames) = (0, 0);
    for round in 0..60 {
        room.pose(walker, round, 46.0);
        let mut terms = Sharing { approximate: false, seconds: 0 };
        room.world.handle_timeout(room.now);
        // In the middle of a tick, when some have their frames and others do not.
        let mut left = round % 11;
        let until = room.now + 33;
        while room.now < until {
            room.world.handle_timeout(room.now);
            while room.world.poll_event().is_some() {}
            while let Some(viewer) = room.world.poll_viewer() {
                if left == 0 && !terms.approximate {
                    terms.approximate = true;
                    room.say(walker, &ClientMessage::Sharing(terms));
                }
                left = left.saturating_sub(1);
                let (mut bytes, mut frame) = (Vec::new(), Frame::default());
                if room.world.poll_frame(viewer, 1000, room.now, &mut bytes) {
                    frame.decode(&bytes).unwrap();
                    let entries = frame.chunks().flat_map(|(_, entries)| entries);
                    let shows = entries.into_iter().any(|entry| close_to(entry.position, exact));
                    assert!(!shows || !terms.approximate, "round {round}");
                    (exactly, frames) = (exactly + u32::from(shows), frames + 1);
                }
            }
            room.now = room.now + 1;
        }
        room.share_for(walker, false, 0);
    }
    assert!(exactly > 100 && frames > exactly + 50, "{exactly} of {frames}");
}

#[test]
fn terms_in_a_hello_apply_from_the_start() {
    let mut room = Room::new();
    let walker = room.join(1, Presence::Sharing);
    let watcher = room.join(2, Presence::Watching);
    look_around(&mut room, watcher);
    room.pose(walker, 0, 46.0);
    room.run(50);
    room.world.detach(walker, Parting::Lost(room.now), room.now);
    room.run(16_000);
    assert_eq!(room.view(watcher).figure(walker), None);
    let sharing = Sharing { approximate: true, seconds: 0 };
    let arrival = Arrival { sharing, ..named("n#1") };
    room.world.resume(ResumeToken::mint(walker, [3; 12]), &arrival, room.now).unwrap();
    room.run(1_100);
    let middle = blur(Position::from_degrees(46.0, 14.0).unwrap());
    assert!(close_to(room.view(watcher).figure(walker).unwrap().position, middle));
}

#[test]
fn sharing_for_a_time_ends_by_itself_and_within_a_tick() {
    let mut room = Room::new();
    let walker = room.join(1, Presence::Sharing);
    let watcher = room.join(2, Presence::Watching);
    room.share_for(walker, false, 60);
    for seq in 0..60 {
        room.pose(walker, seq, 46.0);
        assert_eq!(room.view(watcher).online().sharing, u32::from(seq > 0));
        room.run(999);
        assert!(room.view(watcher).figure(walker).is_some(), "after {seq} s");
    }
    room.run(60 + 34);
    assert_eq!(room.view(watcher).figure(walker), None);
    assert_eq!(room.view(walker).online(), Online { watching: 2, ..Online::default() });
    // What comes late does not bring it back; saying so does, and for good.
    room.pose(walker, 60, 46.0);
    room.run(1_100);
    assert_eq!(room.view(watcher).figure(walker), None);
    room.say(walker, &ClientMessage::Presence(Presence::Sharing));
    room.run(100_000);
    assert_eq!(room.view(watcher).online().sharing, 1);
}

#[test]
fn new_terms_replace_the_end_and_stopping_clears_it() {
    let sharing_after_a_minute = |act: fn(&mut Room, PeerId)| {
        let mut room = Room::new();
        let walker = room.join(1, Presence::Sharing);
        room.share_for(walker, false, 60);
        room.run(30_000);
        act(&mut room, walker);
        room.run(40_000);
        room.world.online().sharing == 1
    };
    assert!(!sharing_after_a_minute(|_, _| {}));
    assert!(sharing_after_a_minute(|room, id| room.share_for(id, false, 0)));
    assert!(sharing_after_a_minute(|room, id| room.share_for(id, true, 60)));
    assert!(!sharing_after_a_minute(|room, id| room.share_for(id, true, 10)));
    assert!(sharing_after_a_minute(|room, id| {
        room.say(id, &ClientMessage::Presence(Presence::Watching));
        room.say(id, &ClientMessage::Presence(Presence::Sharing));
    }));
    // Terms for what is shared only later hold as well.
    assert!(!sharing_after_a_minute(|room, id| {
        room.say(id, &ClientMessage::Presence(Presence::Watching));
        room.share_for(id, false, 20);
        room.say(id, &ClientMessage::Presence(Presence::Sharing));
    }));
}

#[test]
fn hidden_and_gone_peers_stop_sharing_after_their_time() {
    let mut room = Room::new();
    let (hidden, gone) = (room.join(1, Presence::Sharing), room.join(2, Presence::Sharing));
    let watcher = room.join(3, Presence::Watching);
    for id in [hidden, gone] {
        room.share_for(id, false, 20);
        room.pose(id, 0, 46.0);
    }
    room.run(50);
    room.say(hidden, &ClientMessage::Presence(Presence::Hidden));
    room.world.detach(gone, Parting::Lost(room.now), room.now);
    room.run(14_000);
    assert_eq!(room.view(watcher).figures().count(), 2);
    room.run(5_900);
    assert!(room.view(watcher).figure(hidden).unwrap().hidden);
    assert!(room.view(watcher).figure(gone).is_none());
    room.run(50 + 34);
    assert_eq!(room.view(watcher).figures().count(), 0, "withdrawn with no refresh's delay");
    let presence = |room: &Room, id| {
        let mut roster = room.view(watcher).roster();
        roster.find(|person| person.id == id).unwrap().presence
    };
    assert_eq!(presence(&room, hidden), Presence::Hidden);
    assert_eq!(presence(&room, gone), Presence::Gone);
    // Back in the background: not sharing.
    let arrival = Arrival { presence: Presence::Hidden, ..named("n#2") };
    room.world.resume(ResumeToken::mint(gone, [3; 12]), &arrival, room.now).unwrap();
    room.pose(gone, 0, 46.0);
    room.run(1_100);
    assert_eq!(room.view(watcher).figures().count(), 0);
    assert_eq!(presence(&room, gone), Presence::Hidden);
    // To say so is to share.
    room.say(hidden, &ClientMessage::Presence(Presence::Sharing));
    room.pose(hidden, 1, 46.0);
    room.run(50);
    assert_eq!(room.view(watcher).figures().count(), 1);
}

#[test]
fn coming_back_replaces_the_time_left() {
    for (seconds, shares) in [(0, true), (60, true), (5, false)] {
        let mut room = Room::new();
        let walker = room.join(1, Presence::Sharing);
        room.share_for(walker, false, 20);
        room.run(10_000);
        room.world.detach(walker, Parting::Lost(room.now), room.now);
        let sharing = Sharing { approximate: false, seconds };
        let arrival = Arrival { sharing, ..named("n#1") };
        room.world.resume(ResumeToken::mint(walker, [3; 12]), &arrival, room.now).unwrap();
        room.run(15_000);
        assert_eq!(room.world.online().sharing == 1, shares, "{seconds} s");
    }
}
