//! Binds sockets and runs the TCP accept loop.

mod pace;
mod tls;

use std::error::Error as _;
use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Redirect, Response};
use futures_util::TryFutureExt as _;
use http::{Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::io::InspectReader;
use tower::ServiceExt as _;

use crate::context::ServerContext;
use crate::host::Host;
use crate::limits::gate::{Gate, Permit};
use crate::metrics::{Failure, Limit, Part};
use crate::panics::caught;
use crate::tcp::pace::{Paced, Promoted, Terms};
use crate::tcp::tls::TlsStream;

/// The default port for TCP and UDP.
pub(crate) const DEFAULT_PORT: u16 = 4433;
/// Connections queued by the kernel until they are accepted.
const BACKLOG: i32 = 1_024;
/// Maximum unsent bytes in the kernel; a frame in there can no longer be replaced.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 2 * 1024;
/// Maximum unacknowledged bytes in the kernel, as requested; Linux doubles it for its own overhead.
/// It lets the page's files through a path of 100 ms at 1 MB/s.
const SEND_BUFFER: usize = 128 * 1024;
/// A page client must take 4 KiB for every ten seconds of waiting.
const ANSWERS: Terms = Terms { patience: Duration::from_secs(10), bytes: 4 * 1024 };
/// A link must take something now and then. Rooms disconnect stalled peers sooner.
const LINK: Terms = Terms { patience: Duration::from_secs(15), bytes: 1 };
/// Maximum lifetime of a connection for pages. A browser opens another.
pub(crate) const LIFETIME: Duration = Duration::from_secs(300);
/// How long the last request may take after that.
const LAST_REQUEST: Duration = Duration::from_secs(30);
/// Maximum length of a request's head, in bytes.
const HEAD: usize = 16 * 1024;
/// Maximum number of header fields in a request.
const FIELDS: usize = 64;
/// The first byte of a TLS connection.
const TLS_HANDSHAKE: u8 = 0x16;

/// The connection that a request came over.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    /// Whether it uses TLS.
    pub(crate) secure: bool,
    pub(crate) peer: IpAddr,
    /// Whether the peer is a trusted proxy.
    pub(crate) is_proxy: bool,
    /// The connection's permit, which a WebSocket takes over.
    pub(crate) permit: Arc<Permit>,
    /// Becomes true when the connection is to close, so that an answer without an end ends.
    pub(crate) closing: watch::Receiver<bool>,
}

/// A port that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {protocol} {address}: {}", reason(.error, .address))]
pub struct ListenError {
    /// `TCP` or `UDP`.
    protocol: &'static str,
    address: SocketAddr,
    error: Error,
}

fn reason(error: &Error, address: &SocketAddr) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "port {} is in use (by another GPyS?); stop that program or choose another port",
            address.port()
        ),
        ErrorKind::PermissionDenied => {
            "ports below 1024 need extra privileges; choose a port above 1023".to_owned()
        }
        ErrorKind::AddrNotAvailable => "this computer does not have that address".to_owned(),
        _ => error.to_string(),
    }
}

/// Listens for TCP and UDP on the same address; `None` means the default port on every IPv4 and
/// IPv6 address.
///
/// # Errors
/// If the address is unavailable.
pub(crate) fn bind(address: Option<SocketAddr>) -> Result<(TcpListener, UdpSocket), ListenError> {
    let Some(address) = address else {
        let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT));
        return match bind(Some(both)) {
            // The server also runs on a computer without IPv6.
            Err(failed) if failed.error.kind() != ErrorKind::AddrInUse => {
                bind(Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT))))
            }
            bound => bound,
        };
    };
    let tcp = bind_tcp(address)?;
    let udp = socket(address, Type::DGRAM, Protocol::UDP)
        .and_then(|socket| socket.bind(&address.into()).map(|()| socket));
    let udp = udp.map_err(|error| ListenError { protocol: "UDP", address, error })?;
    Ok((tcp, udp.into()))
}

