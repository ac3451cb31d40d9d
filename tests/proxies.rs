//! The server behind real nginx, Caddy and HAProxy, with the configurations of `packaging/proxies`:
//! pages and WebSocket through the proxy, WebTransport past it.
//!
//! A proxy that is not installed is skipped with a message, unless `GPYS_REQUIRE_PROXIES` is set.
//! Only what an operator would change is changed: host name and port, certificate, and ports.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "a test may panic"
)]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gpys_testkit::client::{Client, PATIENCE, Socket, Transport, hello};
use gpys_testkit::running::Running;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

const NAME: &str = "map.example";

/// A running proxy, and the server behind it.
struct Front {
    server: Running,
    child: Child,
    port: u16,
    tls: TlsConnector,
    dir: tempfile::TempDir,
}

impl Drop for Front {
    fn drop(&mut self) {
        // It is this test's own child.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Replaces all of these in a configuration; each must be present.
fn changed(text: &str, changes: &[(&str, String)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in\n{text}");
        text.replace(from, to)
    })
}

/// The arguments of each proxy, once its configuration is in `dir`.
type Start = fn(dir: &Path, port: u16, http: SocketAddr) -> Command;

fn nginx(dir: &Path, port: u16, http: SocketAddr) -> Command {
    let site = changed(
        include_str!("../packaging/proxies/nginx.conf"),
        &[
            ("127.0.0.1:8080", http.to_string()),
            ("    listen [::]:443 ssl http2;\n", String::new()),
            ("    listen [::]:80;\n", String::new()),
            ("listen 443 ssl", format!("listen 127.0.0.1:{port} ssl")),
            ("listen 80;", format!("listen 127.0.0.1:{};", free_port())),
            ("/etc/letsencrypt/live/map.example/fullchain.pem", file(dir, "cert.pem")),
            ("/etc/letsencrypt/live/map.example/privkey.pem", file(dir, "key.pem")),
        ],
    );
    fs::write(dir.join("site.conf"), site).unwrap();
    let at = dir.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {at}/{kind};"))
        .concat();
    let main = format!(
        "daemon off; pid {at}/pid; error_log {at}/log; events {{}}\n\
         http {{ access_log off; {temporary} include {at}/site.conf; }}\n"
    );
    fs::write(dir.join("nginx.conf"), main).unwrap();
    let mut command = Command::new("nginx");
    command.args(["-e", &file(dir, "log"), "-c", &file(dir, "nginx.conf")]);
    command
}

fn caddy(dir: &Path, port: u16, http: SocketAddr) -> Command {
    let site = changed(
        include_str!("../packaging/proxies/Caddyfile"),
        &[
            ("127.0.0.1:8080", http.to_string()),
            (
                "\nmap.example {\n",
                format!(
                    "\n{NAME}:{port} {{\n\tbind 127.0.0.1\n\ttls {} {}\n",
                    file(dir, "cert.pem"),
                    file(dir, "key.pem")
                ),
            ),
        ],
    );
    let global = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n";
    fs::write(dir.join("Caddyfile"), format!("{global}{site}")).unwrap();
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config", &file(dir, "Caddyfile")]);
    command.env("HOME", dir).env("XDG_DATA_HOME", dir).env("XDG_CONFIG_HOME", dir);
    command
}

fn haproxy(dir: &Path, port: u16, http: SocketAddr) -> Command {
    let both = ["cert.pem", "key.pem"].map(|name| fs::read_to_string(dir.join(name)).unwrap());
    fs::write(dir.join("both.pem"), both.concat()).unwrap();
    let config = changed(
        include_str!("../packaging/proxies/haproxy.cfg"),
        &[
            ("127.0.0.1:8080", http.to_string()),
            ("bind [::]:443 v4v6", format!("bind 127.0.0.1:{port}")),
            ("bind [::]:80 v4v6", format!("bind 127.0.0.1:{}", free_port())),
            ("/etc/haproxy/map.example.pem", file(dir, "both.pem")),
        ],
    );
    fs::write(dir.join("haproxy.cfg"), config).unwrap();
    let mut command = Command::new("haproxy");
    command.args(["-db", "-f", &file(dir, "haproxy.cfg")]);
    command
}

fn file(dir: &Path, name: &str) -> String {
    dir.join(name).display().to_string()
}

impl Front {
    /// Starts both; `None` if the proxy is not installed.
    async fn start(program: &str, version: &str, start: Start) -> Option<Self> {
        if Command::new(program).arg(version).output().is_err() {
            let required = std::env::var_os("GPYS_REQUIRE_PROXIES").is_some();
            assert!(!required, "{program} is missing; on Debian: apt install {program}");
            eprintln!("{program} is not installed (on Debian: apt install {program}); skipped");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(dir.path().join("cert.pem"), certificate.pem()).unwrap();
        fs::write(dir.path().join("key.pem"), key.serialize_pem()).unwrap();
        let port = free_port();
        let server = Running::with(&[
            ("public-url", &format!("https://{NAME}:{port}")),
            ("trusted-proxy", "127.0.0.1"),
            // Here, clients have addresses of this computer.
            ("limit-local", "true"),
            ("max-per-address", "3"),
        ]);
        let mut command = start(dir.path(), port, server.http);
        let out = fs::File::create(dir.path().join("out")).unwrap();
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        let child = command.spawn().unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = TlsConnector::from(std::sync::Arc::new(tls));
        let mut front = Self { server, child, port, tls, dir };
        front.until_it_listens().await;
        Some(front)
    }

    async fn until_it_listens(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.connect(1).await.is_err() {
            let ended = self.child.try_wait().unwrap();
            let out = || fs::read_to_string(self.dir.path().join("out")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}\n{}", out());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn origin(&self) -> String {
        format!("https://{NAME}:{}", self.port)
    }

    /// A connection to the proxy from 127.0.0.`client`.
    async fn connect(&self, client: u8) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::new(127, 0, 0, client), 0).into())?;
        let stream = socket.connect((Ipv4Addr::LOCALHOST, self.port).into()).await?;
        self.tls.connect(ServerName::try_from(NAME).unwrap(), stream).await
    }

