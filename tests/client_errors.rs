//! Every cause for which a client cannot join, provoked on loopback: each is a variant of its own.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test may panic")]

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

use gpys::client::{Client, ConnectError, Connector, Options, Transport, Trust};
use gpys::proto::wire::VERSION;
use gpys_testkit::forge::{OLD, STAGE, hs256, token};
use gpys_testkit::running::Running;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const BOTH: [Transport; 2] = [Transport::WebTransport, Transport::WebSocket];

async fn unreachable(url: &str) -> ConnectError {
    Connector::new(url, Trust::Public).await.unwrap_err()
}

async fn refused(url: &str, options: Options) -> ConnectError {
    Client::connect(url, Trust::Public, options).await.unwrap_err()
}

/// A web server that answers everything with this text; gives its URL.
async fn answering(status: &str, text: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n");
    let answer = format!("{head}Content-Length: {}\r\n\r\n{text}", text.len());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 2_000]).await.unwrap() > 0, "no request came");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    url
}

/// A web server whose `/config.json` names this address for WebTransport; gives its URL.
async fn naming(udp: SocketAddr, hashes: Value) -> String {
    let config = json!({
        "protocol": VERSION,
        "webtransport": format!("https://{udp}/wt"),
        "serverCertificateHashes": hashes,
        "websocket": "",
        "venue": null,
    });
    answering("200 OK", &config.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_obstacle_on_the_way_to_the_server_is_a_cause_of_its_own() {
    assert!(matches!(unreachable("localhost:4433").await, ConnectError::InvalidUrl { .. }));

    // Longer than a label may be.
    let host = format!("{}.invalid", "a".repeat(64));
    let error = unreachable(&format!("https://{host}")).await;
    assert!(matches!(&error, ConnectError::Dns { host: it, .. } if *it == host), "{error}");

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = unreachable(&format!("https://{closed}")).await;
    let ConnectError::Tcp { address, source } = &error else { panic!("{error}") };
    assert_eq!((address, source.kind()), (&closed.to_string(), ErrorKind::ConnectionRefused));
    assert!(error.is_transient() && error.to_string().contains("check that the server runs"));

    let server = Running::start();
    let error = unreachable(&format!("https://{}", server.http)).await;
    assert!(matches!(&error, ConnectError::Tls { host, .. } if host == "127.0.0.1"), "{error}");
    assert!(!error.is_transient(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_is_told_from_another_version() {
    let error = unreachable(&answering("200 OK", "<html>").await).await;
    assert!(matches!(error, ConnectError::NotGpys { .. }), "{error}");

    let error = unreachable(&answering("421 Misdirected Request", "not by this name").await).await;
    assert!(matches!(error, ConnectError::Status { .. }), "{error}");
    assert!(error.to_string().contains("421 Misdirected Request: not by this name"), "{error}");

    let config =
        json!({ "protocol": VERSION + 1, "webtransport": "", "websocket": "", "venue": null });
    let error = unreachable(&answering("200 OK", &config.to_string()).await).await;
    assert!(
        matches!(error, ConnectError::Version { server: Some(server), .. } if server == VERSION + 1),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn blocked_udp_is_told_from_a_server_that_is_down() {
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refused(&naming(closed, json!([])).await, Options::default()).await;
    assert!(matches!(error, ConnectError::UdpBlocked { .. }), "{error}");
    assert!(error.to_string().contains("open the UDP port"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_with_another_hash_is_refused() {
    let server = Running::start();
    let hash = json!([{ "algorithm": "sha-256", "value": format!("{}=", "A".repeat(43)) }]);
    let error = refused(&naming(server.web_transport, hash).await, Options::default()).await;
    assert!(matches!(error, ConnectError::CertificateHash { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_may_not_connect_is_named() {
    let server = Running::start();
    let url = format!("https://{}", server.https);
    for transport in BOTH {
        let origin = Some("https://friend.example".to_owned());
        let error = refused(&url, Options { transport, origin, ..Options::default() }).await;
        let ConnectError::Origin { origin: Some(origin), .. } = &error else { panic!("{error}") };
        assert_eq!(origin, "https://friend.example");
        let origin = Some(url.clone());
        let client = Options { transport, origin, ..Options::default() };
        Client::connect(&url, Trust::Public, client).await.unwrap().leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_room_says_when_to_come_back() {
    let server = Running::with(&[("max-people", "1")]);
    let url = format!("https://{}", server.https);
    let _first = Client::connect(&url, Trust::Public, Options::default()).await.unwrap();
    for transport in BOTH {
        let error = refused(&url, Options { transport, ..Options::default() }).await;
        let ConnectError::Full { retry_ms: Some(retry_ms), .. } = error else { panic!("{error}") };
        assert!(retry_ms > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_another_room_is_told_from_an_expired_one() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys.toml");
    std::fs::write(&keys, hs256(&[("old", OLD)])).unwrap();
    let server = Running::with(&[("access-keys", &keys.display().to_string())]);
    let url = format!("https://{}", server.https);
    for transport in BOTH {
        let options =
            |access| Options { transport, room: STAGE.to_owned(), access, ..Options::default() };
        let elsewhere = token(json!({ "room": "elsewhere" }));
        for access in [None, Some(elsewhere.into())] {
            let error = refused(&url, options(access)).await;
            assert!(matches!(&error, ConnectError::Forbidden { room, .. } if room == STAGE));
        }
        let expired = token(json!({ "exp": 1_000 }));
        let error = refused(&url, options(Some(expired.into()))).await;
        assert!(matches!(error, ConnectError::Expired { .. }), "{error}");
        let good = options(Some(token(json!({})).into()));
        Client::connect(&url, Trust::Public, good).await.unwrap().leave().await;
    }
}
