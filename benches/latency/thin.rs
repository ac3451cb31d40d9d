//! A GPyS client that joins, sends, and discards what it receives: a load of hundreds of peers that
//! decoded everything would measure itself. Peers that measure use the full client, but where what
//! carries the frames is compared.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use gpys::client::{Connector, Transport};
use gpys::proto::pose::Pose;
use gpys::proto::time::Time;
use gpys::proto::view::View;
use gpys::proto::wire::{ClientMessage, FRAME_TAG, Hello, Sample, ServerMessage};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use wtransport::endpoint::endpoint_side;
use wtransport::quinn::TransportConfig;
use wtransport::tls::Sha256Digest;
use wtransport::{ClientConfig, Endpoint};

use crate::board::Board;
use crate::track::{Reading, viewport};
use crate::{alone, congestion};

/// Links per UDP socket, as in the full client.
const LINKS: usize = 16;

/// State shared by the links to one server.
pub struct Shared {
    tls: TlsConnector,
    /// The endpoint for new links, and how many it has.
    pool: Mutex<(Option<Arc<Endpoint<endpoint_side::Client>>>, usize)>,
}

impl Shared {
    /// `tls` is for WebSockets.
    pub fn new(tls: TlsConnector) -> Self {
        Self { tls, pool: Mutex::new((None, 0)) }
    }

    async fn endpoint(&self, server: &Connector) -> Result<Arc<Endpoint<endpoint_side::Client>>> {
        let mut pool = self.pool.lock().await;
        if let (Some(endpoint), links) = &mut *pool
            && *links < LINKS
        {
            *links += 1;
            return Ok(Arc::clone(endpoint));
        }
        let digests = server.config().server_certificate_hashes.iter();
        let digests = digests.filter_map(|hash| hash.sha256()).map(Sha256Digest::new);
        let mut config = ClientConfig::builder()
            .with_bind_default()
            .with_server_certificate_hashes(digests)
            .build();
        let mut transport = TransportConfig::default();
        congestion::configure(&mut transport);
        config.quic_config_mut().transport_config(Arc::new(transport));
        let endpoint = Arc::new(Endpoint::client(config)?);
        *pool = (Some(Arc::clone(&endpoint)), 1);
        Ok(endpoint)
    }
}

/// What carries poses and frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// WebTransport datagrams.
    Datagrams,
    /// One WebTransport stream, with the reliable messages.
    OneStream,
    /// A WebTransport stream for each pose and each frame.
    StreamEach,
    /// A WebSocket.
    WebSocket,
}

impl Carrier {
    /// Those that are compared.
    pub const ALL: [Self; 4] =
        [Self::Datagrams, Self::StreamEach, Self::OneStream, Self::WebSocket];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Datagrams => "datagrams",
            Self::OneStream => "one stream",
            Self::StreamEach => "a stream per frame",
            Self::WebSocket => "a WebSocket",
        }
    }

    /// How the name of a room begins that asks the conventional server for it.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Datagrams | Self::WebSocket => "",
            Self::OneStream => "one-",
            Self::StreamEach => "each-",
        }
    }

    /// What a room's name asks for.
    pub fn of_room(room: &str) -> Self {
        let asks = |carrier: &Self| room.starts_with(carrier.prefix());
        [Self::OneStream, Self::StreamEach].into_iter().find(asks).unwrap_or(Self::Datagrams)
    }
}

impl From<Transport> for Carrier {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::WebTransport => Self::Datagrams,
            Transport::WebSocket => Self::WebSocket,
        }
    }
}

/// What a client does with frames, if it does not discard them.
pub struct Observer {
    pub board: Arc<Board>,
    pub person: u32,
    pub view: View,
}

impl Observer {
    /// Sees a frame or a reliable message.
    pub fn see(&mut self, bytes: &[u8]) {
        let Self { board, person, view } = self;
        if bytes.first() == Some(&FRAME_TAG) {
            // What does not decode is not seen, and so ages.
            let _ = view.handle_frame(bytes, |_, figure| board.see(*person, figure.position));
        } else if let Ok(message) = ServerMessage::decode(bytes) {
            view.handle_message(&message);
        }
    }
}

/// Joins, and sends what the sender is given until the link ends.
pub async fn dial(
    server: &Connector,
    carrier: Carrier,
    shared: &Shared,
    hello: Hello,
    observer: Option<Observer>,
) -> Result<(UnboundedSender<Reading>, JoinHandle<()>)> {
    let room = format!("{}{}", carrier.prefix(), hello.room);
    let hello = ClientMessage::Hello(Hello { viewport: Some(viewport()), room, ..hello });
    let (readings, queue) = unbounded_channel();
    let driver = match carrier {
        Carrier::WebSocket => {
            let url = &server.config().websocket;
            web_socket(url, &shared.tls, &hello, queue, observer).await?
        }
        _ => {
            let endpoint = shared.endpoint(server).await?;
            let url = &server.config().webtransport;
            web_transport(&endpoint, url, carrier, &hello, queue, observer).await?
        }
    };
    Ok((readings, driver))
}