/// Listens for TCP.
///
/// # Errors
/// If the address is unavailable.
pub(crate) fn bind_tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let tcp = socket(address, Type::STREAM, Protocol::TCP).and_then(|socket| {
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    });
    tcp.map_err(|error| ListenError { protocol: "TCP", address, error })
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

/// How a TCP listener serves its connections.
#[derive(Clone)]
pub(crate) struct Tcp {
    /// Answers requests.
    pub(crate) router: Router,
    /// Wraps connections in TLS; `None` for plain HTTP.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Admits connections.
    pub(crate) gate: Arc<Gate>,
    /// State shared by all sessions.
    pub(crate) context: Arc<ServerContext>,
    /// After this long, a connection closes once its current request is served.
    pub(crate) lifetime: Duration,
    /// Becomes true when all connections must close.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Tcp {
    /// Accepts connections until stopped.
    pub(crate) async fn accept(self, listener: tokio::net::TcpListener) {
        let mut stop = self.stop.clone();
        loop {
            let accepted = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, it would fail again at once.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let is_proxy = self.context.proxies.trust(address.ip());
            let admitted = self.context.admit_by(&self.gate, address.ip(), is_proxy);
            let Some(permit) = admitted else { continue };
            let permit = Arc::new(permit);
            let (tcp, mut stop) = (self.clone(), stop.clone());
            tokio::spawn(async move {
                let peer = address.ip();
                let (close, closing) = watch::channel(false);
                let wire = Wire { secure: tcp.tls.is_some(), peer, is_proxy, permit, closing };
                let served = caught(
                    &tcp.context.metrics,
                    Part::Connection,
                    tcp.connection(stream, wire, close),
                );
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => {}
                    // A panic is already logged.
                    _ = served => {}
                }
            });
        }
    }

    async fn connection(&self, stream: TcpStream, wire: Wire, close: watch::Sender<bool>) {
        if let Err(error) = tune(&stream) {
            tracing::debug!(%error, "cannot tune a socket");
        }
        let promoted = Promoted::default();
        let paced = |stream| Paced::new(stream, ANSWERS, LINK, promoted.clone());
        let Some(tls) = &self.tls else {
            wire.permit.settle();
            return self
                .serve(paced(stream), promoted.clone(), self.router.clone(), wire, close)
                .await;
        };
        let (deadline, metrics) = (self.context.deadline, &self.context.metrics);
        let mut first = [0];
        match timeout(deadline, stream.peek(&mut first)).await {
            Ok(Ok(1..)) if first == [TLS_HANDSHAKE] => {}
            // The user typed the address without https.
            Ok(Ok(1..)) => {
                metrics.failed(Failure::Plain);
                wire.permit.settle();
                let router = Router::new().fallback(redirect);
                return self.serve(paced(stream), promoted.clone(), router, wire, close).await;
            }
            Ok(_) => return metrics.failed(Failure::Gone),
            Err(_) => return metrics.failed(Failure::TlsTimeout),
        }
        // Paced below TLS, whose own buffer would hide how much the client takes.
        match timeout(deadline, TlsStream::accept(Arc::clone(tls), paced(stream))).await {
            Ok(Ok(stream)) => {
                wire.permit.settle();
                self.serve(stream, promoted.clone(), self.router.clone(), wire, close).await;
            }
            Ok(Err(_)) => metrics.failed(Failure::Tls),
            Err(_) => metrics.failed(Failure::TlsTimeout),
        }
    }

    async fn serve<S>(
        &self,
        stream: S,
        promoted: Promoted,
        router: Router,
        wire: Wire,
        close: watch::Sender<bool>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let asked = Arc::new(AtomicBool::new(false));
        let came = Arc::clone(wire.permit.came());
        let stream = InspectReader::new(stream, move |bytes: &[u8]| {
            came.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        });
        let service = {
            let asked = Arc::clone(&asked);
            service_fn(move |mut request: Request<Incoming>| {
                asked.store(true, Ordering::Relaxed);
                request.extensions_mut().insert(wire.clone());
                let (promoted, answer) =
                    (promoted.clone(), router.clone().oneshot(request.map(Body::new)));
                answer.inspect_ok(move |answer| {
                    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                        promoted.set();
                    }
                })
            })
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.context.deadline)
            .max_buf_size(HEAD)
            .max_headers(FIELDS)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let served = match timeout(self.lifetime, &mut connection).await {
            Ok(served) => served,
            Err(_) => {
                close.send_replace(true);
                connection.as_mut().graceful_shutdown();
                timeout(LAST_REQUEST, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = served {
            tracing::trace!(%error, "a connection ended");
            self.count(&error, asked.load(Ordering::Relaxed));
        }
    }

    /// Counts why a connection ended; `asked` is whether a request had arrived.
    fn count(&self, error: &hyper::Error, asked: bool) {
        let metrics = &self.context.metrics;
        if error.is_parse_too_large() {
            metrics.hit(Limit::RequestHead);
        } else if error.is_parse() {
            metrics.failed(Failure::Http);
        } else if is_stalled(error) {
            metrics.hit(Limit::Stalled);
        } else if error.is_timeout() && !asked {
            // Later, this is how idle connections end.
            metrics.failed(Failure::HeadTimeout);
        }
    }
}

/// Whether a connection ended because its client read too slowly.
fn is_stalled(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<Error>());
    cause.is_some_and(|cause| cause.kind() == ErrorKind::TimedOut)
}

