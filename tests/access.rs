//! Who may connect, and as whom: access tokens, identities that outlive the server, and origins, on
//! real sockets, over both transports, with their counts.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test may panic")]

use std::path::{Path, PathBuf};

use gpys::proto::wire::{ClientMessage, CloseCode, Hello, Presence, ResumeToken};
use gpys_testkit::client::{BOTH, Client, Transport};
use gpys_testkit::forge::{self, Forged, NEW, OLD, STAGE, ed_token, hs256, now, token};
use gpys_testkit::running::Running;
use serde_json::json;

fn failure(cause: &str) -> String {
    format!("gpys_handshake_failures_total{{cause=\"{cause}\"}}")
}

fn left(reason: &str) -> String {
    format!("gpys_leaves_total{{reason=\"{reason}\"}}")
}

/// A file with this text.
fn file(dir: &tempfile::TempDir, text: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.path().join("file");
    std::fs::write(&path, text).unwrap();
    path
}

fn server(keys: &Path) -> Running {
    Running::with(&[("access-keys", &keys.display().to_string())])
}

fn hello(presence: Presence, access: Option<String>) -> Hello {
    Hello { presence, access, ..Hello::new(STAGE) }
}

/// A client that has sent this hello.
async fn greet(server: &Running, transport: Transport, hello: Hello) -> Client {
    let mut client = server.client(transport).await;
    client.send(&ClientMessage::Hello(hello).encode()).await;
    client
}

/// A client that was welcomed after this hello.
async fn welcomed(server: &Running, transport: Transport, hello: Hello) -> Client {
    let mut client = greet(server, transport, hello).await;
    client.until("a welcome", |client| client.welcome.is_some()).await;
    client
}

/// Expects this hello to be refused. Returns the code and the reason.
async fn refused(server: &Running, transport: Transport, hello: Hello) -> (u8, String) {
    let (code, closing) = greet(server, transport, hello).await.closed().await;
    let base = if transport == Transport::Ws { 4_000 } else { 0 };
    assert_eq!(code, base + u64::from(closing.code));
    assert_eq!(closing.retry_ms, None, "no retry is advised");
    (closing.code, closing.reason)
}

