//! Why a client cannot join, and how its link ends.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use http::StatusCode;

use crate::trust::TrustError;
use gpys_proto::wire::{CloseCode, Closing, DecodeError};

/// Why a client cannot join.
///
/// The variants are the causes that call for different actions, in the order in which a client
/// meets them. Displayed, each is one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not a server's.
    #[error("{url} is not a server's address; use one such as https://localhost:4433")]
    InvalidUrl {
        /// The URL as given.
        url: String,
    },
    /// The URL is a server's, but names no room.
    #[error("{url} names no room; use https://HOST/ for the lobby, or https://HOST/r/NAME")]
    NoRoom {
        /// The URL as given.
        url: String,
    },
    /// The host's name has no address.
    #[error("cannot resolve {host}: {source}; check the spelling and the DNS")]
    Dns {
        /// The host.
        host: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// No TCP connection: refused, unreachable, or broken off.
    #[error(
        "cannot connect to {address} over TCP: {source}; check that the server runs and that a \
         firewall lets the port through"
    )]
    Tcp {
        /// Host and port.
        address: String,
        /// The system's error.
        source: io::Error,
    },
    /// No TLS: the certificate is not trusted, or the port speaks something else.
    #[error(
        "TLS with {host} failed: {source}; check the certificate, and that the port speaks TLS"
    )]
    Tls {
        /// The host.
        host: String,
        /// The error of TLS; its source is a `rustls::Error` unless the stream broke.
        source: io::Error,
    },
    /// This computer cannot verify servers.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The server answered over HTTP, but not with its configuration.
    #[error("{url}/config.json answered {status}{words}; check the address and any proxy")]
    Status {
        /// Scheme, host and port.
        url: String,
        /// The status.
        status: StatusCode,
        /// The server's explanation behind a colon, or nothing.
        words: String,
    },
    /// The answer is not a GPyS configuration.
    #[error("{url} is not a GPyS server: {source}; check the address and any proxy")]
    NotGpys {
        /// Scheme, host and port.
        url: String,
        /// What is wrong with `/config.json`.
        source: serde_json::Error,
    },
    /// Server and client speak different versions of the protocol.
    #[error("{url} speaks another version of the protocol: {reason}; update the older of the two")]
    Version {
        /// The server's URL.
        url: String,
        /// The server's version, where it gave it as a number.
        server: Option<u16>,
        /// Both versions in words.
        reason: String,
    },
    /// Nothing answered over UDP, although HTTPS did.
    #[error(
        "{url} does not answer over UDP; open the UDP port in the firewall, or connect over \
         WebSocket"
    )]
    UdpBlocked {
        /// The URL for WebTransport.
        url: String,
    },
    /// The WebTransport certificate is none of those that `/config.json` names.
    #[error(
        "the certificate at {url} has none of the hashes in /config.json; fetch it again with a \
         new connector, and check that HTTPS and UDP lead to one server"
    )]
    CertificateHash {
        /// The URL for WebTransport.
        url: String,
    },
    /// The server takes no sessions of this origin (403).
    #[error(
        "{url} refuses the origin {}; allow it with --allow-origin",
        .origin.as_deref().unwrap_or("of clients that send none")
    )]
    Origin {
        /// The URL of the session.
        url: String,
        /// The origin that the client sent.
        origin: Option<String>,
    },
    /// The server refuses the session for another reason.
    #[error("{url} refuses the session ({status}); check the URL, and whether a proxy forwards it")]
    Rejected {
        /// The URL of the session.
        url: String,
        /// The status.
        status: StatusCode,
    },
    /// The room or the server is full.
    #[error("the server is full: {reason}; {}", retry(*.retry_ms))]
    Full {
        /// The server's explanation.
        reason: String,
        /// When to try again: after this long plus a random part of as much again, in ms.
        retry_ms: Option<u32>,
    },
    /// The access token is missing, or does not open this room.
    #[error("room {room:?} is closed to this client: {reason}; get an access token for this room")]
    Forbidden {
        /// The room.
        room: String,
        /// The server's explanation.
        reason: String,
    },
    /// The access token has expired.
    #[error("the access token for room {room:?} has expired; get a new one")]
    Expired {
        /// The room.
        room: String,
    },
    /// The client's source of access tokens has none.
    #[error("cannot get an access token: {source}; check the program's source of tokens")]
    Token {
        /// The source's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server closes the link for another reason.
    #[error("the server refuses: {reason} (code {code}); {}", retry(*.retry_ms))]
    Refused {
        /// The close code (docs/PROTOCOL.md, section 3).
        code: u8,
        /// The server's explanation.
        reason: String,
        /// When to try again: after this long plus a random part of as much again, in ms; `None`:
        /// do not.
        retry_ms: Option<u32>,
    },
    /// The server took too long.
    #[error("{url} did not answer within {after:?}; try again, or check the server's load")]
    TimedOut {
        /// The URL that was asked.
        url: String,
        /// How long the client waited.
        after: Duration,
    },
    /// The connection broke, or carried something that is not the protocol.
    #[error("the connection to {url} failed: {source}; try again, or check the server's log")]
    Broken {
        /// The URL.
        url: String,
        /// The transport's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// This computer has no UDP socket for the client.
    #[error("cannot open a UDP socket: {0}; check the limit of open files")]
    Socket(#[source] io::Error),
}

fn retry(ms: Option<u32>) -> String {
    ms.map_or_else(|| "do not retry".to_owned(), |ms| format!("retry after {ms} ms"))
}

impl ConnectError {
    /// Whether dialling again may help without any change: the network or the
    /// connection failed. Where the server names a time to retry, that is in the variant.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Dns { .. }
            | Self::Tcp { .. }
            | Self::UdpBlocked { .. }
            | Self::Rejected { .. }
            | Self::TimedOut { .. }
            | Self::Broken { .. }
            | Self::Token { .. }
            | Self::Socket(_) => true,
            // Otherwise TLS itself found something wrong.
            Self::Tls { source, .. } => source.kind() != io::ErrorKind::InvalidData,
            Self::InvalidUrl { .. }
            | Self::NoRoom { .. }
            | Self::Trust(_)
            | Self::Status { .. }
            | Self::NotGpys { .. }
            | Self::Version { .. }
            | Self::CertificateHash { .. }
            | Self::Origin { .. }
            | Self::Full { .. }
            | Self::Forbidden { .. }
            | Self::Expired { .. }
            | Self::Refused { .. } => false,
        }
    }

    /// Wraps a transport's error.
    pub(crate) fn broken(url: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Broken { url: url.to_owned(), source: source.into() }
    }

    /// The cause in a closing that arrived in place of a welcome to `room`.
    pub(crate) fn from_closing(closing: &Closing, url: &str, room: &str) -> Self {
        let Closing { code, retry_ms, .. } = *closing;
        let (url, room) = (url.to_owned(), room.to_owned());
        let (reason, is) = (closing.words(), |it: CloseCode| code == it as u8);
        if is(CloseCode::Full) {
            Self::Full { reason, retry_ms }
        } else if is(CloseCode::Forbidden) {
            Self::Forbidden { room, reason }
        } else if is(CloseCode::Expired) {
            Self::Expired { room }
        } else if is(CloseCode::BadVersion) {
            Self::Version { url, server: None, reason }
        } else {
            Self::Refused { code, reason, retry_ms }
        }
    }
}

/// Why a message to others cannot be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SayError {
    /// The topic is not one, or the body is too long.
    #[error(transparent)]
    Invalid(#[from] DecodeError),
    /// The body cannot be written as JSON.
    #[error("the message cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Too much waits for a link, or for its turn.
    #[error("64 messages, or 16 topics, wait already; say less, or wait until the room is live")]
    TooMuch,
}

/// How a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client left, or was dropped.
    Left,
    /// The server closed it.
    Closed {
        /// The close code (docs/PROTOCOL.md, section 3).
        code: u8,
        /// The server's explanation.
        reason: String,
        /// When to come back: after this long plus a random part of as much again, in ms; `None`:
        /// do not.
        retry_ms: Option<u32>,
    },
    /// The link broke; what the transport says.
    Lost(String),
    /// Nothing arrived for 15 s.
    Silent,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("left"),
            Self::Closed { code, reason, .. } => {
                write!(f, "closed by the server: {reason} ({code})")
            }
            Self::Lost(reason) => write!(f, "lost: {reason}"),
            Self::Silent => f.write_str("nothing arrived for 15 s"),
        }
    }
}
