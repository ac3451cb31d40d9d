//! The native client with a server whose SETTINGS arrive in pieces, as on a lossy path.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gpys::client::link::webtransport::{Dialer, WebTransportLink};
use gpys::client::{Config, Trust};
use gpys::proto::wire::VERSION;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::json;
use wtransport::quinn::crypto::rustls::QuicServerConfig;
use wtransport::quinn::{self, Incoming};
use wtransport::tls::WEBTRANSPORT_ALPN;

/// A server's settings, on its control stream.
const SETTINGS: [u8; 13] = [0, 4, 10, 0x01, 0, 0x07, 0, 0x08, 1, 0x33, 1, 0x21, 0];
/// After this many of them, something else comes first; the rest looks like a DATA frame.
const CUT: usize = 4;
const HERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

fn server() -> quinn::Endpoint {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let chain = vec![params.self_signed(&key).unwrap().into()];
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key.into())
        .unwrap();
    tls.alpn_protocols = vec![WEBTRANSPORT_ALPN.to_vec()];
    let tls = QuicServerConfig::try_from(tls).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    quinn::Endpoint::server(config, SocketAddr::from(HERE)).unwrap()
}

/// Sends the settings, split by something else, and accepts a session.
async fn serve(incoming: Incoming) {
    let quic = incoming.await.unwrap();
    let mut control = quic.open_uni().await.unwrap();
    control.write_all(&SETTINGS[..CUT]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    quic.send_datagram(Bytes::from_static(&[0])).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    control.write_all(&SETTINGS[CUT..]).await.unwrap();
    let (mut answer, _request) = quic.accept_bi().await.unwrap();
    // HEADERS: status 200, from the static table.
    answer.write_all(&[0x01, 0x03, 0x00, 0x00, 0xD9]).await.unwrap();
    quic.closed().await;
}

#[tokio::test]
async fn split_settings_cost_nothing() {
    let server = server();
    let url = format!("https://localhost:{}/wt", server.local_addr().unwrap().port());
    let address = server.local_addr().unwrap();
    let serving = tokio::spawn(async move { serve(server.accept().await.unwrap()).await });
    let config = json!({ "protocol": VERSION, "webtransport": url, "websocket": "ws://localhost" });
    let config: Config = serde_json::from_value(config).unwrap();
    let (dialer, _) = Dialer::new(&config, Trust::Public, address).await.unwrap();
    let link = WebTransportLink::open(&dialer, None, None).await;
    assert!(link.is_ok(), "{link:?}");
    drop(link);
    serving.await.unwrap();
}
