//! A GPyS client that joins, sends, and discards what it receives: a load of hundreds of peers that
//! decoded everything would measure itself. Measuring peers use the full client.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use gpys::client::{Connector, Transport};
use gpys::proto::pose::Pose;
use gpys::proto::time::Time;
use gpys::proto::wire::{ClientMessage, Hello, Sample, ServerMessage};
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

use crate::congestion;
use crate::track::{Reading, viewport};

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

/// Joins, and sends what the sender is given until the link ends.
pub async fn dial(
    server: &Connector,
    transport: Transport,
    shared: &Shared,
    room: &str,
    person: u32,
    budget: u32,
) -> Result<(UnboundedSender<Reading>, JoinHandle<()>)> {
    let hello = ClientMessage::Hello(Hello {
        name: format!("p{person}"),
        budget,
        viewport: Some(viewport()),
        ..Hello::new(room)
    });
    let (readings, queue) = unbounded_channel();
    let driver = match transport {
        Transport::WebTransport => {
            let endpoint = shared.endpoint(server).await?;
            web_transport(&endpoint, &server.config().webtransport, &hello, queue).await?
        }
        Transport::WebSocket => {
            web_socket(&server.config().websocket, &shared.tls, &hello, queue).await?
        }
    };
    Ok((readings, driver))
}

async fn web_transport(
    endpoint: &Endpoint<endpoint_side::Client>,
    url: &str,
    hello: &ClientMessage,
    mut queue: UnboundedReceiver<Reading>,
) -> Result<JoinHandle<()>> {
    let connection = endpoint.connect(url).await?;
    let (mut sending, mut receiving) = connection.open_bi().await?.await?;
    let hello = hello.encode();
    let length = u16::try_from(hello.len())?.to_le_bytes();
    sending.write_all(&[&length, hello.as_slice()].concat()).await?;
    let mut length = [0; 2];
    receiving.read_exact(&mut length).await?;
    let mut body = vec![0; u16::from_le_bytes(length).into()];
    receiving.read_exact(&mut body).await?;
    let clock = Clock::of(&body)?;
    Ok(tokio::spawn(async move {
        let (mut number, mut rest, _sending) = (0, [0; 2_048], sending);
        loop {
            tokio::select! {
                datagram = connection.receive_datagram() => {
                    if datagram.is_err() { return }
                }
                read = receiving.read(&mut rest) => {
                    if !matches!(read, Ok(Some(_))) { return }
                }
                reading = queue.recv() => {
                    let Some(reading) = reading else { return };
                    if connection.send_datagram(clock.encode(&reading, &mut number)).is_err() {
                        return;
                    }
                }
            }
        }
    }))
}

async fn web_socket(
    url: &str,
    tls: &TlsConnector,
    hello: &ClientMessage,
    mut queue: UnboundedReceiver<Reading>,
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
    Ok(tokio::spawn(async move {
        let mut number = 0;
        loop {
            tokio::select! {
                message = socket.next() => {
                    if !matches!(message, Some(Ok(_))) { return }
                }
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
struct Clock {
    server: u32,
    local: Instant,
}

impl Clock {
    fn of(welcome: &[u8]) -> Result<Self> {
        match ServerMessage::decode(welcome)? {
            ServerMessage::Welcome(welcome) => {
                Ok(Self { server: welcome.time.0, local: Instant::now() })
            }
            other => bail!("no welcome, but {other:?}"),
        }
    }

    fn encode(&self, reading: &Reading, number: &mut u32) -> Bytes {
        let sampled = u64::from(self.server) + self.local.elapsed().as_millis() as u64;
        let pose = Pose { sampled: Time::from_ms(sampled), ..reading.pose() };
        let sample = Sample { seq: *number, pose };
        *number += 1;
        Bytes::copy_from_slice(&sample.encode())
    }
}
