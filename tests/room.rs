//! A room of the native client, against a real server: its verbs and events, a lost network, its
//! end; and the bot of the examples.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::StreamExt;
use gpys::client::{
    Access, Bounds, ConnectError, Move, Person, Phase, Place, PlaceError, Room, RoomEvent,
    RoomOptions, State as _, Transport, state,
};
use gpys::proto::kind::{Number, Plane, Space};
use gpys::proto::wire::{CloseCode, Presence, Role, To};
use gpys_testkit::client::PATIENCE;
use gpys_testkit::forge::{OLD, STAGE, hs256, now, token};
use gpys_testkit::relay::{TcpRelay, UdpRelay};
use gpys_testkit::running::Running;
use serde_json::json;
use tokio::time::timeout;

#[path = "../examples/bot.rs"]
mod bot;

state! {
    /// What a cursor does.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Cursor {
        tool: u8,
        down: bool,
        pressure: f64 (0.0 to 1.0 by 0.01),
    }
}

const BOTH: [Transport; 2] = [Transport::WebTransport, Transport::WebSocket];

fn named(name: &str) -> RoomOptions {
    RoomOptions { name: name.to_owned(), ..RoomOptions::default() }
}

fn over(transport: Transport, options: RoomOptions) -> RoomOptions {
    RoomOptions { transport: Some(transport), ..options }
}

fn url(server: &Running, path: &str) -> String {
    format!("https://{}{path}", server.https)
}

