//! What peers say, what hosts do, and programs that fall silent.

use super::*;
use crate::wire::{CloseCode, Field, HostAction, Removal, Role, Said, Say, To};
use crate::world::{Dismissal, Lane, Over};

/// A room in which messages are collected rather than shown.
struct Hall {
    room: Room,
    said: Vec<(PeerId, Lane, Said)>,
    refused: Vec<(PeerId, u8)>,
    announced: Vec<(PeerId, String)>,
    people: Vec<PeerId>,
}

impl Hall {
    fn new(guests: u32) -> Self {
        let mut hall = Self {
            room: Room::new(),
            said: Vec::new(),
            refused: Vec::new(),
            announced: Vec::new(),
            people: Vec::new(),
        };
        (1..=guests).for_each(|id| _ = hall.enter(id, named("guest")).unwrap());
        hall.listen();
        hall
    }

    fn enter(&mut self, id: u32, arrival: Arrival) -> Result<PeerId, JoinError> {
        let id = PeerId(id);
        let uuid = PublicId(Uuid::from_u128(id.0.into()));
        let token = ResumeToken::mint(id, [3; 12]);
        self.room.world.join(Newcomer { id, uuid, token, arrival }, self.room.now)?;
        self.people.push(id);
        Ok(id)
    }

    fn host(&mut self, id: u32) -> PeerId {
        self.enter(id, Arrival { host: true, ..named("host") }).unwrap()
    }

    /// Collects what everybody is told.
    fn listen(&mut self) {
        while let Some(event) = self.room.world.poll_event() {
            let to = self.people.iter().copied().filter(|&id| event.to.includes(id));
            if event.lane == Lane::Datagram {
                let (_, said) = Said::decode_datagram(&event.message).unwrap();
                self.said.extend(to.map(|id| (id, Lane::Datagram, said.clone())));
                continue;
            }
            match ServerMessage::decode(&event.message).unwrap() {
                ServerMessage::Said(said) => {
                    self.said.extend(to.map(|id| (id, Lane::Reliable, said.clone())));
                }
                ServerMessage::Refused(refused) => {
                    self.refused.extend(to.map(|id| (id, refused.field)));
                }
                ServerMessage::Announcement(text) => {
                    self.announced.extend(to.map(|id| (id, text.clone())));
                }
                _ => {}
            }
        }
    }

    fn run(&mut self, ms: u64) {
        let until = self.room.now + ms;
        while let Some(next) = self.room.world.poll_timeout().filter(|next| *next <= until) {
            self.room.now = self.room.now.max(next);
            self.room.world.handle_timeout(self.room.now);
            self.listen();
            while self.room.world.poll_viewer().is_some() {}
        }
        self.room.now = until;
    }

    fn say(&mut self, from: PeerId, to: To, body: &[u8]) {
        let say = Say { to, topic: "t".into(), body: body.to_vec() };
        self.room.say(from, &ClientMessage::Say(say));
        self.listen();
    }

    fn do_as(&mut self, id: PeerId, action: HostAction) {
        self.room.say(id, &ClientMessage::Host(action));
        self.listen();
    }

    /// Who heard something since the last call.
    fn hearers(&mut self) -> Vec<u32> {
        let mut hearers: Vec<u32> = self.said.drain(..).map(|(id, ..)| id.0).collect();
        hearers.sort_unstable();
        hearers
    }

    fn dismissed(&mut self) -> Vec<(u32, CloseCode)> {
        let mut dismissed = Vec::new();
        while let Some(Dismissal { peer, code, reason }) = self.room.world.poll_dismissal() {
            assert!(!reason.is_empty());
            self.room.world.leave(peer);
            dismissed.push((peer.0, code));
        }
        dismissed
    }
}

#[test]
fn each_audience_hears_what_is_for_it_and_the_sender_does_not() {
    let mut hall = Hall::new(4);
    let [one, two, ..] = [1, 2].map(PeerId);
    hall.host(5);
    hall.say(one, To::Room, b"x");
    assert_eq!(hall.hearers(), [2, 3, 4, 5]);
    hall.say(one, To::Hosts, b"x");
    assert_eq!(hall.hearers(), [5]);
    hall.say(one, To::Peer(two), b"x");
    assert_eq!(hall.hearers(), [2]);
    for nobody in [one, PeerId(77)] {
        hall.say(one, To::Peer(nobody), b"x");
    }
    let refused = (one, Field::Say as u8);
    assert_eq!((hall.hearers(), &hall.refused[..]), (vec![], &[refused, refused][..]));
    // Somebody without a link hears nothing.
    hall.room.world.detach(two, Parting::Closed, hall.room.now);
    hall.say(one, To::Room, b"x");
    assert_eq!(hall.said.iter().filter(|(id, ..)| *id != two).count(), 3);
    hall.said.clear();
    hall.say(one, To::Peer(two), b"x");
    assert_eq!(hall.refused.len(), 3);
}

