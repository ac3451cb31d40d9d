//! Sources that are no browsers, over real sockets: apps that report, feeds, and the forms in which
//! a room is given. A real client in the room sees what they put.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gpys::client::{Bounds, Move, Person, Place, Room, RoomOptions};
use gpys::proto::kind::{Number, Plane, Space};
use gpys::proto::wire::{Presence, Sharing};
use gpys_testkit::client::PATIENCE;
use gpys_testkit::running::Running;
use prost::Message;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

const FEED: &str = "FeedFeedFeedFeedFeedFeed";
const READ: &str = "ReadReadReadReadReadRead";

/// A server with a key that feeds the room `city` and one that reads all rooms.
struct Served {
    server: Running,
    dir: tempfile::TempDir,
}

impl Served {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("keys.toml");
        let text = format!(
            "[phones]\nkey = \"{FEED}\"\nright = \"feed\"\nroom = \"city\"\nprefix = \"p-\"\n\
             [eye]\nkey = \"{READ}\"\nright = \"read\"\n"
        );
        std::fs::write(&keys, text).unwrap();
        std::fs::write(dir.path().join("feed.key"), format!("{FEED}\n")).unwrap();
        let keys = keys.display().to_string();
        Self { server: Running::with(&[("api-keys", &keys)]), dir }
    }

    async fn join(&self, room: &str, options: RoomOptions) -> Room {
        Room::join(&format!("https://{}/r/{room}", self.server.https), options).await.unwrap()
    }

    /// Asks over plain HTTP, and returns the status, the head and the body.
    async fn ask(&self, line: &str, fields: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.server.http).await.unwrap();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}Content-Length: \
             {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_ascii_lowercase(), body.to_owned())
    }

    /// The detail of a problem.
    async fn problem(&self, line: &str, fields: &str, body: &str) -> (u16, String) {
        let (status, head, body) = self.ask(line, fields, body).await;
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        (status, problem["detail"].as_str().unwrap().to_owned())
    }

    async fn owntracks(&self, user: &str, key: &str, body: &Value) -> (u16, Value) {
        let (status, _, answer) =
            self.ask("POST /v1/owntracks", &password(user, key), &body.to_string()).await;
        (status, serde_json::from_str(&answer).unwrap_or_default())
    }

    /// `gpys feed` into the room `city`.
    fn feed(&self, source: &[&str]) -> Feeder {
        let url = format!("http://{}", self.server.http);
        let mut child = Command::new(env!("CARGO_BIN_EXE_gpys"))
            .args(["feed", "--server", &url, "--room", "city", "--prefix", "p-", "--every", "1s"])
            .arg("--key-file")
            .arg(self.dir.path().join("feed.key"))
            .args(source)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, says) = mpsc::unbounded_channel();
        let stderr = std::io::BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in std::io::BufRead::lines(stderr).map_while(Result::ok) {
                drop(tell.send(line));
            }
        });
        Feeder { child, says }
    }
}

/// A `gpys feed` that runs.
struct Feeder {
    child: Child,
    says: mpsc::UnboundedReceiver<String>,
}

impl Feeder {
    /// The next line that it says.
    async fn says(&mut self) -> String {
        timeout(PATIENCE, self.says.recv()).await.expect("a line").expect("another line")
    }

