//! A server on free ports.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gpys::cli::certs;
use gpys::proto::wire::ResumeToken;
use gpys::server::config::Config;
use gpys::server::{Reloader, Server, StartError};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use wtransport::config::IpBindConfig;
use wtransport::endpoint::ConnectOptions;
use wtransport::error::ConnectingError;
use wtransport::quinn;
use wtransport::tls::Sha256Digest;
use wtransport::{ClientConfig, Connection, Endpoint};

use crate::client::{Client, PATIENCE, Socket, Transport, Wire, hello};

/// A running server.
pub struct Running {
    pub https: SocketAddr,
    pub http: SocketAddr,
    pub web_transport: SocketAddr,
    /// The metrics listener.
    pub metrics: SocketAddr,
    /// Makes the server reload its certificate.
    pub reloader: Reloader,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<std::io::Result<()>>,
    dir: tempfile::TempDir,
}

impl Running {
    /// Starts a server with a certificate from its own authority.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same with these settings, by name.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        make_certificate(&dir, false);
        let file = |name: &str| dir.path().join(name).display().to_string();
        let (cert, key) = (file(certs::LEAF), file(certs::LEAF_KEY));
        let mut all = vec![
            ("cert", cert.as_str()),
            ("key", &key),
            ("venue", "45.75,14.36,Main stage"),
            ("map-style", "https://tiles.example/style.json"),
        ];
        all.extend(settings);
        let server = Self::bind(&all).unwrap();
        let (stop, stopped) = oneshot::channel();
        Self {
            https: server.https_address().unwrap(),
            http: server.http_address().unwrap().unwrap(),
            web_transport: server.web_transport_address().unwrap(),
            metrics: server.metrics_address().unwrap().unwrap(),
            reloader: server.reloader(),
            stop: Some(stop),
            served: tokio::spawn(server.run(async { drop(stopped.await) })),
            dir,
        }
    }

    fn bind(settings: &[(&str, &str)]) -> Result<Server, StartError> {
        let free = ["listen", "http", "metrics"].map(|name| (name, "127.0.0.1:0"));
        let config = Config::from_pairs(free.into_iter().chain(settings.iter().copied()));
        Server::builder(config.unwrap()).page(gpys::page()).bind()
    }

    /// The certificate of the authority that issued the server's.
    pub fn authority(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Replaces the certificate files with new ones from the same authority.
    pub fn renew_certificate(&self) {
        make_certificate(&self.dir, true);
    }

    /// The certificate that HTTPS presents to a new client.
    pub async fn https_certificate(&self) -> Vec<u8> {
        let stream = self.tls().await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap().first().unwrap().to_vec()
    }

    /// Stops the server.
    pub fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until the server has stopped.
    pub async fn stopped(self) {
        tokio::time::timeout(PATIENCE, self.served).await.unwrap().unwrap().unwrap();
    }

    /// Returns the head and the body of a plain HTTP response.
    pub async fn get(&self, path: &str, host: &str) -> (String, String) {
        Self::get_from(self.http, path, host).await
    }

    /// The same from another address. Retries while the connection is refused.
    pub async fn get_from(address: SocketAddr, path: &str, host: &str) -> (String, String) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut answer = String::new();
            if stream.write_all(request.as_bytes()).await.is_ok()
                && stream.read_to_string(&mut answer).await.is_ok()
                && let Some((head, body)) = answer.split_once("\r\n\r\n")
            {
                return (head.to_ascii_lowercase(), body.to_owned());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no response for {path}")
    }

    /// A count from the metrics listener.
    pub async fn count(&self, series: &str) -> f64 {
        let (_, text) = Self::get_from(self.metrics, "/metrics", "localhost").await;
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{series} is not in\n{text}")).parse().unwrap()
    }

    /// Waits until a count reaches `least`.
    pub async fn until_count(&self, series: &str, least: f64) {
        let deadline = Instant::now() + PATIENCE;
        while self.count(series).await < least {
            assert!(Instant::now() < deadline, "waited for {series} to be {least}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn tls_config(&self) -> rustls::ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(self.authority()).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    async fn tls(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.https).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(self.tls_config())).connect(name, stream).await
    }

    /// A QUIC connection without HTTP, to a server whose certificate also covers QUIC.
    pub async fn quic(
        &self,
    ) -> Result<(quinn::Endpoint, quinn::Connection), quinn::ConnectionError> {
        let mut tls = self.tls_config();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
        let endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let config = quinn::ClientConfig::new(Arc::new(crypto));
        let connecting = endpoint.connect_with(config, self.web_transport, "127.0.0.1").unwrap();
        Ok((endpoint, connecting.await?))
    }

    /// `/config.json`, as served to a client that addressed `host`.
    pub async fn config(&self, host: &str) -> serde_json::Value {
        serde_json::from_str(&self.get("/config.json", host).await.1).unwrap()
    }

    /// A WebTransport session from a page of this origin.
    pub async fn session(
        &self,
        path: &str,
        origin: Option<&str>,
    ) -> Result<Connection, ConnectingError> {
        use base64::Engine as _;
        let config = self.config("127.0.0.1").await;
        let builder = ClientConfig::builder().with_bind_config(IpBindConfig::InAddrAnyV4);
        let config = if let Some(hashes) = config["serverCertificateHashes"].as_array() {
            builder.with_server_certificate_hashes(hashes.iter().map(|hash| {
                let value = hash["value"].as_str().unwrap();
                let bytes = base64::engine::general_purpose::STANDARD.decode(value).unwrap();
                Sha256Digest::new(bytes.try_into().unwrap())
            }))
        } else {
            let mut tls = self.tls_config();
            tls.alpn_protocols = vec![b"h3".to_vec()];
            builder.with_custom_tls(tls)
        };
        let config = config.build();
        let url = format!("https://{}{path}", self.web_transport);
        let mut options = ConnectOptions::builder(url);
        if let Some(origin) = origin {
            options = options.add_header("origin", origin);
        }
        Endpoint::client(config).unwrap().connect(options.build()).await
    }

    /// A WebSocket over TLS from a page of this origin.
    pub async fn socket(&self, origin: Option<&str>) -> Result<Socket, WsError> {
        let stream = self.tls().await?;
        let mut request = format!("wss://{}/ws", self.https).into_client_request()?;
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        Ok(tokio_tungstenite::client_async(request, stream).await?.0)
    }

    /// A client that has sent nothing yet.
    pub async fn client(&self, transport: Transport) -> Client {
        self.try_client(transport).await.expect("the server admits a client")
    }

    /// The same, or `None` if the server refuses it.
    pub async fn try_client(&self, transport: Transport) -> Option<Client> {
        let wire = match transport {
            Transport::Wt => return Client::over(self.session("/wt", None).await.ok()?).await,
            Transport::Ws => Wire::Ws(Box::new(self.socket(None).await.ok()?)),
        };
        Some(Client::on(wire))
    }

    /// A client in this room.
    pub async fn join(
        &self,
        transport: Transport,
        room: &str,
        resume: Option<ResumeToken>,
    ) -> Client {
        let mut client = self.client(transport).await;
        client.send(&hello(room, resume).encode()).await;
        client.until("a welcome", |client| client.welcome.is_some()).await;
        client
    }
}

fn make_certificate(dir: &tempfile::TempDir, force: bool) {
    let args = certs::Args { dir: dir.path().to_owned(), names: Vec::new(), force };
    certs::run(&args).unwrap();
}
