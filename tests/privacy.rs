//! What a running server reveals about where its users are, who they are and in which room:
//! nothing, however much it logs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gpys::client::{Client, Connector, Options, Reading, Transport, Trust};
use gpys::proto::blur::blur;
use gpys::proto::geo::{Position, Viewport};
use gpys::proto::pose::Accuracy;
use gpys::proto::wire::{PeerId, Presence, Sharing};

/// The timeout of every wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// A room's name, which may be all that keeps strangers out.
const ROOM: &str = "behind-the-third-oak";
const NAME: &str = "Ada of Utopia";
/// A key of the API, which some apps can only send in a URL.
const KEY: &str = "k-4SBUYRQ9sOVhV3G1Z0sFzy2cI";

/// Kills the program even if the test fails.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It may have exited already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A port that is free at the moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("timed out waiting for {what}"))
}

async fn get(port: u16, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

fn viewport(middle: Position) -> Viewport {
    let (lat, lng) = (middle.lat(), middle.lng());
    let (south, north) = (lat - 100_000, lat + 100_000);
    Viewport { south, west: lng - 100_000, north, east: lng + 100_000, zoom: 130 }
}

/// All the ways in which a log could quote a position: digits of the degrees and of the wire's
/// integers, and the wire's bytes as hexadecimal or decimal lists.
fn traces(place: Position) -> Vec<String> {
    let mut traces = Vec::new();
    for units in [place.lat(), place.lng()] {
        let digits = units.unsigned_abs().to_string();
        // Four digits of the fraction are some 10 m.
        let (whole, fraction) = digits.split_at(digits.len() - 7);
        traces.push(format!("{whole}.{}", &fraction[..4]));
        traces.push(digits);
        let bytes = units.to_le_bytes();
        traces.push(bytes.map(|byte| format!("{byte:02x}")).concat());
        traces.push(bytes.map(|byte| format!("{byte:02X}")).concat());
        traces.push(bytes.map(|byte| byte.to_string()).join(", "));
        traces.push(bytes.map(|byte| format!("\\x{byte:02x}")).concat());
        traces.push(bytes.map(|byte| format!("{byte:02x}")).join(", 0x"));
    }
    traces
}

async fn see(watcher: &Client, id: PeerId, place: Position) {
    until("a peer on the map", async || {
        let view = watcher.view();
        let figure = view.figure(id)?;
        let near = |a: i32, b: i32| a.abs_diff(b) <= 60;
        let there = near(figure.position.lat(), place.lat());
        (there && near(figure.position.lng(), place.lng())).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_position_name_or_room_is_logged_or_counted_at_any_level() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let keys = tempfile::NamedTempFile::new().unwrap();
    let text = format!("[phones]\nkey = \"{KEY}\"\nright = \"feed\"\nroom = \"{ROOM}\"\n");
    std::fs::write(keys.path(), text).unwrap();
    let (https, http, counts) = (free_port(), free_port(), free_port());
    let child = Command::new(env!("CARGO_BIN_EXE_gpys"))
        .args(["serve", "--quiet", "--log", "trace"])
        .args(["--listen", &format!("127.0.0.1:{https}")])
        .args(["--http", &format!("127.0.0.1:{http}")])
        .args(["--metrics", &format!("127.0.0.1:{counts}")])
        .arg("--api-keys")
        .arg(keys.path())
        .current_dir(dir.path())
        .env_clear()
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let program = Program(child);
    let url = format!("https://localhost:{https}");
    let server = until("the server", async || Connector::new(&url, Trust::Public).await.ok()).await;
    let places = [(46.123_456_7, 14.765_432_1), (-33.918_273_6, 151.192_837_4)]
        .map(|(lat, lng)| Position::from_degrees(lat, lng).unwrap());
    let mut people = Vec::new();
    for transport in [Transport::WebTransport, Transport::WebSocket] {
        for (approximate, place) in [(false, places[0]), (true, places[1])] {
            let looks = viewport(place);
            let sharing = Sharing { approximate, seconds: 900 };
            let (room, name) = (ROOM.to_owned(), NAME.to_owned());
            let options =
                Options { room, name, transport, viewport: Some(looks), ..Options::default() };
            let watching = Options { presence: Presence::Watching, ..options };
            let watcher = server.connect(watching).await.unwrap();
            let (room, viewport) = (ROOM.to_owned(), Some(looks));
            let options = Options { room, transport, viewport, sharing, ..Options::default() };
            let walker = server.connect(options).await.unwrap();
            walker.send(Reading {
                position: place,
                orientation: None,
                accuracy: Accuracy::UNKNOWN,
            });
            let shown = if approximate { blur(place) } else { place };
            see(&watcher, walker.welcome().id, shown).await;
            people.extend([watcher, walker]);
        }
    }
    let page = get(http, &format!("/r/{ROOM}")).await;
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    let (lat, lng) = places[0].degrees();
    let report = format!("/v1/osmand/{KEY}?id=phone&lat={lat}&lon={lng}&bearing=90");
    assert!(get(http, &report).await.starts_with("HTTP/1.1 200 "), "a key in a URL");
    assert!(get(http, &format!("{report}&speed=fast")).await.starts_with("HTTP/1.1 422 "));
    let text = get(counts, "/metrics").await;
    assert!(text.contains("gpys_"), "metrics are served");
    for person in people {
        person.leave().await;
    }
    drop(program);
    let log = std::fs::read(&log).unwrap();
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("TRACE"), "every level is logged");
    assert!(
        log.contains("a peer joins"),
        "of this server:
{log}"
    );
    for secret in [ROOM, NAME, KEY] {
        assert!(!text.contains(secret), "{secret} is in the metrics");
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
    for place in places.into_iter().chain([blur(places[1])]) {
        for trace in traces(place) {
            assert!(!text.contains(&trace), "{trace} is in the metrics");
            let line = log.lines().find(|line| line.contains(&trace));
            assert_eq!(line, None, "{trace} is in the log");
        }
    }
    let kept: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(kept.len(), 1, "only the log is written: {kept:?}");
}