/// Takes events until one is wanted, and returns what that is.
async fn until<T>(room: &Room, what: &str, mut wanted: impl FnMut(RoomEvent) -> Option<T>) -> T {
    let found = async {
        loop {
            let event = room.next().await.unwrap_or_else(|| panic!("over before {what}"));
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("waited for {what}"))
}

/// Waits until somebody is here, who may have come just before.
async fn meet(room: &Room, name: &str) {
    if !room.people().iter().any(|person| person.name() == name) {
        until(room, name, |event| match event {
            RoomEvent::Enter(person) => (person.name() == name).then_some(()),
            _ => None,
        })
        .await;
    }
}

/// Waits until somebody is seen about here.
async fn seen_at(room: &Room, name: &str, lat: f64) {
    until(room, "a place", |event| match event {
        RoomEvent::Moved(person) if person.name() == name => match person.place() {
            Some(Place::Earth { lat: at, .. }) if (at - lat).abs() < 0.1 => Some(()),
            _ => None,
        },
        RoomEvent::Enter(person) | RoomEvent::Leave(person) | RoomEvent::Change(person) => {
            panic!("news of {}", person.name())
        }
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_network_costs_neither_a_leave_nor_an_enter() {
    let udp = UdpRelay::bind().await;
    let server = Running::with(&[("public-udp", &udp.address.to_string())]);
    udp.lead_to(server.web_transport);
    let tcp = TcpRelay::to(server.https).await;
    let ada = Room::join(&format!("https://{}/", tcp.address), named("Ada")).await.unwrap();
    assert_eq!(ada.status().transport, Transport::WebTransport);
    let witness = over(Transport::WebSocket, named("Bo"));
    let witness = Room::join(&url(&server, "/"), witness).await.unwrap();
    meet(&ada, "Bo").await;
    ada.move_to(Move::earth(10.0, 20.0)).unwrap();
    seen_at(&witness, "Ada", 10.0).await;

    // The network goes, and takes UDP with it for good.
    udp.open.send_replace(false);
    let next = tcp.silence().await;
    ada.move_to(Move::earth(20.0, 20.0)).unwrap();
    tcp.open.send_replace(next..u32::MAX);
    back_over(&ada, Transport::WebSocket).await;
    seen_at(&witness, "Ada", 20.0).await;

    // And the other way: TCP goes, UDP is back.
    udp.open.send_replace(true);
    tcp.open.send_replace(0..0);
    back_over(&ada, Transport::WebTransport).await;
    ada.move_to(Move::earth(30.0, 20.0)).unwrap();
    seen_at(&witness, "Ada", 30.0).await;

    ada.leave().await;
    let left = until(&witness, "a leave", |event| match event {
        RoomEvent::Leave(person) => Some(person.name().to_owned()),
        _ => None,
    });
    assert_eq!(left.await, "Ada");
}

/// Waits until the room is live over this transport, and nobody has come or gone meanwhile.
async fn back_over(room: &Room, transport: Transport) {
    until(room, "another link", |event| match event {
        RoomEvent::Status(status) if status.phase == Phase::Live => {
            assert_eq!(status.transport, transport);
            Some(())
        }
        RoomEvent::Enter(person) | RoomEvent::Leave(person) | RoomEvent::Change(person) => {
            panic!("news of {}", person.name())
        }
        RoomEvent::Closed(closed) => {
            assert!(!closed.terminal, "{closed:?}");
            None
        }
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_is_no_leave_either() {
    // A port that both servers have, over TCP and UDP.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, [7; 32]).unwrap();
    let secret = secret.display().to_string();
    let settings = [("listen", &*address), ("identity-secret", &secret)];
    let mut server = Running::with(&settings);
    let ada = Room::join(&url(&server, "/"), over(BOTH[0], named("Ada"))).await.unwrap();
    let bo = Room::join(&url(&server, "/"), over(BOTH[1], named("Bo"))).await.unwrap();
    meet(&ada, "Bo").await;
    meet(&bo, "Ada").await;
    server.stop();
    server.stopped().await;
    let _next = Running::with(&settings);
    for room in [&ada, &bo] {
        until(room, "another link", |event| match event {
            RoomEvent::Enter(person) | RoomEvent::Leave(person) => panic!("{}", person.name()),
            RoomEvent::Status(status) => (status.phase == Phase::Live).then_some(()),
            _ => None,
        })
        .await;
    }
    for (from, to, name) in [(&ada, &bo, "Ada"), (&bo, &ada, "Bo")] {
        from.move_to(Move::earth(10.0, 20.0)).unwrap();
        // In between, those who are not back yet may be told to be gone.
        until(to, "somebody back", |event| match event {
            RoomEvent::Enter(person) | RoomEvent::Leave(person) => panic!("{}", person.name()),
            RoomEvent::Moved(person) => (person.name() == name).then_some(()),
            _ => None,
        })
        .await;
        assert_eq!(to.people().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_does_the_other_is_told() {
    let server = Running::start();
    let space = Some(Space::Plane(Plane { unit: "px".into(), step: Number(0.5) }));
    let board =
        |name| RoomOptions { space: space.clone(), state: Some(Cursor::layout()), ..named(name) };
    for (from, to) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
        let url = url(&server, "/r/board");
        let mut watcher = Room::join(&url, over(to, board("Bo"))).await.unwrap();
        watcher.look(Bounds::plane(-1_000.0, -1_000.0, 1_000.0, 1_000.0).with_pixel(1.0)).unwrap();
        let ada = Room::join(&url, over(from, board("Ada"))).await.unwrap();
        meet(&ada, "Bo").await;
        assert_eq!(ada.people().len(), 1);
        // It is a stream, too.
        let entered = timeout(PATIENCE, StreamExt::next(&mut watcher)).await.unwrap();
        assert!(matches!(entered, Some(RoomEvent::Enter(it)) if it.name() == "Ada" && !it.is_me()));

        let cursor = Cursor { tool: 2, down: true, pressure: 0.25 };
        ada.set_state(&cursor).unwrap();
        ada.move_to(Move::plane(640.5, -12.0).with_motion(40.0, 90.0)).unwrap();
        let seen = until(&watcher, "the cursor", |event| match event {
            RoomEvent::Moved(it) if it.place() == Some(Place::Plane { x: 640.5, y: -12.0 }) => {
                Some(it)
            }
            _ => None,
        });
        let seen: Person = seen.await;
        assert_eq!(seen.state::<Cursor>(), Some(cursor));
        let (speed, course) = seen.motion().unwrap();
        assert!((speed / 40.0 - 1.0).abs() < 0.03 && (course - 90.0).abs() < 1.0);
        let Some(Place::Plane { x, .. }) = seen.at(watcher.clock()) else { panic!("no place") };
        assert!(x >= 640.5, "carried on to {x}");
        ada.set_state(&Cursor { tool: 3, ..cursor }).unwrap();
        until(&watcher, "the other tool", |event| match event {
            RoomEvent::Moved(it) => (it.state::<Cursor>()?.tool == 3).then_some(()),
            _ => None,
        })
        .await;

        ada.set_name("Ada Lovelace");
        ada.set_profile(&json!({ "colour": "#fc0" })).unwrap();
        until(&watcher, "a profile", |event| match event {
            RoomEvent::Change(it) if it.name() == "Ada Lovelace" => {
                (it.profile::<serde_json::Value>().unwrap()? == json!({ "colour": "#fc0" }))
                    .then_some(())
            }
            _ => None,
        })
        .await;
        for (reliable, body) in [(true, "for sure"), (false, "perhaps")] {
            ada.say("chat", &body, To::Room, reliable).unwrap();
            until(&watcher, body, |event| match event {
                RoomEvent::Said(said) if said.from == ada.welcome().id => {
                    assert_eq!(
                        (said.topic.as_str(), said.json::<String>().unwrap()),
                        ("chat", body.into())
                    );
                    Some(())
                }
                _ => None,
            })
            .await;
        }
        ada.leave().await;
        until(&watcher, "a leave", |event| matches!(event, RoomEvent::Leave(_)).then_some(()))
            .await;
        assert!(watcher.people().is_empty());
        watcher.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_an_error_that_says_what_to_do() {
    let server = Running::start();
    let room = Room::join(&url(&server, "/"), named("Ada")).await.unwrap();
    assert_eq!(room.move_to(Move::plane(1.0, 2.0)), Err(PlaceError::OnEarth));
    assert!(room.move_to(Move::earth(91.0, 0.0)).is_err());
    let error = room.set_state(&Cursor { tool: 0, down: false, pressure: 0.0 }).unwrap_err();
    assert!(error.to_string().starts_with("this room has no state; the program's"), "{error}");
    let error = room.say("no spaces", &1, To::Room, true).unwrap_err().to_string();
    assert!(error.starts_with("a topic is 1 to 32 of"), "{error}");
    let error = room.say("chat", &"x".repeat(600), To::Room, true).unwrap_err().to_string();
    assert_eq!(error, "a message has at most 512 bytes");
    room.set_profile(&"x".repeat(600)).unwrap();
    let refused = until(&room, "a refusal", |event| match event {
        RoomEvent::Refused(reason) => Some(reason),
        _ => None,
    });
    assert_eq!(refused.await, "a profile is JSON of at most 512 bytes");
    let plane = Some(Space::Plane(Plane { unit: "px".into(), step: Number(1.0) }));
    let other = RoomOptions { space: plane, ..named("Bo") };
    let error = Room::join(&url(&server, "/"), other).await.unwrap_err();
    assert!(error.to_string().contains("this room is on the earth, not on a plane"), "{error}");
    let error = Room::join(&url(&server, "/stage"), named("Bo")).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoRoom { .. }));
}

/// A server whose stage takes tokens.
fn stage() -> (Running, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys.toml");
    std::fs::write(&keys, hs256(&[("old", OLD)])).unwrap();
    (Running::with(&[("access-keys", &keys.display().to_string())]), dir)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_s_word_is_final() {
    let (server, _dir) = stage();
    let url = url(&server, &format!("/r/{STAGE}"));
    let with = |rights: &str, name: &str| RoomOptions {
        access: Some(token(json!({ "rights": [rights], "sub": name })).into()),
        ..named(name)
    };
    let host = Room::join(&url, with("host", "Host")).await.unwrap();
    let guest = Room::join(&url, with("share", "Guest")).await.unwrap();
    assert_eq!(host.me().map(|me| me.role()), Some(Role::Host));
    host.announce("Doors open").unwrap();
    let news = until(&guest, "the news", |event| match event {
        RoomEvent::Announcement(text) => Some(text),
        _ => None,
    });
    assert_eq!(news.await, "Doors open");
    host.remove(guest.welcome().id, "spam").unwrap();
    let closed = until(&guest, "the end", |event| match event {
        RoomEvent::Closed(closed) => Some(closed),
        _ => None,
    });
    let closed = closed.await;
    assert_eq!((closed.code(), closed.terminal), (Some(CloseCode::Removed), true));
    assert!(timeout(PATIENCE, guest.next()).await.unwrap().is_none());
    assert_eq!(guest.status().phase, Phase::Ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_is_asked_for_again() {
    let (server, _dir) = stage();
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let access = Access::ask(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, std::io::Error>(token(json!({ "exp": now() + 3.0 }))) }
    });
    let options = RoomOptions { access: Some(access), ..named("Ada") };
    let room = Room::join(&url(&server, &format!("/r/{STAGE}")), options).await.unwrap();
    let id = room.welcome().id;
    let closed = until(&room, "the end of the token", |event| match event {
        RoomEvent::Closed(closed) => Some(closed),
        _ => None,
    });
    let closed = closed.await;
    assert_eq!((closed.code(), closed.terminal), (Some(CloseCode::Expired), false));
    until(&room, "another link", |event| match event {
        RoomEvent::Status(status) => (status.phase == Phase::Live).then_some(()),
        _ => None,
    })
    .await;
    assert_eq!((room.welcome().id, room.welcome().resumed), (id, true));
    assert!(asked.load(Ordering::Relaxed) >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_greets_walks_and_answers() {
    let server = Running::start();
    let url = url(&server, "/r/stage");
    let lives = url.clone();
    let mut bot = tokio::spawn(async move { bot::run(&lives).await.map_err(|it| it.to_string()) });
    let watcher = RoomOptions { presence: Presence::Watching, ..named("Ada") };
    let ada = Room::join(&url, watcher).await.unwrap();
    meet(&ada, "Bot").await;
    ada.say("chat", &"Who are you?", To::Room, true).unwrap();
    let mut heard = Vec::new();
    let mut walked = false;
    until(&ada, "all the bot does", |event| {
        match event {
            RoomEvent::Said(said) => heard.push(said.json::<String>().unwrap()),
            RoomEvent::Moved(_) => walked = true,
            _ => {}
        }
        (walked && heard.iter().any(|it| it == "I only walk in circles.")).then_some(())
    })
    .await;
    assert!(!bot.is_finished());
    bot.abort();
    assert!((&mut bot).await.unwrap_err().is_cancelled());
}
