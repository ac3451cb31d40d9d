//! A WebSocket by hand, over raw TLS: every bit of a frame can be wrong.

use std::net::SocketAddr;

use gpys::proto::wire::{ServerMessage, Welcome};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::attacks::arena::Target;
use crate::attacks::tools::{End, hello_to, patiently, tls};

pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;
pub const FIN: u8 = 0x80;
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A frame as a client sends it: `first` holds FIN, the reserved bits and the opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    masked(first, payload, MASK)
}

/// A frame with this masking key.
pub fn masked(first: u8, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut bytes = head(first, payload.len() as u64, true);
    bytes.extend_from_slice(&key);
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// A frame without a mask.
pub fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    [head(first, payload.len() as u64, false).as_slice(), payload].concat()
}

/// The head of a frame, up to its length, in the shortest form.
pub fn head(first: u8, length: u64, is_masked: bool) -> Vec<u8> {
    let mask = u8::from(is_masked) << 7;
    match length {
        0..=125 => vec![first, mask | length as u8],
        126..=0xFFFF => {
            let [.., high, low] = length.to_be_bytes();
            vec![first, mask | 126, high, low]
        }
        _ => [&[first, mask | 127], length.to_be_bytes().as_slice()].concat(),
    }
}

/// A close frame's payload.
pub fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes(), reason].concat()
}

/// A TCP connection with a small receive buffer, so little arrives unread.
pub async fn narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2_048).unwrap();
    socket.connect(address).await.unwrap()
}

/// A TLS connection to the HTTPS port.
pub async fn connect(target: &Target) -> TlsStream<TcpStream> {
    secure(TcpStream::connect(target.https).await.unwrap()).await
}

/// TLS over this connection.
pub async fn secure(stream: TcpStream) -> TlsStream<TcpStream> {
    stream.set_nodelay(true).unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connector = TlsConnector::from(std::sync::Arc::new(tls(b"http/1.1")));
    connector.connect(name, stream).await.unwrap()
}

/// The head of a WebSocket request. Each of `fields` replaces or extends the usual ones; one
/// without a value is left out.
pub fn request(target: &Target, fields: &[(&str, &str)]) -> String {
    let host = target.https.to_string();
    let mut all = vec![
        ("Host", host.as_str()),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    all.retain(|(name, _)| fields.iter().all(|(other, _)| name != other));
    all.extend(fields.iter().filter(|(_, value)| !value.is_empty()));
    let lines: String = all.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET /ws HTTP/1.1\r\n{lines}\r\n")
}

/// A WebSocket.
pub struct Socket {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Socket {
    /// A WebSocket that has sent nothing yet.
    pub async fn open(target: &Target) -> Self {
        Self::over(connect(target).await, target).await
    }

    /// A WebSocket over this connection.
    pub async fn over(mut stream: TlsStream<TcpStream>, target: &Target) -> Self {
        stream.write_all(request(target, &[]).as_bytes()).await.unwrap();
        let (head, buffer) = patiently("the upgrade", read_head(&mut stream)).await;
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        Self { stream, buffer }
    }

    /// A WebSocket over an upgraded connection, with what has been read from it.
    pub fn from_parts(stream: TlsStream<TcpStream>, buffer: Vec<u8>) -> Self {
        Self { stream, buffer }
    }

    /// A WebSocket in the lobby.
    pub async fn join(target: &Target) -> Self {
        Self::enter(target, &hello_to("lobby", None)).await.0
    }

    /// A WebSocket that was welcomed after this hello.
    pub async fn enter(target: &Target, hello: &[u8]) -> (Self, Welcome) {
        let mut socket = Self::open(target).await;
        socket.write(&frame(FIN | BINARY, hello)).await;
        let welcome = patiently("a welcome", async {
            loop {
                let (first, payload) = socket.read().await.expect("a welcome");
                if first == FIN | BINARY
                    && let Ok(ServerMessage::Welcome(welcome)) = ServerMessage::decode(&payload)
                {
                    return welcome;
                }
            }
        });
        let welcome = welcome.await;
        (socket, welcome)
    }

    /// Sends bytes as they are. Ignores errors, as the server may have closed.
    pub async fn write(&mut self, bytes: &[u8]) {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        drop(patiently("the server to read", written).await);
    }

    /// Sends bytes as they are, and returns whether the connection took them.
    pub async fn try_write(&mut self, bytes: &[u8]) -> bool {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        patiently("the server to read", written).await.is_ok()
    }

    /// The next frame: its first byte and its payload; `None` at the end.
    pub async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(frame) = self.whole_frame() {
                return Some(frame);
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
            }
        }
    }

    fn whole_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let [first, length, rest @ ..] = self.buffer.as_slice() else { return None };
        assert_eq!(length & 0x80, 0, "a server does not mask");
        let (length, at) = match length {
            126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            127 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).unwrap(), 10),
            &short => (usize::from(short), 2),
        };
        let frame = (*first, self.buffer.get(at..at + length)?.to_vec());
        self.buffer.drain(..at + length);
        Some(frame)
    }

    /// Waits for a frame with this first byte, and skips any other.
    pub async fn read_until(&mut self, first: u8) -> Vec<u8> {
        patiently("a frame", async {
            loop {
                let (got, payload) = self.read().await.expect("an open socket");
                if got == first {
                    return payload;
                }
            }
        })
        .await
    }

    /// Asserts that the session still answers.
    pub async fn answers(&mut self) {
        self.write(&frame(FIN | BINARY, &[0x51, 9, 8, 7, 6])).await;
        self.pong([9, 8, 7, 6]).await;
    }

    /// Waits for the protocol's pong (not WebSocket's) with this echo.
    pub async fn pong(&mut self, echo: [u8; 4]) {
        patiently("a pong", async {
            loop {
                let (first, payload) = self.read().await.expect("an open session");
                assert_ne!(first, FIN | CLOSE, "closed: {payload:?}");
                if payload.first() == Some(&0x52) && payload[1..5] == echo {
                    return;
                }
            }
        })
        .await;
    }

    /// Reads until the server has closed the connection. Returns how the link ended.
    pub async fn ends(&mut self) -> End {
        patiently("the server to close", async {
            let mut end = End::default();
            while let Some((first, payload)) = self.read().await {
                if first == FIN | CLOSE {
                    end.code = payload.first_chunk().map(|&code| u16::from_be_bytes(code).into());
                    // By the book; the server need not wait for a client that does not reply.
                    self.write(&frame(FIN | CLOSE, &payload)).await;
                } else if let Ok(ServerMessage::Closing(closing)) = ServerMessage::decode(&payload)
                {
                    end.closing = Some(closing);
                }
            }
            end
        })
        .await
    }
}

/// Reads the head of a response, in lower case, and returns it with what followed.
pub async fn read_head(stream: &mut TlsStream<TcpStream>) -> (String, Vec<u8>) {
    // TLS buffers what the socket did not take of the request, and a busy task's takes nothing.
    drop(stream.flush().await);
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return (String::from_utf8(bytes).unwrap().to_ascii_lowercase(), rest);
        }
        let mut more = [0; 1024];
        let count = stream.read(&mut more).await.unwrap_or_default();
        if count == 0 {
            return (String::from_utf8_lossy(&bytes).to_ascii_lowercase(), Vec::new());
        }
        bytes.extend_from_slice(&more[..count]);
    }
}