async fn web_transport(
    endpoint: &Endpoint<endpoint_side::Client>,
    url: &str,
    carrier: Carrier,
    hello: &ClientMessage,
    mut queue: UnboundedReceiver<Reading>,
    mut observer: Option<Observer>,
) -> Result<JoinHandle<()>> {
    let connection = endpoint.connect(url).await?;
    let (mut sending, mut receiving) = connection.open_bi().await?.await?;
    sending.write_all(&prefixed(&hello.encode())?).await?;
    let mut length = [0; 2];
    receiving.read_exact(&mut length).await?;
    let mut body = vec![0; u16::from_le_bytes(length).into()];
    receiving.read_exact(&mut body).await?;
    let clock = Clock::of(&body)?;
    if let Some(observer) = &mut observer {
        observer.see(&body);
    }
    Ok(tokio::spawn(async move {
        let (mut number, mut rest, mut pending) = (0, [0; 2_048], BytesMut::new());
        let (alone, mut frames) = unbounded_channel();
        let poses = (carrier == Carrier::StreamEach).then(|| alone::sender(&connection));
        loop {
            tokio::select! {
                datagram = connection.receive_datagram() => {
                    let Ok(datagram) = datagram else { return };
                    if let Some(observer) = &mut observer {
                        observer.see(&datagram);
                    }
                }
                read = receiving.read(&mut rest) => {
                    let Ok(Some(length)) = read else { return };
                    if let Some(observer) = &mut observer {
                        pending.extend_from_slice(&rest[..length]);
                        while let Some(message) = message(&mut pending) {
                            observer.see(&message);
                        }
                    }
                }
                stream = connection.accept_uni() => {
                    let (Ok(stream), alone) = (stream, alone.clone()) else { return };
                    // Streams end in any order.
                    tokio::spawn(async move {
                        if let Ok(frame) = alone::read(stream).await {
                            let _ = alone.send(frame);
                        }
                    });
                }
                Some(frame) = frames.recv() => {
                    if let Some(observer) = &mut observer {
                        observer.see(&frame);
                    }
                }
                reading = queue.recv() => {
                    let Some(reading) = reading else { return };
                    let pose = clock.encode(&reading, &mut number);
                    let sent = match carrier {
                        Carrier::Datagrams | Carrier::WebSocket => {
                            connection.send_datagram(pose).is_ok()
                        }
                        Carrier::OneStream => match prefixed(&pose) {
                            Ok(pose) => sending.write_all(&pose).await.is_ok(),
                            Err(_) => false,
                        },
                        Carrier::StreamEach => {
                            poses.as_ref().is_some_and(|poses| poses.send(pose).is_ok())
                        }
                    };
                    if !sent {
                        return;
                    }
                }
            }
        }
    }))
}

/// A message after its length.
fn prefixed(message: &[u8]) -> Result<Vec<u8>> {
    Ok([&u16::try_from(message.len())?.to_le_bytes(), message].concat())
}

/// Takes the next whole message, if there is one.
fn message(pending: &mut BytesMut) -> Option<Bytes> {
    let length = usize::from(u16::from_le_bytes(*pending.first_chunk()?));
    (pending.len() >= 2 + length).then(|| pending.split_to(2 + length).split_off(2).freeze())
}

async fn web_socket(
    url: &str,
    tls: &TlsConnector,
    hello: &ClientMessage,
    mut queue: UnboundedReceiver<Reading>,
    mut observer: Option<Observer>,
) -> Result<JoinHandle<()>> {
    let uri: http::Uri = url.parse()?;
    let host = uri.host().context("a URL without a host")?.to_owned();
    let tcp = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(443))).await?;
    tcp.set_nodelay(true)?;
    let stream = tls.connect(ServerName::try_from(host)?, tcp).await?;
    let (mut socket, _) = client_async(&uri, stream).await?;
    socket.send(Message::binary(hello.encode())).await?;
    let welcome = loop {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => break bytes,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => bail!("no welcome, but {other:?}"),
        }
    };
    let clock = Clock::of(&welcome)?;
    if let Some(observer) = &mut observer {
        observer.see(&welcome);
    }
    Ok(tokio::spawn(async move {
        let mut number = 0;
        loop {
            tokio::select! {
                message = socket.next() => match (message, &mut observer) {
                    (Some(Ok(Message::Binary(bytes))), Some(observer)) => observer.see(&bytes),
                    (Some(Ok(_)), _) => {}
                    _ => return,
                },
                reading = queue.recv() => {
                    let Some(reading) = reading else { return };
                    let message = Message::Binary(clock.encode(&reading, &mut number));
                    if socket.send(message).await.is_err() { return }
                }
            }
        }
    }))
}

/// The server's clock as of the welcome, which is accurate enough for a client that discards
/// frames.
pub struct Clock {
    server: u32,
    local: Instant,
}

impl Clock {
    /// The clock that a welcome tells.
    ///
    /// # Errors
    /// If it is no welcome.
    pub fn of(welcome: &[u8]) -> Result<Self> {
        match ServerMessage::decode(welcome)? {
            ServerMessage::Welcome(welcome) => {
                Ok(Self { server: welcome.time.0, local: Instant::now() })
            }
            other => bail!("no welcome, but {other:?}"),
        }
    }

    /// A reading as a datagram; counts them in `number`.
    pub fn encode(&self, reading: &Reading, number: &mut u32) -> Bytes {
        let sampled = u64::from(self.server) + self.local.elapsed().as_millis() as u64;
        let pose = Pose { sampled: Time::from_ms(sampled), ..reading.pose() };
        let sample = Sample::new(*number, pose);
        *number += 1;
        sample.encode(0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_asks_for_its_carrier() {
        for carrier in [Carrier::Datagrams, Carrier::StreamEach, Carrier::OneStream] {
            assert_eq!(Carrier::of_room(&format!("{}r0-0-1", carrier.prefix())), carrier);
        }
    }
}
