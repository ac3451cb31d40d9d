//! Requests to one host over a connection that is kept: a feed asks the same host every second.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use gpys_client::server_info::Target;
use gpys_client::{ConnectError, Trust};

/// How long an answer may take, all of it.
const PATIENCE: Duration = Duration::from_secs(30);
const USER_AGENT: &str = concat!("gpys/", env!("CARGO_PKG_VERSION"));

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// The host cannot be reached, or is none.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke.
    #[error("the connection to {host} broke: {source}")]
    Broken { host: String, source: Box<dyn std::error::Error + Send + Sync> },
    /// The answer is too long.
    #[error("{host} answers with more than {most} bytes; check the address")]
    TooLong { host: String, most: usize },
    /// The answer takes too long.
    #[error("{host} has not answered within {} s", PATIENCE.as_secs())]
    TimedOut { host: String },
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// The text of a header.
    pub(super) fn field(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A host, and the connection to it.
#[derive(Debug)]
pub(super) struct Host {
    target: Target,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<hyper::Result<()>>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Host {
    /// The host of a URL.
    ///
    /// # Errors
    /// If it is no http or https URL.
    pub(super) fn new(url: &str) -> Result<Self, ConnectError> {
        Ok(Self { target: Target::parse(url)?, connection: None })
    }

    /// Whether nobody between here and the host can read along: over TLS, or on this computer.
    pub(super) fn is_private(&self) -> bool {
        let address = self.target.host.parse::<std::net::IpAddr>();
        self.target.tls
            || self.target.host == "localhost"
            || address.is_ok_and(|address| address.is_loopback())
    }

    /// Scheme, host and port.
    pub(super) fn base(&self) -> String {
        self.target.base()
    }

    /// Sends a request to a path, and reads an answer of at most so many bytes.
    ///
    /// # Errors
    /// If there is none.
    pub(super) async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<Answer, HttpError> {
        let headers = request.headers_mut();
        let authority = self.target.uri.authority().map_or("", |authority| authority.as_str());
        if let Ok(host) = authority.parse() {
            headers.insert(header::HOST, host);
        }
        headers.insert(header::USER_AGENT, header::HeaderValue::from_static(USER_AGENT));
        let answered = timeout(PATIENCE, self.exchange(request, most)).await;
        let answered = answered.unwrap_or_else(|_| Err(HttpError::TimedOut { host: self.base() }));
        if answered.is_err() {
            self.connection = None;
        }
        answered
    }

    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<Answer, HttpError> {
        let host = self.base();
        let broken = |source| HttpError::Broken { host: host.clone(), source };
        // A host closes what is idle, perhaps at this moment: what was kept is tried first only.
        let kept = match self.connection.as_mut() {
            Some(kept) => kept.sender.ready().await.is_ok(),
            None => false,
        };
        if !kept {
            self.connection = Some(self.connect().await?);
        }
        let Some(connection) = self.connection.as_mut() else {
            return Err(HttpError::TimedOut { host });
        };
        let answer = match connection.sender.send_request(request.clone()).await {
            Err(_) if kept => {
                let fresh = self.connection.insert(self.connect().await?);
                fresh.sender.send_request(request).await
            }
            answer => answer,
        };
        let (head, body) = answer.map_err(|error| broken(error.into()))?.into_parts();
        let body = Limited::new(body, most).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                HttpError::TooLong { host: host.clone(), most }
            } else {
                broken(error)
            }
        })?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    }

    async fn connect(&self) -> Result<Connection, HttpError> {
        let (stream, _) = self.target.open(Trust::Public).await?;
        let connected = handshake(TokioIo::new(stream)).await;
        let (sender, connection) = connected
            .map_err(|error| HttpError::Broken { host: self.base(), source: error.into() })?;
        Ok(Connection { sender, driver: tokio::spawn(connection) })
    }
}
