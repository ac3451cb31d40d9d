use gpys_proto::wire::{Change, Limits, ResumeToken, Role, To};
use uuid::Uuid;

use crate::room::feed::*;

const ME: u32 = 1;

fn person(id: u32, name: &str) -> Person {
    Person {
        id: PeerId(id),
        uuid: PublicId(Uuid::from_u128(name.len() as u128)),
        name: name.to_owned(),
        presence: Presence::Sharing,
        role: Role::Guest,
        subject: None,
        profile: String::new(),
    }
}

fn welcome(id: u32, resumed: bool, rosters: u16) -> Welcome {
    Welcome {
        version: 2,
        id: PeerId(id),
        uuid: PublicId(Uuid::nil()),
        token: ResumeToken([0; 16]),
        resumed,
        time: Stamp(0),
        tick_hz: 30,
        limits: Limits {
            max_message: 4_096,
            pose_hz: 60,
            max_frame: 1_150,
            min_budget: 0,
            max_budget: 0,
            refresh_ms: 1_000,
            resume_ms: 30_000,
        },
        may_share: true,
        kind: Kind::default(),
        rosters,
    }
}

fn roster(joined: &[Person]) -> ServerMessage {
    ServerMessage::Roster(Roster { joined: joined.to_vec(), ..Roster::default() })
}

fn take(feed: &mut Feed, message: &ServerMessage) {
    assert!(feed.handle(&Event::Message(message)));
}

/// What the program is told, in short.
fn told(feed: &mut Feed) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(news) = feed.next() {
        told.push(short(news, feed.phase));
    }
    told
}

fn short(news: News, phase: Phase) -> String {
    match news {
        News::Enter(person) => format!("+{}", person.name),
        News::Leave(person) => format!("-{}", person.name),
        News::Change(person) => format!("~{}", person.name),
        News::Moved(person) => format!("moved {}", person.name),
        News::Said(said) | News::Latest(said) => {
            format!("said {}", String::from_utf8_lossy(&said.body))
        }
        News::Status => format!("{phase:?}"),
        News::Closed(closed) => format!("closed {}", closed.terminal),
        other => format!("{other:?}"),
    }
}

/// A feed that has begun with this client, Ada and Bo.
fn begun() -> Feed {
    let mut feed = Feed::default();
    take(&mut feed, &roster(&[person(ME, ""), person(2, "Ada")]));
    feed.begin(&welcome(ME, false, 2));
    assert!(!feed.is_ready(), "one list is to come");
    take(&mut feed, &roster(&[person(3, "Bo")]));
    assert!(feed.is_ready());
    feed
}

#[test]
fn those_who_are_here_at_first_do_not_enter_and_later_ones_do() {
    let mut feed = begun();
    assert_eq!(told(&mut feed), [""; 0]);
    assert_eq!(feed.people().count(), 3);
    take(&mut feed, &roster(&[person(4, "Cleo")]));
    let gone = Roster { left: vec![PeerId(2)], ..Roster::default() };
    take(&mut feed, &ServerMessage::Roster(gone));
    assert_eq!(told(&mut feed), ["-Ada", "+Cleo"]);
}

#[test]
fn a_resume_is_no_coming_and_going_and_tells_what_was_missed() {
    let mut feed = begun();
    let ended = Ended::Silent;
    assert!(feed.handle(&Event::Ended { ended: &ended, comes_back: true }));
    assert_eq!(told(&mut feed), ["closed false", "Waiting"]);
    take(&mut feed, &ServerMessage::Welcome(welcome(ME, true, 2)));
    take(&mut feed, &roster(&[person(3, "Bob"), person(ME, "")]));
    assert_eq!(told(&mut feed), ["Live"], "the list is not complete");
    assert_eq!(feed.people().count(), 3, "nobody flickers");
    take(&mut feed, &roster(&[person(5, "Dora")]));
    assert_eq!(told(&mut feed), ["-Ada", "~Bob", "+Dora"]);
}

#[test]
fn a_restarted_server_has_the_same_people_under_other_numbers() {
    let mut feed = begun();
    take(&mut feed, &ServerMessage::Welcome(welcome(7, false, 1)));
    // Ada is now number 3, as Bo was; Bo and Cleo are not back yet.
    take(&mut feed, &roster(&[person(7, ""), person(3, "Ada")]));
    assert_eq!(told(&mut feed), ["~Bo", "~Ada", "Live"]);
    let presence =
        |feed: &Feed, name: &str| feed.people().find(|it| it.name == name).map(|it| it.presence);
    assert_eq!(presence(&feed, "Bo"), Some(Presence::Gone));
    take(&mut feed, &roster(&[person(8, "Bo")]));
    assert_eq!(told(&mut feed), ["~Bo"]);
    assert_eq!((presence(&feed, "Bo"), feed.people().count()), (Some(Presence::Sharing), 3));
    feed.give_up(1);
    assert_eq!(told(&mut feed), [""; 0], "everybody is back");
}

