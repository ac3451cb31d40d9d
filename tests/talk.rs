//! What peers say, kinds of rooms, state and motion, and what hosts do, over both transports.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use gpys::proto::kind::{Layout, Number, Plane, Space, StateField, Values};
use gpys::proto::motion::Motion;
use gpys::proto::pose::{Accuracy, Extra, Pose};
use gpys::proto::time::Time;
use gpys::proto::wire::{
    ClientMessage, CloseCode, Field, Hello, HostAction, PeerId, Presence, Removal, Role, Sample,
    Say, To,
};
use gpys_testkit::client::{BOTH, Client, Transport};
use gpys_testkit::forge::{OLD, STAGE, hs256, token};
use gpys_testkit::running::Running;
use serde_json::json;

fn plane() -> Plane {
    Plane { unit: "px".into(), step: Number(0.5) }
}

fn layout() -> Layout {
    let field = |name: &str, values| StateField { name: name.into(), values };
    Layout { fields: vec![field("tool", Values::Unsigned(8)), field("down", Values::Flag)] }
}

fn board() -> Hello {
    let (space, layout) = (Some(Space::Plane(plane())), Some(layout()));
    Hello { space, layout, ..Hello::new("board") }
}

async fn greet(server: &Running, transport: Transport, hello: Hello) -> Client {
    let mut client = server.client(transport).await;
    client.send(&ClientMessage::Hello(hello).encode()).await;
    client
}

async fn enter(server: &Running, transport: Transport, hello: Hello) -> Client {
    let mut client = greet(server, transport, hello).await;
    client.until("a welcome", |client| client.welcome.is_some()).await;
    client
}

fn say(to: To, body: &str) -> Say {
    Say { to, topic: "chat".into(), body: body.into() }
}

