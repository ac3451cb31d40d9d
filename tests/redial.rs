//! A client that redials, over a relay that goes dead.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use gpys::client::{Client, Connector, Ended, Event, Options, Reading, Transport, Trust};
use gpys::proto::geo::Position;
use gpys::proto::pose::Accuracy;
use gpys::proto::wire::{CloseCode, PeerId, ServerMessage};
use gpys_testkit::client::{Client as Watcher, PATIENCE, Transport as Kind};
use gpys_testkit::relay::TcpRelay;
use gpys_testkit::running::Running;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

/// The client's name.
const NAME: &str = "Ana";

/// What the others in a room are told of somebody.
#[derive(Debug, Default, PartialEq, Eq)]
struct News {
    joins: u32,
    /// Leaves, and other presences than the first.
    ends: u32,
}

/// A client that redials over a relay, and those who notice.
struct Scene {
    server: Running,
    relay: TcpRelay,
    client: Client,
    watcher: Watcher,
    /// How often the client was welcomed after the first time.
    welcomes: Arc<AtomicU32>,
    news: Arc<Mutex<News>>,
    /// Takes the news.
    _witness: Client,
}

impl Scene {
    async fn new() -> Self {
        let server = Running::start();
        let relay = TcpRelay::to(server.https).await;
        let news = Arc::new(Mutex::new(News::default()));
        let taken = Arc::clone(&news);
        let witness = Options {
            events: Some(Box::new(move |event| {
                if let Event::Message(ServerMessage::Roster(roster)) = event {
                    let mut news = taken.lock().unwrap();
                    news.joins += roster.joined.iter().filter(|it| it.name == NAME).count() as u32;
                    news.ends += (roster.left.len() + roster.presence.len()) as u32;
                }
            })),
            ..Options::default()
        };
        let url = format!("https://{}", server.https);
        let direct = Connector::new(&url, Trust::Public).await.unwrap();
        let witness = direct.connect(witness).await.unwrap();
        let welcomes = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&welcomes);
        let options = Options {
            transport: Transport::WebSocket,
            name: NAME.to_owned(),
            redials: true,
            events: Some(Box::new(move |event| {
                if let Event::Message(ServerMessage::Welcome(welcome)) = event {
                    assert!(welcome.resumed);
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            })),
            ..Options::default()
        };
        let url = format!("https://{}", relay.address);
        let connector = Connector::new(&url, Trust::Public).await.unwrap();
        let client = connector.connect(options).await.unwrap();
        let watcher = server.join(Kind::Ws, "lobby", None).await;
        let mut scene = Self { server, relay, client, watcher, welcomes, news, _witness: witness };
        scene.walk(1).await;
        scene
    }

    /// Moves the client to its next place, and waits until the watcher sees it there.
    async fn walk(&mut self, step: i32) {
        let position = Position::new(457_500_000 - 20_000_000 * step, 143_600_000).unwrap();
        self.client.send(Reading { position, orientation: None, accuracy: Accuracy::UNKNOWN });
        let id = self.client.welcome().id;
        self.watcher.until("the client's place", |watcher| is_at(watcher, id, position)).await;
    }

    fn welcomes(&self) -> u32 {
        self.welcomes.load(Ordering::Relaxed)
    }

    /// Checks that nobody was told anything of the client but that it came.
    fn assert_unnoticed(&self) {
        assert_eq!(*self.news.lock().unwrap(), News { joins: 1, ends: 0 });
    }
}

fn is_at(watcher: &Watcher, id: PeerId, place: Position) -> bool {
    // Without a viewport, the watcher sees the whole world, coarsely.
    let near = |at: Position| at.lat().abs_diff(place.lat()) < 1_000_000;
    watcher.view.figures().any(|(it, figure)| it == id && near(figure.position))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_falls_silent_is_replaced_before_anybody_gives_it_up() {
    let mut scene = Scene::new().await;
    let id = scene.client.welcome().id;
    let second = scene.relay.silence().await;
    scene.relay.open.send_replace(second..u32::MAX);
    scene.walk(2).await;
    assert_eq!((scene.client.welcome().id, scene.welcomes()), (id, 1));
    // What is replaced was alive in the server's eyes.
    scene.server.until_count("gpys_leaves_total{reason=\"replaced\"}", 1.0).await;
    scene.assert_unnoticed();
    scene.client.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_speaks_first_again_is_kept() {
    let mut scene = Scene::new().await;
    let second = scene.relay.silence().await;
    scene.relay.open.send_replace(0..second);
    scene.walk(2).await;
    scene.relay.open.send_replace(0..u32::MAX);
    scene.walk(3).await;
    assert_eq!(scene.welcomes(), 0);
    assert!(scene.server.count("gpys_leaves_total{reason=\"replaced\"}").await < 1.0);
    scene.assert_unnoticed();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_comes_back_after_its_link_and_not_after_a_final_word() {
    let mut scene = Scene::new().await;
    let token = scene.client.welcome().token;
    let lost = *scene.relay.count.borrow();
    scene.relay.ended.send_replace(lost);
    scene.walk(2).await;
    assert_eq!(scene.welcomes(), 1);
    scene.assert_unnoticed();

    let _other = scene.server.join(Kind::Wt, "lobby", Some(token)).await;
    let ended = timeout(PATIENCE, scene.client.closed()).await.unwrap();
    assert!(matches!(ended, Ended::Closed { code, .. } if code == CloseCode::Replaced as u8));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_finds_a_server_that_has_restarted_with_other_certificates() {
    // A port that both servers have, over TCP and UDP.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let mut server = Running::with(&[("listen", &address)]);
    assert_eq!(server.https.to_string(), address);
    let (welcomed, mut welcomes) = watch::channel(0);
    let options = Options {
        redials: true,
        events: Some(Box::new(move |event| {
            if let Event::Message(ServerMessage::Welcome(_)) = event {
                welcomed.send_modify(|count| *count += 1);
            }
        })),
        ..Options::default()
    };
    let url = format!("https://{address}");
    let client = Connector::new(&url, Trust::Public).await.unwrap().connect(options).await.unwrap();
    server.stop();
    server.stopped().await;
    let _next = Running::with(&[("listen", &address)]);
    timeout(PATIENCE, welcomes.wait_for(|&count| count > 0)).await.unwrap().unwrap();
    client.leave().await;
}
