//! Slow clients: trickles, silence, and readers that do not read.

use std::time::{Duration, Instant};

use gpys::proto::wire::CloseCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wtransport::quinn::VarInt;

use crate::attacks::arena::{Attack, PATIENCE, Target, answer, counted, failure, leave, limit};
use crate::attacks::deaf;
use crate::attacks::messages::{Link, over_both};
use crate::attacks::quic::{
    Quic, Session, client, connect_frame, settings, status, transport, varint,
};
use crate::attacks::socket::{
    BINARY, CONTINUATION, FIN, Socket, connect, frame, narrow, request, secure,
};
use crate::attacks::tools::{hello_to, patiently, within_the_deadline};

/// The pause between two bytes of a trickle: short enough for a naive idle timeout.
const DRIP: Duration = Duration::from_millis(200);

/// How long the server tolerates a client that takes nothing.
const STALL: Duration = Duration::from_secs(10);

/// Writes bytes one at a time, over and over, until the server closes.
async fn drip<S>(mut stream: S, bytes: Vec<u8>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let dripping = async {
        for byte in bytes.into_iter().cycle() {
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
            let mut answer = [0; 1024];
            let read = tokio::time::timeout(DRIP, stream.read(&mut answer));
            if let Ok(Ok(0) | Err(_)) = read.await {
                return;
            }
        }
    };
    within_the_deadline("a trickle", dripping).await;
}

/// All slow attacks.
pub fn attacks() -> Vec<Attack> {
    let mut attacks = vec![
        Attack::new("slow::a_silent_connection", async |target| {
            for address in [target.https, target.http] {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let mut byte = [0];
                let read = within_the_deadline("silence", stream.read(&mut byte));
                assert_eq!(read.await.unwrap_or_default(), 0);
            }
        })
        .counted(failure("tls_timeout")),
        Attack::new("slow::a_tls_hello_a_byte_at_a_time", async |target| {
            let stream = TcpStream::connect(target.https).await.unwrap();
            drip(stream, [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3], [0; 500].as_slice()].concat())
                .await;
        })
        .counted(failure("tls_timeout")),
        Attack::new("slow::a_request_a_byte_at_a_time", async |target| {
            drip(
                connect(target).await,
                b"GET / HTTP/1.1\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaa".into(),
            )
            .await;
        })
        .counted(failure("head_timeout")),
        Attack::new("slow::a_second_request_that_never_comes", async |target| {
            let mut stream = TcpStream::connect(target.http).await.unwrap();
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let mut answers = Vec::new();
            let read = stream.read_to_end(&mut answers);
            drop(within_the_deadline("an idle connection", read).await);
            assert!(answers.starts_with(b"HTTP/1.1 200 "));
        })
        .counted(answer("2xx")),
        Attack::new("slow::an_upgrade_a_byte_at_a_time", async |target| {
            drip(connect(target).await, request(target, &[]).into_bytes()[..100].to_vec()).await;
        })
        .counted(failure("head_timeout")),
        Attack::new("slow::a_hello_in_single_bytes", async |target| {
            let mut socket = Socket::open(target).await;
            let sending = async {
                socket.write(&frame(BINARY, &[0])).await;
                loop {
                    socket.write(&frame(CONTINUATION, &[1])).await;
                    if tokio::time::timeout(DRIP, socket.ends()).await.is_ok() {
                        return;
                    }
                }
            };
            within_the_deadline("an endless hello", sending).await;
        })
        .counted(failure("hello_timeout")),
        Attack::new("slow::a_frame_a_byte_at_a_time", async |target| {
            let mut socket = Socket::open(target).await;
            let bytes = [&[FIN | BINARY, 0xFE, 4, 0], [0; 1_000].as_slice()].concat();
            let dripping = async {
                for byte in bytes {
                    socket.write(&[byte]).await;
                    if tokio::time::timeout(DRIP, socket.ends()).await.is_ok() {
                        return;
                    }
                }
            };
            within_the_deadline("an endless frame", dripping).await;
        })
        .counted(failure("hello_timeout")),
        Attack::new("slow::a_session_without_a_lane", async |target| {
            let quic = Quic::open(target).await;
            let _control = quic.control().await;
            let (_send, mut recv) = quic.bi(&connect_frame(target, &[])).await.unwrap();
            assert_eq!(patiently("an answer", status(&mut recv)).await, Some(200));
            let closed = within_the_deadline("a session without a lane", quic.closed()).await;
            assert_eq!(closed, Some(CloseCode::Timeout as u64));
        })
        .counted(failure("stream_timeout")),
        Attack::new("slow::settings_a_byte_at_a_time", async |target| {
            let quic = Quic::open(target).await;
            let dripping = async {
                let mut stream = quic.uni(&varint(0)).await.unwrap();
                for byte in settings() {
                    if stream.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(2 * DRIP).await;
                }
                quic.closed().await;
            };
            within_the_deadline("endless settings", dripping).await;
        })
        .counted(failure("quic_timeout")),
        Attack::new("slow::half_a_stream_type", async |target| {
            let quic = Quic::open(target).await;
            let _control = quic.control().await;
            let _stream = quic.uni(&[0x40]).await;
            within_the_deadline("half a varint", quic.closed()).await;
        })
        .counted(failure("quic_timeout")),
        Attack::new("slow::no_room_for_the_servers_settings", async |target| {
            let mut limits = transport();
            limits.max_concurrent_uni_streams(VarInt::from_u32(0));
            let quic = Quic::with(target, client(limits)).await;
            let _control = quic.control().await;
            within_the_deadline("a server without room to answer", quic.closed()).await;
        })
        .counted(failure("quic_timeout")),
        Attack::new("slow::no_room_for_an_answer", async |target| {
            let mut limits = transport();
            limits.stream_receive_window(VarInt::from_u32(0));
            let quic = Quic::with(target, client(limits)).await;
            let _control = quic.control().await;
            let _request = quic.bi(&connect_frame(target, &[])).await;
            within_the_deadline("an answer without room", quic.closed()).await;
        })
        .counted(failure("quic_timeout")),
        Attack::new("slow::a_request_that_waits_for_settings", async |target| {
            let quic = Quic::open(target).await;
            let (_send, mut recv) = quic.bi(&connect_frame(target, &[])).await.unwrap();
            let closing = async { (status(&mut recv).await, quic.closed().await) };
            let (answer, _) = within_the_deadline("a client without settings", closing).await;
            assert_eq!(answer, None, "a session before the client's settings");
        })
        .counted(failure("quic_timeout")),
        Attack::new("slow::no_room_for_the_reason", no_room).counted(leave("bad_message")),
        Attack::new("slow::a_reader_that_does_not_read", unread).counted(limit("stalled")),
        Attack::new("slow::a_lane_without_room", without_room).counted(limit("stalled")),
        Attack::new("slow::a_client_that_acknowledges_nothing", unheard).counted(limit("stalled")),
        Attack::new("slow::unread_answers", async |target| {
            ask_and_read(target, 0).await;
        })
        .counted(limit("stalled")),
        Attack::new("slow::answers_read_a_byte_at_a_time", async |target| {
            ask_and_read(target, 1).await;
        })
        .counted(limit("stalled")),
    ];
    let mute = over_both("slow::no_hello", async |target, over| {
        let mut link = Link::open(target, over).await;
        within_the_deadline("a link without hello", link.ends()).await.is(CloseCode::Timeout);
    });
    let busy = over_both("slow::datagrams_without_hello", async |target, over| {
        let mut link = Link::open(target, over).await;
        let trying = async {
            loop {
                link.datagram(&[0x51, 0, 0, 0, 0]).await;
                if let Ok(end) = tokio::time::timeout(DRIP, link.ends()).await {
                    return end;
                }
            }
        };
        within_the_deadline("a link without hello", trying).await;
    });
    attacks.extend([mute, busy].into_iter().flat_map(|it| counted(it, &failure("hello_timeout"))));
    attacks
}

