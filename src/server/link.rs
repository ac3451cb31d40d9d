//! A link as its room sees it: a lane that loses nothing, and a slot for one frame.
//!
//! Nothing here waits. Whatever does not fit is refused at once, because a frame that waits is a
//! frame that lies.

pub(crate) mod ending;
mod probe;
pub(crate) mod socket;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use quinn_proto::ConnectionStats;
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::limits::amplification::Proof;
use crate::limits::gate::Network;
use crate::link::ending::Ending;
use crate::link::socket::SocketCarrier;
use crate::lock::lock;
use crate::metrics::{Leave, Transport};
use crate::quic::connection::Connection;
use gpys_proto::time::Time;
use gpys_proto::wire::PONG_LEN;

/// Maximum number of unread messages on the reliable lane.
const RELIABLE_QUEUE: usize = 256;

/// Stands for a writer that is not waiting.
const IDLE: u64 = u64::MAX;

/// Distinguishes a peer's links, so an old one cannot end a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkId(u64);

impl LinkId {
    /// Returns a new, unique id.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The error of a full reliable lane: the client does not read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

/// Carrier statistics of a link, counted from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathCounts {
    /// Packets sent.
    pub(crate) sent: u64,
    /// Packets lost.
    pub(crate) lost: u64,
    /// Current round trip, in ms; 0 if unknown.
    pub(crate) rtt_ms: u32,
    /// Number of ack-eliciting frames sent; 0 over TCP.
    pub(crate) asked: u64,
    /// QUIC's estimate of the round trip. It moves with every acknowledgement of something new; a
    /// client with nothing new to acknowledge repeats the old, which QUIC counts, too.
    pub(crate) estimate: Duration,
}

/// How bytes are sent.
#[derive(Debug)]
enum Carrier {
    WebTransport(QuicCarrier),
    WebSocket(Arc<SocketCarrier>),
}

#[derive(Debug)]
struct QuicCarrier {
    quic: Connection,
    /// Proves that the client owns its address.
    proof: Proof,
    /// The session's id, with which its HTTP datagrams begin.
    prefix: Bytes,
    /// Number of packets received at the last call of [`Link::heard`].
    received: AtomicU64,
}

#[derive(Debug)]
struct LinkState {
    id: LinkId,
    clock: Clock,
    path: Carrier,
    reliable: mpsc::Sender<Arc<Bytes>>,
    ending: watch::Sender<Option<Ending>>,
    heard: AtomicU64,
    /// When a message, a pose or a ping arrived last, in ms: a word of the program, not only of
    /// its transport.
    spoken: AtomicU64,
    network: OnceLock<Network>,
    /// Since when the writer has waited for the transport; [`IDLE`] if it does not.
    writing: AtomicU64,
}

/// A live connection of a peer.
#[derive(Clone, Debug)]
pub(crate) struct Link(Arc<LinkState>);

/// The end of a link held by its connection's task.
#[derive(Debug)]
pub(crate) struct LinkEnd {
    /// Messages to write to the reliable lane, each with its length prefix.
    pub(crate) reliable: mpsc::Receiver<Arc<Bytes>>,
    /// Why the link ends, once it does.
    pub(crate) ending: watch::Receiver<Option<Ending>>,
}

/// Waits until a link ends, and returns why; `None` if nothing is left to end it.
pub(crate) async fn ended(ending: &mut watch::Receiver<Option<Ending>>) -> Option<Ending> {
    ending.wait_for(Option::is_some).await.ok().and_then(|ending| ending.clone())
}

impl Link {
    /// A link over a WebTransport session whose datagrams begin with `prefix`.
    pub(crate) fn web_transport(
        quic: Connection,
        proof: Proof,
        prefix: Bytes,
        clock: Clock,
    ) -> (Self, LinkEnd) {
        let received = AtomicU64::new(quic.stats().udp_rx.datagrams);
        Self::new(Carrier::WebTransport(QuicCarrier { quic, proof, prefix, received }), clock)
    }

    /// A link over a WebSocket, and the slot for its frames.
    pub(crate) fn web_socket(clock: Clock) -> (Self, LinkEnd, Arc<SocketCarrier>) {
        let path = Arc::new(SocketCarrier::new(clock));
        let (link, end) = Self::new(Carrier::WebSocket(Arc::clone(&path)), clock);
        (link, end, path)
    }

    fn new(path: Carrier, clock: Clock) -> (Self, LinkEnd) {
        let (reliable, reliable_end) = mpsc::channel(RELIABLE_QUEUE);
        let (ending, ending_end) = watch::channel(None);
        let [heard, spoken] = [(); 2].map(|()| AtomicU64::new(clock.now().as_ms()));
        let (id, writing) = (LinkId::next(), AtomicU64::new(IDLE));
        let network = OnceLock::new();
        let shared =
            LinkState { id, clock, path, reliable, ending, heard, spoken, network, writing };
        let end = LinkEnd { reliable: reliable_end, ending: ending_end };
        (Self(Arc::new(shared)), end)
    }

