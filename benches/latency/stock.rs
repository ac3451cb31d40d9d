//! A conventional server: the same protocol, world and bytes as GPyS, but links that never refuse.
//! WebTransport has quinn's own buffers (a mebibyte of datagrams), WebSocket an unbounded queue,
//! and no byte rate follows the path. So a comparison isolates how GPyS treats its links.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gpys::proto::time::Time;
use gpys::proto::wire::{
    ClientDatagram, ClientMessage, DATAGRAM_LANE, Hello, PeerId, PublicId, ResumeToken, VERSION,
    encode_pong,
};
use gpys::proto::world::{Arrival, Audience, Newcomer, RoomSettings, World};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use uuid::Uuid;
use wtransport::quinn::TransportConfig;
use wtransport::{Connection, Endpoint, Identity, ServerConfig};

use crate::congestion;
use crate::thin::Carrier;

/// Maximum length of a frame, as in GPyS.
const MAX_FRAME: usize = 1_000;

/// Serves until the process ends.
pub fn serve(address: SocketAddr, tick_hz: u8) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async move {
        let identity = Identity::self_signed([address.ip().to_string()])?;
        let config = config(&identity, address).context("no certificate")?;
        let room = Arc::new(Room::new(tick_hz));
        tokio::spawn(Arc::clone(&room).tick());
        let tls = TlsAcceptor::from(Arc::new(tls(&identity)?));
        let listener = Encrypted { tcp: TcpListener::bind(address).await?, tls };
        let server = ServerConfig::builder().with_bind_address(address).with_identity(identity);
        let mut server = server.build();
        let mut transport = TransportConfig::default();
        congestion::configure(&mut transport);
        server.quic_config_mut().transport_config(Arc::new(transport));
        let endpoint = Endpoint::server(server)?;
        let theirs = Arc::clone(&room);
        tokio::spawn(async move {
            loop {
                let (incoming, room) = (endpoint.accept().await, Arc::clone(&theirs));
                tokio::spawn(async move {
                    let connection = incoming.await?.accept().await?;
                    web_transport(room, connection).await
                });
            }
        });
        let router = axum::Router::new()
            .route("/config.json", get(move || async move { axum::Json(config) }))
            .route("/ws", get(upgrade))
            .with_state(room);
        Ok(axum::serve(listener, router).await?)
    })
}

/// The contents of `/config.json`.
fn config(identity: &Identity, address: SocketAddr) -> Option<serde_json::Value> {
    let digest = identity.certificate_chain().as_slice().first()?.hash();
    Some(serde_json::json!({
        "protocol": VERSION,
        "webtransport": format!("https://{address}/wt"),
        "websocket": format!("wss://{address}/ws"),
        "serverCertificateHashes":
            [{ "algorithm": "sha-256", "value": STANDARD.encode(digest.as_ref()) }],
        "venue": null,
    }))
}

fn tls(identity: &Identity) -> Result<rustls::ServerConfig> {
    let chain = identity.certificate_chain().as_slice().iter();
    let chain = chain.map(|certificate| certificate.der().to_vec().into()).collect();
    let key =
        rustls::pki_types::PrivatePkcs8KeyDer::from(identity.private_key().secret_der().to_vec());
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    Ok(config.with_single_cert(chain, key.into())?)
}

/// TLS connections, for axum.
pub struct Encrypted {
    pub tcp: TcpListener,
    pub tls: TlsAcceptor,
}

