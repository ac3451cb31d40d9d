//! A client that speaks the protocol by hand, and keeps what it received.

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use gpys::proto::geo::Position;
use gpys::proto::pose::{Accuracy, Pose};
use gpys::proto::time::Time;
use gpys::proto::view::View;
use gpys::proto::wire::{
    ClientMessage, Closing, DATAGRAM_LANE, FRAME_TAG, Hello, PONG_TAG, ResumeToken, SAID_TAG, Said,
    Sample, ServerMessage, Welcome, encode_ping,
};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use wtransport::error::ConnectionError;
use wtransport::{Connection, RecvStream, SendStream};

/// The timeout of every wait.
pub const PATIENCE: Duration = Duration::from_secs(20);

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

pub(crate) enum Wire {
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

    pub(crate) fn on(wire: Wire) -> Self {
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
