//! What a room affords: its pace, and what gives way when a viewer's path carries little.

use std::collections::BTreeMap;

use super::*;
use crate::wire::Pace;
use crate::world::Feedback;

/// A room with a watcher and many walkers on a square of 200 m, who turn ten times a second, one
/// after the other. The number of a walker's sample is its orientation.
struct Crowd {
    room: Room,
    watcher: PeerId,
    /// Each with the number and the time of its newest sample.
    walkers: Vec<(PeerId, u32, Time)>,
}

impl Crowd {
    fn new(people: u32, budget: u32) -> Self {
        let mut room = Room::new();
        let watcher = room.join(1, Presence::Watching);
        room.say(watcher, &ClientMessage::Budget(budget));
        let walkers =
            (2..2 + people).map(|id| (room.join(id, Presence::Sharing), 0, room.now)).collect();
        Self { room, watcher, walkers }
    }

    /// Lets everybody turn for `ms`, every `interval` ms, at a price of `cost` µs a frame.
    fn walk(&mut self, ms: u64, interval: u64, cost: u64) {
        let end = self.room.now + ms;
        let step = interval as usize;
        let mut at = 0;
        while self.room.now < end {
            for (id, sample, time) in self.walkers.iter_mut().skip(at % step).step_by(step) {
                (*sample, *time) = (*sample + 1, self.room.now);
                let n = id.0 as i32;
                let place = Position::new(459_996_000 + n % 20 * 400, 139_996_000 + n / 20 * 400);
                let pose = Pose {
                    position: place.unwrap(),
                    orientation: Orientation::from_code(*sample).ok(),
                    accuracy: Accuracy::from_metres(5.0),
                    sampled: self.room.now,
                };
                self.room.world.handle_pose(*id, Sample::new(*sample, pose));
            }
            at += 1;
            let before = self.room.sent.len();
            self.room.run(1);
            let frames = (self.room.sent.len() - before) as u32;
            self.room.world.handle_cost(frames, u64::from(frames) * cost);
            self.check_news();
        }
    }

    /// Age comes last: whatever a frame shows was the newest that the room knew in its tick.
    fn check_news(&self) {
        let newest = self.walkers.iter().map(|&(id, sample, time)| (id, (sample, time)));
        let newest: BTreeMap<_, _> = newest.collect();
        for (_, _, frame) in self.room.sent.iter().rev().take_while(|it| it.1 + 1 > self.room.now) {
            for entry in frame.chunks().flat_map(|(_, entries)| entries) {
                let (sample, time) = newest[&entry.id];
                let shown = entry.orientation.map(Orientation::code);
                let after = frame.time.after(time.stamp());
                let newest = after >= 0 && shown == Some(sample);
                assert!(newest || after <= 0 && shown == Some(sample - 1), "{entry:?}");
            }
        }
    }

    /// Over a second: the watcher's frames, how many people it is behind with by more than a tick at
    /// the worst moment, and the people whom it sees one by one.
    fn measure(&mut self) -> (usize, usize, usize) {
        self.walk(2_500, 100, 20);
        let (from, mut behind) = (self.room.sent.len(), 0);
        for _ in 0..10 {
            self.walk(66, 100, 20);
            // Those who turned in the last tick are not in question.
            let late = self.walkers.iter().enumerate().filter(|&(at, &(id, sample, _))| {
                let recent = (at + 100 - (self.room.now.as_ms() as usize % 100)) % 100 > 60;
                let seen = self.room.view(self.watcher).figure(id).and_then(|it| it.orientation);
                !recent && seen.is_some_and(|seen| seen.code() + 1 < sample)
            });
            behind = behind.max(late.count());
        }
        let frames = self.room.sent[from..].iter().filter(|it| it.0 == self.watcher).count();
        let shown = self.room.view(self.watcher).figures().count();
        (frames * 1000 / 660, behind, shown)
    }
}

#[test]
fn under_overload_the_pace_gives_way_first_then_fidelity_then_people() {
    let plenty = Crowd::new(100, 1 << 20).measure();
    assert!(plenty.0 > 110 && (plenty.1, plenty.2) == (0, 100), "{plenty:?}");
    let pace = Crowd::new(100, 10 * 1024).measure();
    assert!(pace.0 < plenty.0 * 3 / 4 && (pace.1, pace.2) == (0, 100), "{pace:?}");
    let fidelity = Crowd::new(200, 4 * 1024).measure();
    assert!(fidelity.0 < 40 && fidelity.1 > 0 && fidelity.2 == 200, "{fidelity:?}");
    let people = Crowd::new(400, 4 * 1024).measure();
    assert!(people.0 < 40 && people.2 < 300, "{people:?}");
}