    /// The link's id.
    pub(crate) fn id(&self) -> LinkId {
        self.0.id
    }

    /// Counts the link against this network, if any.
    pub(crate) fn count_for(&self, network: Option<Network>) {
        if let Some(network) = network {
            // The first one counts, as with how the link ends.
            let _ = self.0.network.set(network);
        }
    }

    /// The network that the link counts against, if any.
    pub(crate) fn network(&self) -> Option<Network> {
        self.0.network.get().copied()
    }

    /// Records that something arrived, for a link that does not see this itself.
    pub(crate) fn touch(&self) {
        self.0.heard.store(self.0.clock.now().as_ms(), Ordering::Relaxed);
    }

    /// When anything at all last arrived. On WebTransport, only as exact as the calls are frequent.
    pub(crate) fn heard(&self) -> Time {
        if let Carrier::WebTransport(path) = &self.0.path {
            let received = path.quic.stats().udp_rx.datagrams;
            if path.received.swap(received, Ordering::Relaxed) != received {
                self.touch();
            }
        }
        Time::from_ms(self.0.heard.load(Ordering::Relaxed))
    }

    /// Records that the client's program said something.
    pub(crate) fn note_spoken(&self, now: Time) {
        self.0.spoken.store(now.as_ms(), Ordering::Relaxed);
    }

    /// When the client's program said something last.
    pub(crate) fn spoken(&self) -> Time {
        Time::from_ms(self.0.spoken.load(Ordering::Relaxed))
    }

    /// Discounts from the client's silence the time for which the server did not run.
    pub(crate) fn excuse(&self, late_ms: u64) {
        let heard = self.heard() + late_ms;
        let now = self.0.clock.now();
        self.0.heard.fetch_max(heard.min(now).as_ms(), Ordering::Relaxed);
        let spoken = self.spoken() + late_ms;
        self.0.spoken.fetch_max(spoken.min(now).as_ms(), Ordering::Relaxed);
    }

    /// Follows a client to its current address, once it has proved that it owns it. Call this
    /// before sending anything and whenever something arrives.
    pub(crate) fn follow(&self) {
        if let Carrier::WebTransport(path) = &self.0.path {
            path.proof.follow(&path.quic);
        }
    }

    /// Runs a write; meanwhile, [`Link::writing_ms`] returns how long it has taken.
    pub(crate) async fn writing<T>(&self, write: impl Future<Output = T>) -> T {
        self.0.writing.store(self.0.clock.now().as_ms(), Ordering::Relaxed);
        let written = write.await;
        self.0.writing.store(IDLE, Ordering::Relaxed);
        written
    }

    /// How long the transport has not taken what the writer holds, in ms.
    pub(crate) fn writing_ms(&self, now: Time) -> u64 {
        match self.0.writing.load(Ordering::Relaxed) {
            IDLE => 0,
            since => now.since(Time::from_ms(since)),
        }
    }

    /// Maximum length of a frame that fits now, in bytes.
    pub(crate) fn max_frame(&self) -> usize {
        match &self.0.path {
            Carrier::WebTransport(path) => {
                let datagram = path.quic.max_datagram_size().unwrap_or_default();
                datagram.saturating_sub(path.prefix.len())
            }
            Carrier::WebSocket(_) => usize::MAX,
        }
    }

    /// Whether a frame of at most `len` bytes would be sent at once.
    pub(crate) fn ready(&self, len: usize) -> bool {
        match &self.0.path {
            Carrier::WebTransport(path) => {
                path.quic.datagram_send_buffer_space() >= path.prefix.len() + len
            }
            Carrier::WebSocket(path) => {
                let slot = lock(&path.slot);
                !slot.busy && slot.frame.is_none()
            }
        }
    }

    /// Writes a frame's prefix into the buffer for [`Link::send_frame`], which then sends the frame
    /// without copying it.
    pub(crate) fn begin_frame(&self, buffer: &mut Vec<u8>) {
        if let Carrier::WebTransport(path) = &self.0.path {
            buffer.extend_from_slice(&path.prefix);
        }
    }

    /// Sends a frame that follows the prefix from [`Link::begin_frame`]. Returns whether it fit.
    pub(crate) fn send_frame(&self, frame: Bytes) -> bool {
        self.follow();
        match &self.0.path {
            Carrier::WebTransport(path) => path.quic.send_datagram(frame).is_ok(),
            Carrier::WebSocket(path) => {
                lock(&path.slot).frame = Some(frame);
                path.sent.fetch_add(1, Ordering::Relaxed);
                path.wake.notify_one();
                true
            }
        }
    }