fn bodies(client: &Client) -> Vec<&str> {
    client.said.iter().map(|said| str::from_utf8(&said.body).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_on_a_plane_is_seen_exactly_with_its_state() {
    let server = Running::start();
    for (from, to) in [(Transport::Wt, Transport::Ws), (Transport::Ws, Transport::Wt)] {
        let mut watcher =
            enter(&server, to, Hello { presence: Presence::Watching, ..board() }).await;
        let mut cursor = enter(&server, from, board()).await;
        assert_eq!(cursor.welcome().kind.layout, layout());
        let id = cursor.welcome().id;
        let extra = Extra { motion: Motion::new(40.0, 90.0), state: layout().pack(&[7.0, 1.0]) };
        let pose = Pose {
            position: plane().position(640.5, -12.0).unwrap(),
            orientation: None,
            accuracy: Accuracy::UNKNOWN,
            sampled: Time::from_ms(cursor.welcome().time.0.into()),
        };
        let sample = Sample { extra, ..Sample::new(0, pose) };
        cursor.send(&sample.encode(layout().bits())).await;
        // The world is shown coarsely until the watcher looks closer.
        let near = gpys::proto::geo::Viewport {
            south: -40_000,
            west: -20_000,
            north: 40_000,
            east: 20_000,
            zoom: 199,
        };
        watcher.send(&ClientMessage::Viewport(near).encode()).await;
        let seen = |client: &Client| {
            let figure = client.view.figure(id).copied()?;
            (plane().point(figure.position) == (640.5, -12.0)).then_some(figure.extra)
        };
        watcher.until("the cursor", |client| seen(client).is_some()).await;
        assert_eq!(seen(&watcher), Some(extra));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_of_another_kind_is_refused_with_its_kind() {
    let server = Running::start();
    let _first = enter(&server, Transport::Wt, board()).await;
    for transport in BOTH {
        let earth = Hello { space: Some(Space::Earth), ..Hello::new("board") };
        let (_, closing) = greet(&server, transport, earth).await.closed().await;
        assert_eq!(closing.code, CloseCode::WrongKind as u8);
        assert_eq!(closing.reason, "this room is on a plane in steps of 0.5 px, not on the earth");
        let any = enter(&server, transport, Hello::new("board")).await;
        assert_eq!(any.welcome().kind.space, Space::Plane(plane()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_reaches_those_it_is_for_on_either_lane() {
    let server = Running::start();
    let mut ada = enter(&server, Transport::Wt, Hello::new("hall")).await;
    let mut bob = enter(&server, Transport::Ws, Hello::new("hall")).await;
    for (from, to) in [(&mut ada, &mut bob)] {
        for seq in 0..2 {
            let room = say(To::Room, "to all");
            from.send(&ClientMessage::Say(room.clone()).encode()).await;
            to.until("a message", |client| client.said.len() > 2 * seq).await;
            from.send(&room.encode_datagram(seq as u32)).await;
            to.until("a datagram", |client| client.said.len() > 2 * seq + 1).await;
        }
        assert_eq!(bodies(to), ["to all"; 4]);
        assert!(to.said.iter().all(|said| said.from == from.welcome().id));
        to.send(&ClientMessage::Say(say(To::Peer(from.welcome().id), "to you")).encode()).await;
        from.until("an answer", |client| bodies(client) == ["to you"]).await;
        to.send(&ClientMessage::Say(say(To::Peer(PeerId(u32::MAX)), "lost")).encode()).await;
        to.until("a refusal", |client| client.refused == [Field::Say as u8]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_and_a_profile_change_while_live_and_bad_ones_do_not() {
    let server = Running::start();
    for transport in BOTH {
        let hello = Hello { profile: "{\"colour\":1}".into(), ..Hello::new("hall") };
        let mut ada = enter(&server, transport, hello).await;
        let mut bob = enter(&server, Transport::Ws, Hello::new("hall")).await;
        let id = ada.welcome().id;
        let is = |client: &Client, name: &str, profile: &str| {
            let mut roster = client.view.roster();
            roster.any(|it| (it.id, &*it.name, &*it.profile) == (id, name, profile))
        };
        bob.until("the first profile", |client| is(client, "", "{\"colour\":1}")).await;
        ada.send(&ClientMessage::Name("Ada".into()).encode()).await;
        ada.send(&ClientMessage::Profile("{\"colour\":2}".into()).encode()).await;
        bob.until("both", |client| is(client, "Ada", "{\"colour\":2}")).await;
        ada.send(&ClientMessage::Profile("{colour".into()).encode()).await;
        ada.until("a refusal", |client| client.refused == [Field::Profile as u8]).await;
        assert!(is(&bob, "Ada", "{\"colour\":2}"));
    }
}

/// A server whose stage takes tokens, and what enters there with these claims.
fn stage() -> (Running, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys.toml");
    std::fs::write(&keys, hs256(&[("old", OLD)])).unwrap();
    (Running::with(&[("access-keys", &keys.display().to_string())]), dir)
}

fn holder(changes: serde_json::Value) -> Hello {
    let access = Some(token(changes));
    Hello { access, ..Hello::new(STAGE) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_announces_removes_and_closes() {
    let (server, _dir) = stage();
    for transport in BOTH {
        let mut host = enter(&server, transport, holder(json!({ "rights": ["host"] }))).await;
        let mut guest = enter(&server, transport, holder(json!({ "sub": "mallory" }))).await;
        let act = |action| ClientMessage::Host(action).encode();
        guest.send(&act(HostAction::Close(String::new()))).await;
        guest.until("a refusal", |client| client.refused == [Field::Host as u8]).await;
        host.send(&act(HostAction::Announce("Doors open".into()))).await;
        guest.until("the news", |client| client.announcement == "Doors open").await;
        let mut late = enter(&server, transport, holder(json!({ "sub": "late" }))).await;
        late.until("the news", |client| client.announcement == "Doors open").await;
        let roles =
            |client: &Client| client.view.roster().filter(|it| it.role == Role::Host).count();
        late.until("who is the host", |client| roles(client) == 1).await;
        let removal = Removal { peer: guest.welcome().id, reason: "spam".into() };
        host.send(&act(HostAction::Remove(removal))).await;
        let (_, closing) = guest.closed().await;
        assert_eq!((closing.code, &*closing.reason), (CloseCode::Removed as u8, "spam"));
        // Another device of the same person.
        let again = greet(&server, transport, holder(json!({ "sub": "mallory" })));
        assert_eq!(again.await.closed().await.1.code, CloseCode::Removed as u8);
        host.send(&act(HostAction::Close("good night".into()))).await;
        for mut client in [late, host] {
            let (_, closing) = client.closed().await;
            assert_eq!((closing.code, &*closing.reason), (CloseCode::Ended as u8, "good night"));
            assert_eq!(closing.retry_ms, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_of_one_person_are_told_from_two_people() {
    let (server, _dir) = stage();
    let mut watcher = enter(&server, Transport::Ws, holder(json!({}))).await;
    let mut ids = Vec::new();
    let mut devices = Vec::new();
    for subject in ["ada", "ada", "bob"] {
        devices.push(enter(&server, Transport::Wt, holder(json!({ "sub": subject }))).await);
        ids.push(devices.last().unwrap().welcome().id);
    }
    let subject = |client: &Client, id| {
        client.view.roster().find(|person| person.id == id).map(|person| person.subject)
    };
    watcher.until("all", |client| ids.iter().all(|&id| subject(client, id).is_some())).await;
    let subjects: Vec<_> = ids.iter().map(|&id| subject(&watcher, id).unwrap().unwrap()).collect();
    assert_eq!(subjects[0], subjects[1]);
    assert!(subjects[0] != subjects[2]);
    assert_eq!(subject(&watcher, watcher.welcome().id), Some(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_decides_the_kind_of_a_room() {
    let (server, _dir) = stage();
    let kind = json!({ "plane": { "unit": "m", "step": 0.1 }, "state": [{ "name": "floor", "count": 9 }] });
    let first = enter(&server, Transport::Wt, holder(json!({ "kind": kind }))).await;
    assert_eq!(first.welcome().kind.layout.bits(), 4);
    let other = json!({ "kind": { "plane": { "unit": "m", "step": 0.2 } } });
    let (_, closing) = greet(&server, Transport::Ws, holder(other)).await.closed().await;
    assert_eq!(closing.code, CloseCode::WrongKind as u8);
    let bad = json!({ "kind": { "plane": { "unit": "m", "step": 0 } } });
    let (_, closing) = greet(&server, Transport::Ws, holder(bad)).await.closed().await;
    assert_eq!(closing.code, CloseCode::Forbidden as u8);
}