/// Asserts that each token is refused for its reason, which is counted but not quoted.
async fn all_refused(server: &Running, all: Vec<Forged>) {
    for Forged { name, token, code, cause } in all {
        for transport in BOTH {
            let before = server.count(&failure(cause)).await;
            let hello = hello(Presence::Sharing, Some(token.clone()));
            let (closed, reason) = refused(server, transport, hello).await;
            assert_eq!(closed, code as u8, "{name}: {reason}");
            assert_eq!(server.count(&failure(cause)).await, before + 1.0, "{name}: {cause}");
            let mut parts = token.split('.').filter(|part| part.len() > 3);
            assert!(parts.all(|part| !reason.contains(part)), "{name}: {reason}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&file(&dir, hs256(&[("old", OLD), ("new", NEW)])));
    all_refused(&server, forge::for_hs256()).await;
    for transport in BOTH {
        let (code, reason) = refused(&server, transport, hello(Presence::Watching, None)).await;
        assert_eq!(code, CloseCode::Forbidden as u8);
        assert_eq!(reason, "this room requires an access token");
        // The lobby is open and requires no token.
        for access in [None, Some("not a token".to_owned())] {
            welcomed(&server, transport, Hello { access, ..Hello::new("lobby") }).await;
        }
    }
    assert_eq!(server.count(&failure("access_missing")).await, 2.0);
    assert_eq!(server.count("gpys_rooms").await, 1.0, "no other room was opened");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_key_cannot_sign() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&file(&dir, forge::eddsa()));
    all_refused(&server, forge::for_eddsa()).await;
    for transport in BOTH {
        let token = ed_token(json!({ "room": "*" }));
        welcomed(&server, transport, hello(Presence::Sharing, Some(token))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guessed_signatures_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&file(&dir, hs256(&[("old", OLD)])));
    let good = token(json!({}));
    let (body, _) = good.rsplit_once('.').unwrap();
    for guess in 0..100_u8 {
        let token = format!("{body}.{}", forge::encoded(&[guess; 32]));
        let transport = BOTH[usize::from(guess) % 2];
        let (code, _) = refused(&server, transport, hello(Presence::Watching, Some(token))).await;
        assert_eq!(code, CloseCode::Forbidden as u8);
    }
    assert_eq!(server.count(&failure("access_signature")).await, 100.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_cannot_share() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&file(&dir, hs256(&[("old", OLD)])));
    let view = || Some(token(json!({ "rights": ["view"] })));
    for (number, transport) in BOTH.into_iter().enumerate() {
        let access = Some(token(json!({})));
        let mut other = welcomed(&server, transport, hello(Presence::Sharing, access)).await;
        assert!(other.welcome().may_share);
        let mut watcher = welcomed(&server, transport, hello(Presence::Watching, view())).await;
        assert!(!watcher.welcome().may_share);
        // A pose without the right is not shown; those of others are.
        watcher.pose(0).await;
        watcher.ping().await;
        watcher.until("a pong", |client| client.pongs == 1).await;
        other.pose(0).await;
        let (id, watcher_id) = (other.welcome().id, watcher.welcome().id);
        watcher.until("the other", |client| client.view.figure(id).is_some()).await;
        other.ping().await;
        other.until("a pong", |client| client.pongs == 1).await;
        assert!(other.view.figure(watcher_id).is_none());
        // Nor does asking to share help.
        watcher.send(&ClientMessage::Presence(Presence::Sharing).encode()).await;
        let (_, closing) = watcher.closed().await;
        assert_eq!(closing.code, CloseCode::Forbidden as u8);
        assert!(closing.reason.contains("watch, not share"), "{}", closing.reason);
        server.until_count(&left("forbidden"), number as f64 + 1.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_token() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&file(&dir, hs256(&[("old", OLD)])));
    let until = now().ceil() + 2.0;
    let access = || Some(token(json!({ "exp": until })));
    let mut clients = Vec::new();
    for transport in BOTH {
        clients.push(welcomed(&server, transport, hello(Presence::Sharing, access())).await);
    }
    let mut tokens = Vec::new();
    for client in &mut clients {
        tokens.push(client.welcome().token);
        let (_, closing) = client.closed().await;
        let late = now() - until;
        assert_eq!(closing.code, CloseCode::Expired as u8);
        assert!((0.0..1.0).contains(&late), "{late} s late");
    }
    server.until_count(&left("expired"), 2.0).await;
    // A peer that returns with a new token keeps its identity.
    for (transport, resume) in BOTH.into_iter().zip(tokens) {
        let access = Some(token(json!({})));
        let hello = Hello { resume: Some(resume), ..hello(Presence::Sharing, access) };
        assert!(welcomed(&server, transport, hello).await.welcome().resumed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_replaced_without_dropping_links() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&file(&dir, hs256(&[("old", OLD)])));
    let by = |kid: &str, secret: &[u8]| {
        let head = forge::with(forge::head("HS256"), json!({ "kid": kid }));
        hello(Presence::Sharing, Some(forge::signed(&head, &forge::claims(), secret)))
    };
    let mut there = welcomed(&server, Transport::Ws, by("old", &OLD)).await;
    refused(&server, Transport::Ws, by("new", &NEW)).await;
    file(&dir, hs256(&[("new", NEW)]));
    server.reloader.now();
    server.until_count("gpys_access_key_reloads_total{outcome=\"done\"}", 1.0).await;
    welcomed(&server, Transport::Wt, by("new", &NEW)).await;
    refused(&server, Transport::Wt, by("old", &OLD)).await;
    there.ping().await;
    there.until("a pong", |client| client.pongs == 1).await;
    // An invalid file changes nothing.
    file(&dir, "algorithm = \"none\"");
    server.reloader.now();
    server.until_count("gpys_access_key_reloads_total{outcome=\"failed\"}", 1.0).await;
    welcomed(&server, Transport::Ws, by("new", &NEW)).await;
    assert_eq!(server.count(&failure("access_key")).await, 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_enters_a_full_room() {
    let dir = tempfile::tempdir().unwrap();
    let keys = file(&dir, hs256(&[("old", OLD)])).display().to_string();
    let server = Running::with(&[("access-keys", &keys), ("max-people", "1")]);
    let with = |right: &str| hello(Presence::Sharing, Some(token(json!({ "rights": [right] }))));
    let _first = welcomed(&server, Transport::Ws, with("share")).await;
    for transport in BOTH {
        let (_, closing) = greet(&server, transport, with("share")).await.closed().await;
        assert_eq!(closing.code, CloseCode::Full as u8);
        welcomed(&server, transport, with("host")).await;
    }
}

/// Joins a new server with this secret and token. Returns the UUID, the new token, and whether the
/// peer was resumed.
async fn identity(
    secret: &Path,
    transport: Transport,
    resume: Option<ResumeToken>,
) -> (gpys::proto::wire::PublicId, ResumeToken, bool) {
    let server = Running::with(&[("identity-secret", &secret.display().to_string())]);
    let welcome = server.join(transport, "lobby", resume).await.welcome.unwrap();
    (welcome.uuid, welcome.token, welcome.resumed)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_outlives_its_server() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (secret, other) = (file(&dir, [1; 32]), file(&elsewhere, [2; 32]));
    for transport in BOTH {
        let (uuid, token, _) = identity(&secret, transport, None).await;
        let (again, new, resumed) = identity(&secret, transport, Some(token)).await;
        assert!(uuid == again && !resumed);
        assert_eq!(new.secret(), token.secret());
        let (third, ..) = identity(&secret, transport, Some(new)).await;
        assert!(third == uuid, "a third time");
        assert!(identity(&other, transport, Some(token)).await.0 != uuid);
        assert!(identity(&secret, transport, None).await.0 != uuid);
        // An identity older than a day is forgotten, as is one from the future.
        for hours in [26_u16, u16::MAX] {
            let mut old = token.0;
            let born = u16::from_le_bytes([old[4], old[5]]).wrapping_sub(hours);
            old[4..6].copy_from_slice(&born.to_le_bytes());
            let (_, fresh, _) = identity(&secret, transport, Some(ResumeToken(old))).await;
            assert!(fresh.secret() != ResumeToken(old).secret(), "{hours} h");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_cannot_be_stolen() {
    let server = Running::start();
    for transport in BOTH {
        let victim = server.join(transport, "lobby", None).await;
        let (uuid, token) = (victim.welcome().uuid, victim.welcome().token);
        // With another number it is not the victim's token, although its secret is.
        let stolen = ResumeToken::mint(gpys::proto::wire::PeerId(u32::MAX), token.secret());
        let thief = server.join(transport, "lobby", Some(stolen)).await;
        assert!(!thief.welcome().resumed);
        assert!(thief.welcome().uuid != uuid && thief.welcome().token.secret() != token.secret());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_without_an_origin_are_refused_if_required() {
    let server = Running::with(&[("require-origin", "true")]);
    assert!(server.session("/wt", None).await.is_err());
    server.until_count(&failure("origin"), 1.0).await;
    let refused = server.socket(None).await.map(drop).unwrap_err();
    assert!(refused.to_string().contains("403"), "{refused}");
    assert_eq!(server.count(&failure("origin")).await, 2.0);
    let own = format!("https://{}", server.https);
    let session = server.session("/wt", Some(&own)).await.unwrap();
    let socket = server.socket(Some(&own)).await.unwrap();
    drop((session, socket));
    let page = server.get("/", "localhost").await.0;
    assert!(page.starts_with("http/1.1 200"), "opening a page sends no origin: {page}");
    assert_eq!(server.count(&failure("origin")).await, 2.0);
}
