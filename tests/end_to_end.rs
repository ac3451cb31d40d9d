//! A real server, and real clients of both transports (docs/PROTOCOL.md).

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test may panic")]

use std::time::{Duration, Instant};

use gpys::proto::wire::{
    ClientMessage, CloseCode, Field, MAX_CLIENT_MESSAGE, Online, PeerId, Presence, encode_ping,
};
use gpys_testkit::client::{BOTH, Client, Transport, hello};
use gpys_testkit::running::Running;
use rustls::pki_types::CertificateDer;
use tokio_tungstenite::tungstenite::Error as WsError;

fn presence_of(client: &Client, id: PeerId) -> Option<Presence> {
    client.view.roster().find(|person| person.id == id).map(|person| person.presence)
}

fn online(sharing: u32) -> Online {
    Online { sharing, ..Online::default() }
}

/// The code with which a transport's connection is closed.
fn on(transport: Transport, code: CloseCode) -> u64 {
    match transport {
        Transport::Wt => code as u64,
        Transport::Ws => u64::from(code.websocket()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_transports_meet_in_one_room() {
    let server = Running::start();
    let mut wt = server.join(Transport::Wt, "lobby", None).await;
    let mut ws = server.join(Transport::Ws, "lobby", None).await;
    let mut other = server.join(Transport::Ws, "elsewhere", None).await;
    let (wt_id, ws_id) = (wt.welcome().id, ws.welcome().id);
    assert_ne!(wt_id, ws_id);
    wt.pose(0).await;
    ws.pose(0).await;
    wt.until("the other's figure", |c| c.view.figure(ws_id).is_some()).await;
    ws.until("the other's figure", |c| c.view.figure(wt_id).is_some()).await;
    let before = ws.view.figure(wt_id).unwrap().position;
    wt.pose(1_000).await;
    ws.until("a move", |c| c.view.figure(wt_id).is_some_and(|f| f.position != before)).await;
    for client in [&mut wt, &mut ws] {
        client.until("the count", |c| c.view.online() == online(2)).await;
        client.ping().await;
        client.until("a pong", |c| c.pongs == 1).await;
    }
    other.until("a room of its own", |c| c.view.online() == online(1)).await;
    assert!(presence_of(&other, wt_id).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_is_answered_and_told() {
    let server = Running::start();
    for transport in BOTH {
        let mut stays = server.join(Transport::Ws, "lobby", None).await;
        let mut leaves = server.join(transport, "lobby", None).await;
        let (id, token) = (leaves.welcome().id, leaves.welcome().token);
        stays.until("a join", |c| presence_of(c, id).is_some()).await;
        leaves.send(&ClientMessage::Leave.encode()).await;
        let (code, closing) = leaves.closed().await;
        assert_eq!((code, closing.retry_ms), (on(transport, CloseCode::Bye), None));
        stays.until("a leave", |c| presence_of(c, id).is_none()).await;
        let again = server.join(transport, "lobby", Some(token)).await;
        assert!(!again.welcome().resumed, "the token is void");
        assert_ne!(again.welcome().id, id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_bytes_end_their_own_session_only() {
    let server = Running::start();
    let mut bystander = server.join(Transport::Wt, "lobby", None).await;
    let room = |name| hello(name, None).encode();
    let first = [
        (vec![9, 9, 9], CloseCode::BadMessage),
        (ClientMessage::Leave.encode(), CloseCode::BadMessage),
        (vec![0, 1, 1], CloseCode::BadVersion),
        (room("Lobby!"), CloseCode::BadRoom),
        (vec![4; MAX_CLIENT_MESSAGE + 1], CloseCode::BadMessage),
    ];
    let later = [
        (room("lobby"), CloseCode::BadMessage),
        (vec![1, 0xFF], CloseCode::BadMessage),
        (vec![0x46, 0], CloseCode::BadMessage),
    ];
    for transport in BOTH {
        for (bytes, code) in &first {
            let mut client = server.client(transport).await;
            client.send(bytes).await;
            let (got, closing) = client.closed().await;
            assert_eq!(got, on(transport, *code), "{transport:?} {bytes:?} {closing:?}");
            assert_eq!((closing.code, closing.retry_ms), (*code as u8, None));
        }
        for (bytes, code) in &later {
            let mut client = server.join(transport, "lobby", None).await;
            client.send(bytes).await;
            assert_eq!(client.closed().await.0, on(transport, *code), "{transport:?} {bytes:?}");
        }
        let mut client = server.join(transport, "lobby", None).await;
        let mut far = zero_pose();
        far[9..13].copy_from_slice(&900_000_001_i32.to_le_bytes());
        for (bytes, field) in [(far.to_vec(), Field::Position), (vec![2, 3], Field::Presence)] {
            client.send(&bytes).await;
            let told = |it: &Client| it.refused.last() == Some(&(field as u8));
            client.until("a refusal", told).await;
        }
        client.pose(1).await;
        client.ping().await;
        client.until("a pong, for the link goes on", |client| client.pongs == 1).await;
    }
    let mut text = server.join(Transport::Ws, "lobby", None).await;
    text.send_text("hello").await;
    assert_eq!(text.closed().await.0, 4001);
    bystander.ping().await;
    bystander.until("a pong", |c| c.pongs == 1).await;
}

/// A pose of zeros: a place in the Gulf of Guinea, long ago.
fn zero_pose() -> [u8; 22] {
    let mut bytes = [0; 22];
    bytes[0] = 0x50;
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_cut_off() {
    let server = Running::start();
    for transport in BOTH {
        let mut flood = server.join(transport, "lobby", None).await;
        let deadline = Instant::now() + gpys_testkit::client::PATIENCE;
        while flood.closing.is_none() && Instant::now() < deadline {
            for _ in 0..50 {
                flood.send(&encode_ping(1)).await;
            }
            let told = flood.until("anything", |c| c.closing.is_some());
            drop(tokio::time::timeout(Duration::from_millis(20), told).await);
        }
        let (code, closing) = flood.closed().await;
        assert_eq!(code, on(transport, CloseCode::TooFast));
        assert!(closing.retry_ms.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_by_the_other_transport_is_the_same() {
    let server = Running::start();
    let mut watcher = server.join(Transport::Ws, "lobby", None).await;
    let mut old = server.join(Transport::Wt, "lobby", None).await;
    let (id, uuid, token) = (old.welcome().id, old.welcome().uuid, old.welcome().token);
    old.pose(5_000).await;
    watcher.until("a figure", |c| c.view.figure(id).is_some()).await;

    let mut new = server.join(Transport::Ws, "lobby", Some(token)).await;
    assert!(new.welcome().resumed);
    assert_eq!((new.welcome().id, new.welcome().uuid), (id, uuid));
    assert_eq!(old.closed().await.0, CloseCode::Replaced as u64);
    // Numbers of samples begin again on the new link.
    let before = watcher.view.figure(id).unwrap().position;
    new.pose(0).await;
    watcher.until("a move", |c| c.view.figure(id).is_some_and(|f| f.position != before)).await;
    assert_eq!(watcher.view.online(), online(2));
    assert_eq!(presence_of(&watcher, id), Some(Presence::Sharing));

    // A link that breaks without a word keeps its place as well.
    drop(new);
    let back = server.join(Transport::Wt, "lobby", Some(token)).await;
    assert_eq!((back.welcome().id, back.welcome().resumed), (id, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_breaks_the_rules_has_left_and_whoever_is_too_fast_has_not() {
    let server = Running::start();
    for transport in BOTH {
        let mut watcher = server.join(Transport::Wt, "lobby", None).await;
        let mut bad = server.join(transport, "lobby", None).await;
        let mut fast = server.join(transport, "lobby", None).await;
        let (id, other) = (bad.welcome().id, fast.welcome().id);
        watcher
            .until("two joins", |c| [id, other].map(|id| presence_of(c, id).is_some()) == [true; 2])
            .await;
        bad.send(&[1, 0xFF]).await;
        for _ in 0..200 {
            fast.send(&ClientMessage::Budget(9).encode()).await;
        }
        assert_eq!(bad.closed().await.0, on(transport, CloseCode::BadMessage));
        assert_eq!(fast.closed().await.0, on(transport, CloseCode::TooFast));
        let since = Instant::now();
        watcher.until("a leave", |c| presence_of(c, id).is_none()).await;
        // Silence would take 15 s.
        assert!(since.elapsed().as_secs() < 10, "{:?}", since.elapsed());
        assert_eq!(presence_of(&watcher, other), Some(Presence::Sharing));
        let back = server.join(transport, "lobby", Some(bad.welcome().token)).await;
        assert!(!back.welcome().resumed, "the token is void");
        let back = server.join(transport, "lobby", Some(fast.welcome().token)).await;
        assert_eq!((back.welcome().id, back.welcome().resumed), (other, true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_its_client_closes_is_gone_after_five_seconds_and_its_place_is_kept() {
    for transport in BOTH {
        let server = Running::start();
        let mut watcher = server.join(Transport::Wt, "lobby", None).await;
        let page = server.join(transport, "lobby", None).await;
        let (id, token) = (page.welcome().id, page.welcome().token);
        watcher.until("a join", |c| presence_of(c, id).is_some()).await;
        page.close().await;
        server.until_count("gpys_leaves_total{reason=\"closed\"}", 1.0).await;
        let since = Instant::now();
        watcher.until("gone", |c| presence_of(c, id) == Some(Presence::Gone)).await;
        let after = since.elapsed();
        assert!((4..9).contains(&after.as_secs()), "{after:?}");
        let back = server.join(transport, "lobby", Some(token)).await;
        assert_eq!((back.welcome().id, back.welcome().resumed), (id, true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_link_is_gone_after_fifteen_seconds() {
    let server = Running::start();
    let mut watcher = server.join(Transport::Wt, "lobby", None).await;
    let silent = server.join(Transport::Ws, "lobby", None).await;
    let id = silent.welcome().id;
    let since = Instant::now();
    watcher.until("a join", |c| presence_of(c, id).is_some()).await;
    // Nobody reads the silent socket, so it answers no ping.
    watcher.until("gone", |c| presence_of(c, id) == Some(Presence::Gone)).await;
    let after = since.elapsed();
    assert!((14..18).contains(&after.as_secs()), "{after:?}");
    assert_eq!(watcher.view.online().total(), 1);
    let back = server.join(Transport::Wt, "lobby", Some(silent.welcome().token)).await;
    assert_eq!((back.welcome().id, back.welcome().resumed), (id, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_no_hello_is_closed() {
    let server = Running::start();
    for transport in BOTH {
        let mut mute = server.client(transport).await;
        mute.ping().await;
        let (code, closing) = mute.closed().await;
        assert_eq!(code, on(transport, CloseCode::Timeout));
        assert!(closing.retry_ms.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_and_other_paths_are_refused() {
    let server = Running::start();
    let own = format!("https://{}", server.https);
    assert!(server.session("/wt", Some(&own)).await.is_ok());
    assert!(server.socket(Some(&own)).await.is_ok());
    assert!(server.session("/wt", Some("https://evil.example")).await.is_err());
    assert!(server.session("/other", None).await.is_err());
    let Err(WsError::Http(refused)) = server.socket(Some("https://evil.example")).await else {
        panic!("a page of another site has a socket")
    };
    assert_eq!(refused.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_tells_everybody_to_come_back() {
    let mut server = Running::start();
    let mut clients = Vec::new();
    for transport in BOTH {
        clients.push((transport, server.join(transport, "lobby", None).await));
    }
    assert!(server.get("/readyz", "localhost").await.0.starts_with("http/1.1 200"));
    let since = Instant::now();
    server.stop();
    for (transport, client) in &mut clients {
        let (code, closing) = client.closed().await;
        assert_eq!(code, on(*transport, CloseCode::Restarting));
        assert!(closing.retry_ms.is_some());
    }
    drop(clients);
    server.stopped().await;
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_config_tells_where_to_connect() {
    let server = Running::start();
    let config = server.config("192.0.2.7:8080").await;
    let udp = server.web_transport.port();
    assert_eq!(config["protocol"], 2);
    assert_eq!(config["webtransport"], format!("https://192.0.2.7:{udp}/wt"));
    assert_eq!(config["websocket"], "ws://192.0.2.7:8080/ws");
    assert_eq!(config["serverCertificateHashes"].as_array().map(Vec::len), Some(2));
    assert_eq!(config["venue"]["label"], "Main stage");
    assert_eq!(config["map"]["style"], "https://tiles.example/style.json");
    assert!(config["map"]["pmtiles"].is_null());
    let (head, _) = server.get("/config.json", "a'b").await;
    assert!(head.starts_with("http/1.1 400"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_guarded() {
    let server = Running::start();
    let udp = server.web_transport.port();
    for path in ["/", "/r/my-room", "/config.json", "/healthz", "/map.pmtiles"] {
        let (head, _) = server.get(path, "localhost:8080").await;
        for guard in [
            "x-content-type-options: nosniff",
            "referrer-policy: strict-origin",
            "permissions-policy: geolocation=(self)",
            "content-security-policy: default-src 'none'; script-src 'self';",
            &format!(
                "connect-src 'self' https://127.0.0.1:{udp} ws://localhost:8080 \
                 wss://localhost:8080"
            ),
            "img-src 'self' data: blob: https://tiles.example;",
            "wss://localhost:8080 https://tiles.example;",
        ] {
            assert!(head.contains(guard), "{path} lacks {guard}: {head}");
        }
    }
    let (head, body) = server.get("/r/No!", "localhost").await;
    assert!(head.starts_with("http/1.1 404"), "{head}");
    assert!(body.contains("A room's name has"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_replaced_and_nobody_is_dropped() {
    async fn quic_certificate(server: &Running) -> Vec<u8> {
        let (_endpoint, connection) = server.quic().await.unwrap();
        let shown = connection.peer_identity().unwrap();
        shown.downcast::<Vec<CertificateDer<'static>>>().unwrap().first().unwrap().to_vec()
    }
    let server = Running::with(&[("ca-signed", "true")]);
    let first = server.https_certificate().await;
    assert_eq!(quic_certificate(&server).await, first);
    let mut stay = Vec::new();
    for transport in BOTH {
        stay.push(server.join(transport, "lobby", None).await);
    }

    server.renew_certificate();
    server.reloader.now();
    server.until_count("gpys_certificate_reloads_total{outcome=\"done\"}", 1.0).await;
    let second = server.https_certificate().await;
    assert_ne!(second, first);
    assert_eq!(quic_certificate(&server).await, second);
    for client in &mut stay {
        client.ping().await;
        client.until("a pong", |client| client.pongs == 1).await;
    }
}

/// Elsewhere a UDP socket cannot be closed one way, and the server hears a farewell.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_server_does_not_hear_of_a_link_that_is_cut() {
    use gpys::client::{Connector, Options, Transport, Trust};
    for transport in [Transport::WebTransport, Transport::WebSocket] {
        let server = Running::start();
        let url = format!("https://{}", server.https);
        let connector = Connector::new(&url, Trust::Public).await.unwrap();
        let options =
            |resume| Options { transport, resume, own_socket: true, ..Options::default() };
        let client = connector.connect(options(None)).await.unwrap();
        client.cut().await;
        let token = client.welcome().token;
        drop(client);
        let back = connector.connect(options(Some(token))).await.unwrap();
        assert!(back.welcome().resumed);
        // What is replaced was alive in the server's eyes.
        server.until_count("gpys_leaves_total{reason=\"replaced\"}", 1.0).await;
        for reason in ["gone", "closed"] {
            let count = format!("gpys_leaves_total{{reason=\"{reason}\"}}");
            assert!(server.count(&count).await < 1.0, "{reason}");
        }
    }
}
