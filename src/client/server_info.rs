//! `/config.json` (docs/PROTOCOL.md, section 10): where a server can be reached and how.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::trust::{self, Trust};
use gpys_proto::wire::VERSION;

/// Where a server tells how it can be reached.
pub const CONFIG: &str = "/config.json";
/// Longest `/config.json` that is read, in bytes.
const MAX_CONFIG: usize = 64 * 1024;
/// Most letters of a refusal that are told.
const WORDS: usize = 300;
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why `/config.json` cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The URL is not one of a server.
    #[error("{0} is not a server's address; https://localhost:4433 would be")]
    Url(String),
    /// The server cannot be reached.
    #[error("cannot reach {0}: {1}")]
    Unreachable(String, String),
    /// The server has no `/config.json`, or one that is not right.
    #[error("{0}/config.json is not what a GPyS server says: {1}")]
    Answer(String, String),
}

/// What `/config.json` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The protocol's version.
    pub protocol: u16,
    /// URL for WebTransport.
    pub webtransport: String,
    /// Digests of the certificates that WebTransport may show; empty when an authority vouches
    /// for it.
    #[serde(default)]
    pub server_certificate_hashes: Vec<CertificateHash>,
    /// URL for WebSocket.
    pub websocket: String,
    /// The venue, if there is one.
    pub venue: Option<Venue>,
    /// What the server saw of the request for this, if it was told for which origin.
    pub seen: Option<Seen>,
}

impl Config {
    /// Where WebSocket is, and with which TLS.
    ///
    /// # Errors
    /// If it has no such URL, or the platform no roots to verify with.
    pub fn websocket_target(&self, trust: Trust) -> Result<(Target, Option<TlsConnector>), String> {
        let target = Target::parse(&self.websocket)
            .ok_or_else(|| format!("{} is no URL for WebSocket", self.websocket))?;
        let tls = if target.tls { Some(target.tls(trust)?) } else { None };
        Ok((target, tls))
    }
}

/// What a server saw of a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The host that it was asked for.
    pub host: String,
    /// Whether it takes sessions of the origin.
    pub origin_allowed: bool,
    /// What became of a proxy's headers: `none`, `believed` or `ignored`.
    pub forwarded: String,
}

/// The digest of a certificate.
#[derive(Clone, Debug, Deserialize)]
pub struct CertificateHash {
    /// `sha-256`; others are ignored.
    pub algorithm: String,
    /// The digest in base64.
    pub value: String,
}

impl CertificateHash {
    /// The 32 bytes of a SHA-256 digest.
    #[must_use]
    pub fn sha256(&self) -> Option<[u8; 32]> {
        if self.algorithm != "sha-256" {
            return None;
        }
        STANDARD.decode(&self.value).ok()?.try_into().ok()
    }
}

/// The place that everybody comes to.
#[derive(Clone, Debug, Deserialize)]
pub struct Venue {
    /// Latitude, in degrees.
    pub lat: f64,
    /// Longitude, in degrees.
    pub lng: f64,
    /// What it is called.
    pub label: String,
}

/// Fetches `/config.json` from the server at `url` (scheme, host and port; the rest is ignored).
/// Tells as well which of the host's addresses answered.
///
/// # Errors
/// If the URL is not an address, the server cannot be reached, or its answer is not right.
pub async fn fetch(url: &str, trust: Trust) -> Result<(Config, SocketAddr), ConfigError> {
    let target = Target::parse(url).ok_or_else(|| ConfigError::Url(url.to_owned()))?;
    let unreachable = |why: String| ConfigError::Unreachable(target.base(), why);
    let fetched = tokio::time::timeout(PATIENCE, async {
        let (stream, address) = target.open(trust).await.map_err(unreachable)?;
        let answer = get(stream, &target, CONFIG, &[]).await.map_err(unreachable)?;
        if answer.status != StatusCode::OK {
            let words = answer.words();
            return Err(unreachable(format!("{CONFIG} is answered with {}{words}", answer.status)));
        }
        Ok((answer.body, address))
    });
    let (body, address) =
        fetched.await.map_err(|_| unreachable(format!("no answer within {PATIENCE:?}")))??;
    let wrong = |why: String| ConfigError::Answer(target.base(), why);
    let config: Config = serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))?;
    // Whatever a proxy made the server think of scheme and host, that address has answered.
    let config = Config { websocket: target.socket(), ..config };
    if config.protocol != VERSION {
        let theirs = config.protocol;
        return Err(wrong(format!("it speaks protocol {theirs}, this client speaks {VERSION}")));
    }
    Ok((config, address))
}

/// Where a URL points to.
#[derive(Clone, Debug)]
pub struct Target {
    /// The URL.
    pub uri: Uri,
    /// Its host, without the brackets of an IPv6 address.
    pub host: String,
    /// Its port, or the one of its scheme.
    pub port: u16,
    /// Whether the link is encrypted.
    pub tls: bool,
}