#[test]
fn a_client_that_was_away_for_too_long_finds_the_others_as_they_were() {
    let mut feed = begun();
    take(&mut feed, &ServerMessage::Welcome(welcome(7, false, 1)));
    take(&mut feed, &roster(&[person(2, "Ada"), person(3, "Bo"), person(7, "")]));
    assert_eq!(told(&mut feed), ["Live"]);
}

#[test]
fn who_does_not_come_back_to_a_restarted_server_has_left_after_a_while() {
    let mut feed = begun();
    for id in [7, 1] {
        take(&mut feed, &ServerMessage::Welcome(welcome(id, false, 1)));
        take(&mut feed, &roster(&[person(id, "")]));
    }
    assert_eq!(told(&mut feed), ["~Bo", "~Ada", "Live"]);
    feed.give_up(1);
    assert_eq!(told(&mut feed), [""; 0], "it has restarted again");
    feed.give_up(2);
    assert_eq!(told(&mut feed), ["-Bo", "-Ada"]);
}

#[test]
fn a_list_that_cannot_name_everybody_says_nothing_of_the_others() {
    let mut feed = begun();
    take(&mut feed, &ServerMessage::Welcome(welcome(ME, true, 1)));
    let most = u32::try_from(WHOLE).unwrap();
    let crowd: Vec<_> = (100..100 + most).map(|id| person(id, "Xy")).collect();
    take(&mut feed, &roster(&crowd));
    let told = told(&mut feed);
    assert_eq!(told.iter().filter(|it| *it == "+Xy").count(), WHOLE);
    assert!(!told.iter().any(|it| it.starts_with('-')));
}

#[test]
fn a_program_that_reads_late_gets_less_and_not_old_news() {
    let mut feed = begun();
    for n in 0..10 {
        take(&mut feed, &roster(&[person(4, "Cleo")]));
        let presence = if n % 2 == 0 { Presence::Hidden } else { Presence::Sharing };
        let presence = vec![Change { id: PeerId(4), presence }];
        take(&mut feed, &ServerMessage::Roster(Roster { presence, ..Roster::default() }));
    }
    assert_eq!(told(&mut feed), ["+Cleo"]);
    take(&mut feed, &roster(&[person(5, "Dora")]));
    let left = vec![PeerId(5)];
    take(&mut feed, &ServerMessage::Roster(Roster { left, ..Roster::default() }));
    assert_eq!(told(&mut feed), [""; 0], "came and went unread");
}

#[test]
fn of_a_topic_at_a_rate_the_latest_is_told_once() {
    let mut feed = begun();
    let said = |topic: &str, body: &str| Said {
        from: PeerId(2),
        to: To::Room,
        topic: topic.to_owned(),
        body: body.into(),
    };
    let reliable = ServerMessage::Said(said("a", "reliable"));
    take(&mut feed, &reliable);
    for (time, body) in [(10, "old"), (20, "new"), (15, "late"), (20, "twice")] {
        feed.handle(&Event::Said { time: Stamp(time), said: &said("a", body) });
    }
    feed.handle(&Event::Said { time: Stamp(1), said: &said("b", "other") });
    assert_eq!(told(&mut feed), ["said reliable", "said new", "said other"]);
}

#[test]
fn a_queue_is_bounded_and_the_end_is_the_last_word() {
    let mut feed = begun();
    for n in 0..MESSAGES + 5 {
        let said = Said { from: PeerId(2), to: To::Room, topic: "a".into(), body: vec![n as u8] };
        take(&mut feed, &ServerMessage::Said(said));
    }
    let ended = Ended::Closed { code: 14, reason: "out".into(), retry_ms: None };
    feed.handle(&Event::Ended { ended: &ended, comes_back: false });
    feed.handle_end(&Ended::Left, false);
    let told = told(&mut feed);
    assert_eq!(told.len(), MESSAGES + 2);
    assert_eq!(told[MESSAGES..], ["Ended", "closed true"]);
    assert_eq!((feed.is_over(), feed.reason.clone()), (true, Some(ended)));
}
