//! The API for programs, over real sockets, with a real client in the room that sees what it does.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::io::Write as _;
use std::time::Duration;

use gpys::client::{Move, Place, Room, RoomEvent, RoomOptions};
use gpys::proto::wire::{CloseCode, PeerId, Presence, Role, Sharing, To};
use gpys_testkit::client::PATIENCE;
use gpys_testkit::running::Running;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

const ADMIN: &str = "AdminAdminAdminAdminAdmi";
const READ: &str = "ReadReadReadReadReadRead";
const FEED: &str = "FeedFeedFeedFeedFeedFeed";

/// A server with a key of each right; those that read and feed are for the room `city`.
struct Served {
    server: Running,
    keys: tempfile::NamedTempFile,
}

impl Served {
    fn start() -> Self {
        let mut keys = tempfile::NamedTempFile::new().unwrap();
        write!(
            keys,
            "[boss]\nkey = \"{ADMIN}\"\nright = \"admin\"\n\
             [eye]\nkey = \"{READ}\"\nright = \"read\"\nroom = \"city\"\n\
             [buses]\nkey = \"{FEED}\"\nright = \"feed\"\nroom = \"city\"\nprefix = \"bus-\"\n"
        )
        .unwrap();
        let path = keys.path().display().to_string();
        Self { server: Running::with(&[("api-keys", &path)]), keys }
    }

    /// Asks with a key, and returns status, head and body.
    async fn ask(&self, key: &str, line: &str, body: Option<&str>) -> (u16, String, Value) {
        let fields = format!("Authorization: Bearer {key}\r\nContent-Type: application/json");
        self.raw(line, &fields, body.unwrap_or_default().as_bytes()).await
    }

    async fn json(&self, key: &str, line: &str, body: &Value) -> (u16, Value) {
        let (status, _, answer) = self.ask(key, line, Some(&body.to_string())).await;
        (status, answer)
    }

    async fn raw(&self, line: &str, fields: &str, body: &[u8]) -> (u16, String, Value) {
        let mut stream = TcpStream::connect(self.server.http).await.unwrap();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // A server that refuses a body need not read it.
        drop(stream.write_all(body).await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head[9..12].parse().unwrap();
        (status, head.to_ascii_lowercase(), serde_json::from_str(body).unwrap_or_default())
    }

    async fn join(&self, room: &str, options: RoomOptions) -> Room {
        Room::join(&format!("https://{}/r/{room}", self.server.https), options).await.unwrap()
    }

    async fn events(&self, key: &str, query: &str, last: Option<&str>) -> Reader {
        let mut stream = TcpStream::connect(self.server.http).await.unwrap();
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let head = format!(
            "GET /v1/events{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\
             {last}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        assert!(lines.next_line().await.unwrap().unwrap().contains("200 OK"));
        let mut reader = Reader { lines, id: String::new() };
        // The first piece has no event, only the id from which to go on.
        while reader.id.is_empty() {
            reader.line().await.unwrap();
        }
        reader
    }
}

/// A reader of server-sent events.
struct Reader {
    lines: tokio::io::Lines<BufReader<TcpStream>>,
    id: String,
}

impl Reader {
    /// The next line; `None` at the end.
    async fn line(&mut self) -> Option<String> {
        let line = timeout(PATIENCE, self.lines.next_line()).await.expect("a line").unwrap()?;
        if let Some(id) = line.strip_prefix("id: ") {
            id.clone_into(&mut self.id);
        }
        Some(line)
    }

    /// The next event.
    async fn next(&mut self) -> Option<(String, Value)> {
        let (mut name, mut data) = (String::new(), Value::Null);
        loop {
            let line = self.line().await?;
            if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut name);
            } else if let Some(json) = line.strip_prefix("data: ") {
                data = serde_json::from_str(json).unwrap();
            } else if line.is_empty() && !name.is_empty() {
                return Some((name, data));
            }
        }
    }

    async fn named(&mut self, name: &str) -> Value {
        let (found, data) = self.next().await.unwrap();
        assert_eq!(found, name, "{data}");
        data
    }
}

fn named(name: &str) -> RoomOptions {
    RoomOptions { name: name.to_owned(), ..RoomOptions::default() }
}

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

