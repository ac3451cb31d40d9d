//! A bare QUIC handshake: whether UDP gets through, and whether browsers accept the certificate.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;
use wtransport::quinn::crypto::rustls::QuicClientConfig;
use wtransport::quinn::{ClientConfig, Connection, ConnectionError, Endpoint, VarInt};
use wtransport::tls::WEBTRANSPORT_ALPN;

use crate::cli::doctor::net::PATIENCE;
use crate::cli::doctor::record::{Judge, Record, recording};
use crate::cli::doctor::report::{Finding, Name, Step, Topic, Verdict, Watch};
use gpys_client::server_info::{CertificateHash, Config, Target};

/// Silence after which to ask whether the port is closed.
const SILENT: Duration = Duration::from_secs(1);
/// Time to wait for the answer that a port is closed.
const CLOSED: Duration = Duration::from_millis(500);
/// QUIC's code of a server that refuses connections (RFC 9000, section 20.1).
const CONNECTION_REFUSED: u64 = 0x02;
/// QUIC's code for TLS's alert `no_application_protocol` (RFC 9001, section 4.8, and RFC 7301,
/// section 3.2).
const NO_APPLICATION_PROTOCOL: u64 = 0x100 + 120;

/// Why there is no QUIC connection.
enum Wrong {
    Silence,
    Closed,
    Other(String, &'static str),
}

/// Shakes hands with each address of the WebTransport host, and returns whether one works. `page`
/// is the port of the page.
pub(super) async fn shake_hands(config: &Config, page: u16, judge: &Judge) -> (Vec<Step>, bool) {
    let watch = Watch::start(Topic::Quic, Some(Name::Wt));
    let hashes = config.server_certificate_hashes.iter().filter_map(CertificateHash::sha256);
    let hashes: Vec<_> = hashes.collect();
    let Some(target) = Target::parse(&config.webtransport).ok().filter(|target| target.tls) else {
        let says = format!("/config.json names {}, which is not an https URL", config.webtransport);
        let finding = Finding::failure(says, "Update the server.");
        return (vec![watch.stop(finding)], false);
    };
    let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
    let mut addresses: Vec<_> = found.into_iter().flatten().collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        let says = format!("{} has no address", target.host);
        let advice = "/config.json names the host of the page's URL; check its DNS records.";
        return (vec![watch.stop(Finding::failure(says, advice))], false);
    }
    let tries = addresses.iter().map(|&address| {
        let (target, hashes) = (&target, &hashes);
        async move {
            let watch = Watch::start(Topic::Quic, Some(Name::Wt));
            let finding = finding(target, address, page, hashes, judge).await;
            watch.stop(finding)
        }
    });
    let mut steps = futures_util::future::join_all(tries).await;
    let works = steps.iter().any(|step| step.verdict < Verdict::Failure);
    if works {
        for step in steps.iter_mut().filter(|step| step.verdict == Verdict::Failure) {
            step.verdict = Verdict::Warning;
            step.says.push_str(" (another address works, but browsers try only one)");
        }
    }
    (steps, works)
}

async fn finding(
    target: &Target,
    address: SocketAddr,
    page: u16,
    hashes: &[[u8; 32]],
    judge: &Judge,
) -> Finding {
    let port = address.port();
    let connected = connect(&target.host, address, judge).await;
    if matches!(connected, Err(Wrong::Silence | Wrong::Closed)) && page != port {
        let beside = SocketAddr::new(address.ip(), page);
        if connect(&target.host, beside, judge).await.is_ok() {
            return Finding::failure(
                format!("{address}: no answer, but UDP port {page}, the page's own, answers"),
                format!("Start the server with --public-udp {page}."),
            );
        }
    }
    let judged = match connected {
        Ok(record) => match record.shown() {
            Some(shown) if hashes.is_empty() => shown.by_authority(&target.host),
            Some(shown) => shown.by_hash(hashes),
            None => Finding::failure("the server showed no certificate", "Update the server."),
        },
        Err(Wrong::Silence) => Finding::failure(
            format!("UDP blocked: no answer within {PATIENCE:?}"),
            format!(
                "Open UDP port {port} as well as TCP: in the server's firewall, its provider's \
                 rules and any port forwarding. If other networks get through, this one blocks UDP."
            ),
        ),
        Err(Wrong::Closed) => Finding::failure(
            "the UDP port is closed",
            format!(
                "Nothing listens there: forward UDP port {port} to the server, not only TCP. If \
                 the outside number differs, start the server with --public-udp and that number."
            ),
        ),
        Err(Wrong::Other(says, advice)) => Finding::failure(says, advice),
    };
    Finding { says: format!("{address}: {}", judged.says), ..judged }
}

/// Connects, and disconnects again.
async fn connect(host: &str, address: SocketAddr, judge: &Judge) -> Result<Record, Wrong> {
    let local = |error: &dyn ToString| {
        Wrong::Other(
            error.to_string(),
            "This computer cannot open the connection; try another one.",
        )
    };
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let (tls, record) = recording(judge, WEBTRANSPORT_ALPN).map_err(|error| local(&error))?;
    let crypto = QuicClientConfig::try_from(tls).map_err(|error| local(&error))?;
    let endpoint = Endpoint::client((any, 0).into()).map_err(|error| local(&error))?;
    let config = ClientConfig::new(Arc::new(crypto));
    let connecting = endpoint.connect_with(config, address, host).map_err(|error| local(&error))?;
    let closed = async {
        tokio::time::sleep(SILENT).await;
        if !is_closed(any, address).await {
            std::future::pending().await
        }
    };
    tokio::select! {
        connected = timeout(PATIENCE, connecting) => match connected {
            Ok(Ok(connection)) => leave(&endpoint, &connection).await,
            Ok(Err(error)) => return Err(wrong(&error)),
            Err(_) => return Err(Wrong::Silence),
        },
        () = closed => return Err(Wrong::Closed),
    }
    Ok(record)
}

async fn leave(endpoint: &Endpoint, connection: &Connection) {
    connection.close(VarInt::from_u32(0), b"");
    // The farewell is a courtesy.
    drop(timeout(CLOSED, endpoint.wait_idle()).await);
}

fn wrong(error: &ConnectionError) -> Wrong {
    let code = match error {
        ConnectionError::ConnectionClosed(close) => Some(u64::from(close.error_code)),
        ConnectionError::TransportError(error) => Some(u64::from(error.code)),
        _ => None,
    };
    let advice = match code {
        Some(CONNECTION_REFUSED) => {
            "The server is at a limit for this address: check gpys_limits_hit_total and its \
             settings."
        }
        Some(NO_APPLICATION_PROTOCOL) => {
            "Another program has that UDP port (a web server with HTTP/3, perhaps): give GPyS a \
             port of its own."
        }
        _ => "Check the server's log, and update the server if it is older than this program.",
    };
    let says = match code {
        Some(NO_APPLICATION_PROTOCOL) => "the server does not speak HTTP/3 (ALPN)".to_owned(),
        Some(CONNECTION_REFUSED) => "the server refused the connection".to_owned(),
        _ => format!("the handshake failed: {error}"),
    };
    Wrong::Other(says, advice)
}

/// Whether the host reports the port as closed. QUIC itself ignores that report, because anyone
/// could forge it.
async fn is_closed(any: IpAddr, address: SocketAddr) -> bool {
    let ask = async {
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(address).await?;
        socket.send(&[0]).await?;
        socket.recv(&mut [0; 16]).await
    };
    let answered = timeout(CLOSED, ask).await;
    matches!(answered, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused)
}