impl axum::serve::Listener for Encrypted {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            // One at a time: a benchmark is not attacked.
            if let Ok((tcp, address)) = self.tcp.accept().await
                && tcp.set_nodelay(true).is_ok()
                && let Ok(stream) = self.tls.accept(tcp).await
            {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

/// How to reach a peer.
struct Out {
    reliable: UnboundedSender<Bytes>,
    frames: Frames,
}

/// What carries a peer's frames.
enum Frames {
    /// Datagrams.
    Datagrams(Connection),
    /// The stream of the reliable messages.
    Reliable,
    /// A stream of their own each, opened by a task.
    StreamEach(UnboundedSender<Bytes>),
}

impl Frames {
    /// What the client asks for by its room.
    fn asked(carrier: Carrier, connection: &Connection) -> Self {
        match carrier {
            Carrier::Datagrams => Self::Datagrams(connection.clone()),
            Carrier::OneStream | Carrier::WebSocket => Self::Reliable,
            Carrier::StreamEach => {
                let (frames, mut queue) = unbounded_channel::<Bytes>();
                let connection = connection.clone();
                tokio::spawn(async move {
                    while let Some(frame) = queue.recv().await {
                        // The connection's own tasks notice its end.
                        let _ = write_alone(&connection, &frame).await;
                    }
                });
                Self::StreamEach(frames)
            }
        }
    }
}

/// Sends bytes on a stream of their own.
///
/// # Errors
/// If the connection has ended.
pub async fn write_alone(connection: &Connection, bytes: &[u8]) -> Result<()> {
    let mut stream = connection.open_uni().await?.await?;
    stream.write_all(bytes).await?;
    Ok(stream.finish().await?)
}

/// Reads a stream of few bytes to its end.
///
/// # Errors
/// If it breaks off, or has more.
pub async fn read_alone(mut stream: wtransport::RecvStream) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 2 * MAX_FRAME];
    let mut length = 0;
    while let Some(more) = stream.read(&mut bytes[length..]).await? {
        length += more;
        if length == bytes.len() {
            bail!("a stream of more than a frame");
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

struct Inner {
    world: World,
    outs: HashMap<PeerId, Out>,
    ids: u32,
}

struct Room {
    epoch: Instant,
    inner: Mutex<Inner>,
}

impl Room {
    fn new(tick_hz: u8) -> Self {
        let mut settings = RoomSettings { tick_hz, ..RoomSettings::default() };
        settings.default_budget = settings.limits.max_budget;
        let inner = Inner { world: World::new(settings, 1), outs: HashMap::new(), ids: 0 };
        Self { epoch: Instant::now(), inner: Mutex::new(inner) }
    }

    fn now(&self) -> Time {
        Time::from_ms(1_000 + self.epoch.elapsed().as_millis() as u64)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn tick(self: Arc<Self>) {
        let mut turns = tokio::time::interval(Duration::from_millis(1));
        loop {
            turns.tick().await;
            let now = self.now();
            let mut inner = self.lock();
            inner.world.handle_timeout(now);
            inner.send(now);
        }
    }

    fn enter(&self, hello: Hello, out: Out) -> Result<PeerId> {
        let now = self.now();
        let mut inner = self.lock();
        inner.ids += 1;
        let id = PeerId(inner.ids);
        inner.outs.insert(id, out);
        inner.world.join(
            Newcomer {
                id,
                uuid: PublicId(Uuid::new_v4()),
                token: ResumeToken::mint(id, [0; 12]),
                arrival: Arrival {
                    name: hello.name,
                    presence: hello.presence,
                    budget: hello.budget,
                    viewport: hello.viewport,
                    ..Arrival::default()
                },
            },
            now,
        )?;
        inner.send(now);
        Ok(id)
    }

    fn reliable(&self, id: PeerId, bytes: &[u8]) -> Result<()> {
        let message = ClientMessage::decode(bytes)?;
        let now = self.now();
        let mut inner = self.lock();
        if inner.world.handle_message(id, &message, now).is_err() {
            bail!("the client broke the rules");
        }
        if matches!(message, ClientMessage::Leave) {
            bail!("left");
        }
        inner.send(now);
        Ok(())
    }

    /// Handles a datagram, and returns the reply, if any.
    fn datagram(&self, id: PeerId, bytes: &[u8]) -> Result<Option<Bytes>> {
        let now = self.now();
        Ok(match ClientDatagram::decode(bytes, now)? {
            ClientDatagram::Pose(sample) => {
                self.lock().world.handle_pose(id, sample);
                None
            }
            ClientDatagram::Ping(echo) => Some(encode_pong(echo, now).to_vec().into()),
            _ => None,
        })
    }

    fn leave(&self, id: PeerId) {
        let mut inner = self.lock();
        inner.outs.remove(&id);
        inner.world.leave(id);
    }
}

impl Inner {
    /// Sends everything, regardless of room.
    fn send(&mut self, now: Time) {
        while let Some(event) = self.world.poll_event() {
            let bytes = Bytes::copy_from_slice(&event.message);
            let all = event.to == Audience::Everyone;
            for (&id, out) in &self.outs {
                if all || event.to == Audience::One(id) {
                    // A peer that is gone is removed by its own task.
                    let _ = out.reliable.send(bytes.clone());
                }
            }
        }
        let mut frame = Vec::new();
        while let Some(id) = self.world.poll_viewer() {
            frame.clear();
            if !self.world.poll_frame(id, MAX_FRAME, now, &mut frame) {
                continue;
            }
            match self.outs.get(&id) {
                Some(Out { frames: Frames::Datagrams(connection), .. }) => {
                    let _ = connection.send_datagram(&frame);
                }
                Some(Out { frames: Frames::StreamEach(queue), .. }) => {
                    let _ = queue.send(Bytes::copy_from_slice(&frame));
                }
                Some(Out { reliable, .. }) => drop(reliable.send(Bytes::copy_from_slice(&frame))),
                None => {}
            }
        }
    }
}

async fn web_transport(room: Arc<Room>, connection: Connection) -> Result<()> {
    let (mut sending, mut receiving) = connection.accept_bi().await?;
    let ClientMessage::Hello(hello) = ClientMessage::decode(&message(&mut receiving).await?)?
    else {
        bail!("no hello");
    };
    let (reliable, mut queue) = unbounded_channel::<Bytes>();
    tokio::spawn(async move {
        while let Some(bytes) = queue.recv().await {
            let length = (bytes.len() as u16).to_le_bytes();
            if sending.write_all(&[&length, &*bytes].concat()).await.is_err() {
                return;
            }
        }
    });
    let frames = Frames::asked(Carrier::of_room(&hello.room), &connection);
    let id = room.enter(hello, Out { reliable, frames })?;
    let poses = async {
        loop {
            let datagram = connection.receive_datagram().await?;
            if let Some(answer) = room.datagram(id, &datagram)? {
                connection.send_datagram(answer)?;
            }
        }
    };
    let messages = async {
        loop {
            let message = message(&mut receiving).await?;
            match message.first() {
                Some(&first) if first >= DATAGRAM_LANE => drop(room.datagram(id, &message)?),
                _ => room.reliable(id, &message)?,
            }
        }
    };
    let streams = async {
        loop {
            let (stream, room) = (connection.accept_uni().await?, Arc::clone(&room));
            tokio::spawn(async move {
                if let Ok(pose) = read_alone(stream).await {
                    let _ = room.datagram(id, &pose);
                }
            });
        }
    };
    let ended: Result<()> = tokio::select! {
        ended = poses => ended,
        ended = messages => ended,
        ended = streams => ended,
    };
    room.leave(id);
    ended
}

async fn message(receiving: &mut wtransport::RecvStream) -> Result<Vec<u8>> {
    let mut length = [0; 2];
    receiving.read_exact(&mut length).await?;
    let mut body = vec![0; u16::from_le_bytes(length).into()];
    receiving.read_exact(&mut body).await?;
    Ok(body)
}

async fn upgrade(
    upgrade: WebSocketUpgrade,
    State(room): State<Arc<Room>>,
) -> axum::response::Response {
    upgrade.on_upgrade(|socket| async move { drop(web_socket(room, socket).await) })
}

async fn web_socket(room: Arc<Room>, mut socket: WebSocket) -> Result<()> {
    let Some(Ok(Message::Binary(hello))) = socket.recv().await else { bail!("no hello") };
    let ClientMessage::Hello(hello) = ClientMessage::decode(&hello)? else { bail!("no hello") };
    let (reliable, mut queue) = unbounded_channel::<Bytes>();
    let id = room.enter(hello, Out { reliable: reliable.clone(), frames: Frames::Reliable })?;
    let (mut sink, mut stream) = futures_util::StreamExt::split(socket);
    let sending = tokio::spawn(async move {
        while let Some(bytes) = queue.recv().await {
            let message = Message::Binary(bytes);
            if futures_util::SinkExt::send(&mut sink, message).await.is_err() {
                return;
            }
        }
    });
    while let Some(Ok(message)) = futures_util::StreamExt::next(&mut stream).await {
        let Message::Binary(bytes) = message else { continue };
        let handled = match bytes.first() {
            Some(&first) if first >= DATAGRAM_LANE => room.datagram(id, &bytes),
            _ => room.reliable(id, &bytes).map(|()| None),
        };
        match handled {
            Ok(Some(answer)) => drop(reliable.send(answer)),
            Ok(None) => {}
            Err(_) => break,
        }
    }
    room.leave(id);
    sending.abort();
    Ok(())
}
