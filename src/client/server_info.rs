//! `/config.json` (docs/PROTOCOL.md, section 10): where and how to reach a server.

use std::io;
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

use crate::error::ConnectError;
use crate::trust::{self, Trust, TrustError};
use gpys_proto::wire::VERSION;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The path at which a server says how to reach it.
pub const CONFIG: &str = "/config.json";
/// Longest `/config.json` to read, in bytes.
const MAX_CONFIG: usize = 64 * 1024;
/// Longest explanation of a refusal to pass on, in characters.
const WORDS: usize = 300;
/// Time for a server to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The contents of `/config.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The protocol's version.
    pub protocol: u16,
    /// URL for WebTransport.
    pub webtransport: String,
    /// Digests of the certificates that WebTransport may show; empty if an authority vouches for
    /// them.
    #[serde(default)]
    pub server_certificate_hashes: Vec<CertificateHash>,
    /// URL for WebSocket.
    pub websocket: String,
    /// The venue, if there is one.
    pub venue: Option<Venue>,
    /// What the server saw of this request, if the request named an origin.
    pub seen: Option<Seen>,
}

impl Config {
    /// The target of WebSocket links, and the TLS they use.
    ///
    /// # Errors
    /// If it has no such URL, or the platform no roots to verify with.
    pub fn websocket_target(
        &self,
        trust: Trust,
    ) -> Result<(Target, Option<TlsConnector>), ConnectError> {
        let target = Target::parse(&self.websocket)?;
        let tls = if target.tls { Some(target.tls(trust)?) } else { None };
        Ok((target, tls))
    }
}

/// What a server saw of a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The host that the request named.
    pub host: String,
    /// Whether the server takes sessions of the origin.
    pub origin_allowed: bool,
    /// Whether the server believed a proxy's headers: `none`, `believed` or `ignored`.
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

/// The place of an event.
#[derive(Clone, Debug, Deserialize)]
pub struct Venue {
    /// Latitude, in degrees.
    pub lat: f64,
    /// Longitude, in degrees.
    pub lng: f64,
    /// Its name.
    pub label: String,
}

/// Fetches `/config.json` of a server, and returns it with the host's address that answered.
///
/// # Errors
/// If the server cannot be reached, or its answer is not right.
pub async fn fetch(target: &Target, trust: Trust) -> Result<(Config, SocketAddr), ConnectError> {
    let url = target.base();
    let fetched = tokio::time::timeout(PATIENCE, async {
        let (stream, address) = target.open(trust).await?;
        Ok::<_, ConnectError>((get(stream, target, CONFIG, &[]).await?, address))
    });
    let late = |_| Err(ConnectError::TimedOut { url: url.clone(), after: PATIENCE });
    let (answer, address) = fetched.await.unwrap_or_else(late)?;
    if answer.status != StatusCode::OK {
        let (status, words) = (answer.status, answer.words());
        return Err(ConnectError::Status { url, status, words });
    }
    let config: Config = serde_json::from_slice(&answer.body)
        .map_err(|source| ConnectError::NotGpys { url: url.clone(), source })?;
    if config.protocol != VERSION {
        let server = config.protocol;
        let reason = format!("it speaks version {server}, this client version {VERSION}");
        return Err(ConnectError::Version { url, server: Some(server), reason });
    }
    // This address has answered, whatever scheme and host a proxy made the server name.
    Ok((Config { websocket: target.socket(), ..config }, address))
}

/// The host and port of a URL.
#[derive(Clone, Debug)]
pub struct Target {
    /// The URL.
    pub uri: Uri,
    /// The host, without the brackets of an IPv6 address.
    pub host: String,
    /// The port, or the default of the scheme.
    pub port: u16,
    /// Whether the link is encrypted.
    pub tls: bool,
}