    /// The head and the body of the response to a page's request, in lower case.
    async fn get(&self, client: u8, path: &str, fields: &str) -> (String, String) {
        let mut stream = self.connect(client).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {NAME}:{}\r\nConnection: close\r\n{fields}\r\n",
            self.port
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // Some proxies end TLS without a close_notify.
        drop(stream.read_to_string(&mut answer).await);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        (head.to_ascii_lowercase(), body.to_owned())
    }

    /// `/config.json` as a page reads it, sent chunked or whole.
    async fn config(&self) -> serde_json::Value {
        let path = format!("/config.json?origin={}", self.origin());
        let (head, body) = self.get(2, &path, "").await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let json = body.find('{').zip(body.rfind('}')).map(|(from, to)| &body[from..=to]);
        serde_json::from_str(json.unwrap()).unwrap()
    }

    async fn socket(
        &self,
        client: u8,
        origin: &str,
        fields: &[(&str, &str)],
    ) -> Result<Socket, WsError> {
        let stream = self.connect(client).await?;
        let mut request = format!("wss://{NAME}:{}/ws", self.port).into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("origin", origin.parse().unwrap());
        for (name, value) in fields {
            let name: http::HeaderName = name.parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        Ok(tokio_tungstenite::client_async(request, stream).await?.0)
    }
}

fn status(result: Result<Socket, WsError>) -> u16 {
    match result {
        Ok(_) => 101,
        Err(WsError::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

async fn works(program: &str, version: &str, start: Start) {
    let Some(front) = Front::start(program, version, start).await else { return };
    let (origin, server) = (front.origin(), &front.server);
    let (head, _) = front.get(2, "/healthz", "").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");

    let config = front.config().await;
    let udp = server.web_transport.port();
    assert_eq!(config["webtransport"], format!("https://{NAME}:{udp}/wt"));
    assert_eq!(config["websocket"], format!("wss://{NAME}:{}/ws", front.port));
    let seen = serde_json::json!({
        "host": format!("{NAME}:{}", front.port), "originAllowed": true, "forwarded": "believed",
    });
    assert_eq!(config["seen"], seen);

    let mut near = Client::by_socket(front.socket(2, &origin, &[]).await.unwrap());
    near.send(&hello("lobby", None).encode()).await;
    near.until("a welcome", |client| client.welcome.is_some()).await;
    let session = server.session("/wt", Some(&origin)).await.expect("WebTransport past the proxy");
    let mut far = Client::over(session).await.unwrap();
    far.send(&hello("lobby", None).encode()).await;
    far.until("a welcome", |client| client.welcome.is_some()).await;
    near.pose(0).await;
    let id = near.welcome().id;
    far.until("a figure", |client| client.view.figure(id).is_some()).await;

    for foreign in ["https://evil.example", "http://map.example", "https://map.example:1"] {
        assert_eq!(status(front.socket(3, foreign, &[]).await), 403, "{foreign}");
        assert!(server.session("/wt", Some(foreign)).await.is_err(), "{foreign}");
    }
    limits(&front).await;
    drop(server.join(Transport::Ws, "lobby", None).await);
}

/// Asserts that each client has its own share, whatever it claims.
async fn limits(front: &Front) {
    let origin = front.origin();
    let socket =
        async |client, fields: &[(&str, &str)]| front.socket(client, &origin, fields).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(socket(4, &[]).await.unwrap());
    }
    for lie in [
        &[][..],
        &[("x-forwarded-for", "127.0.0.9")],
        &[("forwarded", "for=127.0.0.9")],
        &[("x-forwarded-for", "unknown"), ("forwarded", "for=_x, for=\"")],
    ] {
        assert_eq!(status(socket(4, lie).await), 429, "{lie:?}");
    }
    assert!(front.get(4, "/healthz", "").await.0.starts_with("http/1.1 429"));
    assert_eq!(status(socket(5, &[]).await), 101, "another client");
    let refused = "gpys_limits_hit_total{limit=\"connections_per_address\"}";
    front.server.until_count(refused, 5.0).await;
    drop(held);
    let deadline = Instant::now() + PATIENCE;
    while status(socket(4, &[]).await) != 101 {
        assert!(Instant::now() < deadline, "the connections are not released");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Responses over the proxy's kept connections hold no share once sent.
    for _ in 0..20 {
        assert!(front.get(6, "/healthz", "").await.0.starts_with("http/1.1 200"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_nginx() {
    works("nginx", "-v", nginx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_caddy() {
    works("caddy", "version", caddy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_haproxy() {
    works("haproxy", "-v", haproxy).await;
}