fn tune(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_send_buffer_size(SEND_BUFFER)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        socket.set_tcp_notsent_lowat(UNSENT)?;
        // A closed connection's leftovers are kept no longer, either.
        socket.set_tcp_user_timeout(Some(LINK.patience))?;
    }
    Ok(())
}

/// Redirects a plain request on the HTTPS port to HTTPS.
async fn redirect(request: axum::extract::Request) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    match host.and_then(Host::parse).zip(host) {
        Some((_, host)) => Redirect::temporary(&format!("https://{host}{path}")).into_response(),
        None => (StatusCode::BAD_REQUEST, "this port speaks HTTPS\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::access::Access;
    use crate::config::Config;
    use crate::context::{Own, Timing};
    use crate::metrics::Metrics;
    use crate::room::identity::{Mint, Secret};

    #[tokio::test]
    async fn a_connection_that_keeps_sending_requests_ends_after_its_lifetime() {
        let config = Config::default();
        let own = Own::default();
        let context = ServerContext::new(
            &config,
            own,
            Access::default(),
            Mint::new(Secret::random(), 0),
            Timing::default(),
            Metrics::new(),
        );
        let permit = Arc::new(context.admit(Ipv4Addr::LOCALHOST.into()).unwrap());
        let router = Router::new().fallback(async || "here");
        let (_stop, stop) = watch::channel(false);
        let gate = Arc::clone(&context.gate);
        let lifetime = Duration::from_secs(1);
        let tcp = Tcp { router: router.clone(), tls: None, gate, context, lifetime, stop };
        let (server, mut client) = duplex(1_024);
        let peer = Ipv4Addr::LOCALHOST.into();
        let (close, closing) = watch::channel(false);
        let wire = Wire { secure: false, peer, is_proxy: false, permit, closing };
        let serving = tokio::spawn(async move {
            tcp.serve(server, Promoted::default(), router, wire, close).await
        });
        let since = Instant::now();
        let mut answers = 0;
        while client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.is_ok() {
            let mut answer = [0; 1_024];
            let Ok(1..) = client.read(&mut answer).await else { break };
            answers += 1;
            sleep(lifetime / 20).await;
        }
        serving.await.unwrap();
        assert!(answers > 1 && since.elapsed() >= lifetime, "{answers} {:?}", since.elapsed());
        assert!(since.elapsed() < LAST_REQUEST, "{:?}", since.elapsed());
    }

    #[test]
    fn a_port_in_use_is_explained() {
        let (tcp, _udp) = bind(Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).unwrap();
        let address = tcp.local_addr().unwrap();
        let error = bind(Some(address)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on TCP {address}")), "{error}");
        assert!(error.contains("is in use"), "{error}");
    }
}
