//! A program that embeds the server, as `examples/embed` does: its gate, its pages beside the
//! server's, its events, and what it cannot do.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::time::{Duration, Instant};

use axum::{Router, routing::get};
use gpys::client::{ConnectError, Move, Room, RoomEvent, RoomOptions, Transport};
use gpys::proto::wire::{CloseCode, Role};
use gpys::server::access::{Entry, Gate, Grant, Refusal, Right};
use gpys::server::config::Config;
use gpys::server::events::{Events, What};
use gpys::server::{Server, StartError};
use gpys_testkit::client::PATIENCE;
use gpys_testkit::forge::{OLD, hs256};
use gpys_testkit::running::Running;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

#[path = "../examples/embed/main.rs"]
mod embed;

const BOTH: [Transport; 2] = [Transport::WebTransport, Transport::WebSocket];

fn config(more: &[(&str, &str)]) -> Config {
    let free = ["listen", "http"].map(|name| (name, "127.0.0.1:0"));
    Config::from_pairs(free.into_iter().chain(more.iter().copied())).unwrap()
}

/// A program that runs.
struct Program {
    url: String,
    http: std::net::SocketAddr,
    events: Events,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Program {
    fn run(server: Server) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (https, http) = (server.https_address().unwrap(), server.http_address().unwrap());
        Self {
            url: format!("https://{https}"),
            http: http.unwrap(),
            events: server.events(),
            stop,
            served: tokio::spawn(server.run(async { drop(stopped.await) })),
        }
    }

    async fn join(&self, room: &str, options: RoomOptions) -> Result<Room, ConnectError> {
        Room::join(&format!("{}/r/{room}", self.url), options).await
    }

    async fn get(&self, path: &str) -> (String, String) {
        Running::get_from(self.http, path, "localhost").await
    }

    async fn event(&mut self) -> (String, What) {
        let event = timeout(PATIENCE, self.events.next()).await.expect("an event").unwrap();
        (event.room, event.what)
    }
}

