//! HTTP/3 and WebTransport by hand, over raw QUIC: every stream, frame and field can be wrong.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use gpys::proto::wire::{ServerMessage, Welcome};
use wtransport::quinn::crypto::rustls::QuicClientConfig;
use wtransport::quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, SendStream, TransportConfig,
    VarInt,
};

use crate::attacks::arena::Target;
use crate::attacks::tools::{End, hello_to, patiently, tls};

/// Frame, stream and capsule types.
pub const DATA: u64 = 0x00;
pub const HEADERS: u64 = 0x01;
pub const SETTINGS: u64 = 0x04;
pub const WEBTRANSPORT: u64 = 0x41;
pub const CONTROL: u64 = 0x00;
pub const WEBTRANSPORT_UNI: u64 = 0x54;
pub const CLOSE_SESSION: u64 = 0x2843;

/// How long to wait for a pong before the ping is sent again.
const AGAIN: Duration = Duration::from_millis(200);

/// A QUIC variable-length integer.
pub fn varint(value: u64) -> Vec<u8> {
    match value {
        0..0x40 => vec![value as u8],
        0x40..0x4000 => (value as u16 | 0x4000).to_be_bytes().to_vec(),
        0x4000..0x4000_0000 => (value as u32 | 0x8000_0000).to_be_bytes().to_vec(),
        _ => (value | 0xC000_0000_0000_0000).to_be_bytes().to_vec(),
    }
}

/// A payload with its type and length before it: a frame or a capsule.
pub fn framed(kind: u64, payload: &[u8]) -> Vec<u8> {
    [&varint(kind), &varint(payload.len() as u64), payload].concat()
}

/// A browser's settings.
pub fn settings() -> Vec<u8> {
    let pairs = [(0x08, 1), (0x33, 1), (0x2b60_3742, 1), (0xc671_706a, 1)];
    let payload: Vec<u8> =
        pairs.into_iter().flat_map(|(id, value)| [varint(id), varint(value)].concat()).collect();
    framed(SETTINGS, &payload)
}

/// A field section of literals only.
pub fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    for (name, value) in fields {
        prefixed(&mut bytes, 0x20, 3, name.len());
        bytes.extend_from_slice(name.as_bytes());
        prefixed(&mut bytes, 0, 7, value.len());
        bytes.extend_from_slice(value.as_bytes());
    }
    bytes
}

/// An HPACK integer with a prefix of this many bits.
fn prefixed(bytes: &mut Vec<u8>, first: u8, bits: u32, value: usize) {
    let most = (1 << bits) - 1;
    if value < most {
        bytes.push(first | value as u8);
        return;
    }
    bytes.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// A frame that requests a session, with some of the usual fields replaced, or removed if the value
/// is `-`.
pub fn connect_frame(target: &Target, changed: &[(&str, &str)]) -> Vec<u8> {
    connect_with(target, changed, &[])
}

/// The same with more fields added.
pub fn connect_with(target: &Target, changed: &[(&str, &str)], more: &[(&str, &str)]) -> Vec<u8> {
    let host = target.udp.to_string();
    let mut all = vec![
        (":method", "CONNECT"),
        (":scheme", "https"),
        (":authority", host.as_str()),
        (":path", "/wt"),
        (":protocol", "webtransport"),
    ];
    all.retain(|(name, _)| changed.iter().all(|(other, _)| name != other));
    all.extend(changed);
    all.extend(more);
    all.retain(|(_, value)| *value != "-");
    framed(HEADERS, &fields(&all))
}

/// Generous client limits, but without keep-alive.
pub fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(Duration::from_secs(20).try_into().unwrap()));
    transport
}

/// A QUIC configuration with these limits.
pub fn client(transport: TransportConfig) -> ClientConfig {
    let mut tls = tls(b"h3");
    tls.enable_early_data = true;
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    config.transport_config(Arc::new(transport));
    config
}

/// A client endpoint on a UDP socket of its own.
pub fn endpoint() -> Endpoint {
    Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap()
}

/// A QUIC connection on which no HTTP/3 has been sent yet.
pub struct Quic {
    pub connection: Connection,
    pub endpoint: Endpoint,
}

impl Quic {
    /// Connects.
    pub async fn open(target: &Target) -> Self {
        Self::with(target, client(transport())).await
    }

    /// Connects with this configuration.
    pub async fn with(target: &Target, config: ClientConfig) -> Self {
        Self::through(target.udp, config).await
    }

    /// Connects to the server through this address.
    pub async fn through(address: SocketAddr, config: ClientConfig) -> Self {
        let endpoint = endpoint();
        let connecting = endpoint.connect_with(config, address, "localhost").unwrap();
        let connection = patiently("a QUIC handshake", connecting).await.unwrap();
        Self { connection, endpoint }
    }

    /// Continues over another UDP socket, as behind a NAT that lost its mapping.
    pub fn rebind(&self, socket: std::net::UdpSocket) {
        self.endpoint.rebind(socket).unwrap();
    }

    /// Opens a unidirectional stream, which stays open, and writes bytes to it.
    pub async fn uni(&self, bytes: &[u8]) -> Option<SendStream> {
        let opening = patiently("a stream", self.connection.open_uni());
        let mut stream = opening.await.ok()?;
        stream.write_all(bytes).await.ok()?;
        Some(stream)
    }

    /// Opens a bidirectional stream and writes bytes to it.
    pub async fn bi(&self, bytes: &[u8]) -> Option<(SendStream, RecvStream)> {
        let opening = patiently("a stream", self.connection.open_bi());
        let (mut send, recv) = opening.await.ok()?;
        send.write_all(bytes).await.ok()?;
        Some((send, recv))
    }

