//! What the latency benchmark compares GPyS with: its load's walk, its codecs, and the real servers
//! of `benches/peers`, where installed.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "skipped tests are reported")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use gpys::cli::certs;
use gpys::proto::geo::{Cell, Cover, Position, Viewport};
use gpys::proto::pose::Accuracy;
use gpys::proto::time::Time;
use gpys::proto::wire::PeerId;
use gpys::proto::wire::bits::BitWriter;
use gpys::proto::wire::frame::{self, ChunkKind, Coding, Entry, Frame, Ids, Page};
use gpys_latency::peers::{self, Peer};
use gpys_latency::relay::{Relay, RelayError};
use gpys_latency::track::{self, Mark, PEOPLE, PERIOD, Reading};
use proptest::prelude::*;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// The timeout of every wait.
const PATIENCE: Duration = Duration::from_secs(20);
/// Number of readings that each client of a real server sends.
const READINGS: u32 = 40;
/// When every reading is taken.
const NOW: Time = Time::from_ms(77_000);

/// The position that a viewer of `viewport` receives for `position`.
fn through_a_frame(viewport: Viewport, position: Position) -> Position {
    let cover = Cover::of(viewport);
    let cell = Cell::at(cover.level, position);
    let id = PeerId(7);
    let coding = Coding::from(Ids::between(7, 7));
    let accuracy = Accuracy::UNKNOWN;
    let entry =
        Entry { id, position, orientation: None, age: 0, accuracy, hidden: false, extra: 0 };
    let mut out = BitWriter::default();
    frame::write_header(&mut out, NOW, cover, coding);
    frame::write_link(&mut out, cover.index(cell).unwrap());
    frame::write_chunk(&mut out, cell, ChunkKind::Delta, Page::default(), coding, &[entry], &[]);
    frame::write_end(&mut out);
    let mut bytes = Vec::new();
    out.write_bytes(&mut bytes);
    let mut frame = Frame::default();
    frame.decode(&bytes).unwrap();
    let (_, entries) = frame.chunks().next().unwrap();
    entries.first().unwrap().position
}

proptest! {
    #[test]
    fn a_frame_identifies_each_sample_and_its_peer(
        person in 0..PEOPLE,
        newest in 0..1_000_000_u32,
        ahead in -128..i64::from(PERIOD) - 128,
    ) {
        let number = u32::try_from((i64::from(newest) + ahead).max(0)).unwrap();
        let position = track::position(person, number);
        let viewport = track::viewport();
        prop_assert!(viewport.contains(position));
        let mark = Mark::of(through_a_frame(viewport, position)).unwrap();
        prop_assert_eq!((mark.person, mark.number(newest)), (person, number));
    }

    #[test]
    fn so_does_every_codec(person in 0..PEOPLE, number in 0..PERIOD) {
        let reading = Reading::new(person, number, NOW);
        for peer in Peer::ALL {
            let relayed = as_relayed(peer, &peer.relay(0).encode(&reading));
            let marks = marks(&mut *peer.relay(1), &relayed).unwrap();
            prop_assert_eq!(marks, [Mark { person, phase: number }]);
        }
    }
}

#[test]
fn peers_are_spread_over_the_area() {
    for people in [90, PEOPLE] {
        let mut quarters = [0_u32; 4];
        let middle = track::viewport();
        let (lat, lng) = ((middle.south + middle.north) / 2, (middle.west + middle.east) / 2);
        for person in 0..people {
            let at = track::position(person, 500);
            let quarter = usize::from(at.lat() > lat) + 2 * usize::from(at.lng() > lng);
            *quarters.get_mut(quarter).unwrap() += 1;
        }
        let fair = people / 4;
        assert!(quarters.iter().all(|n| n.abs_diff(fair) <= fair / 5), "{quarters:?}");
    }
}

#[test]
fn steps_are_even_and_other_positions_carry_no_mark() {
    for number in 0..2 * PERIOD {
        let (a, b) = (track::position(3, number), track::position(3, number + 1));
        let step = (a.lat().abs_diff(b.lat()), a.lng().abs_diff(b.lng()));
        assert!(matches!(step, (0, 64) | (24, 0)), "{number}: {step:?}");
    }
    let Viewport { south, west, north, east, .. } = track::viewport();
    for (lat, lng) in [(south - 1, west), (south, west - 1), (north, west), (south, east)] {
        assert_eq!(Mark::of(Position::new(lat, lng).unwrap()), None);
    }
}

