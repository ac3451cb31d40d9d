//! The way in: hosts and origins, malformed requests, wrong addresses, and what a trusted proxy may
//! report. Real proxies are in `tests/proxies.rs`.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test may panic")]

use gpys_testkit::client::Transport;
use gpys_testkit::running::Running;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A response over plain HTTP: the status, the head in lower case, the body.
async fn ask(server: &Running, request: &str) -> (u16, String, String) {
    ask_at(server.http, request).await
}

async fn ask_at(at: std::net::SocketAddr, request: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request = request.trim_start().replace("\n        ", "\r\n");
    stream.write_all(format!("{request}\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    drop(stream.read_to_string(&mut answer).await);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

/// The response for a path, with more header fields.
async fn get(server: &Running, path: &str, host: &str, fields: &str) -> (u16, String, String) {
    let fields = if fields.is_empty() { String::new() } else { format!("\r\n{fields}") };
    ask(server, &format!("GET {path} HTTP/1.1\r\nHost: {host}{fields}")).await
}

fn upgrade(host: &str, origin: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    )
}

/// The status of an upgrade, which stays open if accepted.
async fn upgraded(server: &Running, request: &str) -> String {
    let mut stream = TcpStream::connect(server.http).await.unwrap();
    stream.write_all(format!("{request}\r\n\r\n").as_bytes()).await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    String::from_utf8_lossy(&start[9..]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_pointed_here_from_outside_is_refused() {
    let server = Running::start();
    let port = server.http.port();
    for path in ["/", "/config.json", "/r/lobby", "/ws", "/map.pmtiles", "/assets/x.js"] {
        let (status, _, body) = get(&server, path, &format!("evil.example:{port}"), "").await;
        assert_eq!(status, 421, "{path}: {body}");
        assert!(body.contains("--public-url https://evil.example"), "{body}");
    }
    // Headers that a page can set itself change nothing.
    for fields in [
        "X-Forwarded-Host: localhost",
        "X-Forwarded-Proto: https",
        "Forwarded: host=localhost;proto=https",
        "Origin: http://evil.example",
    ] {
        let (status, ..) = get(&server, "/config.json", "evil.example", fields).await;
        assert_eq!(status, 421, "{fields}");
    }
    let rebound = upgrade(&format!("evil.example:{port}"), &format!("http://evil.example:{port}"));
    assert_eq!(upgraded(&server, &rebound).await, "421");
    let metrics = |host: &'static str| async move {
        ask_at(server.metrics, &format!("GET /metrics HTTP/1.1\r\nHost: {host}")).await.0
    };
    assert_eq!(metrics("evil.example").await, 421);
    assert_eq!(metrics("127.0.0.1").await, 200);
    assert_eq!(metrics("localhost").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn own_names_and_probes_are_served() {
    let server = Running::with(&[
        ("public-url", "https://map.example"),
        ("allow-origin", "https://friend.example"),
    ]);
    for host in [
        "localhost",
        "localhost.:8080",
        "gpys.localhost",
        "127.0.0.1:1",
        "[::1]:8080",
        "my_map:5187",
        "map.example",
        "friend.example",
        "xn--mnchen-3ya.local",
    ] {
        assert_eq!(get(&server, "/config.json", host, "").await.0, 200, "{host}");
    }
    assert_eq!(get(&server, "/healthz", "evil.example", "").await.0, 200);
    assert_eq!(ask(&server, "GET /readyz HTTP/1.0").await.0, 200);
    // A browser marks requests to https names: then a proxy has the certificate.
    let fetched = "Sec-Fetch-Site: same-origin";
    assert_eq!(get(&server, "/config.json", "other.example", fetched).await.0, 200);
    let page = upgrade("other.example", "https://other.example");
    assert_eq!(upgraded(&server, &page).await, "101");
    assert_eq!(upgraded(&server, &upgrade("other.example", "https://evil.example")).await, "421");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_may_connect_may_read_where() {
    let server = Running::with(&[("allow-origin", "https://friend.example")]);
    let own = format!("http://localhost:{}", server.http.port());
    for origin in ["https://friend.example", &own] {
        let (status, head, _) =
            get(&server, "/config.json", "localhost", &format!("Origin: {origin}")).await;
        assert_eq!(status, 200);
        assert!(head.contains(&format!("access-control-allow-origin: {origin}\r\n")), "{head}");
    }
    for origin in ["https://evil.example", "null", "https://friend.example.evil"] {
        let (status, head, _) =
            get(&server, "/config.json", "localhost", &format!("Origin: {origin}")).await;
        assert_eq!(status, 200, "a page cannot read it, but curl may");
        assert!(!head.contains("access-control-allow-origin"), "{origin}: {head}");
    }
    assert!(!get(&server, "/config.json", "localhost", "").await.1.contains("access-control"));
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused() {
    let server = Running::start();
    let bad = [
        "GET / HTTP/1.1",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost",
        "GET / HTTP/1.1\r\nHost: localhost, evil.example",
        "GET / HTTP/1.1\r\nHost: ",
        "GET http://evil.example/ HTTP/1.1\r\nHost: localhost",
        "GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://a\r\nOrigin: http://b",
        "GET /config.json HTTP/1.0",
    ];
    for request in bad {
        assert_eq!(ask(&server, request).await.0, 400, "{request}");
    }
    let good = upgrade("localhost", "http://localhost");
    assert_eq!(upgraded(&server, &good).await, "101");
    let broken = [
        ("dGhlIHNhbXBsZSBub25jZQ==", "nonsense", "400"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", "400"),
        ("Version: 13", "Version: 8", "426"),
        ("Upgrade: websocket", "Upgrade: h2c", "400"),
        ("Origin: http://localhost", "Origin: http://localhost\r\nOrigin: http://localhost", "400"),
        ("Connection: Upgrade", "Connection: Upgrade\r\nContent-Length: 3", "400"),
    ];
    for (from, to, status) in broken {
        assert_eq!(upgraded(&server, &good.replace(from, to)).await, status, "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_is_scheme_host_and_port() {
    let server = Running::start();
    let (http, https) = (server.http.port(), server.https.port());
    let host = format!("127.0.0.1:{http}");
    for (origin, status) in [
        (format!("http://{host}"), "101"),
        (format!("https://127.0.0.1:{https}"), "101"),
        ("https://127.0.0.1:1".to_owned(), "403"),
        (format!("http://127.0.0.1:{https}"), "403"),
        ("http://127.0.0.1".to_owned(), "403"),
        ("null".to_owned(), "403"),
    ] {
        assert_eq!(upgraded(&server, &upgrade(&host, &origin)).await, status, "{origin}");
    }
    assert!(server.socket(Some(&format!("http://127.0.0.1:{https}"))).await.is_err());
    let page = "https://127.0.0.1:2";
    assert!(server.session("/wt", Some(page)).await.is_err(), "another server's port");
    // A mapped port is learnt from a page's request there.
    let path = format!("/config.json?origin={page}");
    get(&server, &path, "127.0.0.1:2", "").await;
    assert!(server.session("/wt", Some(page)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_gets_a_page() {
    let server = Running::start();
    for (path, to) in [
        ("/r/Party", "/r/party"),
        ("/r/lobby/", "/r/lobby"),
        ("/r/Party/?transport=ws", "/r/party?transport=ws"),
        ("/r", "/"),
        ("/r/", "/"),
        ("/bench/", "/bench"),
        ("/bench/?auto=1", "/bench?auto=1"),
        ("/r?room=My+Room%21", "/r/my-room"),
        ("/r/?room=Party", "/r/party"),
    ] {
        let (status, head, _) = get(&server, path, "localhost", "").await;
        assert_eq!(status, 307, "{path}: {head}");
        assert!(head.contains(&format!("\r\nlocation: {to}\r\n")), "{path}: {head}");
    }
    for path in ["/nothing", "/r/a%20b", "/r/%ff", "/map/", "/r/x/y", "/r?room=%E6%9D%B1"] {
        let (status, head, body) = get(&server, path, "localhost", "").await;
        assert_eq!(status, 404, "{path}");
        for part in
            ["name=\"viewport\"", "color-scheme", "<h1>", "<form action=\"/r\">", "href=\"/\""]
        {
            assert!(body.contains(part), "{path}: {part} is not in {body}");
        }
        assert!(
            head.contains("form-action 'self'") && head.contains("style-src 'sha256-"),
            "{head}"
        );
        assert!(!head.contains("unsafe"), "{head}");
    }
    let (.., body) = get(&server, "/r/My%20Room", "localhost", "").await;
    assert!(body.contains("<a href=\"/r/my-room\">"), "{body}");
}

async fn config(server: &Running, host: &str, origin: &str, fields: &str) -> Value {
    let path = format!("/config.json?origin={origin}");
    let (status, head, body) = get(server, &path, host, fields).await;
    assert_eq!(status, 200, "{head} {body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_port_and_another_host_for_udp_are_advertised() {
    for (public_udp, at) in [
        ("5134", "https://map.example:5134/wt"),
        ("udp.example:443", "https://udp.example:443/wt"),
        ("[2001:db8::1]:443", "https://[2001:db8::1]:443/wt"),
    ] {
        let server =
            Running::with(&[("public-url", "https://map.example"), ("public-udp", public_udp)]);
        let page = "https://map.example";
        // Even where the proxy does not pass on the Host header.
        for host in ["map.example", "127.0.0.1:8080"] {
            let config = config(&server, host, page, "").await;
            assert_eq!(config["webtransport"], at);
            assert_eq!(config["websocket"], "wss://map.example/ws");
            assert_eq!(config["seen"]["originAllowed"], true);
            assert_eq!(config["seen"]["host"], host);
        }
        assert_eq!(upgraded(&server, &upgrade("127.0.0.1:8080", page)).await, "101");
        assert!(server.session("/wt", Some(page)).await.is_ok());
        let (_, head, _) = get(&server, "/", "127.0.0.1:8080", "").await;
        assert!(head.contains(" wss://map.example "), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_page_learns_why() {
    let server = Running::start();
    let seen =
        async |host, origin, fields| config(&server, host, origin, fields).await["seen"].clone();
    let is = |host: &str, allowed: bool, forwarded: &str| serde_json::json!({ "host": host, "originAllowed": allowed, "forwarded": forwarded });
    let page = "https://map.local";
    let passed = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https";
    assert_eq!(seen("127.0.0.1:8080", page, passed).await, is("127.0.0.1:8080", false, "ignored"));
    assert_eq!(seen("map.local", page, "").await, is("map.local", true, "none"));
    assert_eq!(
        seen("map.local", "https://map.local:8443", "").await,
        is("map.local", false, "none")
    );
    assert_eq!(seen("map.local", "nonsense", "").await, is("map.local", false, "none"));
    let trusting =
        Running::with(&[("trusted-proxy", "10.0.0.0/8"), ("trusted-proxy", "127.0.0.1")]);
    for proto in ["https", "https,http", "HTTPS"] {
        let fields = format!("X-Forwarded-Proto: {proto}\r\nX-Forwarded-Host: map.local");
        let config = config(&trusting, "127.0.0.1:8080", page, &fields).await;
        assert_eq!(config["websocket"], "wss://map.local/ws", "{proto}");
        assert_eq!(config["seen"], is("map.local", true, "believed"));
    }
    let both = "Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 192.0.2.2";
    let (status, _, body) = get(&trusting, "/config.json", "localhost", both).await;
    assert!(status == 400 && body.contains("remove the other"), "{status} {body}");
    let hidden = "X-Forwarded-Host: evil.example";
    assert_eq!(get(&trusting, "/config.json", "localhost", hidden).await.0, 421);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_behind_one_proxy_connection_have_separate_shares() {
    let server = Running::with(&[("trusted-proxy", "127.0.0.1"), ("handshakes-per-address", "1")]);
    // One connection carries requests of many: of each that takes turns, five are admitted.
    let mut stream = TcpStream::connect(server.http).await.unwrap();
    let mut refused = [0; 2];
    for _ in 0..20 {
        for (client, refused) in refused.iter_mut().enumerate() {
            let request = format!(
                "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.{client}\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"\n") || !answer.windows(4).any(|it| it == b"\r\n\r\n") {
                let mut bytes = [0; 2_048];
                let length = stream.read(&mut bytes).await.unwrap();
                assert!(length > 0, "the connection was closed");
                answer.extend_from_slice(&bytes[..length]);
                if answer.ends_with(b"ok\n") || answer.ends_with(b"there\n") {
                    break;
                }
            }
            *refused += u32::from(answer.starts_with(b"HTTP/1.1 429"));
        }
    }
    assert!(refused.iter().all(|refused| (1..=15).contains(refused)), "{refused:?}");
    server.until_count("gpys_limits_hit_total{limit=\"handshakes_per_address\"}", 2.0).await;
    server.join(Transport::Ws, "lobby", None).await;
}
