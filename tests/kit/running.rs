//! A server on free ports, and clients for both of its transports.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use gpys::cli::certs;
use gpys::proto::geo::Position;
use gpys::proto::pose::{Accuracy, Pose};
use gpys::proto::time::Time;
use gpys::proto::view::View;
use gpys::proto::wire::{
    ClientMessage, Closing, DATAGRAM_LANE, FRAME_TAG, Hello, PONG_TAG, ResumeToken, SAID_TAG, Said,
    Sample, ServerMessage, Welcome, encode_ping,
};
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
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use wtransport::config::IpBindConfig;
use wtransport::endpoint::ConnectOptions;
use wtransport::error::{ConnectingError, ConnectionError};
use wtransport::quinn;
use wtransport::tls::Sha256Digest;
use wtransport::{ClientConfig, Connection, Endpoint, RecvStream, SendStream};

/// The timeout of every wait.
pub const PATIENCE: Duration = Duration::from_secs(20);

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
        Server::bind(config.unwrap(), gpys::page())
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

pub fn hello(room: &str, resume: Option<ResumeToken>) -> ClientMessage {
    ClientMessage::Hello(Hello { name: "Ada".into(), resume, ..Hello::new(room) })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Wt,
    Ws,
}

pub const BOTH: [Transport; 2] = [Transport::Wt, Transport::Ws];

pub type Socket = WebSocketStream<TlsStream<TcpStream>>;

enum Wire {
    Wt { connection: Connection, send: SendStream, recv: RecvStream, buffer: Vec<u8> },
    Ws(Box<Socket>),
}

/// A client and what it has received.
pub struct Client {
    wire: Wire,
    pub view: View,
    pub welcome: Option<Welcome>,
    pub pongs: usize,
    pub closing: Option<Closing>,
    /// Fields whose values the server refused.
    pub refused: Vec<u8>,
    /// What others said.
    pub said: Vec<Said>,
    /// What a host shows everybody.
    pub announcement: String,
    /// The code with which the connection closed.
    pub code: Option<u64>,
}

impl Client {
    /// Closes the link cleanly but without a leave message, as a page does when it is closed.
    pub async fn close(self) {
        match self.wire {
            Wire::Wt { connection, .. } => connection.close(0_u32.into(), b""),
            Wire::Ws(mut socket) => socket.as_mut().close(None).await.unwrap(),
        }
    }

    fn on(wire: Wire) -> Self {
        let (view, welcome) = (View::default(), None);
        Self {
            wire,
            view,
            welcome,
            pongs: 0,
            closing: None,
            refused: Vec::new(),
            said: Vec::new(),
            announcement: String::new(),
            code: None,
        }
    }

    /// A client on this session that has sent nothing yet.
    pub async fn over(connection: Connection) -> Option<Self> {
        let (send, recv) = connection.open_bi().await.ok()?.await.ok()?;
        Some(Self::on(Wire::Wt { connection, send, recv, buffer: Vec::new() }))
    }

    /// A client on this socket that has sent nothing yet.
    pub fn by_socket(socket: Socket) -> Self {
        Self::on(Wire::Ws(Box::new(socket)))
    }

    pub fn welcome(&self) -> &Welcome {
        self.welcome.as_ref().unwrap()
    }

    /// Sends a message on the lane that its first byte determines. Ignores errors, as the server
    /// may have closed.
    pub async fn send(&mut self, bytes: &[u8]) {
        match &mut self.wire {
            Wire::Ws(socket) => drop(socket.send(Message::Binary(bytes.to_vec().into())).await),
            Wire::Wt { connection, send, .. } => {
                if bytes.first().is_some_and(|&first| first >= DATAGRAM_LANE) {
                    drop(connection.send_datagram(bytes));
                } else {
                    let length = u16::try_from(bytes.len()).unwrap().to_le_bytes();
                    drop(send.write_all(&[&length, bytes].concat()).await);
                }
            }
        }
    }

