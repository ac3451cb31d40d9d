//! The server's limits, one by one, on real sockets: each has a count that moves, and clients
//! within it are served.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test may panic")]

use std::time::{Duration, Instant};

use gpys::proto::geo::Viewport;
use gpys::proto::wire::{ClientMessage, CloseCode, MAX_CLIENT_MESSAGE, encode_ping};
use gpys_testkit::client::{BOTH, Client, Transport, hello};
use gpys_testkit::running::Running;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn limit(name: &str) -> String {
    format!("gpys_limits_hit_total{{limit=\"{name}\"}}")
}

fn failure(cause: &str) -> String {
    format!("gpys_handshake_failures_total{{cause=\"{cause}\"}}")
}

/// Waits until the server has closed a connection. Returns what it sent before.
async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let read =
        tokio::time::timeout(gpys_testkit::client::PATIENCE, stream.read_to_end(&mut said)).await;
    // A connection refused with unread bytes is reset.
    drop(read.expect("the server closes the connection"));
    said
}

/// A client that was admitted eventually.
async fn patient(server: &Running, transport: Transport) -> Client {
    let deadline = Instant::now() + gpys_testkit::client::PATIENCE;
    loop {
        if let Some(client) = server.try_client(transport).await {
            return client;
        }
        assert!(Instant::now() < deadline, "no client is served any more");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_counted() {
    let server = Running::start();
    let (head, text) = Running::get_from(server.metrics, "/metrics", "localhost").await;
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(server.get("/metrics", "localhost").await.0.starts_with("http/1.1 404"));
    assert_eq!(server.count("gpys_rooms").await, 0.0);

    let mut wt = server.join(Transport::Wt, "lobby", None).await;
    let mut ws = server.join(Transport::Ws, "lobby", None).await;
    assert_eq!(server.count("gpys_rooms").await, 1.0);
    assert_eq!(server.count("gpys_peers{transport=\"webtransport\"}").await, 1.0);
    assert_eq!(server.count("gpys_peers{transport=\"websocket\"}").await, 1.0);
    assert_eq!(server.count("gpys_joins_total{how=\"new\"}").await, 2.0);
    let (id, token) = (wt.welcome().id, ws.welcome().token);
    wt.pose(0).await;
    ws.until("a figure", |c| c.view.figure(id).is_some()).await;
    assert!(server.count("gpys_frames_total").await >= 1.0);
    assert!(server.count("gpys_frame_bytes_total").await >= 20.0);
    assert!(server.count("gpys_ticks_total").await >= 1.0);
    assert_eq!(server.count("gpys_sample_age_seconds_count").await, 1.0);
    let memory = server.count("process_resident_memory_bytes").await;
    assert!((1e6..1e10).contains(&memory), "{memory}");

    let mut back = server.join(Transport::Wt, "lobby", Some(token)).await;
    assert_eq!(server.count("gpys_joins_total{how=\"resumed\"}").await, 1.0);
    server.until_count("gpys_leaves_total{reason=\"replaced\"}", 1.0).await;
    back.send(&ClientMessage::Leave.encode()).await;
    back.closed().await;
    drop(wt);
    server.until_count("gpys_leaves_total{reason=\"bye\"}", 1.0).await;
    server.until_count("gpys_leaves_total{reason=\"closed\"}", 1.0).await;
    assert_eq!(server.count("gpys_peers{transport=\"webtransport\"}").await, 0.0);
    assert_eq!(server.count("gpys_peers{transport=\"websocket\"}").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_metric_reveals_a_peer() {
    let server = Running::start();
    let mut client = server.join(Transport::Ws, "a-secret-room", None).await;
    client.pose(0).await;
    server.until_count("gpys_sample_age_seconds_count", 1.0).await;
    let (_, text) = Running::get_from(server.metrics, "/metrics", "localhost").await;
    for secret in ["a-secret-room", "Ada", "45.75", "4575", "127.0.0.1"] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_in_total_are_limited() {
    let server = Running::with(&[("max-connections", "2")]);
    let inside = server.join(Transport::Ws, "lobby", None).await;
    let idle = TcpStream::connect(server.http).await.unwrap();
    let mut refused = TcpStream::connect(server.http).await.unwrap();
    assert!(until_closed(&mut refused).await.is_empty());
    assert_eq!(server.count(&limit("connections")).await, 1.0);
    drop((inside, idle));
    patient(&server, Transport::Ws).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_from_one_address_are_limited_over_both_transports() {
    let server = Running::with(&[("max-per-address", "2"), ("limit-local", "true")]);
    // The settings come over a connection of their own, so WebTransport goes first.
    let _wt = server.join(Transport::Wt, "lobby", None).await;
    let ws = patient(&server, Transport::Ws).await;
    assert!(server.socket(None).await.is_err());
    server.until_count(&limit("connections_per_address"), 1.0).await;
    drop(ws);
    patient(&server, Transport::Ws).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_fill_a_room_with_vanished_peers() {
    let server =
        Running::with(&[("max-per-address", "6"), ("max-people", "10"), ("limit-local", "true")]);
    let mut token = None;
    for gone in 1..=20 {
        let mut client = patient(&server, Transport::Ws).await;
        client.send(&hello("lobby", None).encode()).await;
        client.until("a welcome", |client| client.welcome.is_some()).await;
        token = Some(client.welcome().token);
        drop(client);
        server.until_count("gpys_leaves_total{reason=\"gone\"}", f64::from(gone)).await;
    }
    assert!(server.count(&limit("places_per_address")).await >= 10.0);
    assert_eq!(server.count(&limit("people")).await, 0.0, "the room is never full");
    // The last peer to vanish resumes its place.
    let back = server.join(Transport::Ws, "lobby", token).await;
    assert!(back.welcome().resumed);
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_from_one_address_are_rate_limited_over_both_transports() {
    let server = Running::with(&[
        ("handshakes-per-address", "2"),
        ("limit-local", "true"),
        ("ca-signed", "true"),
    ]);
    let refused = limit("handshakes_per_address");
    let deadline = Instant::now() + gpys_testkit::client::PATIENCE;
    // TCP uses up the tokens, again if that took so long that more were added.
    loop {
        while server.count(&refused).await < 1.0 {
            drop(TcpStream::connect(server.https).await);
        }
        let before = server.count(&refused).await;
        if server.quic().await.is_err() {
            assert!(server.count(&refused).await > before);
            break;
        }
        assert!(Instant::now() < deadline, "QUIC has a separate limit");
    }
    patient(&server, Transport::Ws).await;
    while server.quic().await.is_err() {
        assert!(Instant::now() < deadline, "QUIC is no longer served");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_handshakes_make_quic_prove_its_address_and_then_are_refused() {
    let server = Running::with(&[("max-half-open", "3")]);
    assert_eq!(server.count("gpys_quic_retries_total").await, 0.0);
    server.join(Transport::Wt, "lobby", None).await;
    assert_eq!(server.count("gpys_quic_retries_total").await, 0.0, "no other client was there");

    let first = TcpStream::connect(server.https).await.unwrap();
    let deadline = Instant::now() + gpys_testkit::client::PATIENCE;
    while server.count("gpys_quic_retries_total").await < 1.0 {
        assert!(Instant::now() < deadline, "no client had to prove its address");
        server.join(Transport::Wt, "lobby", None).await;
    }
    drop(first);

    let mut idle = Vec::new();
    while server.count(&limit("half_open")).await < 1.0 {
        assert!(Instant::now() < deadline, "unfinished handshakes are unlimited");
        idle.push(TcpStream::connect(server.https).await.unwrap());
    }
    drop(idle);
    for transport in BOTH {
        patient(&server, transport).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_a_handshake_has_a_deadline() {
    let server = Running::with(&[("deadline", "1"), ("ca-signed", "true")]);
    let mut mute = TcpStream::connect(server.https).await.unwrap();
    let mut slow = TcpStream::connect(server.http).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: local").await.unwrap();
    let (_endpoint, no_session) = server.quic().await.unwrap();
    let since = Instant::now();
    let mut silent = server.join(Transport::Ws, "lobby", None).await;

    until_closed(&mut mute).await;
    until_closed(&mut slow).await;
    let closed = tokio::time::timeout(gpys_testkit::client::PATIENCE, no_session.closed()).await;
    closed.expect("QUIC without a session ends");
    assert!(since.elapsed() < Duration::from_secs(5), "the deadline is not the configured one");
    for cause in ["tls_timeout", "head_timeout", "quic_timeout"] {
        server.until_count(&failure(cause), 1.0).await;
    }
    // A client in a room has no deadline left.
    silent.ping().await;
    silent.until("a pong", |c| c.pongs == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_a_stream_or_a_hello_times_out() {
    let server = Running::with(&[("deadline", "1")]);
    let no_stream = server.session("/wt", None).await.unwrap();
    let closed = tokio::time::timeout(gpys_testkit::client::PATIENCE, no_stream.closed()).await;
    closed.expect("a session without a stream ends");
    server.until_count(&failure("stream_timeout"), 1.0).await;
    for (number, transport) in BOTH.into_iter().enumerate() {
        let mut mute = server.client(transport).await;
        mute.ping().await;
        assert_eq!(mute.closed().await.1.code, CloseCode::Timeout as u8);
        server.until_count(&failure("hello_timeout"), number as f64 + 1.0).await;
    }
    assert_eq!(server.count("gpys_joins_total{how=\"new\"}").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_and_their_peers_are_limited() {
    let server = Running::with(&[("max-rooms", "1"), ("max-people", "1")]);
    let _first = server.join(Transport::Ws, "lobby", None).await;
    for transport in BOTH {
        for room in ["lobby", "elsewhere"] {
            let mut refused = server.client(transport).await;
            refused.send(&hello(room, None).encode()).await;
            let (_, closing) = refused.closed().await;
            assert_eq!(closing.code, CloseCode::Full as u8);
            assert!(closing.retry_ms.is_some());
        }
    }
    assert_eq!(server.count(&limit("people")).await, 2.0);
    assert_eq!(server.count(&limit("rooms")).await, 2.0);
    assert_eq!(server.count(&failure("hello")).await, 4.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn surplus_poses_are_dropped_and_a_flood_ends_the_link() {
    let server = Running::with(&[("pose-hz", "5")]);
    let mut expected = 0.0;
    for transport in BOTH {
        let mut client = server.join(transport, "lobby", None).await;
        assert_eq!(client.welcome().limits.pose_hz, 5);
        // Ten are read at once, and fifty are tolerated.
        for seq in 0..30 {
            client.pose(seq).await;
        }
        client.ping().await;
        client.until("a pong", |c| c.pongs == 1).await;
        let dropped = server.count(&limit("poses")).await - expected;
        assert!((1.0..=20.0).contains(&dropped), "{transport:?}: {dropped}");
        let mut seq = 30;
        while client.closing.is_none() {
            assert!(seq < 3_000, "{transport:?} is never closed");
            client.pose(seq).await;
            seq += 1;
            if seq % 10 == 0 {
                let reply = client.until("anything", |c| c.closing.is_some());
                drop(tokio::time::timeout(Duration::from_millis(1), reply).await);
            }
        }
        assert_eq!(client.closed().await.1.code, CloseCode::TooFast as u8);
        expected = server.count(&limit("poses")).await;
    }
    assert_eq!(server.count(&limit("pose_abuse")).await, 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_limited() {
    let server = Running::start();
    let viewport = ClientMessage::Viewport(Viewport::WORLD).encode();
    let budget = ClientMessage::Budget(0).encode();
    let too_long = vec![4; MAX_CLIENT_MESSAGE + 1];
    for (number, transport) in BOTH.into_iter().enumerate() {
        // Forty are too many viewports, but not too many messages.
        let talks = [
            ("viewports", &viewport, 40, CloseCode::TooFast),
            ("messages", &budget, 100, CloseCode::TooFast),
            ("message_bytes", &too_long, 1, CloseCode::BadMessage),
        ];
        for (name, message, times, code) in talks {
            let mut client = server.join(transport, "lobby", None).await;
            for _ in 0..times {
                client.send(message).await;
            }
            assert_eq!(client.closed().await.1.code, code as u8, "{transport:?} {name}");
            assert_eq!(server.count(&limit(name)).await, number as f64 + 1.0, "{name}");
        }
        let unanswered = server.count(&limit("pings")).await;
        let mut client = server.join(transport, "lobby", None).await;
        for _ in 0..30 {
            client.send(&encode_ping(1)).await;
        }
        server.until_count(&limit("pings"), unanswered + 1.0).await;
        let leave = ClientMessage::Leave.encode();
        client.send(&leave).await;
        assert_eq!(client.closed().await.1.code, CloseCode::Bye as u8, "pings end no link");
        assert!(client.pongs <= 15, "{}", client.pongs);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_request_is_limited() {
    let server = Running::start();
    let long = format!("GET /ws HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    let fields = "X: x\r\n".repeat(65);
    let many = format!("GET /ws HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    for (number, head) in [long, many].iter().enumerate() {
        let mut stream = TcpStream::connect(server.http).await.unwrap();
        drop(stream.write_all(head.as_bytes()).await);
        until_closed(&mut stream).await;
        server.until_count(&limit("request_head"), number as f64 + 1.0).await;
    }
    assert!(server.get("/healthz", "localhost").await.0.starts_with("http/1.1 200"));
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_handshakes_are_counted_by_cause() {
    let server = Running::start();
    let refused = [
        ("origin", server.session("/wt", Some("https://evil.example")).await.is_err()),
        ("path", server.session("/other", None).await.is_err()),
    ];
    for (cause, refused) in refused {
        assert!(refused, "{cause}");
        server.until_count(&failure(cause), 1.0).await;
    }
    assert!(server.socket(Some("https://evil.example")).await.is_err());
    assert_eq!(server.count(&failure("origin")).await, 2.0);
    let mut tls = TcpStream::connect(server.https).await.unwrap();
    tls.write_all(&[0x16; 100]).await.unwrap();
    until_closed(&mut tls).await;
    server.until_count(&failure("tls"), 1.0).await;
    let mut http = TcpStream::connect(server.http).await.unwrap();
    http.write_all(b"nonsense\r\n\r\n").await.unwrap();
    until_closed(&mut http).await;
    server.until_count(&failure("http"), 1.0).await;
    for transport in BOTH {
        let mut client = server.client(transport).await;
        client.send(&hello("No!", None).encode()).await;
        client.closed().await;
    }
    assert_eq!(server.count(&failure("hello")).await, 2.0);
    drop(server.client(Transport::Ws).await);
    server.until_count(&failure("gone"), 1.0).await;
}