/// A byte stream, encrypted or plain.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Target {
    /// From a URL with scheme http, https, ws or wss.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return None,
        };
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Some(Self { uri, host, port, tls })
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn base(&self) -> String {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        format!("{}://{authority}", self.uri.scheme_str().unwrap_or_default())
    }

    /// The URL for WebSocket at this address.
    #[must_use]
    pub fn socket(&self) -> String {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        format!("{}://{authority}/ws", if self.tls { "wss" } else { "ws" })
    }

    /// Connects by TCP, and by TLS if the URL wants it.
    ///
    /// # Errors
    /// If the host has no address, refuses, or fails at TLS.
    pub async fn open(&self, trust: Trust) -> Result<(Box<dyn Stream>, SocketAddr), String> {
        let tls = if self.tls { Some(self.tls(trust)?) } else { None };
        self.open_with(tls.as_ref()).await
    }

    /// A TLS configuration that many links to this host can share.
    ///
    /// # Errors
    /// If the platform has no roots to verify with.
    pub fn tls(&self, trust: Trust) -> Result<TlsConnector, String> {
        Ok(TlsConnector::from(Arc::new(trust::tls(trust.verifies(&self.host), b"http/1.1")?)))
    }

    /// Connects by TCP, and by TLS with this configuration if there is one.
    ///
    /// # Errors
    /// If the host has no address, refuses, or fails at TLS.
    pub async fn open_with(
        &self,
        tls: Option<&TlsConnector>,
    ) -> Result<(Box<dyn Stream>, SocketAddr), String> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|error| error.to_string())?;
        let address = tcp.peer_addr().map_err(|error| error.to_string())?;
        // Poses are small and must not wait for more to fill a packet.
        tcp.set_nodelay(true).map_err(|error| error.to_string())?;
        let Some(tls) = tls else {
            return Ok((Box::new(tcp), address));
        };
        let name = ServerName::try_from(self.host.clone()).map_err(|error| error.to_string())?;
        let stream = tls.connect(name, tcp).await.map_err(|error| error.to_string())?;
        Ok((Box::new(stream), address))
    }
}

/// What a server answers.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most 64 KiB.
    pub body: Bytes,
}

impl Answer {
    /// What a refusal says, after its status; nothing if it is a page.
    #[must_use]
    pub fn words(&self) -> String {
        let kind = self.headers.get(http::header::CONTENT_TYPE);
        let is_text = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
        let text: String = String::from_utf8_lossy(&self.body).chars().take(WORDS).collect();
        let text = text.trim();
        if is_text && !text.is_empty() && !text.contains(char::is_control) {
            format!(": {text}")
        } else {
            String::new()
        }
    }
}

/// Asks the server behind `stream` for a file of at most 64 KiB.
///
/// # Errors
/// If the connection fails, or the answer is longer.
pub async fn get(
    stream: Box<dyn Stream>,
    target: &Target,
    path: &str,
    fields: &[(HeaderName, &str)],
) -> Result<Answer, String> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let driver = tokio::spawn(connection);
    let authority = target.uri.authority().map_or("", |authority| authority.as_str());
    let mut request = http::Request::get(path).header(http::header::HOST, authority);
    for (name, value) in fields {
        request = request.header(name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_CONFIG);
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    driver.abort();
    Ok(Answer { status: head.status, headers: head.headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_protocol_is_read() {
        let config: Config = serde_json::from_str(
            r#"{
              "protocol": 1,
              "webtransport": "https://192.168.1.7:4433/wt",
              "serverCertificateHashes": [{ "algorithm": "sha-256",
                "value": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" },
                { "algorithm": "sha-512", "value": "" }],
              "websocket": "wss://192.168.1.7:4433/ws",
              "venue": { "lat": 45.75, "lng": 14.36, "label": "Main stage" },
              "map": { "style": null, "pmtiles": null }
            }"#,
        )
        .unwrap();
        let digests: Vec<_> =
            config.server_certificate_hashes.iter().map(CertificateHash::sha256).collect();
        assert_eq!(digests, [Some(std::array::from_fn(|i| i as u8)), None]);
        assert_eq!(config.venue.unwrap().label, "Main stage");
    }

    #[test]
    fn urls_become_targets() {
        let target = Target::parse("https://[::1]/r/x").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.tls), ("::1", 443, true));
        let target = Target::parse("ws://localhost:8080/ws").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.tls), ("localhost", 8080, false));
        assert_eq!(target.base(), "ws://localhost:8080");
        let page = Target::parse("https://gpys.example/r/x").unwrap();
        assert_eq!(page.socket(), "wss://gpys.example/ws");
        for bad in ["localhost:4433", "ftp://x", "", "https://"] {
            assert!(Target::parse(bad).is_none(), "{bad}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_a_sentence() {
        let error = fetch("http://127.0.0.1:9", Trust::Public).await.unwrap_err().to_string();
        assert!(error.starts_with("cannot reach http://127.0.0.1:9: "), "{error}");
        let error = fetch("nonsense", Trust::Public).await.unwrap_err().to_string();
        assert!(error.starts_with("nonsense is not a server's address"), "{error}");
    }
}
