//! Certificates from a real authority: Pebble, Let's Encrypt's own test server, and a DNS server
//! for it. Without them (Debian: `apt install pebble`) the tests are skipped, unless
//! `GPYS_REQUIRE_PEBBLE=1` requires them.

#![cfg(all(feature = "acme", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "a test may panic"
)]

use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wtransport::config::{DnsLookupFuture, DnsResolver};

use gpys_testkit::client::{Client, PATIENCE, hello};
use gpys_testkit::running::Running;

/// The names that the certificate covers.
const NAMES: [&str; 2] = ["gpys.example", "www.gpys.example"];
/// Lifetime of Pebble's certificates, in seconds. A server renews them after two thirds.
const VALID_S: u64 = 18;

/// A program that is killed with its test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It may have exited already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start(command: &mut Command) -> Program {
    Program(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
}

/// A port that was free for TCP and UDP a moment ago.
fn port() -> u16 {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// An authority, its DNS server, and the port where it looks for proofs.
struct Authority {
    dir: tempfile::TempDir,
    proofs: u16,
    directory: u16,
    management: u16,
    _names: Program,
    pebble: Program,
}

impl Authority {
    /// Starts an authority, if Pebble is installed.
    fn start() -> Option<Self> {
        if Command::new("pebble").arg("-h").output().is_err() {
            let required = std::env::var("GPYS_REQUIRE_PEBBLE").is_ok_and(|value| value == "1");
            assert!(!required, "Pebble is missing; on Debian: apt install pebble");
            eprintln!("skipped: Pebble is not installed");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        let key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(file("ca.pem"), ca.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(ca, key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        fs::write(file("leaf.pem"), leaf.signed_by(&key, &issuer).unwrap().pem()).unwrap();
        fs::write(file("leaf.key"), key.serialize_pem()).unwrap();
        let [proofs, directory, management, names, control] = std::array::from_fn(|_| port());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{directory}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": file("leaf.pem"),
            "privateKey": file("leaf.key"),
            "httpPort": 1,
            "tlsPort": proofs,
            "certificateValidityPeriod": VALID_S,
        }});
        fs::write(file("pebble.json"), config.to_string()).unwrap();
        let names_at = format!("127.0.0.1:{names}");
        let mut command = Command::new("pebble-challtestsrv");
        // It resolves every name to this computer.
        command.args(["-dns01", &names_at, "-management", &format!("127.0.0.1:{control}")]);
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
        let names = start(command.stderr(Stdio::null()));
        let mut command = Command::new("pebble");
        command.arg("-config").arg(file("pebble.json")).args(["-dnsserver", &names_at]);
        let pebble = start(command.env("PEBBLE_VA_NOSLEEP", "1").stderr(Stdio::null()));
        Some(Self { dir, proofs, directory, management, _names: names, pebble })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The root of the certificates that the authority issues.
    async fn root(&self) -> RootCertStore {
        let mut own = RootCertStore::empty();
        own.add(CertificateDer::from_pem_file(self.file("ca.pem")).unwrap()).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let mut tls = loop {
            match shake_hands(self.management, "localhost", &own).await {
                Ok(tls) => break tls,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let request = "GET /roots/0 HTTP/1.0\r\nHost: localhost\r\n\r\n";
        tls.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // It may end without a close_notify.
        drop(tls.read_to_end(&mut answer).await);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&answer).unwrap()).unwrap();
        roots
    }

    /// A server that orders its certificate here, and its metrics address.
    fn server(&self, listen: u16) -> (Command, SocketAddr) {
        let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, port()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_gpys"));
        command.args(["serve", "--quiet", "--listen", &format!("127.0.0.1:{listen}")]);
        command.args(["--metrics", &metrics.to_string()]);
        command.args(NAMES.map(|name| format!("--acme-domain={name}")));
        command.arg(format!("--acme-directory=https://localhost:{}/dir", self.directory));
        command.arg("--acme-cache").arg(self.file("cache")).args(["--acme-email", "me@a.example"]);
        command.current_dir(self.dir.path()).env("SSL_CERT_FILE", self.file("ca.pem"));
        (command, metrics)
    }
}

fn tls_trusting(roots: &RootCertStore, protocol: &[u8]) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    config
}

/// Completes a handshake as a browser that trusts these roots.
async fn shake_hands(
    port: u16,
    name: &'static str,
    roots: &RootCertStore,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let tls = TlsConnector::from(Arc::new(tls_trusting(roots, b"http/1.1")));
    tls.connect(ServerName::try_from(name).unwrap(), stream).await
}

/// The certificate on HTTPS, once it is from these roots and not `old`.
async fn shown(port: u16, roots: &RootCertStore, old: Option<&[u8]>) -> Vec<u8> {
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        let tried = shake_hands(port, NAMES[1], roots).await;
        let why = match tried {
            Ok(tls) => {
                let leaf = tls.get_ref().1.peer_certificates().unwrap()[0].to_vec();
                if old != Some(&leaf) {
                    return leaf;
                }
                "it does not change".to_owned()
            }
            Err(error) => error.to_string(),
        };
        assert!(Instant::now() < deadline, "no new certificate: {why}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[derive(Debug)]
struct Here(SocketAddr);

impl DnsResolver for Here {
    fn resolve(&self, _: &str) -> std::pin::Pin<Box<dyn DnsLookupFuture>> {
        let here = self.0;
        Box::pin(async move { Ok(Some(here)) })
    }
}

/// A WebTransport client that trusts these roots, without pinning a hash.
async fn client(port: u16, roots: &RootCertStore) -> (Client, Vec<u8>) {
    let config = wtransport::ClientConfig::builder()
        .with_bind_address((Ipv4Addr::LOCALHOST, 0).into())
        .with_custom_tls(tls_trusting(roots, b"h3"))
        .dns_resolver(Here((Ipv4Addr::LOCALHOST, port).into()))
        .build();
    let endpoint = wtransport::Endpoint::client(config).unwrap();
    let connection = endpoint.connect(format!("https://{}:{port}/wt", NAMES[0])).await.unwrap();
    let leaf = connection.peer_identity().unwrap().as_slice()[0].der().to_vec();
    let mut client = Client::over(connection).await.unwrap();
    client.send(&hello("lobby", None).encode()).await;
    client.until("a welcome", |client| client.welcome.is_some()).await;
    (client, leaf)
}

/// Waits until this line is in the metrics.
async fn counted(metrics: SocketAddr, line: &str) {
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        if TcpStream::connect(metrics).await.is_ok() {
            let (_, text) = Running::get_from(metrics, "/metrics", "localhost").await;
            if text.lines().any(|it| it == line) {
                return;
            }
        }
        assert!(Instant::now() < deadline, "timed out waiting for {line}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_issued_cached_and_renewed_without_dropping_links() {
    let Some(mut authority) = Authority::start() else { return };
    let roots = authority.root().await;
    let port = authority.proofs;
    let (mut command, metrics) = authority.server(port);
    let server = start(&mut command);
    let first = shown(port, &roots, None).await;
    counted(metrics, "gpys_certificate_reloads_total{outcome=\"done\"} 1").await;
    let (mut stays, mut quic) = client(port, &roots).await;

    let second = shown(port, &roots, Some(&first)).await;
    let deadline = Instant::now() + PATIENCE;
    while quic == first {
        assert!(Instant::now() < deadline, "WebTransport still has the old one");
        quic = client(port, &roots).await.1;
    }
    stays.ping().await;
    stays.until("a pong", |client| client.pongs == 1).await;

    let cache = fs::read_dir(authority.file("cache")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(mode(&cache), 0o700);
    let kept = cache.join("certificate.pem");
    for file in [&kept, &cache.join("account.json")] {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    // Without the authority, a restarted server uses the cached certificate.
    drop(server);
    drop(authority.pebble.0.kill());
    let kept = CertificateDer::from_pem_file(&kept).unwrap();
    let (mut command, _) = authority.server(port);
    let _server = start(&mut command);
    let again = shown(port, &roots, None).await;
    assert_eq!(again, kept.to_vec());
    assert_ne!(first, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn explains_a_missing_certificate() {
    let Some(authority) = Authority::start() else { return };
    authority.root().await;
    // The authority looks on another port than the server's, where nothing listens.
    let (mut command, metrics) = authority.server(port());
    let mut server = start(command.stderr(Stdio::piped()));
    counted(metrics, "gpys_certificate_reloads_total{outcome=\"failed\"} 1").await;
    server.0.kill().unwrap();
    let mut log = String::new();
    server.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    for part in [
        "cannot get a certificate; check that every name resolves to this server",
        "the authority rejected the proof",
        "Failed to connect",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
}