    /// Sends a message of the datagram lane; one that finds no room is dropped.
    pub(crate) fn say(&self, message: &[u8]) {
        self.follow();
        match &self.0.path {
            Carrier::WebTransport(path) => {
                if message.len() <= self.max_frame() && self.ready(message.len()) {
                    let datagram: Bytes = path.prefix.iter().chain(message).copied().collect();
                    // What does not fit after all is lost.
                    drop(path.quic.send_datagram(datagram));
                }
            }
            Carrier::WebSocket(path) => path.say(Bytes::copy_from_slice(message)),
        }
    }

    /// Sends a pong, which may be lost.
    pub(crate) fn send_pong(&self, pong: [u8; PONG_LEN]) {
        match &self.0.path {
            Carrier::WebTransport(path) => {
                let datagram: Bytes = path.prefix.iter().copied().chain(pong).collect();
                // A pong that does not fit is lost.
                drop(path.quic.send_datagram(datagram));
            }
            Carrier::WebSocket(path) => {
                lock(&path.slot).pong = Some(pong);
                path.wake.notify_one();
            }
        }
    }

    /// Sends a message framed by [`frame_reliable`](crate::link::ending::frame_reliable). An `Arc`,
    /// because the channel preallocates 32 slots.
    ///
    /// # Errors
    /// If too many messages are waiting. The caller ends the link.
    pub(crate) fn send_reliable(&self, framed: Arc<Bytes>) -> Result<(), TooSlow> {
        match self.0.reliable.try_send(framed) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(TooSlow),
        }
    }

    /// Ends the link; the first reason wins. The link's own task informs the client.
    pub(crate) fn close(&self, ending: Ending) {
        self.0.ending.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(ending);
            }
            first
        });
    }

    /// Why the link ended, if it has.
    pub(crate) fn why(&self) -> Option<Leave> {
        self.0.ending.borrow().as_ref().map(|ending| ending.leave)
    }

    /// The transport that carries the link.
    pub(crate) fn transport(&self) -> Transport {
        match &self.0.path {
            Carrier::WebTransport(_) => Transport::WebTransport,
            Carrier::WebSocket(_) => Transport::WebSocket,
        }
    }

    /// Current path statistics.
    pub(crate) fn counts(&self) -> PathCounts {
        match &self.0.path {
            Carrier::WebTransport(path) => {
                let ConnectionStats { path, frame_tx, .. } = path.quic.stats();
                PathCounts {
                    sent: path.sent_packets,
                    lost: path.lost_packets,
                    rtt_ms: u32::try_from(path.rtt.as_millis()).unwrap_or(u32::MAX),
                    asked: frame_tx.datagram + frame_tx.stream + frame_tx.ping,
                    estimate: path.rtt,
                }
            }
            Carrier::WebSocket(path) => {
                let rtt_ms = lock(&path.probe).rtt_ms(path.clock.now());
                let sent = path.sent.load(Ordering::Relaxed);
                PathCounts { sent, rtt_ms, ..PathCounts::default() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::ending::LENGTH_PREFIX;
    use gpys_proto::wire::{CloseCode, ServerMessage};

    #[tokio::test]
    async fn a_socket_holds_one_frame_until_it_is_written() {
        let (link, _end, path) = Link::web_socket(Clock::start());
        assert!(link.ready(1_000));
        assert!(link.send_frame(Bytes::from_static(b"F")));
        assert!(!link.ready(1_000), "a frame is waiting");
        link.send_pong([0x52; PONG_LEN]);
        assert_eq!(path.take().map(|bytes| bytes.len()), Some(PONG_LEN));
        assert_eq!(path.take().as_deref(), Some(b"F".as_slice()));
        assert!(!link.ready(1_000), "the writer is still busy");
        assert!(path.take().is_none());
        assert!(link.ready(1_000));
    }

    #[tokio::test]
    async fn an_unread_lane_is_too_slow() {
        let (link, _end, _path) = Link::web_socket(Clock::start());
        for _ in 0..RELIABLE_QUEUE {
            assert_eq!(link.send_reliable(Arc::default()), Ok(()));
        }
        assert_eq!(link.send_reliable(Arc::default()), Err(TooSlow));
    }

    #[tokio::test]
    async fn the_first_ending_wins() {
        let (link, mut end, _path) = Link::web_socket(Clock::start());
        link.close(Ending::new(CloseCode::TooSlow, "slow"));
        link.close(Ending::new(CloseCode::Bye, "bye"));
        let ending = ended(&mut end.ending).await.unwrap();
        assert_eq!(ending.code, CloseCode::TooSlow);
        let message = ending.message();
        let (length, body) = message.split_at(LENGTH_PREFIX);
        assert_eq!(length, u16::try_from(body.len()).unwrap().to_le_bytes());
        let expected = ServerMessage::closing(CloseCode::TooSlow, "slow", Some(2_000));
        assert_eq!(ServerMessage::decode(body), Ok(expected));
    }
}
