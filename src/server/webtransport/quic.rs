//! The QUIC endpoint: its limits, its certificate, its socket.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::ResolvesServerCert;
use wtransport::quinn::crypto::rustls::{NoInitialCipherSuite, QuicServerConfig};
use wtransport::quinn::{self, IdleTimeout, Runtime as _, VarInt};

use crate::limits::amplification::{Addresses, PACKET};
use crate::metrics::Metrics;
use crate::tls::CertificateError;
use crate::tls::provider::provider;
use crate::webtransport::strays::{self, Names};
use crate::webtransport::udp::Counting;

/// Memory of a datagram that waits to be sent, beside its bytes.
const DATAGRAM_OVERHEAD: usize = 64;

/// What QUIC runs with.
///
/// # Errors
/// If TLS has no version in common with its cryptography.
pub(crate) fn config(
    certificate: Arc<dyn ResolvesServerCert>,
    max_frame: usize,
) -> Result<quinn::ServerConfig, CertificateError> {
    let mut tls = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    tls.alpn_protocols = vec![b"h3".to_vec()];
    Ok(with_limits(tls, max_frame)?)
}

/// What QUIC may cost: streams for the session, the lane and HTTP/3's own; windows for messages
/// of a kilobyte; buffers for a few poses in and `max_frame` twice out.
fn transport(max_frame: usize) -> quinn::TransportConfig {
    let mut config = quinn::TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(4))
        .max_concurrent_uni_streams(VarInt::from_u32(8))
        .stream_receive_window(VarInt::from_u32(16 * 1024))
        .receive_window(VarInt::from_u32(64 * 1024))
        .send_window(256 * 1024)
        .datagram_receive_buffer_size(Some(16 * 1024))
        .datagram_send_buffer_size(2 * (max_frame + DATAGRAM_OVERHEAD))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(15_000))))
        .keep_alive_interval(Some(Duration::from_secs(5)))
        .initial_mtu(PACKET)
        // Frames fit the smallest packet, so probes for larger ones would only cost.
        .mtu_discovery_config(None)
        // One frame per client and tick leaves nothing to segment, and this buffer would stay.
        .enable_segmentation_offload(false);
    config
}

/// What the endpoint runs with: limits, and the certificate in `tls`.
///
/// # Errors
/// If `tls` has no cipher that QUIC begins with.
fn with_limits(
    tls: ServerConfig,
    max_frame: usize,
) -> Result<quinn::ServerConfig, NoInitialCipherSuite> {
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config
        .transport_config(Arc::new(transport(max_frame)))
        .max_incoming(4_096)
        .incoming_buffer_size(64 * 1024)
        .incoming_buffer_size_total(16 * 1024 * 1024);
    Ok(config)
}

/// An endpoint on this socket, which counts what comes in for nobody, and the accounts of those
/// whom it may send little.
///
/// # Errors
/// If the socket cannot be used.
pub(crate) fn endpoint(
    socket: UdpSocket,
    config: quinn::ServerConfig,
    metrics: &Arc<Metrics>,
) -> std::io::Result<(quinn::Endpoint, Arc<Addresses>)> {
    let runtime = Arc::new(quinn::TokioRuntime);
    let socket = runtime.wrap_udp_socket(socket)?;
    let addresses = Addresses::new(Arc::clone(metrics));
    let counting =
        Counting { socket, metrics: Arc::clone(metrics), addresses: Arc::clone(&addresses) };
    let mut own = quinn::EndpointConfig::default();
    let metrics = Arc::clone(metrics);
    own.supported_versions(vec![strays::VERSION])
        .cid_generator(move || Box::new(Names::new(Arc::clone(&metrics))));
    let endpoint =
        quinn::Endpoint::new_with_abstract_socket(own, Some(config), Arc::new(counting), runtime)?;
    Ok((endpoint, addresses))
}