/// The server's message for a client's, as recorded from the real ones.
fn as_relayed(peer: Peer, sent: &Message) -> Message {
    match peer {
        Peer::Ws | Peer::Axum => {
            Message::binary([&9_u32.to_le_bytes(), &sent.clone().into_data()[..]].concat())
        }
        Peer::SockJs => {
            let [text]: [String; 1] = serde_json::from_str(sent.to_text().unwrap()).unwrap();
            let (lat, lng, time, angles): (f64, f64, u64, [f64; 3]) =
                serde_json::from_str(&text).unwrap();
            let location = (lat, lng, "4316f65c-b3a3-4f3d-bf16-c28a622ebaf4", time, angles);
            let relayed = [serde_json::to_string(&location).unwrap()];
            Message::text(format!("a{}", serde_json::to_string(&relayed).unwrap()))
        }
        Peer::SocketIo => {
            let text = sent.to_text().unwrap();
            Message::text(text.replacen('{', r#"{"id":"Ogd6OkjXviOd8DoeAAAA","#, 1))
        }
    }
}

fn marks(relay: &mut dyn Relay, message: &Message) -> Result<Vec<Mark>, RelayError> {
    let mut marks = Vec::new();
    relay.decode(message, NOW, &mut |position| marks.push(Mark::of(position).unwrap()))?;
    Ok(marks)
}

/// Feeds these texts, recorded except for the positions, to a client of `peer`, and checks each
/// one's answer and number of poses.
fn hears(peer: Peer, texts: &[(&str, Option<&str>, usize)]) -> Box<dyn Relay> {
    let mut relay = peer.relay(0);
    for &(text, answer, poses) in texts {
        let mut seen = 0;
        let answered = relay
            .decode(&Message::text(text), NOW, &mut |_| seen += 1)
            .expect("a recorded message");
        assert_eq!((answered, seen), (answer.map(Message::text), poses), "{text}");
    }
    relay
}

fn refuses(peer: Peer, texts: &[&str]) {
    for text in texts {
        let result = peer.relay(0).decode(&Message::text(*text), NOW, &mut |_| ());
        assert!(result.is_err(), "{text}");
    }
}

#[test]
fn ws_accepts_what_it_sends() {
    let pose = Peer::Ws.relay(0).encode(&Reading::new(5, 6, NOW)).into_data();
    let relayed = |bytes: &[u8]| Message::binary([&[9, 0, 0, 0], bytes].concat());
    assert_eq!(marks(&mut *Peer::Ws.relay(1), &relayed(&pose)).unwrap().len(), 1);
    for cut in 0..pose.len() {
        assert!(marks(&mut *Peer::Ws.relay(1), &relayed(&pose[..cut])).is_err());
    }
    assert!(marks(&mut *Peer::Ws.relay(1), &Message::binary(vec![1, 2])).is_err());
    refuses(Peer::Ws, &["a text"]);
}

#[test]
fn sockjs_accepts_what_the_real_server_sends() {
    assert!(!Peer::SockJs.relay(0).ready());
    let relay = hears(
        Peer::SockJs,
        &[
            ("o", None, 0),
            (r#"a["[]"]"#, None, 0),
            (r#"a["{\"online\":1}"]"#, None, 0),
            (r#"a["[45.75,14.36,\"4316f65c\",77000,[137.508,42.5,-9.25]]"]"#, None, 1),
            (r#"a["[[45.75,14.36,\"4316f65c\",77000,[137.508,42.5,-9.25]]]"]"#, None, 1),
            (r#"a["[null,null,\"4316f65c\",0]","{\"online\":1}"]"#, None, 0),
            ("h", None, 0),
        ],
    );
    assert!(relay.ready());
    assert_ne!(relay.path(), Peer::SockJs.relay(1).path());
    refuses(
        Peer::SockJs,
        &["", "x", "é", r#"c[3000,"Go away!"]"#, "a[", r#"a["[45.75]"]"#, r#"a["[95,0,1,2,3]"]"#],
    );
}

#[test]
fn socketio_accepts_what_the_real_server_sends() {
    let open = r#"0{"sid":"oKkKHAyUEdPviSBfAAAA","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
    let pose = r#"42["pose",{"id":"Ogd6OkjXviOd8DoeAAAA","lat":45.75,"lng":14.36,"time":77000,"angles":[137.508,42.5,-9.25]}]"#;
    assert!(!hears(Peer::SocketIo, &[(open, Some("40"), 0)]).ready());
    let connected = r#"40{"sid":"Ogd6OkjXviOd8DoeAAAA"}"#;
    let left = r#"42["left","Ogd6OkjXviOd8DoeAAAA"]"#;
    let all = [(open, Some("40"), 0), (connected, None, 0), (pose, None, 1)];
    assert!(hears(Peer::SocketIo, &all).ready());
    hears(Peer::SocketIo, &[("2", Some("3"), 0), (left, None, 0)]);
    refuses(Peer::SocketIo, &["", "1", "41", "44{}", "42[\"pose\",{}]", "42[\"pose\",{", "9"]);
}

/// A real server, killed with the test.
struct Server {
    child: Child,
    address: SocketAddr,
    connector: TlsConnector,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    /// Starts the server with a certificate of its own authority.
    fn start(peer: Peer) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let args = certs::Args { dir: dir.path().to_owned(), names: Vec::new(), force: false };
        certs::run(&args).unwrap();
        let at = |name: &str| dir.path().join(name);
        let mut child = peer
            .command("127.0.0.1", &at(certs::LEAF), &at(certs::LEAF_KEY))
            .unwrap()
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address =
            peers::listening(&line).unwrap_or_else(|| panic!("unexpected output {line:?}"));
        Self { child, address, connector: connector(&at("ca.pem")) }
    }

    async fn join(&self, peer: Peer, number: u32) -> Client {
        let relay = peer.relay(number);
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = self.connector.connect(name, stream).await.unwrap();
        let url = format!("wss://{}{}", self.address, relay.path());
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        let mut client = Client { relay, socket, newest: BTreeMap::new() };
        client.until("the greeting", |client| client.relay.ready()).await;
        client
    }

    /// Asks the server to stop.
    fn stop(mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

fn connector(authority: &Path) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// A client of a real server.
struct Client {
    relay: Box<dyn Relay>,
    socket: WebSocketStream<TlsStream<TcpStream>>,
    /// The newest sample seen of each peer.
    newest: BTreeMap<u32, u32>,
}

impl Client {
    async fn send(&mut self, person: u32, number: u32) {
        let message = self.relay.encode(&Reading::new(person, number, NOW));
        self.socket.send(message).await.unwrap();
    }

    /// Handles messages until `done`. These servers lose nothing: the samples of each peer arrive
    /// one by one in order.
    async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            let message =
                next.unwrap_or_else(|_| panic!("timed out waiting for {what}")).unwrap().unwrap();
            let newest = &mut self.newest;
            let answer = self.relay.decode(&message, NOW, &mut |position| {
                let mark = Mark::of(position).unwrap();
                let known = newest.get(&mark.person).copied();
                let number = mark.number(known.unwrap_or(0));
                assert!(known.is_none_or(|known| number == known + 1), "{known:?}, {number}");
                newest.insert(mark.person, number);
            });
            if let Some(answer) = answer.unwrap() {
                self.socket.send(answer).await.unwrap();
            }
        }
    }

    /// Handles messages until the newest sample of each of these peers is this one.
    async fn sees(&mut self, people: &[u32], number: u32) {
        let all = |client: &Self| people.iter().all(|p| client.newest.get(p) == Some(&number));
        self.until("every peer's newest sample", all).await;
    }
}

async fn relays(peer: Peer) {
    if !peers::installed() {
        eprintln!("SKIPPED: {} is not tested; run `npm ci` in benches/peers", peer.name());
        return;
    }
    let server = Server::start(peer);
    let mut clients = [server.join(peer, 3).await, server.join(peer, 700).await];
    for number in 0..READINGS {
        for (client, person) in clients.iter_mut().zip([3, 700]) {
            client.send(person, number).await;
        }
    }
    for client in &mut clients {
        client.sees(&[3, 700], READINGS - 1).await;
    }
    // A third client comes and goes, of which the first two are notified.
    let mut visitor = server.join(peer, 9).await;
    if peer == Peer::SockJs {
        visitor.sees(&[3, 700], READINGS - 1).await;
    }
    visitor.send(9, 0).await;
    visitor.sees(&[9], 0).await;
    visitor.socket.close(None).await.unwrap();
    while visitor.socket.next().await.is_some_and(|message| message.is_ok()) {}
    let [first, second] = &mut clients;
    first.send(3, READINGS).await;
    for client in [first, second] {
        client.sees(&[3], READINGS).await;
    }
    assert!(server.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn ws_relays() {
    relays(Peer::Ws).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sockjs_relays() {
    relays(Peer::SockJs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn socketio_relays() {
    relays(Peer::SocketIo).await;
}