    /// Sends a WebSocket text message.
    pub async fn send_text(&mut self, text: &str) {
        let Wire::Ws(socket) = &mut self.wire else { panic!("only a WebSocket carries text") };
        socket.send(Message::Text(text.into())).await.unwrap();
    }

    pub async fn ping(&mut self) {
        self.send(&encode_ping(7)).await;
    }

    /// Sends a pose slightly north of the venue, taken when the client was welcomed.
    pub async fn pose(&mut self, seq: u32) {
        let position = Position::from_degrees(45.75 + f64::from(seq) * 1e-6, 14.36).unwrap();
        let sampled = Time::from_ms(u64::from(self.welcome().time.0));
        let accuracy = Accuracy::from_metres(5.0);
        let pose = Pose { position, orientation: None, accuracy, sampled };
        self.send(&Sample::new(seq, pose).encode(0)).await;
    }

    /// Processes incoming messages until `done`.
    pub async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            let next = tokio::time::timeout_at(deadline.into(), self.next()).await;
            let open = next.unwrap_or_else(|_| panic!("waited for {what}"));
            assert!(open || done(self), "closed ({:?}) before {what}", self.closing);
        }
    }

    /// Waits until the server has closed the link. Returns the code and the close message.
    pub async fn closed(&mut self) -> (u64, Closing) {
        self.until("the link to close", |client| client.code.is_some()).await;
        (self.code.unwrap(), self.closing.clone().expect("a close message"))
    }

    /// Processes one message; returns false if the link is closed.
    async fn next(&mut self) -> bool {
        let message = match &mut self.wire {
            Wire::Ws(socket) => match socket.next().await {
                Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
                Some(Ok(Message::Close(Some(frame)))) => {
                    self.code = Some(u64::from(u16::from(frame.code)));
                    return true;
                }
                Some(Ok(_)) => return true,
                Some(Err(_)) | None => return false,
            },
            Wire::Wt { connection, recv, buffer, .. } => loop {
                if let [low, high, rest @ ..] = buffer.as_slice() {
                    let length = usize::from(u16::from_le_bytes([*low, *high]));
                    if let Some(message) = rest.get(..length).map(<[u8]>::to_vec) {
                        buffer.drain(..2 + length);
                        break message;
                    }
                }
                let mut bytes = [0; 4096];
                tokio::select! {
                    read = recv.read(&mut bytes) => match read {
                        Ok(Some(count)) => buffer.extend_from_slice(&bytes[..count]),
                        Ok(None) | Err(_) => {
                            let ConnectionError::ApplicationClosed(close) = connection.closed().await
                            else { return false };
                            self.code = Some(close.code().into_inner());
                            return true;
                        }
                    },
                    datagram = connection.receive_datagram() => match datagram {
                        Ok(datagram) => break datagram.payload().to_vec(),
                        Err(_) => tokio::task::yield_now().await,
                    },
                }
            },
        };
        self.take(&message);
        true
    }

    fn take(&mut self, message: &[u8]) {
        match message.first() {
            Some(&FRAME_TAG) => self.view.handle_frame(message, |_, _| {}).unwrap(),
            Some(&PONG_TAG) => self.pongs += 1,
            Some(&SAID_TAG) => self.said.push(Said::decode_datagram(message).unwrap().1),
            _ => {
                let message = ServerMessage::decode(message).unwrap();
                self.view.handle_message(&message);
                match message {
                    ServerMessage::Welcome(welcome) => self.welcome = Some(welcome),
                    ServerMessage::Closing(closing) => self.closing = Some(closing),
                    ServerMessage::Refused(refused) => self.refused.push(refused.field),
                    ServerMessage::Said(said) => self.said.push(said),
                    ServerMessage::Announcement(text) => self.announcement = text,
                    ServerMessage::Roster(_) | ServerMessage::Copies(_) => {}
                }
            }
        }
    }
}
