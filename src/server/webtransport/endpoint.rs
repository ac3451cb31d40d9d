//! The QUIC endpoint: its limits, certificate and socket.

use std::sync::Arc;
use std::time::Duration;

use quinn_proto::congestion::NewRenoConfig;
use quinn_proto::crypto::rustls::{NoInitialCipherSuite, QuicServerConfig};
use quinn_proto::{self as proto, EndpointConfig, IdleTimeout, TransportConfig, VarInt};
use rustls::ServerConfig;
use rustls::server::ResolvesServerCert;
use wtransport::quinn::AsyncUdpSocket;

use crate::limits::amplification::{Addresses, PACKET};
use crate::metrics::Metrics;
use crate::quic::endpoint::Endpoint;
use crate::tls::CertificateError;
use crate::tls::provider::provider;
use crate::webtransport::strays::{self, ConnectionIds};
use crate::webtransport::udp::Counting;

/// A UDP socket that the program provides in place of the system's: an emulated network, or a
/// relay of its own.
#[derive(Debug)]
pub struct Udp {
    /// The socket.
    pub socket: Arc<dyn AsyncUdpSocket>,
    /// The seed of the server's own choices, such as the order of QUIC's parameters, and whom it
    /// shows of a crowd. Keys, connection ids and identities are random all the same.
    pub seed: [u8; 32],
}

/// Overhead of a queued datagram, in bytes on top of its payload.
const DATAGRAM_OVERHEAD: usize = 64;

/// With this variable in its environment, QUIC runs NewReno instead of CUBIC. For the latency
/// benchmark alone, which pairs it with TCP's Reno, so it is no setting.
const NEW_RENO: &str = "GPYS_BENCH_NEWRENO";

/// The QUIC configuration for this certificate and for frames of at most `max_frame` bytes.
///
/// # Errors
/// If the TLS provider supports no usable version or cipher.
pub(crate) fn config(
    certificate: Arc<dyn ResolvesServerCert>,
    max_frame: usize,
) -> Result<proto::ServerConfig, CertificateError> {
    let mut tls = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    tls.alpn_protocols = vec![b"h3".to_vec()];
    Ok(with_limits(tls, max_frame)?)
}

/// Limits on what a connection may cost: streams for the session, the lane and HTTP/3 itself;
/// windows for messages of a kilobyte; buffers for a few poses in and two frames out.
fn transport(max_frame: usize) -> TransportConfig {
    let mut config = TransportConfig::default();
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
        // Frames fit the smallest packet, so probing for a larger MTU would only cost.
        .mtu_discovery_config(None)
        // One frame per client and tick leaves nothing to segment, so its buffer would be wasted.
        .enable_segmentation_offload(false);
    if std::env::var_os(NEW_RENO).is_some() {
        config.congestion_controller_factory(Arc::new(NewRenoConfig::default()));
    }
    config
}

/// Wraps `tls` in a server configuration with limits.
///
/// # Errors
/// If `tls` lacks the cipher suite that QUIC starts with.
fn with_limits(
    tls: ServerConfig,
    max_frame: usize,
) -> Result<proto::ServerConfig, NoInitialCipherSuite> {
    let mut config = proto::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config
        .transport_config(Arc::new(transport(max_frame)))
        .max_incoming(4_096)
        .incoming_buffer_size(64 * 1024)
        .incoming_buffer_size_total(16 * 1024 * 1024);
    Ok(config)
}

/// Creates an endpoint on this socket that counts strays; also returns its accounts of unproven
/// addresses. With a `seed`, QUIC's own choices follow from it.
pub(crate) fn open(
    socket: Arc<dyn AsyncUdpSocket>,
    seed: Option<[u8; 32]>,
    config: proto::ServerConfig,
    metrics: &Arc<Metrics>,
) -> (Endpoint, Arc<Addresses>) {
    let addresses = Addresses::new(Arc::clone(metrics));
    let counting =
        Counting { socket, metrics: Arc::clone(metrics), addresses: Arc::clone(&addresses) };
    let (mut endpoint_config, ids) = (EndpointConfig::default(), Arc::clone(metrics));
    endpoint_config
        .rng_seed(seed)
        .supported_versions(vec![strays::VERSION])
        .cid_generator(move || Box::new(ConnectionIds::new(Arc::clone(&ids))));
    let endpoint = Endpoint::new(endpoint_config, config, Arc::new(counting), Arc::clone(metrics));
    (endpoint, addresses)
}
