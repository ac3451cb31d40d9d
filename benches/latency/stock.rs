//! A conventional server: the same protocol, world and bytes as GPyS, but links that never refuse.
//! WebTransport has quinn's own buffers (a mebibyte of datagrams), WebSocket an unbounded queue,
//! and no byte rate follows the path. So a comparison isolates how GPyS treats its links.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gpys::proto::wire::{ClientMessage, VERSION};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use wtransport::quinn::TransportConfig;
use wtransport::{Connection, Endpoint, Identity, ServerConfig};

use crate::room::{Out, Room};
use crate::thin::Carrier;
use crate::{alone, congestion};

/// Serves until the process ends. The certificate and key are for WebSocket: WebTransport has one
/// of its own, as a page takes none by its hash that is valid for more than two weeks.
///
/// # Errors
/// If the certificate or a socket cannot be used.
pub fn serve(address: SocketAddr, tick_hz: u8, cert: &Path, key: &Path) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async move {
        let identity = Identity::self_signed([address.ip().to_string()])?;
        let config = config(&identity, address).context("no certificate")?;
        let room = Arc::new(Room::new(tick_hz));
        tokio::spawn(Arc::clone(&room).tick());
        let listener = Encrypted::bind(address, cert, key).await?;
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

/// TLS connections, for axum.
pub struct Encrypted {
    tcp: TcpListener,
    tls: TlsAcceptor,
}

impl Encrypted {
    /// Listens with this certificate and key (PEM).
    ///
    /// # Errors
    /// If the certificate or the socket cannot be used.
    pub async fn bind(address: SocketAddr, cert: &Path, key: &Path) -> Result<Self> {
        let chain = CertificateDer::pem_file_iter(cert)?.collect::<Result<Vec<_>, _>>()?;
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
        let tls = TlsAcceptor::from(Arc::new(config));
        Ok(Self { tcp: TcpListener::bind(address).await?, tls })
    }
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
struct Link {
    reliable: UnboundedSender<Bytes>,
    frames: Frames,
}

/// What carries a peer's frames.
enum Frames {
    /// Datagrams.
    Datagrams(Connection),
    /// The lane of the reliable messages.
    Reliable,
    /// A stream of their own each.
    StreamEach(UnboundedSender<Bytes>),
}

impl Frames {
    /// What the client asks for by its room.
    fn asked(carrier: Carrier, connection: &Connection) -> Self {
        match carrier {
            Carrier::Datagrams => Self::Datagrams(connection.clone()),
            Carrier::OneStream | Carrier::WebSocket => Self::Reliable,
            Carrier::StreamEach => Self::StreamEach(alone::sender(connection)),
        }
    }
}

impl Out for Link {
    fn message(&self, bytes: Bytes) {
        let _ = self.reliable.send(bytes);
    }

    fn frame(&self, bytes: Bytes) {
        match &self.frames {
            Frames::Datagrams(connection) => drop(connection.send_datagram(bytes)),
            Frames::Reliable => self.message(bytes),
            Frames::StreamEach(streams) => drop(streams.send(bytes)),
        }
    }
}

async fn web_transport(room: Arc<Room<Link>>, connection: Connection) -> Result<()> {
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
    let id = room.enter(hello, Link { reliable, frames })?;
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
            room.handle(id, &message(&mut receiving).await?)?;
        }
    };
    let streams = async {
        loop {
            let (stream, room) = (connection.accept_uni().await?, Arc::clone(&room));
            tokio::spawn(async move {
                if let Ok(pose) = alone::read(stream).await {
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
    State(room): State<Arc<Room<Link>>>,
) -> axum::response::Response {
    upgrade.on_upgrade(|socket| async move { drop(web_socket(room, socket).await) })
}

async fn web_socket(room: Arc<Room<Link>>, mut socket: WebSocket) -> Result<()> {
    let Some(Ok(Message::Binary(hello))) = socket.recv().await else { bail!("no hello") };
    let ClientMessage::Hello(hello) = ClientMessage::decode(&hello)? else { bail!("no hello") };
    let (reliable, mut queue) = unbounded_channel::<Bytes>();
    let id = room.enter(hello, Link { reliable: reliable.clone(), frames: Frames::Reliable })?;
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
        match room.handle(id, &bytes) {
            Ok(Some(answer)) => drop(reliable.send(answer)),
            Ok(None) => {}
            Err(_) => break,
        }
    }
    room.leave(id);
    sending.abort();
    Ok(())
}