    /// Opens a control stream with a browser's settings.
    pub async fn control(&self) -> SendStream {
        self.uni(&[varint(CONTROL), settings()].concat()).await.unwrap()
    }

    /// Waits until the server has closed the connection. Returns its code, if any.
    pub async fn closed(&self) -> Option<u64> {
        match patiently("the connection's end", self.connection.closed()).await {
            ConnectionError::ApplicationClosed(close) => Some(close.error_code.into_inner()),
            _ => None,
        }
    }
}

/// Reads the status of a response; `None` if the stream ends without one.
pub async fn status(recv: &mut RecvStream) -> Option<u16> {
    let mut head = [0; 2];
    recv.read_exact(&mut head).await.ok()?;
    assert_eq!(u64::from(head[0]), HEADERS, "a short HEADERS frame: {head:?}");
    let mut payload = vec![0; head[1].into()];
    recv.read_exact(&mut payload).await.ok()?;
    // After the two-byte prefix: the name of static field 24, and the status as text, or 200 in
    // Huffman code, which is shorter.
    match payload[2..] {
        [0x5F, 9, 0x82, 0x10, 0x01, ..] => Some(200),
        [0x5F, 9, 3, a, b, c, ..] => std::str::from_utf8(&[a, b, c]).ok()?.parse().ok(),
        _ => panic!("unknown status {payload:?}"),
    }
}

/// A WebTransport session.
pub struct Session {
    pub quic: Quic,
    /// Kept, because closing the control stream is an error.
    _control: SendStream,
    /// The request's stream, which carries capsules.
    pub request: (SendStream, RecvStream),
    /// The reliable lane.
    pub lane: (SendStream, RecvStream),
    buffer: Vec<u8>,
}

impl Session {
    /// A session that has sent nothing yet.
    pub async fn open(target: &Target) -> Self {
        Self::over(Quic::open(target).await, target).await
    }

    /// A session over this connection.
    pub async fn over(quic: Quic, target: &Target) -> Self {
        let control = quic.control().await;
        let mut request = quic.bi(&connect_frame(target, &[])).await.unwrap();
        assert_eq!(patiently("an answer", status(&mut request.1)).await, Some(200));
        let lane = quic.bi(&[varint(WEBTRANSPORT), varint(0)].concat()).await.unwrap();
        Self { quic, _control: control, request, lane, buffer: Vec::new() }
    }

    /// A session in the lobby.
    pub async fn join(target: &Target) -> Self {
        Self::enter(target, &hello_to("lobby", None)).await.0
    }

    /// A session that was welcomed after this hello.
    pub async fn enter(target: &Target, hello: &[u8]) -> (Self, Welcome) {
        let mut session = Self::open(target).await;
        let welcome = session.hello(hello).await;
        (session, welcome)
    }

    /// Sends this hello, and waits for the welcome.
    pub async fn hello(&mut self, hello: &[u8]) -> Welcome {
        self.message(hello).await;
        patiently("a welcome", async {
            loop {
                let message = self.read().await.expect("a welcome");
                if let ServerMessage::Welcome(welcome) = message {
                    return welcome;
                }
            }
        })
        .await
    }

    /// Sends a message on the reliable lane. Ignores errors, as the server may have closed.
    pub async fn message(&mut self, message: &[u8]) {
        let length = u16::try_from(message.len()).unwrap().to_le_bytes();
        self.write(&[&length, message].concat()).await;
    }

    /// Writes bytes to the reliable lane as they are.
    pub async fn write(&mut self, bytes: &[u8]) {
        drop(patiently("the server to read", self.lane.0.write_all(bytes)).await);
    }

    /// Sends a datagram of this session.
    pub fn datagram(&self, payload: &[u8]) {
        self.raw_datagram(&[&[0], payload].concat());
    }

    /// Sends a datagram as it is.
    pub fn raw_datagram(&self, bytes: &[u8]) {
        drop(self.quic.connection.send_datagram(bytes.to_vec().into()));
    }

    /// The next message; `None` at the end.
    pub async fn read(&mut self) -> Option<ServerMessage> {
        loop {
            if let [low, high, rest @ ..] = self.buffer.as_slice() {
                let length = usize::from(u16::from_le_bytes([*low, *high]));
                if let Some(message) = rest.get(..length) {
                    let message = ServerMessage::decode(message).unwrap();
                    self.buffer.drain(..2 + length);
                    return Some(message);
                }
            }
            let mut bytes = [0; 4096];
            let count = self.lane.1.read(&mut bytes).await.ok()??;
            self.buffer.extend_from_slice(&bytes[..count]);
        }
    }

    /// Asserts that the session still answers.
    pub async fn answers(&self) {
        patiently("a pong", async {
            loop {
                // Datagrams that overtake a hello are lost.
                self.datagram(&[0x51, 9, 8, 7, 6]);
                if tokio::time::timeout(AGAIN, self.pong()).await.is_ok() {
                    return;
                }
            }
        })
        .await;
    }

    async fn pong(&self) {
        loop {
            let datagram = self.quic.connection.read_datagram();
            let datagram = datagram.await.expect("an open session");
            if datagram.get(1..6) == Some(&[0x52, 9, 8, 7, 6]) {
                return;
            }
        }
    }

    /// Reads until the server has closed the connection. Returns how the link ended.
    pub async fn ends(&mut self) -> End {
        let mut end = End::default();
        let reading = async {
            while let Some(message) = self.read().await {
                if let ServerMessage::Closing(closing) = message {
                    end.closing = Some(closing);
                }
            }
        };
        patiently("the lane's end", reading).await;
        end.code = self.quic.closed().await;
        end
    }
}

/// A code as a QUIC integer.
pub fn code(code: u32) -> VarInt {
    VarInt::from_u32(code)
}
