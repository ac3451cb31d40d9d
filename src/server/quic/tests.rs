//! The driver and its handles against quinn's client, over a network in memory, in virtual time.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt as _;
use quinn_proto::congestion::{Controller, ControllerFactory};
use quinn_proto::{
    ConnectionError, EndpointConfig, IdleTimeout, RttEstimator, ServerConfig, TransportConfig,
    VarInt,
};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use wtransport::quinn;

use super::connection::Connection;
use super::endpoint::Endpoint;
use super::streams::{ReadError, RecvStream, WriteError};
use super::testing::{Net, Socket, client_config};
use crate::clock::unix_now;
use crate::metrics::Metrics;
use crate::tls::{DAY, ServerCertificate};

const SERVER: u16 = 4433;
const IDLE: Duration = Duration::from_secs(15);

struct World {
    net: Net,
    server: Endpoint,
    socket: Weak<Socket>,
    metrics: Arc<Metrics>,
    trust: quinn::ClientConfig,
}

impl World {
    fn new() -> Self {
        Self::with(&mut TransportConfig::default())
    }

    fn with(transport: &mut TransportConfig) -> Self {
        let now = unix_now();
        let names = vec!["localhost".to_owned()];
        let certificate = ServerCertificate::mint(names, (now - DAY, now + DAY)).unwrap();
        let root = certificate.clone().certified().unwrap().cert[0].clone();
        let mut tls = rustls::ServerConfig::builder_with_provider(
            rustls::crypto::ring::default_provider().into(),
        )
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(certificate.single().unwrap());
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let tls = quinn_proto::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
        let mut config = ServerConfig::with_crypto(Arc::new(tls));
        let idle = IdleTimeout::try_from(IDLE).unwrap();
        let transport = std::mem::take(transport.max_idle_timeout(Some(idle)));
        config.transport_config(Arc::new(transport));
        let (net, metrics) = (Net::default(), Metrics::new());
        let socket = net.socket(SERVER);
        let weak = Arc::downgrade(&socket);
        let ours = EndpointConfig::default();
        let server = Endpoint::new(ours, config, socket, Arc::clone(&metrics));
        Self { net, server, socket: weak, metrics, trust: client_config(root) }
    }

    fn connecting(&self, client: &quinn::Endpoint) -> quinn::Connecting {
        let address = self.server.local_addr().unwrap();
        client.connect_with(self.trust.clone(), address, "localhost").unwrap()
    }

    /// Opens a connection from this port: the client's end, and the server's.
    async fn connect(&self, port: u16) -> (quinn::Connection, Connection) {
        let connecting = self.connecting(&self.net.client(port));
        let accepted = async { self.server.accept().await.unwrap().accept().await.unwrap() };
        let (client, server) = tokio::join!(connecting, accepted);
        (client.unwrap(), server)
    }
}