#[test]
fn a_room_whose_frames_are_dear_slows_down_to_its_tick() {
    let mut crowd = Crowd::new(20, 1 << 20);
    let mut frames = |cost| {
        crowd.walk(2_000, 20, cost);
        let from = crowd.room.sent.len();
        crowd.walk(1_000, 20, cost);
        let own = crowd.room.sent[from..].iter().filter(|it| it.0 == crowd.watcher);
        own.count()
    };
    assert!(frames(20) > 300);
    // 21 viewers at 400 µs, over a half: 16.8 ms.
    assert!((55..=62).contains(&frames(400)));
    assert!((30..=32).contains(&frames(50_000)));
    assert!(frames(20) > 300);
}

#[test]
fn a_client_gets_as_many_frames_as_it_asks_for() {
    let mut crowd = Crowd::new(20, 1 << 20);
    let mut frames = |hz| {
        crowd.room.say(crowd.watcher, &ClientMessage::Pace(Pace { max_frames_hz: hz }));
        crowd.walk(500, 20, 20);
        let from = crowd.room.sent.len();
        crowd.walk(1_000, 20, 20);
        let own = crowd.room.sent[from..].iter().filter(|it| it.0 == crowd.watcher);
        own.count()
    };
    assert!(frames(0) > 300);
    assert!((55..=65).contains(&frames(60)));
    assert!((9..=11).contains(&frames(10)));
    assert!((1..=2).contains(&frames(1)));
}

/// Counts the frames that show the newest sample of one walker among still people.
fn copies(lost: u64, interval: u64) -> usize {
    let mut room = Room::new();
    let watcher = room.join(1, Presence::Watching);
    let walker = room.join(2, Presence::Sharing);
    for _ in 0..30 {
        room.run(100);
        let feedback = Feedback { sent: 50, lost, rtt_ms: 50, refused: 0 };
        room.world.handle_feedback(watcher, feedback, room.now);
    }
    for sample in 1..10 {
        room.pose(walker, sample, 46.0 + f64::from(sample) * 1e-6);
        room.run(interval);
    }
    let from = room.sent.len();
    room.pose(walker, 10, 46.0);
    room.run(interval.min(40));
    let to_watcher = room.sent[from..].iter().filter(|it| it.0 == watcher);
    let deltas = to_watcher.flat_map(|(_, _, frame)| frame.chunks());
    deltas.filter(|(_, entries)| entries.iter().any(|entry| entry.id == walker)).count()
}

#[test]
fn slow_samples_are_sent_twice_on_a_path_that_loses_and_only_there() {
    assert_eq!(copies(0, 100), 1, "a clean path");
    assert_eq!(copies(3, 100), 2);
    assert_eq!(copies(3, 15), 1, "the next sample comes soon");
}

#[test]
fn of_two_samples_within_a_millisecond_the_newer_stays() {
    let mut room = Room::new();
    let (walker, watcher) = (room.join(1, Presence::Sharing), room.join(2, Presence::Watching));
    room.say(watcher, &ClientMessage::Budget(1 << 20));
    // Its rate rises until it may have a frame every 122 µs.
    for _ in 0..20 {
        room.run(100);
        let feedback = Feedback { sent: 50, lost: 0, rtt_ms: 50, refused: 0 };
        room.world.handle_feedback(watcher, feedback, room.now);
    }
    let begun = room.now;
    for (seq, lat) in [46.0, 46.0002, 46.0004].into_iter().enumerate() {
        room.pose(walker, seq as u32, lat);
        room.tick();
    }
    assert_eq!(room.now.since(begun), 0);
    room.run(10);
    let times: Vec<_> = room.sent.iter().filter(|it| it.0 == watcher).map(|it| it.2.time).collect();
    assert!(times.is_sorted_by(|a, b| b.after(*a) > 0), "{times:?}");
    let lat = room.view(watcher).figure(walker).unwrap().position.lat();
    assert!(lat.abs_diff(460_004_000) <= 3, "{lat}");
}

#[test]
fn who_comes_back_within_the_millisecond_of_a_frame_is_not_shown_what_was_withdrawn() {
    let mut room = Room::new();
    let (walker, watcher) = (room.join(1, Presence::Sharing), room.join(2, Presence::Watching));
    room.run(100);
    room.pose(walker, 0, 46.0);
    room.tick();
    let (_, _, shown) = room.sent.last().unwrap().clone();
    room.say(walker, &ClientMessage::Presence(Presence::Watching));
    let token = ResumeToken::mint(watcher, [3; 12]);
    assert_eq!(room.world.resume(token, &named("n2"), room.now), Some(watcher));
    let mut rosters = Vec::new();
    while let Some(event) = room.world.poll_event() {
        if let Ok(ServerMessage::Roster(roster)) = ServerMessage::decode(&event.message) {
            rosters.push(roster.time);
        }
    }
    assert!(!rosters.is_empty() && rosters.iter().all(|time| time.after(shown.time) > 0));
}
