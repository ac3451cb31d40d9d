//! The endpoint: a socket and the connections that clients open on it.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use quinn_proto::{self as proto, EndpointConfig, ServerConfig, VarInt};
use wtransport::quinn::AsyncUdpSocket;

use crate::metrics::Metrics;
use crate::quic::driver::Driver;
use crate::quic::hub::Hub;
use crate::quic::incoming::{Incoming, Owner};

/// An endpoint. It lives until its last handle is dropped and its last connection has ended.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint(Arc<Owner>);

impl Endpoint {
    /// Opens an endpoint on this socket. Needs a tokio runtime.
    pub(crate) fn new(
        config: EndpointConfig,
        server: ServerConfig,
        socket: Arc<dyn AsyncUdpSocket>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let probes_mtu = !socket.may_fragment();
        let endpoint =
            proto::Endpoint::new(Arc::new(config), Some(Arc::new(server)), probes_mtu, None);
        let hub = Hub::new(socket, endpoint);
        tokio::spawn(Driver::new(Arc::clone(&hub), metrics));
        Self(Arc::new(Owner(hub)))
    }

    /// The socket's address.
    ///
    /// # Errors
    /// If the socket is gone.
    pub(crate) fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.0.socket.local_addr()
    }

    /// Waits for a connection that a client opens; `None` once the endpoint is closed.
    pub(crate) async fn accept(&self) -> Option<Incoming> {
        let incoming = poll_fn(|context| self.0.0.poll_incoming(context)).await?;
        Some(Incoming::new(incoming, Arc::clone(&self.0)))
    }

    /// Uses another configuration for the connections to come.
    pub(crate) fn set_server_config(&self, server: ServerConfig) {
        self.0.0.lock().endpoint.set_server_config(Some(Arc::new(server)));
    }

    /// Closes all connections, and takes no more.
    pub(crate) fn close(&self, code: VarInt, reason: &[u8]) {
        self.0.0.close(code, &Bytes::copy_from_slice(reason));
    }

    /// Waits until all clients know that their connections are closed, as far as they answer.
    pub(crate) async fn wait_idle(&self) {
        poll_fn(|context| self.0.0.poll_idle(context)).await;
    }
}
