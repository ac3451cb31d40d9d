//! What both transports need: the host's addresses, TCP, HTTPS, and the server's configuration.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::{HeaderName, StatusCode};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::cli::doctor::front;
use crate::cli::doctor::record::{Judge, recording};
use crate::cli::doctor::report::{Finding, Step, Topic, Watch};
use gpys_client::ConnectError;
use gpys_client::server_info::{self, Answer, CONFIG, Config, Stream, Target};
use gpys_client::trust::{Trust, is_private};
use gpys_proto::wire::VERSION;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Time for one step; users who wait longer for a page have closed it.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// The path at which a server says whether it is ready.
const READY: &str = "/readyz";

/// Resolves a host to its distinct addresses.
pub(super) async fn look_up(target: &Target) -> (Step, Vec<SocketAddr>) {
    let watch = Watch::start(Topic::Name, None);
    let host = &target.host;
    let found = timeout(PATIENCE, tokio::net::lookup_host((host.as_str(), target.port))).await;
    let advice = "Check the spelling, and that the name has an A or AAAA record.";
    let (finding, mut addresses) = match found {
        Ok(Ok(found)) => (None, found.collect::<Vec<_>>()),
        Ok(Err(error)) => (Some(format!("cannot resolve {host}: {error}")), Vec::new()),
        Err(_) => (Some(format!("no DNS answer for {host} within {PATIENCE:?}")), Vec::new()),
    };
    addresses.sort_unstable();
    addresses.dedup();
    let finding = match finding {
        Some(wrong) => Finding::failure(wrong, advice),
        None if addresses.is_empty() => Finding::failure(format!("{host} has no address"), advice),
        None => {
            let all: Vec<_> = addresses.iter().map(|it| it.ip().to_string()).collect();
            Finding::ok(if all == [host.clone()] {
                format!("{host} is an address")
            } else {
                format!("{host} is {}", all.join(" and "))
            })
        }
    };
    (watch.stop(finding), addresses)
}

/// Connects to each address over TCP, and returns those that answer.
pub(super) async fn connect_all(addresses: &[SocketAddr]) -> (Vec<Step>, Vec<SocketAddr>) {
    let tries = addresses.iter().map(|&address| async move {
        let watch = Watch::start(Topic::Tcp, None);
        let tried = timeout(PATIENCE, TcpStream::connect(address)).await;
        let wrong = match tried {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(tcp_wrong(&error, address.port())),
            Err(_) => Some((
                format!("no answer within {PATIENCE:?}"),
                format!("A firewall drops the packets: open TCP port {}.", address.port()),
            )),
        };
        (watch, address, wrong)
    });
    let tried = futures_util::future::join_all(tries).await;
    let answering = tried.iter().filter(|(.., wrong)| wrong.is_none());
    let answering: Vec<_> = answering.map(|(_, address, _)| *address).collect();
    let finding = |address: SocketAddr, wrong: Option<(String, String)>| match wrong {
        None => Finding::ok(format!("{address} answers")),
        Some((says, advice)) if answering.is_empty() => {
            Finding::failure(format!("{address}: {says}"), advice)
        }
        // A local server often listens on one family only; browsers try the other as well.
        Some((says, advice)) if address.ip().is_loopback() => {
            Finding::note(format!("{address}: {says}"), advice)
        }
        Some((says, advice)) => {
            let advice = format!("{advice} Or remove this address from the DNS.");
            Finding::warning(format!("{address}: {says}"), advice)
        }
    };
    let steps = tried.into_iter().map(|(watch, at, wrong)| watch.stop(finding(at, wrong)));
    (steps.collect(), answering.clone())
}

fn tcp_wrong(error: &std::io::Error, port: u16) -> (String, String) {
    let advice = match error.kind() {
        ErrorKind::ConnectionRefused => format!(
            "Nothing listens there: start the server, check that it listens on TCP port {port} of \
             that address (--listen), and that any port forwarding leads to it."
        ),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => {
            "This computer has no route to it; try from another network.".to_owned()
        }
        _ => "Try from another network.".to_owned(),
    };
    (error.to_string(), advice)
}

/// Judges the certificate that HTTPS shows.
pub(super) async fn certificate(target: &Target, address: SocketAddr, judge: &Judge) -> Step {
    let watch = Watch::start(Topic::Certificate, None);
    let host = &target.host;
    if !target.tls {
        let says = "none: this is plain HTTP";
        let advice =
            "Browsers share the location only with https pages and http://localhost: use https.";
        return watch.stop(if is_local(host) {
            Finding::note(says, advice)
        } else {
            Finding::warning(says, advice)
        });
    }
    let shake_hands = async {
        let (tls, record) = recording(judge, b"http/1.1")?;
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(host.clone())?;
        TlsConnector::from(std::sync::Arc::new(tls)).connect(name, stream).await?;
        record.shown().ok_or_else(|| BoxError::from("it showed no certificate"))
    };
    let advice =
        "Check that the port is the server's, and that it speaks HTTPS rather than plain HTTP.";
    watch.stop(match timeout(PATIENCE, shake_hands).await {
        Ok(Ok(shown)) => shown.of_page(host, !is_private(host)),
        Ok(Err(error)) => Finding::failure(format!("TLS failed: {error}"), advice),
        Err(_) => Finding::failure(format!("no TLS handshake within {PATIENCE:?}"), advice),
    })
}

