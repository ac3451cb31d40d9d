//! HTTP by hand: truncated, oversized and forged requests, and bad upgrades.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::attacks::arena::{Attack, Target, answer, failure, gone, limit};
use crate::attacks::socket::{BINARY, FIN, Socket, connect, frame, read_head, request};
use crate::attacks::tools::{patiently, within_the_deadline};

/// Sends these bytes over plain HTTP, and returns the response, read until the server closes.
async fn send(target: &Target, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(target.http).await.unwrap();
    drop(stream.write_all(bytes).await);
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    drop(within_the_deadline("a request", reading).await);
    String::from_utf8_lossy(&answer).to_ascii_lowercase()
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("http/1.")?.get(2..5)?.parse().ok()
}

/// Sends bytes, and expects one of these statuses; 0 means no response.
fn answered(name: &str, bytes: Vec<u8>, allowed: &'static [u16]) -> Attack {
    let attack = Attack::new(format!("http::{name}"), async move |target| {
        let answer = send(target, &bytes).await;
        let status = status(&answer).unwrap_or_default();
        assert!(allowed.contains(&status), "{status}: {answer:.200}");
        for secret in ["[package]", "root:x:", "begin private key"] {
            assert!(!answer.contains(secret), "the response contains {secret}");
        }
    });
    // What is not HTTP is refused before there is a request to answer.
    let unanswered = [failure("http"), limit("request_head")];
    let classes = allowed.iter().map(|status| answer(&format!("{}xx", status / 100)));
    attack.counted_among(classes.filter(|it| *it != answer("0xx")).chain(unanswered))
}

fn get(path: &str, fields: &str) -> Vec<u8> {
    let close = "Connection: close\r\n";
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{close}{fields}\r\n").into()
}

/// All attacks with requests that are not upgrades.
pub fn of_requests() -> Vec<Attack> {
    let long = "x".repeat(20_000);
    let many = "X-Many: 1\r\n".repeat(100);
    let mut attacks = vec![
        answered("not_http", b"\x00\x01\x02\x03\r\n\r\n".to_vec(), &[0, 400]),
        answered("a_long_target", get(&format!("/{long}"), ""), &[400, 404, 414, 431]),
        answered("a_long_field", get("/", &format!("X-Long: {long}\r\n")), &[400, 431]),
        answered("a_hundred_fields", get("/", &many), &[400, 431]).counted(limit("request_head")),
        answered("a_field_without_colon", get("/", "nonsense\r\n"), &[400]),
        answered("a_field_with_nul", get("/", "X: a\0b\r\n"), &[400]),
        answered("two_lengths", get("/", "Content-Length: 1\r\nContent-Length: 2\r\n"), &[400]),
        answered("a_negative_length", get("/", "Content-Length: -1\r\n"), &[400]),
        answered("a_body_that_never_comes", get("/healthz", "Content-Length: 99999\r\n"), &[200]),
        answered(
            "a_chunk_without_end",
            [get("/healthz", "Transfer-Encoding: chunked\r\n"), b"FFFFFFFF\r\nx".into()].concat(),
            &[200],
        ),
        answered(
            "a_smuggled_request",
            get("/healthz", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
            &[0, 200, 400],
        ),
        answered("another_method", b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), &[405]),
        answered("a_proxy_request", get("http://evil.example/", ""), &[200, 400, 404, 503]),
        answered(
            "connect",
            b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n".to_vec(),
            &[400, 404, 405],
        ),
        answered(
            "http_2_by_prior_knowledge",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
            &[0, 400, 505],
        ),
        answered("a_range_backwards", get("/map.pmtiles", "Range: bytes=9-1\r\n"), &[404]),
        answered("a_room_that_is_none", get("/r/%2e%2e%2f", ""), &[400, 404]),
        answered("bad_utf8_in_a_room", get("/r/%ff%fe", ""), &[400, 404]),
    ];
    for (number, path) in [
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/..%2fCargo.toml",
        "//etc/passwd",
        "/assets/../../../../etc/passwd",
        "/..\\Cargo.toml",
        "/%00/etc/passwd",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("a_way_out_of_the_directory_{number}");
        attacks.push(answered(&name, get(path, ""), &[400, 404]));
    }
    let attack = Attack::new("http::a_host_that_ends_the_policy", async |target| {
        for host in ["x; script-src *", "x' *", "x\u{7f}", "a b", "x,y"] {
            let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let answer = send(target, request.as_bytes()).await;
            assert!(!answer.contains("script-src *") && !answer.contains("x'"), "{answer:.400}");
        }
    });
    attacks.push(attack.counted_among([answer("2xx"), answer("4xx"), failure("http")]));
    let attack = Attack::new("http::plain_words_to_tls", async |target| {
        let mut stream = TcpStream::connect(target.https).await.unwrap();
        let request = "GET /x HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        patiently("an answer", stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 307 "), "{answer}");
    });
    attacks.push(attack.counted(failure("plain")));
    for (name, bytes) in [
        ("a_record_of_garbage", [&[0x16, 3, 1, 1, 0], [0xEE; 256].as_slice()].concat()),
        ("a_record_too_long", [&[0x16, 3, 1, 0xFF, 0xFF], [0; 512].as_slice()].concat()),
        ("an_alert_first", vec![0x16, 3, 1, 0, 0, 0x15, 3, 1, 0, 2, 2, 40]),
        ("half_a_hello", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC]),
    ] {
        let attack = Attack::new(format!("tls::{name}"), async move |target| {
            let mut stream = TcpStream::connect(target.https).await.unwrap();
            drop(stream.write_all(&bytes).await);
            let mut answer = Vec::new();
            let ended = within_the_deadline("a handshake", stream.read_to_end(&mut answer));
            drop(ended.await);
            assert!(answer.len() < 4_096, "{} bytes in response to garbage", answer.len());
        });
        let cause = if name == "half_a_hello" { "tls_timeout" } else { "tls" };
        attacks.push(attack.counted(failure(cause)));
    }
    attacks
}