#[test]
fn those_near_are_those_in_the_sender_s_view() {
    let mut hall = Hall::new(0);
    let near = Arrival { viewport: Some(viewport()), ..named("near") };
    let ids = [1, 2, 3].map(|id| hall.enter(id, near.clone()).unwrap());
    for (id, lat) in ids.into_iter().zip([46.0, 46.0002, 50.0]) {
        hall.room.pose(id, 0, lat);
    }
    hall.run(100);
    hall.say(ids[0], To::Near, b"x");
    assert_eq!(hall.hearers(), [2]);
    hall.say(ids[2], To::Near, b"x");
    assert_eq!(hall.hearers(), [1, 2], "it looks at where the others are");
}

#[test]
fn only_a_host_says_something_to_more_than_256_people() {
    let mut hall = Hall::new(258);
    hall.say(PeerId(1), To::Room, b"x");
    assert_eq!((hall.hearers().len(), hall.refused.len()), (0, 1));
    let host = hall.host(1000);
    hall.say(host, To::Room, b"x");
    assert_eq!(hall.hearers().len(), 258);
}

#[test]
fn the_newest_on_each_topic_goes_out_with_a_tick() {
    let mut hall = Hall::new(2);
    hall.run(100);
    let say = |topic: &str, body: u8| Say { to: To::Room, topic: topic.into(), body: vec![body] };
    for (seq, topic, body) in [(0, "a", 1), (1, "b", 2), (3, "a", 4), (2, "a", 3)] {
        hall.room.world.handle_say(PeerId(1), seq, say(topic, body), hall.room.now);
    }
    hall.run(100);
    let heard: Vec<_> =
        hall.said.drain(..).map(|(id, lane, said)| (id.0, lane, said.body)).collect();
    assert_eq!(heard, [(2, Lane::Datagram, vec![4]), (2, Lane::Datagram, vec![2])]);
    hall.room.world.handle_say(PeerId(1), 2, say("a", 9), hall.room.now);
    hall.run(100);
    assert_eq!(hall.hearers(), [0; 0], "an old one is late");
    for (seq, topic) in (10..).zip(0..40) {
        hall.room.world.handle_say(PeerId(1), seq, say(&topic.to_string(), 0), hall.room.now);
    }
    hall.run(100);
    assert_eq!(hall.hearers().len(), 14, "16 topics, two of them before");
}

#[test]
fn what_is_said_in_two_ticks_has_two_times() {
    let mut room = Room::new();
    let (one, _) = (room.join(1, Presence::Watching), room.join(2, Presence::Watching));
    room.run(100);
    while room.world.poll_event().is_some() {}
    let mut times = Vec::new();
    for seq in 0..4 {
        let say = Say { to: To::Room, topic: "t".into(), body: vec![seq as u8] };
        room.world.handle_say(one, seq, say, room.now);
        room.now = room.now.max(room.world.next_change());
        room.world.handle_timeout(room.now);
        while room.world.poll_viewer().is_some() {}
        while let Some(event) = room.world.poll_event() {
            times.push(Said::decode_datagram(&event.message).unwrap().0);
        }
    }
    assert!(times.len() == 4 && times.is_sorted_by(|a, b| a < b), "{times:?}");
}

#[test]
fn who_says_too_much_is_refused_and_counted() {
    let mut hall = Hall::new(3);
    for _ in 0..50 {
        hall.say(PeerId(1), To::Peer(PeerId(2)), b"x");
    }
    assert_eq!((hall.hearers().len(), hall.refused.len()), (20, 5), "refusals are rare, too");
    assert_eq!(hall.room.world.take_over(), Over { peers: 30, rooms: 0 });
    for name in 0..50 {
        hall.room.say(PeerId(3), &ClientMessage::Name(format!("n{name}")));
    }
    assert_eq!(hall.room.world.take_over(), Over { peers: 40, rooms: 0 });
    let say = Say { to: To::Room, topic: "t".into(), body: Vec::new() };
    for seq in 0..300 {
        hall.room.world.handle_say(PeerId(2), seq, say.clone(), hall.room.now);
    }
    assert_eq!(hall.room.world.take_over(), Over { peers: 180, rooms: 0 });
}

#[test]
fn a_room_delivers_so_many_messages_and_no_more() {
    let mut hall = Hall::new(250);
    for from in 1..=250 {
        hall.say(PeerId(from), To::Room, b"x");
    }
    // 40,000 at once, to 249 hearers each.
    assert_eq!(hall.said.len(), 160 * 249);
    assert_eq!(hall.room.world.take_over(), Over { peers: 0, rooms: 90 });
}

#[test]
fn names_and_profiles_reach_everybody() {
    let mut room = Room::new();
    let [one, two] = [1, 2].map(|id| room.join(id, Presence::Watching));
    room.run(200);
    room.say(one, &ClientMessage::Name("Ada\u{202e}".into()));
    room.say(one, &ClientMessage::Profile("{\"colour\":1}".into()));
    room.run(150);
    let person = room.view(two).roster().find(|person| person.id == one).unwrap();
    assert_eq!((person.name.as_str(), person.profile.as_str()), ("Ada", "{\"colour\":1}"));
    assert_eq!((person.role, person.subject), (Role::Guest, None));
}

