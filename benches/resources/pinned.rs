//! Memory pinned by a hostile connection, before its hello and after: the maximum growth of the
//! server's memory while many of them hold what they can, divided by their number.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::join_all;
use gpys::proto::wire::{ClientMessage, Presence};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tokio::time::timeout;
use wtransport::quinn::{SendStream, VarInt};

use crate::bar::Bar;
use gpys_testkit::attacks::arena::Target;
use gpys_testkit::attacks::quic::{
    HEADERS, Quic, Session, WEBTRANSPORT, WEBTRANSPORT_UNI, client, connect_frame, transport,
    varint,
};
use gpys_testkit::attacks::socket::{BINARY, FIN, Socket, connect, frame, request};
use gpys_testkit::attacks::tools::hello_to;
use gpys_testkit::process::Process;

/// Number of concurrent hostile connections of one kind.
const MANY: usize = 100;
/// How long they hold what they have while it is measured.
const HOLD: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(20);
/// A stream that takes nothing for this long counts as full.
const FULL: Duration = Duration::from_millis(100);
/// Number of peers that keep changing, and how often each does, to cause news that is not read. It
/// is too little to make the server disconnect those that do not read while they are measured.
const RESTLESS: u64 = 4;
const CHANGE: Duration = Duration::from_millis(80);
/// The bar, in MB.
const MOST: f64 = 0.5;

/// Something that pins memory until dropped.
type Held = Vec<Box<dyn std::any::Any>>;

pub async fn measure(share: usize) -> Result<Vec<Bar>> {
    let many = MANY / share;
    let mut bars = Vec::new();
    let mut add = |when: &str, what: &str, bytes: f64| {
        let what = format!("memory pinned by one connection {when}: {what}");
        bars.push(Bar::at_most(what, MOST * 1e3, bytes / 1e3, "KB"));
    };
    let before = "before authentication";
    add(before, "QUIC, every stream and the datagrams full", pinned(many, quic).await?);
    add(before, "a session without hello, streams full", pinned(many, silent_session).await?);
    add(before, "the head of a request without end", pinned(many, endless_head).await?);
    add(before, "WebSocket, a message without end", pinned(many, endless_message).await?);
    let after = "in a room";
    add(after, "WebTransport, streams full, nothing read", pinned(many, deaf_session).await?);
    add(after, "WebSocket, half a message, nothing read", pinned(many, deaf_socket).await?);
    Ok(bars)
}

/// The maximum growth of a fresh server per attacker, in bytes.
async fn pinned<F: AsyncFn(&Target) -> Held>(many: usize, attack: F) -> Result<f64> {
    // No attacker must be refused before there was time to measure.
    let server = Process::start(&["--deadline", "30"])?;
    let Process { https, http, metrics, .. } = server;
    let target = Target { https, http, udp: https, metrics };
    // What the server sets up for the very first one does not count.
    drop(attack(&target).await);
    tokio::time::sleep(FULL).await;
    let before = server.rss()?;
    let mut most = before;
    let restless = join_all((0..RESTLESS).map(|_| restless(&target)));
    let attackers = async {
        let held = join_all((0..many).map(|_| attack(&target))).await;
        tokio::time::sleep(HOLD).await;
        drop(held);
    };
    let looking = async {
        loop {
            most = most.max(server.rss().unwrap_or(0));
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = attackers => {}
        () = looking => {}
        _ = restless => {}
    }
    Ok((most - before) as f64 / many as f64)
}

/// Keeps changing a peer's presence in the lobby.
async fn restless(target: &Target) {
    let mut session = Session::join(target).await;
    for presence in [Presence::Watching, Presence::Sharing].into_iter().cycle() {
        session.message(&ClientMessage::Presence(presence).encode()).await;
        let begun = Instant::now();
        // It reads its own news, or it would be disconnected.
        while let Ok(message) =
            timeout(CHANGE.saturating_sub(begun.elapsed()), session.read()).await
        {
            if message.is_none() {
                return;
            }
        }
    }
}

/// Fills a stream.
async fn fill(stream: &mut SendStream) {
    while let Ok(Ok(_)) = timeout(FULL, stream.write(&[0; 4_096])).await {}
}

/// Opens every stream that the server allows, starts each with this, and fills it.
async fn streams(quic: &Quic, uni: &[u8], bi: &[u8]) -> Held {
    let mut streams = Vec::new();
    while let Ok(Ok(mut stream)) = timeout(FULL, quic.connection.open_uni()).await {
        drop(timeout(FULL, stream.write_all(uni)).await);
        streams.push((stream, None));
    }
    while let Ok(Ok((mut stream, recv))) = timeout(FULL, quic.connection.open_bi()).await {
        drop(timeout(FULL, stream.write_all(bi)).await);
        streams.push((stream, Some(recv)));
    }
    join_all(streams.iter_mut().map(|(stream, _)| fill(stream))).await;
    for _ in 0..64 {
        drop(quic.connection.send_datagram(vec![0x3F; 1_000].into()));
        tokio::task::yield_now().await;
    }
    vec![Box::new(streams)]
}

async fn quic(target: &Target) -> Held {
    let quic = Quic::open(target).await;
    let control = quic.control().await;
    // A head of 16 KB, which never ends, on each stream that could be a request.
    let head = [varint(HEADERS), varint(16_000)].concat();
    let mut held = streams(&quic, &[varint(WEBTRANSPORT_UNI), varint(0)].concat(), &head).await;
    held.push(Box::new((quic, control)));
    held
}

async fn silent_session(target: &Target) -> Held {
    let quic = Quic::open(target).await;
    let control = quic.control().await;
    let request = quic.bi(&connect_frame(target, &[])).await;
    let [uni, bi] = [WEBTRANSPORT_UNI, WEBTRANSPORT].map(|kind| [varint(kind), varint(0)].concat());
    // Half a message on each stream that could be the lane.
    let mut held = streams(&quic, &uni, &[bi, vec![0, 4]].concat()).await;
    held.push(Box::new((quic, control, request)));
    held
}

async fn endless_head(target: &Target) -> Held {
    let mut stream = connect(target).await;
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(16_000));
    drop(stream.write_all(head.as_bytes()).await);
    drop(stream.flush().await);
    vec![Box::new(stream)]
}

async fn endless_message(target: &Target) -> Held {
    let mut socket = Socket::open(target).await;
    socket.write(&frame(BINARY, &[0; 2_000])).await;
    vec![Box::new(socket)]
}

async fn deaf_session(target: &Target) -> Held {
    let mut limits = transport();
    limits.stream_receive_window(VarInt::from_u32(48));
    let quic = Quic::with(target, client(limits)).await;
    let mut session = Session::over(quic, target).await;
    session.message(&hello_to("lobby", None)).await;
    session.write(&[0, 4, 1]).await;
    let [uni, bi] = [WEBTRANSPORT_UNI, WEBTRANSPORT].map(|kind| [varint(kind), varint(0)].concat());
    let mut held = streams(&session.quic, &uni, &bi).await;
    held.push(Box::new(session));
    held
}

async fn deaf_socket(target: &Target) -> Held {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2_048).unwrap();
    let mut stream = socket.connect(target.http).await.unwrap();
    stream.write_all(request(target, &[]).as_bytes()).await.unwrap();
    stream.write_all(&frame(FIN | BINARY, &hello_to("lobby", None))).await.unwrap();
    stream.write_all(&frame(BINARY, &[0; 2_000])).await.unwrap();
    vec![Box::new(stream)]
}
