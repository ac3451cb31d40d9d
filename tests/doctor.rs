//! `gpys doctor` before servers that are well, and before all that keeps people out.
//!
//! Blocked UDP is with the tests of the emulated path.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test may panic")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use futures_util::{SinkExt as _, StreamExt as _};
use gpys::cli::doctor::report::{Name, Report, Step, Topic, Verdict};
use gpys::cli::doctor::{Args, Which, examine};
use gpys::proto::wire::{CloseCode, Closing, ServerMessage, VERSION};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_tungstenite::tungstenite::Message;
use wtransport::quinn;

use gpys_testkit::client::Transport;
use gpys_testkit::running::Running;

fn args(url: String) -> Args {
    Args {
        url,
        origin: None,
        transport: Which::Both,
        room: "lobby".to_owned(),
        access: None,
        json: false,
        insecure: false,
    }
}

async fn look(args: &Args) -> Report {
    examine(args, None, |_| {}).await.unwrap()
}

fn works(report: &Report) -> (Option<bool>, Option<bool>) {
    let works = |name| report.transports.get(&name).map(|outcome| outcome.works);
    (works(Name::Wt), works(Name::Ws))
}

/// The one step about this.
fn step(report: &Report, topic: Topic, transport: Option<Name>) -> &Step {
    let is = |step: &&Step| step.topic == topic && step.transport == transport;
    let steps: Vec<_> = report.steps.iter().filter(is).collect();
    assert_eq!(steps.len(), 1, "{report:#?}");
    steps[0]
}

/// Checks that a step failed with these words, and says what to do.
fn failed(report: &Report, topic: Topic, transport: Option<Name>, words: &str) {
    let step = step(report, topic, transport);
    assert_eq!(step.verdict, Verdict::Failure, "{step:?}");
    assert!(step.says.contains(words), "{words}: {step:?}");
    assert!(step.advice.is_some(), "{step:?}");
}

/// What the program says that believes this authority; with its exit code.
async fn program(url: &str, authority: &Path, transport: &str) -> (serde_json::Value, Option<i32>) {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_gpys"));
    doctor.args(["doctor", url, "--json", "--transport", transport]);
    doctor.env("SSL_CERT_FILE", authority).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || doctor.output()).await.unwrap().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (report, output.status.code())
}