/// Reads a stream to its end.
async fn read_all(recv: &mut RecvStream) -> Result<Vec<u8>, ReadError> {
    let mut all = Vec::new();
    while let Some(bytes) = recv.read(100).await? {
        assert!((1..=100).contains(&bytes.len()));
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

#[tokio::test(start_paused = true)]
async fn streams_carry_bytes_both_ways() {
    let world = World::new();
    let (client, server) = world.connect(1).await;
    let long = vec![7; 300_000];
    let echo = async {
        let (send, mut recv) = server.accept_bi().await.unwrap();
        let all = read_all(&mut recv).await.unwrap();
        send.write_all(&all).await.unwrap();
        send.finish().unwrap();
        assert_eq!(send.stopped().await, Ok(None));
        assert!(send.finish().is_err());
    };
    let ask = async {
        let (mut send, mut recv) = client.open_bi().await.unwrap();
        send.write_all(&long).await.unwrap();
        send.finish().unwrap();
        recv.read_to_end(usize::MAX).await.unwrap()
    };
    let ((), answer) = tokio::join!(echo, ask);
    assert!(answer == long);
    // One that waits before there is anything to take, and a stream that ends by being dropped.
    let (there, back) = tokio::join!(server.accept_uni(), async {
        sleep(Duration::from_millis(1)).await;
        client.open_uni().await.unwrap().write_all(b"there").await.unwrap();
        server.open_uni().await.unwrap().write_all(b"back").await.unwrap();
        client.accept_uni().await.unwrap().read_to_end(9).await.unwrap()
    });
    assert_eq!(read_all(&mut there.unwrap()).await.unwrap(), b"there");
    assert_eq!(back, b"back");
}

#[tokio::test(start_paused = true)]
async fn resets_and_stops_reach_the_other_side() {
    let world = World::new();
    let (client, server) = world.connect(1).await;
    let (mut theirs, mut from_ours) = client.open_bi().await.unwrap();
    theirs.write_all(b"x").await.unwrap();
    let (ours, mut from_theirs) = server.accept_bi().await.unwrap();
    assert_eq!(from_theirs.read(9).await.unwrap().as_deref(), Some(b"x".as_slice()));
    theirs.reset(VarInt::from_u32(1)).unwrap();
    assert_eq!(from_theirs.read(9).await, Err(ReadError::Reset));
    assert_eq!(from_theirs.read(9).await, Ok(None));
    ours.reset(VarInt::from_u32(2)).unwrap();
    assert!(ours.reset(VarInt::from_u32(2)).is_err());
    assert_eq!(from_ours.received_reset().await.unwrap(), Some(VarInt::from_u32(2)));
    // A client that stops a stream wakes its writer, however much waits.
    let (mut theirs, mut from_ours) = client.open_bi().await.unwrap();
    theirs.write_all(b"x").await.unwrap();
    let (ours, from_theirs) = server.accept_bi().await.unwrap();
    let (written, ()) = tokio::join!(ours.write_all(&[0; 9_000_000]), async {
        sleep(Duration::from_secs(1)).await;
        from_ours.stop(VarInt::from_u32(3)).unwrap();
    });
    assert_eq!(written, Err(WriteError::Stopped));
    assert_eq!(ours.stopped().await, Ok(Some(VarInt::from_u32(3))));
    drop(from_theirs);
    assert_eq!(theirs.stopped().await.unwrap(), Some(VarInt::from_u32(0)), "dropped unread");
}

#[tokio::test(start_paused = true)]
async fn whatever_a_turn_sends_takes_one_pass_of_the_driver() {
    let world = World::new();
    let mut ends = Vec::new();
    for port in 1..=50 {
        ends.push(world.connect(port).await);
    }
    sleep(Duration::from_secs(1)).await;
    let looks = world.net.looks(SERVER);
    world.net.take_sent();
    for (_, server) in &ends {
        for byte in [1, 2] {
            server.send_datagram(Bytes::copy_from_slice(&[byte; 100])).unwrap();
        }
    }
    assert!(world.net.take_sent().is_empty(), "sending is the driver's");
    yield_now().await;
    assert_eq!(world.net.looks(SERVER) - looks, 1);
    // Some clients have answered by then.
    let mut sent = world.net.take_sent();
    sent.retain(|&port| port != SERVER);
    assert_eq!(sent, (1..=50).collect::<Vec<_>>(), "in the order of the turn");
    for (client, server) in &ends {
        for byte in [1, 2] {
            assert_eq!(client.read_datagram().await.unwrap()[..], [byte; 100]);
        }
        client.send_datagram(Bytes::from_static(b"back")).unwrap();
        assert_eq!(server.read_datagram().await.unwrap()[..], b"back"[..]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_much_to_send_does_not_keep_the_others_waiting() {
    let world = World::new();
    let (greedy, much) = world.connect(1).await;
    let (_modest, little) = world.connect(2).await;
    // What gets through widens the window, so that many packets may go at once.
    let send = much.open_uni().await.unwrap();
    send.write_all(b"x").await.unwrap();
    let mut recv = greedy.accept_uni().await.unwrap();
    let mut rest = vec![0; 1_000_001];
    let (written, read) = tokio::join!(send.write_all(&[0; 1_000_000]), recv.read_exact(&mut rest));
    written.unwrap();
    read.unwrap();
    sleep(Duration::from_secs(1)).await;
    world.net.take_sent();
    send.write_all(&[0; 100_000]).await.unwrap();
    little.send_datagram(Bytes::from_static(b"x")).unwrap();
    yield_now().await;
    let sent = world.net.take_sent();
    assert_eq!(sent.iter().position(|&port| port == 2), Some(10), "{sent:?}");
    assert!(sent.len() > 20, "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_closes_tells_the_other_and_all_who_wait() {
    let world = World::new();
    let (client, server) = world.connect(1).await;
    let (mut theirs, _recv) = client.open_bi().await.unwrap();
    theirs.write_all(b"x").await.unwrap();
    let (send, mut recv) = server.accept_bi().await.unwrap();
    assert!(recv.read(9).await.unwrap().is_some());
    let wait = async {
        tokio::join!(server.closed(), server.read_datagram(), server.accept_uni(), recv.read(9))
    };
    let (waited, ()) = tokio::join!(wait, async {
        sleep(Duration::from_secs(1)).await;
        client.close(VarInt::from_u32(7), b"bye");
    });
    let (closed, datagram, stream, read) = waited;
    let ConnectionError::ApplicationClosed(why) = &closed else { panic!("{closed:?}") };
    assert_eq!((why.error_code, &why.reason[..]), (VarInt::from_u32(7), b"bye".as_slice()));
    assert_eq!((datagram.unwrap_err(), stream.unwrap_err()), (closed.clone(), closed));
    assert_eq!(read, Err(ReadError::Lost));
    assert!(server.send_datagram(Bytes::new()).is_err() && server.max_datagram_size().is_none());
    drop(send);

    let (client, server) = world.connect(2).await;
    server.close(VarInt::from_u32(8), b"enough");
    server.close(VarInt::from_u32(9), b"again");
    assert_eq!(server.close_reason(), Some(ConnectionError::LocallyClosed));
    let closed = client.closed().await;
    assert!(closed.to_string().contains("enough"), "{closed}");

    let (client, server) = world.connect(3).await;
    let stream = server.open_uni().await.unwrap();
    drop(server);
    let closed = timeout(Duration::from_secs(1), client.closed()).await;
    assert!(closed.is_err(), "a stream is a handle as well");
    drop(stream);
    assert!(matches!(client.closed().await, ConnectionError::ApplicationClosed(_)));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_vanishes_times_out_and_the_others_stay() {
    let mut keeps = TransportConfig::default();
    let world = World::with(keeps.keep_alive_interval(Some(IDLE / 3)));
    let (_gone, lost) = world.connect(1).await;
    let (client, server) = world.connect(2).await;
    world.net.cut(1);
    let began = tokio::time::Instant::now();
    assert_eq!(lost.closed().await, ConnectionError::TimedOut);
    assert!(began.elapsed() >= IDLE && began.elapsed() < 2 * IDLE, "{:?}", began.elapsed());
    sleep(10 * IDLE).await;
    assert_eq!(server.close_reason(), None);
    client.send_datagram(Bytes::from_static(b"here")).unwrap();
    assert_eq!(server.read_datagram().await.unwrap()[..], b"here"[..]);
}

#[tokio::test(start_paused = true)]
async fn an_incoming_connection_is_refused_retried_or_dropped() {
    let world = World::new();
    let client = world.net.client(1);
    for refuses in [true, false] {
        let (refused, ()) = tokio::join!(world.connecting(&client), async {
            let incoming = world.server.accept().await.unwrap();
            if refuses { incoming.refuse() } else { drop(incoming) }
        });
        let refused = refused.unwrap_err();
        assert!(matches!(refused, ConnectionError::ConnectionClosed(_)), "{refused}");
    }
    let (connected, server) = tokio::join!(world.connecting(&client), async {
        let incoming = world.server.accept().await.unwrap();
        assert!(incoming.may_retry());
        incoming.retry();
        let incoming = world.server.accept().await.unwrap();
        assert!(!incoming.may_retry());
        incoming.accept().await.unwrap()
    });
    assert_eq!(connected.unwrap().remote_address(), world.server.local_addr().unwrap());
    assert_eq!(server.remote_address().port(), 1);
    // Half a handshake, abandoned.
    let (abandoned, ()) = tokio::join!(world.connecting(&client), async {
        let incoming = world.server.accept().await.unwrap();
        assert!(incoming.accept().now_or_never().is_none());
    });
    assert!(matches!(abandoned, Err(ConnectionError::ConnectionClosed(_))));
}

#[tokio::test(start_paused = true)]
async fn nothing_remains_of_a_closed_endpoint() {
    let world = World::new();
    let (client, server) = world.connect(1).await;
    let waiting = world.connecting(&world.net.client(2));
    let unaccepted = world.server.clone();
    sleep(Duration::from_millis(10)).await;
    world.server.close(VarInt::from_u32(5), b"restarting");
    assert!(client.closed().await.to_string().contains("restarting"));
    drop(unaccepted.accept().await.unwrap());
    assert!(unaccepted.accept().await.is_none());
    drop(waiting.await.unwrap_err());
    drop(world.connecting(&world.net.client(3)).await.unwrap_err());
    timeout(IDLE, world.server.wait_idle()).await.unwrap();
    assert!(world.socket.upgrade().is_some());
    let World { socket, server: endpoint, .. } = world;
    drop((endpoint, unaccepted));
    yield_now().await;
    assert!(socket.upgrade().is_none(), "the driver lives on");
    assert_eq!(server.closed().await, ConnectionError::LocallyClosed);
}

#[tokio::test(start_paused = true)]
async fn the_driver_outlives_the_endpoint_until_its_last_connection_ends() {
    let world = World::new();
    let (client, server) = world.connect(1).await;
    let World { socket, server: endpoint, .. } = world;
    drop(endpoint);
    client.send_datagram(Bytes::from_static(b"x")).unwrap();
    assert_eq!(server.read_datagram().await.unwrap()[..], b"x"[..]);
    client.close(VarInt::from_u32(0), b"");
    drop(server);
    sleep(IDLE).await;
    assert!(socket.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_full_socket_loses_nothing() {
    let world = World::new();
    let (client, server) = world.connect(1).await;
    let (other, also) = world.connect(2).await;
    world.net.fill(Some(SERVER));
    server.send_datagram(Bytes::from_static(b"one")).unwrap();
    also.send_datagram(Bytes::from_static(b"two")).unwrap();
    world.net.take_sent();
    sleep(Duration::from_millis(20)).await;
    assert!(world.net.take_sent().is_empty());
    world.net.fill(None);
    assert_eq!(client.read_datagram().await.unwrap()[..], b"one"[..]);
    assert_eq!(other.read_datagram().await.unwrap()[..], b"two"[..]);
    assert_eq!(server.stats().path.lost_packets, 0);
}

/// A congestion controller with a bug, once for each of two calls.
#[derive(Clone, Debug, Default)]
struct Buggy {
    in_sent: Arc<AtomicBool>,
    in_ack: Arc<AtomicBool>,
}

impl ControllerFactory for Buggy {
    fn build(self: Arc<Self>, _: Instant, _: u16) -> Box<dyn Controller> {
        Box::new((*self).clone())
    }
}

impl Controller for Buggy {
    fn on_congestion_event(&mut self, _: Instant, _: Instant, _: bool, _: u64) {}

    fn on_ack(&mut self, _: Instant, _: Instant, _: u64, _: bool, _: &RttEstimator) {
        assert!(!self.in_ack.swap(false, Ordering::Relaxed), "a bug");
    }

    fn on_sent(&mut self, _: Instant, _: u64, _: u64) {
        assert!(!self.in_sent.swap(false, Ordering::Relaxed), "a bug");
    }

    fn on_mtu_update(&mut self, _: u16) {}

    fn window(&self) -> u64 {
        1 << 20
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        1 << 20
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[tokio::test(start_paused = true)]
async fn a_bug_ends_the_connection_that_it_hits() {
    let factory = Buggy::default();
    let bugs = [Arc::clone(&factory.in_sent), Arc::clone(&factory.in_ack)];
    let world =
        World::with(TransportConfig::default().congestion_controller_factory(Arc::new(factory)));
    let (client, server) = world.connect(1).await;
    for (port, bug) in (2..).zip(bugs) {
        let (_hit, hit) = world.connect(port).await;
        sleep(Duration::from_secs(1)).await;
        bug.store(true, Ordering::Relaxed);
        hit.send_datagram(Bytes::from_static(b"x")).unwrap();
        let lost = timeout(Duration::from_secs(1), hit.closed()).await.unwrap();
        assert!(matches!(lost, ConnectionError::TransportError(_)), "{lost}");
        assert!(hit.read_datagram().await.is_err() && hit.open_uni().await.is_err());
        hit.close(VarInt::from_u32(0), b"");
    }
    let text = world.metrics.text().unwrap();
    assert!(text.contains("gpys_panics_total{part=\"connection\"} 2"), "{text}");
    client.send_datagram(Bytes::from_static(b"here")).unwrap();
    assert_eq!(server.read_datagram().await.unwrap()[..], b"here"[..]);
    drop((client, server));
    sleep(IDLE).await;
    timeout(IDLE, world.server.wait_idle()).await.unwrap();
}