    /// Interrupts it, and waits until it has ended.
    async fn interrupt(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        // The last line is said before the end.
        while timeout(PATIENCE, self.says.recv()).await.expect("an end").is_some() {}
        self.child.wait().unwrap()
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn password(user: &str, key: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{key}")))
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn named(name: &str) -> RoomOptions {
    RoomOptions { name: name.to_owned(), ..RoomOptions::default() }
}

/// The one of this name, once it is there.
async fn sees(room: &Room, name: &str, (lat, lng): (f64, f64)) -> Person {
    placed(room, name, |person| is_at(person, lat, lng)).await
}

/// The one of this name, once its place is such.
async fn placed(room: &Room, name: &str, is_such: impl Fn(&Person) -> bool) -> Person {
    // Close enough to see every metre.
    room.look(Bounds::earth(45.9, 14.3, 46.3, 14.8).with_pixel(1e-6)).unwrap();
    let found = async {
        loop {
            let is = |person: &Person| person.name() == name && is_such(person);
            if let Some(person) = room.people().into_iter().find(is) {
                return person;
            }
            room.next().await.unwrap();
        }
    };
    let found = timeout(PATIENCE, found).await;
    found.unwrap_or_else(|_| panic!("waited for {name}: {:?}", room.people()))
}

/// Whether somebody is there, to some 3 m: the grid of the wire is about a metre wide.
fn is_at(person: &Person, north: f64, east: f64) -> bool {
    let Some(Place::Earth { lat, lng }) = person.place() else { return false };
    (lat - north).abs() < 3e-5 && (lng - east).abs() < 3e-5
}

fn icon(person: &Person) -> String {
    let profile: Value = person.profile().unwrap().unwrap();
    profile["icon"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_of_traccar_is_a_person_at_once() {
    let served = Served::start();
    let watcher = served.join("city", named("Ada")).await;
    let line = format!(
        "POST /v1/osmand/{FEED}?id=grace&timestamp={}&lat=46.0512&lon=14.5061&speed=2&bearing=90\
         &altitude=300&accuracy=6&batt=80.0",
        seconds()
    );
    assert_eq!(served.ask(&line, "", "").await.0, 200);
    let grace = sees(&watcher, "grace", (46.0512, 14.5061)).await;
    assert_eq!((icon(&grace).as_str(), grace.presence()), ("person", Presence::Sharing));
    let (speed, course) = grace.motion().unwrap();
    assert!((speed - 1.029).abs() < 0.05 && (course - 90.0).abs() < 2.0, "{speed} {course}");

    let body = json!({
        "device_id": "alan",
        "location": {
            "timestamp": time::OffsetDateTime::from_unix_timestamp(seconds() as i64 - 120).unwrap()
                .format(&time::format_description::well_known::Rfc3339).unwrap(),
            "coords": {
                "latitude": 46.1, "longitude": 14.6, "accuracy": 5, "speed": -1, "heading": -1,
                "altitude": 300,
            },
            "is_moving": false, "battery": { "level": 0.8, "is_charging": false },
        },
    });
    let path = format!("POST /v1/osmand/{FEED}");
    let json = "Content-Type: application/json\r\n";
    assert_eq!(served.ask(&path, json, &body.to_string()).await.0, 200);
    let alan = sees(&watcher, "alan", (46.1, 14.6)).await;
    assert_eq!(alan.motion(), None);
    assert_eq!(alan.presence(), Presence::Hidden, "two minutes ago: last seen");

    let get = |query: &str| format!("GET /v1/osmand/{FEED}?{query}");
    for (query, wrong) in [
        ("lat=1&lon=1".to_owned(), "id is missing"),
        ("id=eve&lat=91&lon=1".to_owned(), "lat is in degrees from -90 to 90"),
        ("id=eve&lat=1&lon=1&timestamp=5".to_owned(), "before 2000"),
        (format!("id=eve&lat=1&lon=1&timestamp={}", seconds() + 3_600), "in the future"),
        ("id=no+blanks&lat=1&lon=1".to_owned(), "1 to 62 of a-z"),
    ] {
        let (status, said) = served.problem(&get(&query), "", "").await;
        assert!(status == 422 && said.contains(wrong), "{query}: {status} {said}");
    }
    let (status, said) = served.problem("GET /v1/osmand/none?id=eve&lat=1&lon=1", "", "").await;
    assert!(status == 401 && !said.contains("none?"), "{said}");
    let (status, said) =
        served.problem(&format!("GET /v1/osmand/{READ}?id=eve&lat=1&lon=1"), "", "").await;
    assert!(status == 403 && said.contains("feed"), "{status} {said}");
    assert_eq!(watcher.people().len(), 2, "nothing of this was put");
}

#[tokio::test(flavor = "multi_thread")]
async fn owntracks_shows_and_sees_everybody() {
    let served = Served::start();
    let ada = served.join("city", named("Ada")).await;
    ada.move_to(Move::earth(46.05, 14.5).with_accuracy(5.0)).unwrap();
    let at = |lat: f64| {
        json!({
            "_type": "location", "lat": lat, "lon": 14.51, "acc": 8, "vel": 36, "cog": 180,
            "tst": seconds(), "tid": "GR", "batt": 55, "t": "u", "conn": "w",
        })
    };
    let (status, _) = served.owntracks("grace", FEED, &at(46.06)).await;
    assert_eq!(status, 200);
    let grace = sees(&ada, "grace", (46.06, 14.51)).await;
    assert!((grace.motion().unwrap().0 - 10.0).abs() < 0.5, "36 km/h");

    let watcher = served.join("city", named("Eve")).await;
    sees(&watcher, "Ada", (46.05, 14.5)).await;
    let (_, others) = served.owntracks("grace", FEED, &at(46.07)).await;
    let (location, card) = (&others[0], &others[1]);
    assert_eq!((&location["_type"], &card["_type"]), (&json!("location"), &json!("card")));
    assert_eq!((&card["name"], &card["tid"]), (&json!("Ada"), &location["tid"]));
    assert!((location["lat"].as_f64().unwrap() - 46.05).abs() < 1e-5, "{location}");
    assert!(location["tst"].as_u64().unwrap().abs_diff(seconds()) <= PATIENCE.as_secs());
    assert_eq!(others.as_array().unwrap().len(), 2, "not the one who asks");

    let waypoint = json!({ "_type": "waypoint", "desc": "Home", "lat": 1, "lon": 2, "tst": 5 });
    assert_eq!(served.owntracks("grace", FEED, &waypoint).await, (200, json!([])));
    let nothing = served.ask("POST /v1/owntracks", &password("grace", FEED), "").await;
    assert_eq!((nothing.0, nothing.2.as_str()), (200, "[]"));
    let wrong = json!({ "_type": "location", "lat": 91, "lon": 2 });
    let (status, problem) = served.owntracks("grace", FEED, &wrong).await;
    assert_eq!((status, &problem["detail"]), (422, &json!("lat is in degrees from -90 to 90")));
    assert_eq!(served.owntracks("grace", "wrong", &wrong).await.0, 401);
    let (status, head, _) = served.ask("POST /v1/owntracks", "", "{}").await;
    assert!(status == 401 && head.contains("basic realm="), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_has_four_forms_at_the_precision_that_each_shares() {
    let served = Served::start();
    let sharing = Sharing { approximate: true, ..Sharing::default() };
    let ada = served.join("city", RoomOptions { sharing, ..named("Ada <&>") }).await;
    ada.move_to(Move::earth(46.0512, 14.5061).with_accuracy(5.0)).unwrap();
    let line = format!("GET /v1/osmand/{FEED}?id=grace&lat=46.06&lon=14.51&bearing=90");
    assert_eq!(served.ask(&line, "", "").await.0, 200);

    let bearer = format!("Authorization: Bearer {READ}\r\n");
    let accepting = |kind: &str| format!("{bearer}Accept: {kind}\r\n");
    let room = "GET /v1/rooms/city";
    let watcher = served.join("city", named("Eve")).await;
    placed(&watcher, "Ada <&>", |person| person.place().is_some()).await;
    sees(&watcher, "grace", (46.06, 14.51)).await;
    let (status, head, body) = served.ask(room, &accepting("application/geo+json"), "").await;
    let points: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(points["features"].as_array().map(Vec::len), Some(2), "{points}");
    assert!(status == 200 && head.contains("content-type: application/geo+json"), "{head}");
    let of = |name: &str| {
        let features = points["features"].as_array().unwrap();
        features.iter().find(|it| it["properties"]["name"] == name).unwrap().clone()
    };
    let lat = of("Ada <&>")["geometry"]["coordinates"][1].as_f64().unwrap();
    assert!((lat - 46.0512).abs() > 1e-4, "approximate: {lat}");
    assert_eq!(of("grace")["properties"]["thing"], "p-grace");
    assert_eq!(of("grace")["properties"]["profile"]["icon"], "person");

    let (_, head, body) = served.ask(room, &accepting("application/geopose+json"), "").await;
    let poses: Value = serde_json::from_str(&body).unwrap();
    assert!(head.contains("content-type: application/geopose+json"), "{head}");
    assert_eq!(poses[0]["name"], "grace", "Ada has no orientation");
    assert!((poses[0]["position"]["lat"].as_f64().unwrap() - 46.06).abs() < 1e-5);

    // Google Earth knows of passwords, not of keys or media types.
    let basic = password("earth", READ);
    let (status, head, kml) = served.ask("GET /v1/rooms/city?format=kml", &basic, "").await;
    assert!(status == 200 && head.contains("application/vnd.google-earth.kml+xml"), "{head}");
    assert!(kml.contains("<name>Ada &lt;&amp;&gt;</name>"), "{kml}");
    let (_, _, link) = served.ask("GET /v1/rooms/city?format=kml-link", &basic, "").await;
    let href = "<href>http://localhost/v1/rooms/city?format=kml</href>";
    assert!(link.contains(href) && link.contains("refreshInterval"), "{link}");
    assert_eq!(served.ask("DELETE /v1/rooms/city", &basic, "").await.0, 401, "it only looks");

    let feeds = format!("Authorization: Bearer {FEED}\r\nAccept: application/geo+json\r\n");
    let own: Value = serde_json::from_str(&served.ask(room, &feeds, "").await.2).unwrap();
    assert_eq!(own["features"].as_array().unwrap().len(), 1, "a feed sees its own things");
    let (status, said) = served.problem("GET /v1/rooms/city?format=gpx", &bearer, "").await;
    assert!(status == 422 && said.contains("geojson"), "{said}");
    let (status, said) = served.problem(room, &accepting("text/csv"), "").await;
    assert!(status == 406 && said.contains("application/geo+json"), "{said}");

    let plane = Some(Space::Plane(Plane { unit: "px".into(), step: Number(1.0) }));
    let board = RoomOptions { space: plane, ..named("Eve") };
    let _board = served.join("board", board).await;
    let (status, said) =
        served.problem("GET /v1/rooms/board", &accepting("application/geo+json"), "").await;
    assert!(status == 406 && said.contains("on a plane"), "{said}");
}

/// A vehicle in GTFS-realtime, as agencies write it.
#[derive(Clone, PartialEq, Message)]
struct Feed {
    #[prost(message, optional, tag = "1")]
    header: Option<Header>,
    #[prost(message, repeated, tag = "2")]
    entity: Vec<Entity>,
}

#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(string, tag = "1")]
    version: String,
    #[prost(uint64, tag = "3")]
    timestamp: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Entity {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, optional, tag = "4")]
    vehicle: Option<Vehicle>,
}

#[derive(Clone, PartialEq, Message)]
struct Vehicle {
    #[prost(message, optional, tag = "2")]
    position: Option<Position>,
    #[prost(uint64, tag = "5")]
    timestamp: u64,
    #[prost(message, optional, tag = "8")]
    vehicle: Option<Descriptor>,
}

#[derive(Clone, PartialEq, Message)]
struct Position {
    #[prost(float, tag = "1")]
    latitude: f32,
    #[prost(float, tag = "2")]
    longitude: f32,
    #[prost(float, tag = "3")]
    bearing: f32,
    #[prost(float, tag = "5")]
    speed: f32,
}

#[derive(Clone, PartialEq, Message)]
struct Descriptor {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    label: String,
}

fn tram(latitude: f32) -> Vec<u8> {
    let position = Position { latitude, longitude: 14.5, bearing: 90.0, speed: 8.0 };
    let vehicle = Some(Descriptor { id: "7036".into(), label: "Tram 6".into() });
    let vehicle = Vehicle { position: Some(position), timestamp: seconds(), vehicle };
    let header = Some(Header { version: "2.0".into(), timestamp: seconds() });
    let entity = vec![Entity { id: "e1".into(), vehicle: Some(vehicle) }];
    Feed { header, entity }.encode_to_vec()
}

fn write(path: &Path, bytes: &[u8]) {
    // As programs that publish a file do it: never half of one.
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap()).unwrap();
    file.write_all(bytes).unwrap();
    file.persist(path).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_gtfs_realtime_moves_on_the_map() {
    let served = Served::start();
    let watcher = served.join("city", named("Ada")).await;
    let file = served.dir.path().join("vehicles.pb");
    write(&file, &tram(46.05));
    let source = file.display().to_string();
    let mut feed = served.feed(&["--gtfs-rt", &source, "--icon", "tram"]);
    assert_eq!(icon(&sees(&watcher, "Tram 6", (46.05, 14.5)).await), "tram");
    let line = feed.says().await;
    assert!(line.contains("1 put, ") && line.contains("old (median)"), "{line}");
    write(&file, &tram(46.06));
    sees(&watcher, "Tram 6", (46.06, 14.5)).await;
    assert!(feed.interrupt().await.success(), "a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_gtfs_realtime_is_asked_for_what_is_new() {
    let served = Served::start();
    let watcher = served.join("city", named("Ada")).await;
    let agency = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/moved.pb?key=s3cret", agency.local_addr().unwrap());
    let mut feed = served.feed(&["--gtfs-rt", &url]);
    let body = tram(46.05);
    let full = format!("HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: {}\r\n\r\n", body.len());
    let answers: [(&str, Vec<u8>); 3] = [
        (
            "get /moved.pb?key=s3cret ",
            b"HTTP/1.1 302 Found\r\nLocation: /v.pb\r\nContent-Length: 0\r\n\r\n".into(),
        ),
        ("get /v.pb ", [full.as_bytes(), &body].concat()),
        ("if-none-match: \"1\"", b"HTTP/1.1 304 Not Modified\r\n\r\n".into()),
    ];
    for (wanted, answer) in answers {
        let (mut stream, _) = timeout(PATIENCE, agency.accept()).await.unwrap().unwrap();
        let mut asked = String::new();
        let mut lines = BufReader::new(&mut stream).lines();
        while let Some(line) = lines.next_line().await.unwrap().filter(|line| !line.is_empty()) {
            asked.push_str(&line.to_ascii_lowercase());
            asked.push('\n');
        }
        assert!(asked.contains(wanted), "{asked}");
        stream.write_all(&answer).await.unwrap();
    }
    sees(&watcher, "Tram 6", (46.05, 14.5)).await;
    for _ in 0..2 {
        let line = feed.says().await;
        assert!(line.contains("1 put"), "also when nothing is new: {line}");
    }
    drop(agency);
    let line = feed.says().await;
    assert!(line.contains("trying again") && !line.contains("s3cret"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gpsd_moves_on_the_map_and_is_found_again() {
    let served = Served::start();
    let watcher = served.join("city", named("Ada")).await;
    let gpsd = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gpsd.local_addr().unwrap().to_string();
    let _feed = served.feed(&["--gpsd", &address, "--name", "Argo", "--icon", "ship"]);
    for lat in [46.05, 46.06] {
        let (mut stream, _) = timeout(PATIENCE, gpsd.accept()).await.unwrap().unwrap();
        let mut asked = String::new();
        BufReader::new(&mut stream).read_line(&mut asked).await.unwrap();
        assert_eq!(asked, "?WATCH={\"enable\":true,\"json\":true};\n");
        let lines = format!(
            "{}\r\n{}\r\n{}\r\n",
            json!({ "class": "VERSION", "release": "3.25", "proto_major": 3, "proto_minor": 15 }),
            json!({ "class": "TPV", "device": "/dev/ttyACM0", "mode": 1 }),
            json!({
                "class": "TPV", "device": "/dev/ttyACM0", "mode": 3, "lat": lat, "lon": 14.5,
                "eph": 4.5, "speed": 3.1, "track": 45.0, "climb": 0.1, "altMSL": 290.5,
            })
        );
        stream.write_all(lines.as_bytes()).await.unwrap();
        let argo = sees(&watcher, "Argo", (lat, 14.5)).await;
        assert_eq!((icon(&argo).as_str(), argo.motion().is_some()), ("ship", true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_cannot_go_on_says_why() {
    let served = Served::start();
    let file = served.dir.path().join("vehicles.pb");
    write(&file, &tram(46.05));
    let source = file.display().to_string();
    std::fs::write(served.dir.path().join("feed.key"), "unknown").unwrap();
    let mut feed = served.feed(&["--gtfs-rt", &source]);
    let said = feed.says().await;
    assert!(said.contains("401") && said.contains("no key of the server's file"), "{said}");
    assert_eq!(feed.child.wait().unwrap().code(), Some(1));
}