/// A client that gives the server's streams so little room that not even a welcome fits, then sends
/// nonsense: the server cannot send the reason, but ends the session.
async fn no_room(target: &Target) {
    let mut limits = transport();
    limits.stream_receive_window(VarInt::from_u32(48));
    let quic = Quic::with(target, client(limits)).await;
    let mut session = Session::over(quic, target).await;
    session.message(&hello_to("lobby", None)).await;
    session.answers().await;
    session.message(&[9, 9, 9]).await;
    let closed = within_the_deadline("a lane without room", session.quic.closed()).await;
    assert_eq!(closed, Some(CloseCode::BadMessage as u64));
}

/// Sends something over and over until that fails.
async fn talk(what: &str, mut send: impl AsyncFnMut() -> bool) {
    let talking = async {
        while send().await {
            tokio::time::sleep(DRIP).await;
        }
    };
    tokio::time::timeout(2 * PATIENCE, talking).await.unwrap_or_else(|_| panic!("{what}"));
}

/// A client in the lobby that sends, and so is not silent, but never reads what the two walkers
/// there cause.
async fn unread(target: &Target) {
    let mut socket = Socket::over(secure(narrow(target.https).await).await, target).await;
    socket.write(&frame(FIN | BINARY, &hello_to("lobby", None))).await;
    let ping = frame(FIN | BINARY, &[0x51, 0, 0, 0, 0]);
    talk("the server keeps a reader that does not read", async || socket.try_write(&ping).await)
        .await;
}

/// The same over QUIC, where the lane has no room for as much as a welcome.
async fn without_room(target: &Target) {
    let mut limits = transport();
    limits.stream_receive_window(VarInt::from_u32(48));
    let quic = Quic::with(target, client(limits)).await;
    let mut session = Session::over(quic, target).await;
    session.message(&hello_to("lobby", None)).await;
    let quic = &session.quic.connection;
    talk("the server keeps a lane without room", async || {
        session.datagram(&[0x51, 0, 0, 0, 0]);
        quic.close_reason().is_none()
    })
    .await;
    assert_eq!(session.quic.closed().await, Some(CloseCode::TooSlow as u64));
}

/// A client in the lobby that keeps sending and acknowledges nothing: the server must buffer or
/// resend everything for as long as it keeps the client.
async fn unheard(target: &Target) {
    let (quic, socket) = deaf::connect(target).await;
    let mut session = Session::over(quic, target).await;
    session.hello(&hello_to("lobby", None)).await;
    socket.set(true);
    let since = Instant::now();
    talk("the server keeps a client that acknowledges nothing", async || {
        session.datagram(&[0x51, 0, 0, 0, 0]);
        since.elapsed() < STALL + Duration::from_secs(4)
    })
    .await;
    // By now, the connection is closed or forgotten.
    socket.set(false);
    session.quic.closed().await;
}

/// Requests more pages than any buffer holds, and reads `count` bytes of them now and then.
async fn ask_and_read(target: &Target, count: usize) {
    let mut stream = narrow(target.http).await;
    let request = b"GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\n\r\n";
    stream.write_all(&request.repeat(400)).await.unwrap();
    talk("the server keeps unread answers", async || {
        let read = stream.read_exact(&mut vec![0; count]).await;
        read.is_ok() && stream.write_all(b"G").await.is_ok()
    })
    .await;
}