#[test]
fn a_roster_of_many_profiles_takes_a_hundred_messages() {
    let mut hall = Hall::new(0);
    let full = Arrival { profile: "x".repeat(512), ..named(&"n".repeat(64)) };
    for id in 1..=1_100 {
        hall.enter(id, full.clone()).unwrap();
        hall.room.world.handle_timeout(hall.room.now);
        while hall.room.world.poll_event().is_some() {}
    }
    hall.run(5_000);
    let newcomer = hall.enter(9_999, Arrival::default()).unwrap();
    let (mut messages, mut people) = (0, 0);
    while let Some(event) = hall.room.world.poll_event() {
        if event.to == Audience::One(newcomer) {
            messages += 1;
            if let Ok(ServerMessage::Roster(roster)) = ServerMessage::decode(&event.message) {
                people += roster.joined.len();
            }
        }
    }
    assert_eq!(people, 1_024 + 1);
    assert!(messages <= 120, "{messages}");
}

#[test]
fn a_host_announces_also_to_those_who_come_later() {
    let mut hall = Hall::new(1);
    let host = hall.host(5);
    hall.do_as(PeerId(1), HostAction::Announce("spam".into()));
    assert_eq!(
        (hall.announced.len(), hall.refused.pop()),
        (0, Some((PeerId(1), Field::Host as u8)))
    );
    hall.do_as(host, HostAction::Announce("Doors\u{7} open".into()));
    hall.enter(6, Arrival::default()).unwrap();
    hall.listen();
    let told: Vec<_> = hall.announced.drain(..).map(|(id, text)| (id.0, text)).collect();
    assert_eq!(told, [1, 5, 6].map(|id| (id, "Doors open".to_owned())));
    hall.do_as(host, HostAction::Announce(String::new()));
    hall.announced.clear();
    hall.enter(7, Arrival::default()).unwrap();
    hall.listen();
    assert_eq!(hall.announced, []);
}

#[test]
fn who_was_removed_does_not_come_back() {
    let mut hall = Hall::new(2);
    let host = hall.host(5);
    let subject = Some(PublicId(Uuid::from_u128(99)));
    let known = Arrival { subject, ..named("known") };
    hall.enter(3, known.clone()).unwrap();
    let remove =
        |peer: u32| HostAction::Remove(Removal { peer: PeerId(peer), reason: String::new() });
    for peer in [2, 3, 77] {
        hall.do_as(host, remove(peer));
    }
    assert_eq!(hall.dismissed(), [(2, CloseCode::Removed), (3, CloseCode::Removed)]);
    assert_eq!(hall.refused, [(host, Field::Host as u8)]);
    assert_eq!(hall.enter(2, Arrival::default()), Err(JoinError::Removed), "the same identity");
    assert_eq!(hall.enter(4, known), Err(JoinError::Removed), "the same subject");
    assert_eq!(
        hall.room.world.resume(
            ResumeToken::mint(PeerId(2), [3; 12]),
            &Arrival::default(),
            hall.room.now
        ),
        None
    );
    assert!(hall.enter(6, Arrival::default()).is_ok());
}

#[test]
fn a_closed_room_lets_nobody_in() {
    let mut hall = Hall::new(2);
    let host = hall.host(5);
    hall.do_as(host, HostAction::Close("it is over".into()));
    assert_eq!(hall.enter(7, Arrival::default()), Err(JoinError::Ended));
    assert_eq!(hall.dismissed(), [1, 2, 5].map(|id| (id, CloseCode::Ended)));
    assert!(hall.room.world.is_empty() && hall.room.world.is_over());
    assert_eq!(hall.enter(8, Arrival::default()), Err(JoinError::Ended));
}

#[test]
fn a_frozen_program_is_hidden_until_it_speaks_again() {
    let mut room = Room::new();
    let [walker, idler, hidden] = [Presence::Sharing, Presence::Watching, Presence::Hidden]
        .into_iter()
        .zip(1..)
        .map(|(presence, id)| room.join(id, presence))
        .collect::<Vec<_>>()[..]
    else {
        unreachable!()
    };
    let watcher = room.join(4, Presence::Watching);
    room.pose(walker, 0, 46.0);
    room.run(200);
    for id in [walker, idler, hidden] {
        room.world.freeze(id);
        room.world.freeze(id);
    }
    room.run(2_000);
    let online = |room: &Room| room.view(watcher).online();
    assert_eq!(online(&room), Online { watching: 1, hidden: 3, ..Online::default() });
    assert!(room.view(watcher).figure(walker).unwrap().hidden, "drawn where it was, faded");
    room.world.thaw(walker);
    room.world.thaw(hidden);
    // What a client says of itself counts at once.
    room.say(idler, &ClientMessage::Presence(Presence::Sharing));
    room.world.thaw(idler);
    room.run(2_000);
    assert_eq!(online(&room), Online { sharing: 2, watching: 1, hidden: 1, ..Online::default() });
    assert!(!room.view(watcher).figure(walker).unwrap().hidden);
}