/// Whether browsers treat this host's plain pages like encrypted ones.
fn is_local(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

async fn get(
    target: &Target,
    trust: Trust,
    path: &str,
    fields: &[(HeaderName, &str)],
) -> Result<(Answer, SocketAddr), ConnectError> {
    let answer = async {
        let (stream, address): (Box<dyn Stream>, _) = target.open(trust).await?;
        let answer = server_info::get(stream, target, path, fields).await?;
        Ok((answer, address))
    };
    let late = |_| Err(ConnectError::TimedOut { url: target.base(), after: PATIENCE });
    timeout(PATIENCE, answer).await.unwrap_or_else(late)
}

/// Asks the server how a page of this origin can reach it.
pub(super) async fn configuration(
    target: &Target,
    trust: Trust,
    origin: &str,
) -> (Vec<Step>, Option<(Config, SocketAddr)>) {
    let watch = Watch::start(Topic::Config, None);
    let failure =
        |says: String, advice: &str| (vec![watch.stop(Finding::failure(says, advice))], None);
    let other = "Something other than GPyS answers here: check the address, and what a proxy in \
                 front of it forwards. GPyS needs its own host name, not a path.";
    let path = format!("{CONFIG}?origin={origin}");
    // As a browser on an https page does.
    let fields = [(HeaderName::from_static("sec-fetch-site"), "same-origin")];
    let fields = if target.tls { fields.as_slice() } else { &[] };
    let (answer, address) = match get(target, trust, &path, fields).await {
        Ok((answer, address)) if answer.status == StatusCode::OK => (answer, address),
        Ok((answer, _)) => {
            let advice = match answer.status {
                StatusCode::MISDIRECTED_REQUEST => {
                    "Start the server with the setting that it names, or make the proxy in front \
                     pass on the Host header."
                }
                StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
                    "A proxy gets no answer from GPyS: check that GPyS runs with --http, and that \
                     the proxy forwards to that address."
                }
                _ => other,
            };
            let words = answer.words();
            return failure(format!("the server answered {}{words}", answer.status), advice);
        }
        Err(error) => return failure(format!("{error}"), other),
    };
    let config: Config = match serde_json::from_slice(&answer.body) {
        Ok(config) => config,
        Err(error) => return failure(format!("not a GPyS configuration: {error}"), other),
    };
    let mut steps = vec![watch.stop(judge(target, &config))];
    steps.extend(front::proxy(target, &config, &answer.headers));
    // A page's socket is where the page is.
    (steps, Some((Config { websocket: target.socket(), ..config }, address)))
}

fn judge(target: &Target, config: &Config) -> Finding {
    let Config { protocol, webtransport, websocket, .. } = config;
    if *protocol != VERSION {
        let (older, newer) = if *protocol < VERSION {
            ("the server", "this program")
        } else {
            ("this program", "the server")
        };
        return Finding::failure(
            format!("the server speaks protocol {protocol}, this program {VERSION}"),
            format!("Update {older}, which is older than {newer}; pages come from the server."),
        );
    }
    if target.tls && websocket.starts_with("ws:") {
        return Finding::note(
            format!("it names {websocket}; pages use {} anyway", target.socket()),
            "The server does not know that a proxy terminates TLS: name the proxy with \
             --trusted-proxy and make it send `X-Forwarded-Proto: https`, or set --public-url.",
        );
    }
    let known = match config.server_certificate_hashes.len() {
        0 => "WebTransport certificate from an authority".to_owned(),
        hashes => format!("{hashes} hashes for WebTransport"),
    };
    Finding::ok(format!("protocol {protocol}, {known}, {webtransport} and {websocket}"))
}

/// Asks the server whether it is ready.
pub(super) async fn health(target: &Target, trust: Trust) -> Step {
    let watch = Watch::start(Topic::Health, None);
    watch.stop(match get(target, trust, READY, &[]).await {
        Ok((answer, _)) => match answer.status {
            StatusCode::OK => Finding::ok("ready"),
            StatusCode::SERVICE_UNAVAILABLE => {
                Finding::warning("the server is about to stop", "Wait until it has restarted.")
            }
            status => Finding::note(
                format!("{READY} answered {status}"),
                "A proxy may hide it; nothing depends on it.",
            ),
        },
        Err(error) => Finding::warning(
            error.to_string(),
            "Try again; if it persists, check the server's log.",
        ),
    })
}