fn named(name: &str, transport: Transport) -> RoomOptions {
    let transport = Some(transport);
    RoomOptions { name: name.to_owned(), transport, ..RoomOptions::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_asks_its_gate_shows_its_page_and_hears_who_comes_and_goes() {
    let mut program = Program::run(embed::application(config(&[])).unwrap());
    let (head, page) = program.get("/").await;
    assert!(head.starts_with("http/1.1 200") && page.contains("Who is here"), "{head}{page}");
    assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
    assert!(program.get("/config.json").await.1.contains("\"webtransport\""));
    assert!(program.get("/elsewhere").await.0.starts_with("http/1.1 404"));

    for transport in BOTH {
        let error = program.join("office", named("Eve", transport)).await.unwrap_err();
        assert!(
            matches!(&error, ConnectError::Forbidden { reason, .. }
            if reason == "say the word to enter the office"),
            "{error}"
        );
        let word = RoomOptions { access: Some("open sesame".into()), ..named("Ada", transport) };
        let office = program.join("office", word).await.unwrap();
        assert_eq!(office.me().map(|me| me.role()), Some(Role::Host));
        assert_eq!(program.event().await, ("office".to_owned(), What::Occupied));
        let (_, entered) = program.event().await;
        let What::Entered(visitor) = &entered else { panic!("{entered:?}") };
        assert_eq!((visitor.id, visitor.uuid), (office.welcome().id, office.welcome().uuid));
        assert_eq!((visitor.name.as_str(), visitor.host), ("Ada", true));
        until_json(&program, "{\"office\":1}").await;

        office.leave().await;
        assert_eq!(program.event().await, ("office".to_owned(), What::Left(visitor.clone())));
        assert_eq!(program.event().await, ("office".to_owned(), What::Vacated));
        until_json(&program, "{}").await;
    }

    // A graceful stop tells clients to come back.
    let garden = program.join("garden", named("Bo", BOTH[0])).await.unwrap();
    program.stop.send(()).unwrap();
    let closed = async {
        loop {
            if let Some(RoomEvent::Closed(closed)) = garden.next().await {
                break closed;
            }
        }
    };
    let closed = timeout(PATIENCE, closed).await.unwrap();
    assert_eq!((closed.code(), closed.terminal), (Some(CloseCode::Restarting), false));
    timeout(PATIENCE, program.served).await.unwrap().unwrap().unwrap();
}

async fn until_json(program: &Program, wanted: &str) {
    let deadline = Instant::now() + PATIENCE;
    while program.get("/rooms.json").await.1 != wanted {
        assert!(Instant::now() < deadline, "waited for {wanted}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Lets everybody watch, and panics for one.
struct Gallery;

impl Gate for Gallery {
    async fn enter(&self, entry: Entry) -> Result<Grant, Refusal> {
        assert_ne!(entry.name, "Bug");
        Ok(Grant::new(Right::View).for_subject(entry.name))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_s_rights_hold_and_its_panic_ends_one_session() {
    let mut program = Program::run(Server::builder(config(&[])).gate(Gallery).bind().unwrap());
    for transport in BOTH {
        let error = program.join("hall", named("Ada", transport)).await.unwrap_err();
        assert!(
            error.to_string().contains("not share, only watch")
                || matches!(error, ConnectError::Forbidden { .. })
        );
        let presence = gpys::proto::wire::Presence::Watching;
        let bug = RoomOptions { presence, ..named("Bug", transport) };
        let error = program.join("hall", bug).await.unwrap_err();
        assert!(error.to_string().contains("internal server error"), "{error}");
        let watcher = RoomOptions { presence, ..named("Ada", transport) };
        let room = program.join("hall", watcher).await.unwrap();
        assert!(!room.welcome().may_share);
        room.move_to(Move::earth(1.0, 1.0)).unwrap();
        assert_eq!(program.event().await.1, What::Occupied);
        let (_, What::Entered(visitor)) = program.event().await else { panic!("no entry") };
        assert!(visitor.subject.is_some());
        room.leave().await;
        assert!(matches!(program.event().await.1, What::Left(_)));
        assert_eq!(program.event().await.1, What::Vacated);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_is_no_event() {
    let mut program = Program::run(Server::builder(config(&[])).bind().unwrap());
    let first = program.join("hall", named("Ada", BOTH[0])).await.unwrap();
    let resume = Some(first.welcome().token);
    let second = RoomOptions { resume, ..named("Ada", BOTH[1]) };
    let second = program.join("hall", second).await.unwrap();
    assert!(second.welcome().resumed);
    second.leave().await;
    let mut happened = Vec::new();
    while happened.last() != Some(&What::Vacated) {
        happened.push(program.event().await.1);
    }
    let [What::Occupied, What::Entered(came), What::Left(went), What::Vacated] = &happened[..]
    else {
        panic!("{happened:?}")
    };
    assert_eq!(came, went);
}

#[tokio::test(flavor = "multi_thread")]
async fn contradictions_are_errors_at_the_start() {
    let at = |path: &str| Router::new().route(path, get(async || "mine"));
    let page = || gpys::server::Page::new([("index.html".to_owned(), b"theirs".into())]);
    for (router, wrong) in [
        (at("/config.json"), "/config.json"),
        (at("/r/{id}"), "/r/{id}"),
        (at("/"), "`GET /`"),
        (at("/mine").fallback(async || "mine"), "fallback"),
    ] {
        let started = Server::builder(config(&[])).page(page()).router(router).bind();
        let Err(StartError::Paths(error)) = started else { panic!("started with {wrong}") };
        let error = error.to_string();
        assert!(error.contains(wrong) && error.contains("/healthz, /readyz, /ws"), "{error}");
    }
    // Without a page, all but the server's own paths are the program's.
    let all = at("/").route("/r/{id}", get(async || "mine")).fallback(async || "other");
    let program = Program::run(Server::builder(config(&[])).router(all).bind().unwrap());
    assert_eq!(program.get("/").await.1, "mine");
    assert_eq!(program.get("/elsewhere").await.1, "other");
    assert_eq!(program.get("/healthz").await.1, "ok\n");

    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys.toml");
    std::fs::write(&keys, hs256(&[("old", OLD)])).unwrap();
    let keyed = config(&[("access-keys", &keys.display().to_string())]);
    let keyed = Server::builder(keyed).gate(Gallery).bind();
    let error = keyed.unwrap_err().to_string();
    assert!(error.ends_with("leave out one of the two"), "{error}");
}