#[tokio::test(flavor = "multi_thread")]
async fn people_see_what_programs_put_say_and_do() {
    let api = Served::start();
    let ada = api.join("city", named("Ada")).await;

    let bus = json!({
        "lat": 46.05, "lng": 14.51, "accuracy": 5, "speed": 8, "course": 90, "name": "Bus 7",
        "profile": { "line": 7 }, "time": "2020-01-01T00:00:00Z"
    });
    let (status, put) = api.json(FEED, "PUT /v1/rooms/city/things/bus-7", &bus).await;
    assert_eq!((status, &put["id"], &put["newest"]), (201, &json!("bus-7"), &json!(true)), "{put}");
    let seen = until(&ada, "the bus", |event| match event {
        RoomEvent::Enter(person) if person.role() == Role::Thing => Some(person),
        _ => None,
    })
    .await;
    assert_eq!((seen.name(), seen.presence()), ("Bus 7", Presence::Hidden), "last seen long ago");
    assert_eq!(put["number"], json!(seen.id().0));

    let moved = json!([
        { "id": "bus-7", "lat": 47.06, "lng": 14.52 },
        { "id": "tram-1", "lat": 46.06, "lng": 14.52 },
        { "id": "bus-8", "lat": 46.06, "lng": 14.52, "alt": 300 },
        { "lat": 46.06, "lng": 14.52 },
        { "id": "bus-9", "x": 1, "y": 2 },
        { "id": "bus-10", "lat": 46.07, "lng": 14.53 },
    ]);
    let (status, outcomes) = api.json(FEED, "POST /v1/rooms/city/things", &moved).await;
    let statuses: Vec<_> =
        outcomes.as_array().unwrap().iter().map(|it| it["status"].as_u64().unwrap()).collect();
    assert_eq!((status, statuses), (200, vec![200, 403, 422, 422, 422, 201]), "{outcomes}");
    assert!(outcomes[2]["detail"].as_str().unwrap().contains("unknown field `alt`"), "{outcomes}");
    until(&ada, "the bus moved", |event| match event {
        RoomEvent::Moved(person) if person.id() == seen.id() => match person.place() {
            Some(Place::Earth { lat, .. }) if (lat - 47.06).abs() < 0.1 => Some(()),
            _ => None,
        },
        _ => None,
    })
    .await;

    let hello = json!({ "topic": "door", "data": { "open": true } });
    let (status, said) = api.json(ADMIN, "POST /v1/rooms/city/messages", &hello).await;
    assert_eq!((status, said), (200, json!({ "hearers": 1 })));
    until(&ada, "the message", |event| match event {
        RoomEvent::Said(said) => {
            assert_eq!(
                (said.from, said.topic.as_str(), said.to),
                (PeerId::PROGRAM, "door", To::Room)
            );
            assert_eq!(said.json::<Value>().unwrap(), json!({ "open": true }));
            Some(())
        }
        _ => None,
    })
    .await;
    let text = json!({ "text": "at nine" });
    assert_eq!(api.json(ADMIN, "PUT /v1/rooms/city/announcement", &text).await.0, 204);
    until(&ada, "the announcement", |event| match event {
        RoomEvent::Announcement(text) => (text == "at nine").then_some(()),
        _ => None,
    })
    .await;

    assert_eq!(api.ask(FEED, "DELETE /v1/rooms/city/things/bus-7", None).await.0, 204);
    assert_eq!(api.ask(FEED, "DELETE /v1/rooms/city/things/bus-7", None).await.0, 404);
    until(&ada, "the bus left", |event| match event {
        RoomEvent::Leave(person) => (person.id() == seen.id()).then_some(()),
        _ => None,
    })
    .await;

    let id = ada.welcome().id.0;
    let remove = format!("DELETE /v1/rooms/city/people/{id}?reason=enough");
    assert_eq!(api.ask(ADMIN, &remove, None).await.0, 204);
    let closed = until(&ada, "the removal", |event| match event {
        RoomEvent::Closed(closed) => Some(closed),
        _ => None,
    })
    .await;
    assert_eq!((closed.code(), closed.terminal), (Some(CloseCode::Removed), true));
    assert!(format!("{closed:?}").contains("enough"), "{closed:?}");

    let bo = api.join("hall", named("Bo")).await;
    assert_eq!(api.ask(ADMIN, "DELETE /v1/rooms/hall?reason=over", None).await.0, 204);
    let closed = until(&bo, "the end", |event| match event {
        RoomEvent::Closed(closed) => Some(closed),
        _ => None,
    })
    .await;
    assert_eq!(closed.code(), Some(CloseCode::Ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_are_told_at_the_precision_at_which_each_shares() {
    let api = Served::start();
    let home = (46.0512, 14.5061);
    let sharing = Sharing { approximate: true, seconds: 0 };
    let ada = api.join("city", RoomOptions { sharing, ..named("Ada") }).await;
    ada.move_to(Move::earth(home.0, home.1)).unwrap();
    let eye = api.join("city", named("Eve")).await;
    until(&eye, "Ada's place", |event| match event {
        RoomEvent::Moved(person) => (person.name() == "Ada").then_some(()),
        _ => None,
    })
    .await;
    api.json(FEED, "PUT /v1/rooms/city/things/bus-1", &json!({ "lat": 46, "lng": 14 })).await;
    api.json(ADMIN, "PUT /v1/rooms/city/things/tram-1", &json!({ "lat": 46, "lng": 14 })).await;

    let (status, room) = api.json(READ, "GET /v1/rooms/city", &Value::Null).await;
    assert_eq!((status, &room["name"], &room["kind"]), (200, &json!("city"), &json!({})));
    let people = room["people"].as_array().unwrap();
    let person = people.iter().find(|person| person["name"] == "Ada").unwrap();
    assert_eq!((&person["presence"], &person["host"]), (&json!("sharing"), &json!(false)));
    let at = (person["lat"].as_f64().unwrap(), person["lng"].as_f64().unwrap());
    let off = ((at.0 - home.0).abs()).max((at.1 - home.1).abs());
    assert!((1e-5..0.02).contains(&off), "the middle of a cell, not {home:?}: {at:?}");
    assert!(person["accuracy"].as_f64().unwrap() > 300.0 && person["age"].is_f64(), "{person}");
    assert!(!room.to_string().contains("46.0512"), "{room}");
    let ids = |room: &Value| {
        let things = room["things"].as_array().unwrap().iter();
        things.map(|thing| thing["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&room), ["bus-1", "tram-1"]);

    // Who feeds sees its own things, and nobody.
    let (status, room) = api.json(FEED, "GET /v1/rooms/city", &Value::Null).await;
    assert_eq!((status, &room["people"]), (200, &json!([])));
    assert_eq!(ids(&room), ["bus-1"]);

    let (_, rooms) = api.json(READ, "GET /v1/rooms", &Value::Null).await;
    assert_eq!(
        rooms["rooms"][0]["online"],
        json!({ "sharing": 2, "watching": 0, "hidden": 0, "things": 2 })
    );
    for name in ["alpha", "beta"] {
        let path = format!("PUT /v1/rooms/{name}/things/x");
        api.json(ADMIN, &path, &json!({ "lat": 1, "lng": 1 })).await;
    }
    let (_, page) = api.json(ADMIN, "GET /v1/rooms?limit=2", &Value::Null).await;
    assert_eq!((&page["rooms"][1]["name"], &page["next"]), (&json!("beta"), &json!("beta")));
    let (_, page) = api.json(ADMIN, "GET /v1/rooms?limit=2&after=beta", &Value::Null).await;
    assert_eq!((&page["rooms"][0]["name"], &page["next"]), (&json!("city"), &Value::Null));
    drop((ada, eye));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_error_says_what_is_wrong_and_what_to_do() {
    let api = Served::start();
    let long = "x".repeat(300);
    let big = format!("[\"{}\"]", "x".repeat(1024 * 1024));
    let many = json!(vec![0; 1_001]).to_string();
    let put = "PUT /v1/rooms/city/things/bus-1";
    let cases: &[(&str, &str, Option<&str>, u16, &str)] = &[
        ("nobody", "GET /v1/rooms", None, 401, "no key of the server's file"),
        (READ, put, Some("{}"), 403, "may not put or remove things"),
        (READ, "GET /v1/rooms/hall", None, 403, "for the room \\\"city\\\" alone"),
        (READ, "GET /v1/events?room=hall", None, 403, "for the room"),
        (READ, "DELETE /v1/rooms/city", None, 403, "\\\"admin\\\""),
        (FEED, "GET /v1/rooms", None, 403, "\\\"read\\\" or \\\"admin\\\""),
        (FEED, "GET /v1/events", None, 403, "may not see people and events"),
        (FEED, "PUT /v1/rooms/city/things/tram", Some("{}"), 403, "begin with \\\"bus-\\\""),
        (ADMIN, "GET /v1/rooms/nowhere", None, 404, "no such room now"),
        (ADMIN, "DELETE /v1/rooms/nowhere", None, 404, "no such room now"),
        (ADMIN, "GET /v1/elsewhere", None, 404, "openapi.json"),
        (ADMIN, "PATCH /v1/rooms", None, 405, "Allow header"),
        (ADMIN, put, Some("{"), 400, "the body is not JSON"),
        (ADMIN, put, Some("{\"lat\":1,\"lng\":2,\"alt\":3}"), 422, "unknown field `alt`"),
        (ADMIN, put, Some("{\"lat\":91,\"lng\":2}"), 422, "latitude"),
        (ADMIN, put, Some("{\"x\":1,\"y\":2}"), 422, "give latitude and longitude"),
        (ADMIN, put, Some("{\"id\":\"b\",\"lat\":1,\"lng\":2}"), 422, "not that of the path"),
        (ADMIN, put, Some("{\"lat\":1,\"lng\":2,\"ttl\":0}"), 422, "ttl"),
        (ADMIN, put, Some("{\"lat\":1,\"lng\":2,\"state\":{\"a\":1}}"), 422, "no field"),
        (ADMIN, "PUT /v1/rooms/City/things/a", Some("{\"lat\":1,\"lng\":2}"), 422, "room's name"),
        (ADMIN, "POST /v1/rooms/city/things", Some(&many), 422, "at most 1000 things"),
        (ADMIN, "POST /v1/rooms/city/things", Some(&big), 413, "at most 1048576 bytes"),
        (ADMIN, "GET /v1/rooms?limit=0", None, 422, "limit is from 1 to 1000"),
        (ADMIN, "GET /v1/rooms?page=0", None, 422, "unknown field `page`"),
        (ADMIN, "POST /v1/rooms/city/messages", Some("{\"topic\":\" \"}"), 422, "a topic of"),
        (ADMIN, "DELETE /v1/rooms/city/people/ada", None, 422, "is a number"),
    ];
    for (key, line, body, wanted, words) in cases {
        let (status, head, problem) = api.ask(key, line, *body).await;
        assert_eq!(status, *wanted, "{line}: {problem}");
        assert!(head.contains("content-type: application/problem+json"), "{line}: {head}");
        assert!(head.contains("cache-control: no-store"), "{head}");
        assert_eq!(problem["status"], json!(wanted));
        assert!(problem["title"].is_string());
        assert!(
            problem.to_string().to_lowercase().contains(&words.to_lowercase()),
            "{line}: {problem}"
        );
    }
    let line = "PUT /v1/rooms/city/announcement";
    assert_eq!(api.json(ADMIN, line, &json!({ "text": long })).await.0, 422);
    let (status, head, _) = api.raw("GET /v1/rooms", "X: y", b"").await;
    assert!(status == 401 && head.contains("www-authenticate: bearer"), "{head}");
    let fields = format!("Authorization: Bearer {ADMIN}\r\nContent-Type: text/plain");
    assert_eq!(api.raw(put, &fields, b"{}").await.0, 415);
    let html = format!("Authorization: Bearer {ADMIN}\r\nAccept: text/html");
    api.json(ADMIN, put, &json!({ "lat": 1, "lng": 1 })).await;
    assert_eq!(api.raw("GET /v1/rooms/city", &html, b"").await.0, 406);
    let (status, _, document) = api.raw("GET /v1/openapi.json", "X: y", b"").await;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    let count = async |series: &str| api.server.count(series).await;
    assert!(count("gpys_limits_hit_total{limit=\"api_body_bytes\"}").await >= 1.0);
    assert!(count("gpys_api_refusals_total{cause=\"missing\"}").await >= 1.0);
    assert!(count("gpys_api_refusals_total{cause=\"unknown\"}").await >= 1.0);
    assert!(count("gpys_api_refusals_total{cause=\"right\"}").await >= 7.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_asks_too_fast_waits_and_a_withdrawn_one_ends() {
    let api = Served::start();
    let mut stream = TcpStream::connect(api.server.http).await.unwrap();
    let request = format!(
        "GET /v1/rooms/city HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {READ}\r\n\r\n"
    );
    // Far more than the burst, in less time than it takes to be allowed as many.
    let all = request.repeat(600);
    let (mut reader, mut writer) = stream.split();
    let asking = async { writer.write_all(all.as_bytes()).await.unwrap() };
    let answered = async {
        let mut lines = BufReader::new(&mut reader).lines();
        loop {
            let line = lines.next_line().await.unwrap().unwrap();
            if line.contains("HTTP/1.1 429") {
                return;
            }
        }
    };
    timeout(PATIENCE, async { tokio::join!(asking, answered) }).await.unwrap();
    api.server.until_count("gpys_limits_hit_total{limit=\"api_requests\"}", 1.0).await;
    assert_eq!(api.ask(ADMIN, "GET /v1/rooms", None).await.0, 200, "others have their own rate");

    std::fs::write(api.keys.path(), format!("[new]\nkey = \"{FEED}\"\nright = \"admin\"\n"))
        .unwrap();
    api.server.reloader.now();
    api.server.until_count("gpys_api_key_reloads_total{outcome=\"done\"}", 1.0).await;
    assert_eq!(api.ask(ADMIN, "GET /v1/rooms", None).await.0, 401);
    assert_eq!(api.ask(FEED, "GET /v1/rooms", None).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_who_comes_and_goes_and_resume_where_they_were() {
    let mut api = Served::start();
    let mut city = api.events(READ, "", None).await;
    let mut all = api.events(ADMIN, "", None).await;
    let start = city.id.clone();

    let bo = api.join("hall", named("Bo")).await;
    let ada = api.join("city", named("Ada")).await;
    ada.move_to(Move::earth(46.0512, 14.5061)).unwrap();
    let occupied = city.named("occupied").await;
    assert_eq!(occupied["room"], json!("city"), "only this room");
    assert!(occupied["time"].as_str().unwrap().ends_with('Z'), "{occupied}");
    let entered = city.named("entered").await;
    let welcome = ada.welcome();
    assert_eq!(entered["person"]["id"], json!(welcome.id.0));
    assert_eq!(entered["person"]["uuid"], json!(welcome.uuid.0.to_string()));
    assert_eq!(entered["person"]["name"], json!("Ada"));
    assert!(!entered.to_string().contains("46."), "no coordinates: {entered}");
    for room in ["hall", "hall", "city", "city"] {
        let (_, event) = all.next().await.unwrap();
        assert_eq!(event["room"], json!(room));
    }
    let mut hall = api.events(ADMIN, "?room=hall", Some(&start)).await;
    assert_eq!(hall.named("occupied").await["room"], json!("hall"));
    assert_eq!(hall.named("entered").await["person"]["name"], json!("Bo"));

    // One who comes back gets what it missed, and no gap.
    let last = city.id.clone();
    drop(city);
    ada.leave().await;
    all.named("left").await;
    let mut city = api.events(READ, "", Some(&last)).await;
    assert_eq!(city.named("left").await["person"]["name"], json!("Ada"));
    assert_eq!(city.named("vacated").await["room"], json!("city"));

    // After a restart, or with an id of elsewhere, one is told so.
    let mut other = api.events(ADMIN, "", Some("0badf00d-4")).await;
    assert_eq!(other.named("gap").await, json!({ "reason": "restarted" }));
    assert_eq!(other.named("occupied").await["room"], json!("hall"));

    // A server that stops ends them in good order.
    api.server.stop();
    for reader in [&mut city, &mut all, &mut other] {
        while let Some(_event) = reader.next().await {}
    }
    drop(bo);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_events_are_few() {
    let api = Served::start();
    let mut readers = Vec::new();
    for _ in 0..64 {
        readers.push(api.events(READ, "", None).await);
    }
    let (status, _, problem) = api.ask(READ, "GET /v1/events", None).await;
    assert_eq!(status, 429, "{problem}");
    readers.clear();
    let deadline = std::time::Instant::now() + PATIENCE;
    // One that is gone makes room once the server has noticed.
    while !is_read(&api).await {
        assert!(std::time::Instant::now() < deadline, "waited for room");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn is_read(api: &Served) -> bool {
    let mut stream = TcpStream::connect(api.server.http).await.unwrap();
    let head = format!(
        "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {READ}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    start.ends_with(b"200")
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_there_is_no_api_and_with_a_listener_it_is_there_alone() {
    let server = Running::start();
    assert!(server.get("/v1/rooms", "localhost").await.0.starts_with("http/1.1 404"));
    drop(server);
    let api = Served::start();
    let path = api.keys.path().display().to_string();
    let free = ["listen", "http", "api-listen"].map(|name| (name, "127.0.0.1:0"));
    let settings = free.into_iter().chain([("api-keys", path.as_str())]);
    let config = gpys::server::config::Config::from_pairs(settings).unwrap();
    let server = gpys::server::Server::builder(config).page(gpys::page()).bind().unwrap();
    let (http, own) = (server.http_address().unwrap().unwrap(), server.api_address().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(server.run(async { drop(stopped.await) }));
    let at = |address, host| Running::get_from(address, "/v1/openapi.json", host);
    assert!(at(http, "localhost").await.0.starts_with("http/1.1 404"));
    assert!(at(own.unwrap(), "localhost").await.0.starts_with("http/1.1 200"));
    assert!(at(own.unwrap(), "evil.example").await.0.starts_with("http/1.1 421"));
    stop.send(()).unwrap();
    timeout(PATIENCE, served).await.unwrap().unwrap().unwrap();
}
