//! Attacks by WebTransport sessions in the lobby: capsules, streams, datagrams.

use std::time::Duration;

use gpys::proto::wire::{ClientMessage, CloseCode};

use crate::attacks::arena::{Attack, Target, gone, leave, limit};
use crate::attacks::quic::{
    CLOSE_SESSION, DATA, HEADERS, Quic, Session, WEBTRANSPORT, WEBTRANSPORT_UNI, client, code,
    connect_frame, fields, framed, settings, status, transport, varint,
};
use crate::attacks::tools::hello_to;

/// A reserved frame type, which no endpoint may rely on.
const GREASE: u64 = 0x21;
/// How long a client tries what a server need not allow.
const SHORT: Duration = Duration::from_millis(100);

/// Sends bytes on the stream of a session's request; `lives` is whether the session survives.
fn capsule(name: &str, bytes: Vec<u8>, lives: bool) -> Attack {
    let attack = Attack::new(format!("webtransport::{name}"), async move |target| {
        let mut session = Session::join(target).await;
        drop(session.request.0.write_all(&bytes).await);
        if lives {
            session.answers().await;
        } else {
            session.ends().await;
        }
    });
    attack.counted_among(gone())
}

/// Attacks with the capsules, frames and streams of a session in the lobby.
pub fn attacks() -> Vec<Attack> {
    let data = |payload: &[u8]| framed(DATA, payload);
    let close = |payload: &[u8]| data(&framed(CLOSE_SESSION, payload));
    let long = [&[0, 0, 0, 1], [b'x'; 1025].as_slice()].concat();
    let mut attacks = vec![
        capsule("an_unknown_capsule", data(&framed(0x1F_0042, b"what")), true),
        capsule("ten_unknown_capsules", data(&framed(0x1F42, b"w")).repeat(10), true),
        capsule("a_capsule_of_4000_bytes", data(&framed(0x1F_0042, &[0; 4_000])), true),
        capsule("a_capsule_of_a_tebibyte", data(&[varint(0x1F42), varint(1 << 40)].concat()), true),
        capsule("half_a_capsule", data(&[0xFF]), true),
        capsule(
            "a_close_capsule_in_two_frames",
            [data(&[0x68]), data(&[0x43, 4, 0, 0, 0, 0])].concat(),
            false,
        ),
        capsule("a_data_frame_of_a_tebibyte", [varint(DATA), varint(1 << 40)].concat(), false),
        capsule("a_drain_capsule", data(&framed(0x78AE, &[])), true),
        capsule("trailers", framed(HEADERS, &fields(&[("x", "y")])), false),
        capsule("settings_among_capsules", settings(), false),
        capsule("a_grease_frame", framed(GREASE, b"grease"), true),
        capsule("a_close_capsule", close(&[0, 0, 0, 7, b'b', b'y', b'e']), false),
        capsule("a_close_capsule_without_code", close(&[0]), false),
        capsule("a_close_capsule_with_a_long_reason", close(&long), false),
        capsule("a_close_capsule_with_a_bad_reason", close(&[0, 0, 0, 7, 0xFF, 0xFE]), false),
        capsule("two_close_capsules", close(&[0; 4]).repeat(2), false),
        capsule(
            "a_stream_header_among_capsules",
            [varint(WEBTRANSPORT), varint(0)].concat(),
            false,
        ),
    ];
    let endless = [
        ("empty_frames", framed(DATA, b"")),
        ("empty_capsules", data(&framed(0x1F42, b""))),
        ("unknown_capsules", data(&framed(0x1F42, b"w"))),
        ("empty_frames_of_a_reserved_type", framed(GREASE, b"")),
    ];
    for (name, bytes) in endless {
        let attack = Attack::new(format!("webtransport::endless_{name}"), async move |target| {
            let mut session = Session::join(target).await;
            drop(session.request.0.write_all(&bytes.repeat(200)).await);
            session.ends().await.is(CloseCode::TooFast);
        });
        attacks.push(attack.counted(limit("messages")));
    }
    let attack = Attack::new("webtransport::request_ends", async |target| {
        let mut session = Session::join(target).await;
        session.request.0.finish().unwrap();
        session.ends().await;
    });
    attacks.push(attack.counted_among(["gone", "closed", "bad_message"].map(leave)));
    let attack = Attack::new("webtransport::request_is_reset", async |target| {
        let mut session = Session::join(target).await;
        session.request.0.reset(code(0)).unwrap();
        session.ends().await;
    });
    attacks.push(attack.counted_among(["gone", "closed", "bad_message"].map(leave)));
    let attack = Attack::new("webtransport::lane_ends_in_a_message", async |target| {
        let mut session = Session::join(target).await;
        session.write(&[200, 0, 1, 2, 3]).await;
        session.lane.0.finish().unwrap();
        session.ends().await;
    });
    attacks.push(attack.counted_among(["gone", "closed", "bad_message"].map(leave)));
    let attack = Attack::new("webtransport::lane_is_reset", async |target| {
        let mut session = Session::join(target).await;
        session.lane.0.reset(code(7)).unwrap();
        session.ends().await;
    });
    attacks.push(attack.counted_among(["gone", "closed", "bad_message"].map(leave)));
    let attack = Attack::new("webtransport::lane_is_stopped", async |target| {
        let mut session = Session::join(target).await;
        session.lane.1.stop(code(7)).unwrap();
        // The server notices when it has something to send.
        let leave = ClientMessage::Leave.encode();
        session.message(&leave).await;
        session.quic.closed().await;
    });
    attacks.push(attack.counted_among(["gone", "closed", "bye"].map(leave)));
    let attack = Attack::new("webtransport::unread_streams", unread);
    attacks.push(attack.counted_among(gone()));
    let attack = Attack::new("webtransport::a_second_session", async |target| {
        let session = Session::join(target).await;
        let request = connect_frame(target, &[]);
        let (_send, mut recv) = session.quic.bi(&request).await.unwrap();
        let answer = tokio::time::timeout(SHORT, status(&mut recv)).await;
        assert!(!matches!(answer, Ok(Some(200))), "two sessions on one connection");
        session.answers().await;
    });
    attacks.push(attack.counted_among(gone()));
    let attack = Attack::new("webtransport::datagrams_of_no_session", async |target| {
        let foreign = [&varint(7), b"not this session's".as_slice()].concat();
        let mut session = Session::join(target).await;
        for _ in 0..100 {
            session.raw_datagram(&foreign);
        }
        session.answers().await;
        for _ in 0..3_000 {
            session.raw_datagram(&foreign);
            tokio::task::yield_now().await;
        }
        session.ends().await.is(CloseCode::TooFast);
    });
    attacks.push(attack.counted(limit("datagrams")));
    for (name, bytes) in [
        ("an_empty_datagram", Vec::new()),
        ("half_a_datagram", vec![0xFF]),
        ("a_datagram_of_no_stream", vec![0xFF; 8]),
    ] {
        let attack = Attack::new(format!("webtransport::{name}"), async move |target| {
            let session = Session::join(target).await;
            session.raw_datagram(&bytes);
            // RFC 9297 allows the server to close; then the connection must be gone.
            let closed = tokio::time::timeout(SHORT, session.quic.connection.closed()).await;
            if closed.is_err() {
                session.answers().await;
            }
        });
        attacks.push(attack.counted_among(gone()));
    }
    let attack = Attack::new("webtransport::datagrams_disabled", async |target| {
        let mut limits = transport();
        limits.datagram_receive_buffer_size(None);
        let quic = Quic::with(target, client(limits)).await;
        let mut session = Session::over(quic, target).await;
        session.hello(&hello_to("lobby", None)).await;
        // Time for frames, which cannot be sent.
        tokio::time::sleep(3 * SHORT).await;
        session.message(&ClientMessage::Leave.encode()).await;
        session.ends().await.is(CloseCode::Bye);
    });
    attacks.push(attack.counted(leave("bye")));
    attacks
}

/// Opens and fills every stream that the server allows, next to a live session.
async fn unread(target: &Target) {
    let session = Session::join(target).await;
    let mut streams = Vec::new();
    let heads = [varint(WEBTRANSPORT_UNI), varint(0)].concat();
    while let Ok(Ok(mut stream)) =
        tokio::time::timeout(SHORT, session.quic.connection.open_uni()).await
    {
        drop(tokio::time::timeout(SHORT, stream.write_all(&heads)).await);
        streams.push(stream);
    }
    let heads = [varint(WEBTRANSPORT), varint(0)].concat();
    while let Ok(Ok((mut stream, _))) =
        tokio::time::timeout(SHORT, session.quic.connection.open_bi()).await
    {
        drop(tokio::time::timeout(SHORT, stream.write_all(&heads)).await);
        streams.push(stream);
    }
    for stream in &mut streams {
        while let Ok(Ok(_)) = tokio::time::timeout(SHORT, stream.write(&[0; 4096])).await {}
    }
    session.answers().await;
}