/// All attacks with upgrades: most must be refused, a few accepted.
pub fn of_upgrades() -> Vec<Attack> {
    let refused: [(&str, &[(&str, &str)]); 15] = [
        ("version_8", &[("Sec-WebSocket-Version", "8")]),
        ("no_version", &[("Sec-WebSocket-Version", "")]),
        ("version_13_and_more", &[("Sec-WebSocket-Version", "13, 99")]),
        ("no_key", &[("Sec-WebSocket-Key", "")]),
        ("a_key_that_is_no_base64", &[("Sec-WebSocket-Key", "nonsense, all of it")]),
        ("a_key_of_15_bytes", &[("Sec-WebSocket-Key", "MTIzNDU2Nzg5MDEyMzQ1")]),
        ("a_body", &[("Content-Length", "5")]),
        ("no_upgrade", &[("Upgrade", "")]),
        ("upgrade_to_something_else", &[("Upgrade", "h2c")]),
        ("no_connection", &[("Connection", "keep-alive")]),
        ("two_origins", &[("Origin", "https://127.0.0.1, https://evil.example")]),
        ("a_foreign_origin", &[("Origin", "https://evil.example")]),
        ("no_origin_to_speak_of", &[("Origin", "null")]),
        ("an_origin_with_our_name_in_it", &[("Origin", "https://127.0.0.1.evil.example")]),
        ("an_origin_with_our_name_as_user", &[("Origin", "https://127.0.0.1@evil.example")]),
    ];
    let mut attacks: Vec<_> = refused
        .into_iter()
        .map(|(name, fields)| {
            let is_foreign = fields[0].0 == "Origin";
            let attack = Attack::new(format!("upgrade::{name}"), async move |target| {
                let mut stream = connect(target).await;
                stream.write_all(request(target, fields).as_bytes()).await.unwrap();
                let (head, _) = patiently("an answer", read_head(&mut stream)).await;
                let status = status(&head);
                assert!(status.is_some_and(|code| (400..500).contains(&code)), "{head}");
                assert!(!is_foreign || status == Some(403), "{head}");
            });
            attack.counted(if is_foreign { failure("origin") } else { answer("4xx") })
        })
        .collect();
    let attack = Attack::new("upgrade::a_post", async |target| {
        let mut stream = connect(target).await;
        let post = request(target, &[]).replacen("GET", "POST", 1);
        stream.write_all(post.as_bytes()).await.unwrap();
        let (head, _) = patiently("an answer", read_head(&mut stream)).await;
        assert!(head.starts_with("http/1.1 4"), "{head}");
    });
    attacks.push(attack.counted(answer("4xx")));
    let attack = Attack::new("upgrade::http_1_0", async |target| {
        let mut stream = connect(target).await;
        let old = request(target, &[]).replacen("HTTP/1.1", "HTTP/1.0", 1);
        stream.write_all(old.as_bytes()).await.unwrap();
        let (head, _) = patiently("an answer", read_head(&mut stream)).await;
        assert!(!head.contains(" 101 "), "{head}");
    });
    attacks.push(attack.counted(answer("4xx")));
    let attack = Attack::new("upgrade::what_is_offered_is_not_taken", async |target| {
        let mut stream = connect(target).await;
        let offers = [
            ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
            ("Sec-WebSocket-Protocol", "chat, superchat"),
        ];
        stream.write_all(request(target, &offers).as_bytes()).await.unwrap();
        let (head, _) = patiently("an answer", read_head(&mut stream)).await;
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        // The response to the sample key of RFC 6455, section 1.3, in lower case.
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        assert!(!head.contains("sec-websocket-extensions"), "{head}");
        assert!(!head.contains("sec-websocket-protocol"), "{head}");
    });
    attacks.push(attack.counted(answer("1xx")));
    let attack = Attack::new("upgrade::frames_before_the_answer", async |target| {
        let mut stream = connect(target).await;
        let hello = frame(FIN | BINARY, &crate::attacks::tools::hello_to("lobby", None));
        let ping = frame(FIN | BINARY, &[0x51, 1, 2, 3, 4]);
        let all = [request(target, &[]).as_bytes(), &hello, &ping].concat();
        stream.write_all(&all).await.unwrap();
        let (head, rest) = patiently("an answer", read_head(&mut stream)).await;
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        Socket::from_parts(stream, rest).answers().await;
    });
    attacks.push(attack.counted_among(gone()));
    attacks
}
