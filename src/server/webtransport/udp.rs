//! QUIC's UDP socket, with two duties that the library leaves to it: counting stray datagrams, and
//! limiting what is sent to an address that has not yet proved itself.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use wtransport::quinn::udp::{RecvMeta, Transmit};
use wtransport::quinn::{AsyncUdpSocket, UdpPoller};

use crate::limits::amplification::Addresses;
use crate::metrics::Metrics;
use crate::webtransport::strays::stray_kind;

/// A socket that counts strays and enforces the limits on unproven addresses.
#[derive(Debug)]
pub(crate) struct Counting {
    /// The underlying socket.
    pub(crate) socket: Arc<dyn AsyncUdpSocket>,
    /// Where strays are counted.
    pub(crate) metrics: Arc<Metrics>,
    /// How much each remote address may be sent.
    pub(crate) addresses: Arc<Addresses>,
}

impl Counting {
    fn received(&self, datagrams: &[u8], about: &RecvMeta) {
        for stray in datagrams.chunks(about.stride.max(1)).filter_map(stray_kind) {
            self.metrics.strayed(stray);
        }
        let waited = self.addresses.received(about.addr, datagrams.len());
        // Lost if the socket's buffer is full, as any datagram may be.
        drop(waited.map(|waited| self.socket.try_send(&waited.transmit())));
    }
}

impl AsyncUdpSocket for Counting {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if !self.addresses.admits(transmit) {
            // To QUIC, this is a datagram that the network lost.
            return Ok(());
        }
        self.socket.try_send(transmit).inspect_err(|_| self.addresses.refund(transmit))
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        about: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.socket.poll_recv(context, buffers, about);
        if let Poll::Ready(Ok(count)) = received {
            for (buffer, about) in buffers.iter().zip(about.iter()).take(count) {
                self.received(buffer.get(..about.len).unwrap_or_default(), about);
            }
        }
        received
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};
    use std::time::Duration;

    use wtransport::quinn::{Endpoint, Runtime as _, TokioRuntime};

    use super::*;
    use crate::clock::unix_now;
    use crate::limits::amplification::Proof;
    use crate::metrics::Limit;
    use crate::quic::testing::client_config;
    use crate::tls::{DAY, ServerCertificate};
    use crate::webtransport::endpoint;
    use gpys_proto::wire::PADDING;

    const HERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

    #[tokio::test]
    async fn a_client_that_moves_soon_gets_its_full_rate_again() {
        let now = unix_now();
        let certificate =
            ServerCertificate::mint(vec!["localhost".into()], (now - DAY, now + DAY)).unwrap();
        let root = certificate.clone().certified().unwrap().cert[0].clone();
        let config = endpoint::config(certificate.single().unwrap(), 1_000).unwrap();
        let socket = TokioRuntime.wrap_udp_socket(UdpSocket::bind(HERE).unwrap()).unwrap();
        let metrics = Metrics::new();
        let (server, addresses) = endpoint::open(socket, None, config, &metrics);
        let address = server.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let incoming = server.accept().await.unwrap();
            let address = incoming.remote_address();
            let quic = incoming.accept().await.unwrap();
            let proof = Proof::new(addresses, address);
            loop {
                proof.follow(&quic);
                drop(quic.send_datagram(vec![0; 1_000].into()));
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        let endpoint = Endpoint::client(HERE.into()).unwrap();
        let connecting = endpoint.connect_with(client_config(root), address, "localhost");
        let quic = connecting.unwrap().await.unwrap();
        for _ in 0..3 {
            endpoint.rebind(UdpSocket::bind(HERE).unwrap()).unwrap();
            quic.send_datagram(PADDING.to_vec().into()).unwrap();
            for _ in 0..200 {
                quic.read_datagram().await.unwrap();
            }
        }
        let withheld = metrics.hits(Limit::Unproven);
        assert!((1..100).contains(&withheld), "{withheld} datagrams withheld");
        serving.abort();
    }
}