/// A step of what the program says.
fn told<'a>(report: &'a serde_json::Value, topic: &str, transport: &str) -> &'a serde_json::Value {
    let transport = if transport.is_empty() { None } else { Some(transport) };
    let is = |step: &&serde_json::Value| {
        step["topic"] == topic && step["transport"].as_str() == transport
    };
    report["steps"].as_array().unwrap().iter().find(is).unwrap_or_else(|| panic!("{report}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_well_is_found_to_be() {
    let server = Running::start();
    let report = look(&args(format!("https://{}", server.https))).await;
    assert_eq!((works(&report), report.exit_code()), ((Some(true), Some(true)), 0), "{report:#?}");
    for outcome in report.transports.values() {
        assert_eq!(outcome.lost, Some(0.0));
        assert!(outcome.round_trip_ms.is_some_and(|ms| ms < 1_000.0), "{outcome:?}");
    }
    let datagram = report.transports[&Name::Wt].max_datagram;
    assert!(datagram.is_some_and(|most| most >= 1_000), "{datagram:?}");
    // The watchers have left for good; nobody waits for them to come back.
    server.until_count("gpys_leaves_total{reason=\"bye\"}", 2.0).await;

    let report = look(&args(format!("http://{}", server.http))).await;
    assert_eq!((works(&report), report.exit_code()), ((Some(true), Some(true)), 0), "{report:#?}");
    let only = Args { transport: Which::Ws, ..args(format!("https://{}", server.https)) };
    let report = look(&only).await;
    assert_eq!((works(&report), report.exit_code()), ((None, Some(true)), 0), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_found_to_be() {
    let mut server = Running::start();
    let url = format!("https://{}", server.https);
    server.stop();
    server.stopped().await;
    let report = look(&args(url)).await;
    assert_eq!((works(&report), report.exit_code()), ((Some(false), Some(false)), 2));
    failed(&report, Topic::Tcp, None, "refused");
    assert!(examine(&args("nonsense".to_owned()), None, |_| {}).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_is_told_that_it_is_refused() {
    let friend = Some("https://friend.example".to_owned());
    for (allowed, code) in [(None, 2), (friend.clone(), 0)] {
        let allowed: Vec<_> = allowed.iter().map(|it| ("allow-origin", it.as_str())).collect();
        let server = Running::with(&allowed);
        let url = format!("https://{}", server.https);
        let report = look(&Args { origin: friend.clone(), ..args(url) }).await;
        assert_eq!(report.exit_code(), code, "{report:#?}");
        if code > 0 {
            let words = "pages of https://friend.example are refused (403)";
            failed(&report, Topic::Session, Some(Name::Wt), words);
            failed(&report, Topic::Session, Some(Name::Ws), words);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_room_is_told() {
    let server = Running::with(&[("max-people", "1")]);
    let _ada = server.join(Transport::Ws, "lobby", None).await;
    let url = format!("https://{}", server.https);
    let report = look(&args(url.clone())).await;
    assert_eq!(report.exit_code(), 2);
    failed(&report, Topic::Join, Some(Name::Wt), "(code 9)");
    failed(&report, Topic::Join, Some(Name::Ws), "(code 9)");
    let elsewhere = look(&Args { room: "elsewhere".to_owned(), ..args(url) }).await;
    assert_eq!(elsewhere.exit_code(), 0, "{elsewhere:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_must_be_known_where_no_hash_is() {
    let server = Running::with(&[("ca-signed", "true")]);
    let url = format!("https://{}", server.https);
    let report = look(&args(url.clone())).await;
    assert_eq!((works(&report), report.exit_code()), ((Some(false), Some(true)), 1));
    failed(&report, Topic::Quic, Some(Name::Wt), "certificate refused, no authority");
    assert_eq!(step(&report, Topic::Certificate, None).verdict, Verdict::Note);

    let (report, code) = program(&url, &server.authority(), "both").await;
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(told(&report, "certificate", "")["verdict"], "ok");
    assert!(told(&report, "quic", "wt")["says"].as_str().unwrap().contains("by GPyS local"));
    assert_eq!(report["transports"]["wt"]["works"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_another_name_or_time_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(file("ca.pem"), ca.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(ca, key);
    let now = OffsetDateTime::now_utc();
    for (name, days, words, code) in [
        ("gpys.example", (-1, 30), "it is not for 127.0.0.1", 2),
        ("127.0.0.1", (-30, -1), "it has expired", 2),
        ("127.0.0.1", (1, 30), "it is not valid yet", 2),
        ("127.0.0.1", (-80, 10), "9 days are left", 1),
        ("127.0.0.1", (-1, 80), "by ", 0),
    ] {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = now + Duration::days(days.0);
        // Not on the second, so that whole days are what they are.
        params.not_after = now + Duration::days(days.1) - Duration::hours(1);
        let key = KeyPair::generate().unwrap();
        let (cert, secret) = (file("leaf.pem"), file("leaf.key"));
        std::fs::write(&cert, params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
        std::fs::write(&secret, key.serialize_pem()).unwrap();
        let server = Running::with(&[
            ("cert", &cert.display().to_string()),
            ("key", &secret.display().to_string()),
            ("ca-signed", "true"),
        ]);
        let url = format!("https://{}", server.https);
        let (report, exit) = program(&url, &file("ca.pem"), "wt").await;
        assert_eq!(exit, Some(code), "{name} {days:?} {report:#}");
        for step in [told(&report, "certificate", ""), told(&report, "quic", "wt")] {
            assert!(step["says"].as_str().unwrap().contains(words), "{words} {step}");
            assert_eq!(step["verdict"] == "ok", code == 0, "{step}");
        }
    }
}

/// A proxy that answers for `/config.json` itself, and passes the rest on.
async fn proxy(listener: TcpListener, config: String, behind: SocketAddr) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let config = config.clone();
        tokio::spawn(async move {
            let mut head = [0; 2_000];
            let len = stream.read(&mut head).await.unwrap();
            if head.starts_with(b"GET /config.json") {
                let len = config.len();
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n{config}");
                return stream.write_all(answer.as_bytes()).await.unwrap();
            }
            let mut server = TcpStream::connect(behind).await.unwrap();
            server.write_all(&head[..len]).await.unwrap();
            // It ends as connections end.
            drop(tokio::io::copy_bidirectional(&mut stream, &mut server).await);
        });
    }
}

async fn local() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_one_server_with_the_udp_of_another_is_told() {
    let (one, other) = (Running::start(), Running::start());
    let (listener, front) = local().await;
    // Both are behind one name and port; here they differ by the port.
    let config = one.config(&front.to_string()).await.to_string();
    let [ours, theirs] =
        [&one, &other].map(|it| format!("127.0.0.1:{}/wt", it.web_transport.port()));
    let config = config.replace(&ours, &theirs);
    tokio::spawn(proxy(listener, config, other.http));
    let report = look(&args(format!("http://{front}"))).await;
    assert_eq!((works(&report), report.exit_code()), ((Some(false), Some(true)), 1));
    failed(&report, Topic::Quic, Some(Name::Wt), "its hash is none of the 2");
}

/// A server of another version: it answers every hello with that.
async fn stranger(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
            socket.next().await.unwrap().unwrap();
            let closing = Closing {
                code: CloseCode::BadVersion as u8,
                retry_ms: None,
                reason: "this server speaks protocol version 3, not 2".to_owned(),
            };
            let bytes = ServerMessage::Closing(closing).encode();
            socket.send(Message::binary(bytes)).await.unwrap();
        });
    }
}

fn config(protocol: u16, udp: SocketAddr, front: SocketAddr) -> String {
    let config = serde_json::json!({
        "protocol": protocol,
        "webtransport": format!("https://{udp}/wt"),
        "websocket": format!("ws://{front}/ws"),
        "venue": null,
    });
    config.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_told_before_and_at_the_door() {
    let (behind, server) = local().await;
    tokio::spawn(stranger(behind));
    let (listener, front) = local().await;
    tokio::spawn(proxy(listener, config(VERSION + 1, front, front), server));
    let report = look(&Args { transport: Which::Ws, ..args(format!("http://{front}")) }).await;
    assert_eq!((works(&report), report.exit_code()), ((None, Some(false)), 2));
    failed(&report, Topic::Config, None, "the server speaks protocol 3, this program 2");
    failed(&report, Topic::Join, Some(Name::Ws), "this server speaks protocol version 3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_udp_port_that_is_closed_or_somebody_elses_is_told() {
    let server = Running::start();
    // A port that was free a moment ago, and one where other QUIC is spoken.
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let secret = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()).into();
    let mut tls = rustls::ServerConfig::builder_with_provider(std::sync::Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_protocol_versions(&[&rustls::version::TLS13])
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![key.cert.der().clone()], secret)
    .unwrap();
    tls.alpn_protocols = vec![b"doq".to_vec()];
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
    let quic = quinn::ServerConfig::with_crypto(std::sync::Arc::new(crypto));
    let elsewhere = quinn::Endpoint::server(quic, "127.0.0.1:0".parse().unwrap()).unwrap();
    let other = elsewhere.local_addr().unwrap();
    tokio::spawn(async move {
        while let Some(incoming) = elsewhere.accept().await {
            drop(incoming.await);
        }
    });
    for (udp, words) in [(closed, "the UDP port is closed"), (other, "(ALPN)")] {
        let (listener, front) = local().await;
        tokio::spawn(proxy(listener, config(VERSION, udp, front), server.http));
        let report = look(&args(format!("http://{front}"))).await;
        assert_eq!((works(&report), report.exit_code()), ((Some(false), Some(true)), 1));
        failed(&report, Topic::Quic, Some(Name::Wt), words);
    }
}

/// A proxy that changes what it passes on, and says that it is one.
async fn changing(listener: TcpListener, behind: SocketAddr, change: fn(&str) -> String) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut head = [0; 2_000];
            let len = stream.read(&mut head).await.unwrap();
            let head = change(&String::from_utf8_lossy(&head[..len]));
            let mut server = TcpStream::connect(behind).await.unwrap();
            server.write_all(head.as_bytes()).await.unwrap();
            // It ends as connections end.
            drop(tokio::io::copy_bidirectional(&mut stream, &mut server).await);
        });
    }
}

/// A head with another host.
fn with_host(head: &str, host: &str) -> String {
    let is_host = |line: &str| line.to_ascii_lowercase().starts_with("host:");
    let lines = head
        .split("\r\n")
        .map(|line| if is_host(line) { format!("Host: {host}") } else { line.to_owned() });
    lines.collect::<Vec<_>>().join("\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_passes_too_little_on_is_told() {
    let server = Running::start();
    let (listener, front) = local().await;
    tokio::spawn(changing(listener, server.http, |head| with_host(head, "inner:8080")));
    let report = look(&args(format!("http://{front}"))).await;
    failed(&report, Topic::Proxy, None, "passes on the Host inner:8080 instead of 127.0.0.1");
    failed(&report, Topic::Session, Some(Name::Ws), "are refused (403)");

    let (listener, front) = local().await;
    tokio::spawn(changing(listener, server.http, |head| {
        head.to_ascii_lowercase()
            .replace("\r\nupgrade: websocket", "")
            .replacen("get", "GET", 1)
            .replacen("http/1.1", "HTTP/1.1", 1)
    }));
    let report = look(&args(format!("http://{front}"))).await;
    failed(&report, Topic::Session, Some(Name::Ws), "the upgrade to WebSocket failed");
    assert_eq!(works(&report), (Some(true), Some(false)));

    let (listener, front) = local().await;
    tokio::spawn(changing(listener, server.http, |head| {
        head.replacen("\r\n", "\r\nX-Forwarded-For: 192.0.2.1\r\n", 1)
    }));
    let report = look(&args(format!("http://{front}/map/"))).await;
    assert_eq!((works(&report), report.exit_code()), ((Some(true), Some(true)), 1), "{report:#?}");
    assert!(step(&report, Topic::Proxy, None).says.contains("not believed"));
    assert!(step(&report, Topic::Path, None).says.contains("/map/ is not a GPyS path"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_none_of_the_servers_is_told() {
    let server = Running::start();
    let (listener, front) = local().await;
    tokio::spawn(changing(listener, server.http, |head| with_host(head, "map.example")));
    let report = look(&args(format!("http://{front}"))).await;
    assert_eq!(report.exit_code(), 2);
    failed(&report, Topic::Config, None, "does not go by the name map.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_port_of_udp_is_found() {
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let public_udp = closed.port().to_string();
    // The page's port and UDP's are one, but the server names another.
    let (server, listener) = loop {
        let server = Running::with(&[("public-udp", &public_udp)]);
        if let Ok(listener) = TcpListener::bind(server.web_transport).await {
            break (server, listener);
        }
    };
    tokio::spawn(changing(listener, server.http, str::to_owned));
    let report = look(&args(format!("http://{}", server.web_transport))).await;
    assert_eq!((works(&report), report.exit_code()), ((Some(false), Some(true)), 1));
    let port = server.web_transport.port();
    failed(&report, Topic::Quic, Some(Name::Wt), "the page's own, answers");
    let step = step(&report, Topic::Quic, Some(Name::Wt));
    assert!(step.advice.as_ref().unwrap().contains(&format!("--public-udp {port}")));
}