/// A byte stream, encrypted or plain.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Target {
    /// Parses a URL with scheme http, https, ws or wss.
    ///
    /// # Errors
    /// If it has another scheme, or no host.
    pub fn parse(url: &str) -> Result<Self, ConnectError> {
        let parse = || {
            let uri: Uri = url.parse().ok()?;
            let tls = match uri.scheme_str()? {
                "https" | "wss" => true,
                "http" | "ws" => false,
                _ => return None,
            };
            let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
            let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
            Some(Self { uri, host, port, tls })
        };
        parse().ok_or_else(|| ConnectError::InvalidUrl { url: url.to_owned() })
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

    /// The addresses of the host.
    ///
    /// # Errors
    /// If it has none.
    pub async fn addresses(&self) -> Result<Vec<SocketAddr>, ConnectError> {
        let failed = |source| ConnectError::Dns { host: self.host.clone(), source };
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let found: Vec<_> = found.map_err(failed)?.collect();
        if found.is_empty() {
            return Err(failed(io::Error::new(io::ErrorKind::NotFound, "it has no address")));
        }
        Ok(found)
    }

    /// Connects over TCP, and over TLS if the URL asks for it.
    ///
    /// # Errors
    /// If the host has no address, refuses, or fails at TLS.
    pub async fn open(&self, trust: Trust) -> Result<(Box<dyn Stream>, SocketAddr), ConnectError> {
        let tls = if self.tls { Some(self.tls(trust)?) } else { None };
        self.open_with(tls.as_ref()).await
    }

    /// A TLS configuration that many links to this host can share.
    ///
    /// # Errors
    /// If the platform has no roots to verify with.
    pub fn tls(&self, trust: Trust) -> Result<TlsConnector, TrustError> {
        Ok(TlsConnector::from(Arc::new(trust::tls(trust.verifies(&self.host), b"http/1.1")?)))
    }

    /// Connects over TCP, and over TLS with this configuration if there is one.
    ///
    /// # Errors
    /// If the host has no address, refuses, or fails at TLS.
    pub async fn open_with(
        &self,
        tls: Option<&TlsConnector>,
    ) -> Result<(Box<dyn Stream>, SocketAddr), ConnectError> {
        let addresses = self.addresses().await?;
        let failed = |source| {
            let authority = self.uri.authority().map_or("", |authority| authority.as_str());
            ConnectError::Tcp { address: authority.to_owned(), source }
        };
        let tcp = TcpStream::connect(addresses.as_slice()).await.map_err(failed)?;
        let address = tcp.peer_addr().map_err(failed)?;
        // Poses are small and must not wait for more to fill a packet.
        tcp.set_nodelay(true).map_err(failed)?;
        let Some(tls) = tls else {
            return Ok((Box::new(tcp), address));
        };
        let failed = |source| ConnectError::Tls { host: self.host.clone(), source };
        let name = ServerName::try_from(self.host.clone())
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let stream = tls.connect(name, tcp).await.map_err(failed)?;
        Ok((Box::new(stream), address))
    }
}

/// A server's answer.
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
    /// A refusal's explanation behind a colon; empty if it is a page.
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

/// Requests a file of at most 64 KiB from the server behind `stream`.
///
/// # Errors
/// If the connection fails, or the answer is longer.
pub async fn get(
    stream: Box<dyn Stream>,
    target: &Target,
    path: &str,
    fields: &[(HeaderName, &str)],
) -> Result<Answer, ConnectError> {
    let exchange = async {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let authority = target.uri.authority().map_or("", |authority| authority.as_str());
        let mut request = http::Request::get(path).header(http::header::HOST, authority);
        for (name, value) in fields {
            request = request.header(name, *value);
        }
        let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_CONFIG).collect().await?.to_bytes();
        driver.abort();
        Ok(Answer { status: head.status, headers: head.headers, body })
    };
    exchange.await.map_err(|error: BoxError| ConnectError::broken(&target.base(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_example_of_the_protocol() {
        let config: Config = serde_json::from_str(
            r#"{
              "protocol": 2,
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
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn errors_say_what_to_do() {
        let target = Target::parse("http://127.0.0.1:9").unwrap();
        let error = fetch(&target, Trust::Public).await.unwrap_err().to_string();
        assert!(error.starts_with("cannot connect to 127.0.0.1:9 over TCP: "), "{error}");
        assert!(
            error.ends_with("check that the server runs and that a firewall lets the port through")
        );
        let error = Target::parse("nonsense").unwrap_err().to_string();
        assert!(error.starts_with("nonsense is not a server's address"), "{error}");
    }
}
