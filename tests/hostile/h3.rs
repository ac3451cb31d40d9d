//! HTTP/3 by the letter of RFC 9114 and RFC 9204, and beside it, before there is a session.

use std::time::Duration;

use crate::arena::{Attack, Target, failure};
use crate::quic::{
    CONTROL, DATA, HEADERS, Quic, SETTINGS, WEBTRANSPORT, code, connect_frame, fields, framed,
    settings, status, varint,
};
use crate::tools::{patiently, within_the_deadline};

const STREAM_CREATION: u64 = 0x103;
const CRITICAL_STREAM: u64 = 0x104;
const FRAME_UNEXPECTED: u64 = 0x105;
const SETTINGS_ERROR: u64 = 0x109;
const MISSING_SETTINGS: u64 = 0x10A;
/// A frame type that is reserved so that nobody relies on it.
const GREASE: u64 = 0x21;

/// Writes this to a stream of one direction, behind `control` if it is given, and waits until
/// the server closes: with this code, or with any if none is given.
fn closes(name: &str, has_control: bool, bytes: Vec<u8>, code: Option<u64>) -> Attack {
    let attack = Attack::new(format!("h3::{name}"), async move |target| {
        let quic = Quic::open(target).await;
        let _control = if has_control { Some(quic.control().await) } else { None };
        let _stream = quic.uni(&bytes).await;
        let closed = within_the_deadline("a connection without a session", quic.closed()).await;
        assert!(code.is_none() || closed == code, "closed with {closed:?} instead of {code:?}");
    });
    if code.is_some() { attack.counted(failure("quic")) } else { ended(attack) }
}

/// Writes this to a stream of both directions, and ends the stream or not. The server must not
/// keep the connection.
fn asks(name: &str, bytes: Vec<u8>, is_finished: bool) -> Attack {
    let attack = Attack::new(format!("h3::{name}"), async move |target| {
        let quic = Quic::open(target).await;
        let _control = quic.control().await;
        let stream = quic.bi(&bytes).await;
        if let Some((mut send, mut recv)) = stream {
            if is_finished {
                drop(send.finish());
            }
            let answer = patiently("an answer", status(&mut recv)).await;
            assert_ne!(answer, Some(200), "a session that nobody asked for");
        }
        within_the_deadline("a connection without a session", quic.closed()).await;
    });
    ended(attack)
}

/// An attack that ends a connection without a session, at once or at its deadline.
fn ended(attack: Attack) -> Attack {
    attack.counted_among(["quic", "quic_timeout"].map(failure))
}

fn setting(id: u64, value: u64) -> Vec<u8> {
    [varint(id), varint(value)].concat()
}

/// Streams and frames before there is a session.
pub fn of_streams() -> Vec<Attack> {
    let on_control = |rest: &[u8]| [&varint(CONTROL), rest].concat();
    let claim = |kind, length| [varint(kind), varint(length)].concat();
    let twice = [settings(), settings()].concat();
    let mut attacks = vec![
        Attack::new("h3::says_nothing", async |target| {
            let quic = Quic::open(target).await;
            within_the_deadline("a connection that says nothing", quic.closed()).await;
        })
        .counted(failure("quic_timeout")),
        Attack::new("h3::never_asks_for_a_session", async |target| {
            let quic = Quic::open(target).await;
            let _control = quic.control().await;
            within_the_deadline("a connection without a session", quic.closed()).await;
        })
        .counted(failure("quic_timeout")),
        ended(Attack::new("h3::fills_every_stream", fill)),
        closes("a_second_control_stream", true, on_control(&settings()), Some(STREAM_CREATION)),
        closes("control_without_settings", false, on_control(&framed(DATA, b"x")), None),
        closes("settings_twice", false, on_control(&twice), Some(FRAME_UNEXPECTED)),
        closes("settings_that_never_come", false, on_control(&claim(SETTINGS, 40)), None),
        closes("settings_of_a_tebibyte", false, on_control(&claim(SETTINGS, 1 << 40)), None),
        closes("a_grease_frame_of_a_tebibyte", false, on_control(&claim(GREASE, 1 << 40)), None),
        closes("a_push_stream", true, [varint(1), varint(0)].concat(), Some(STREAM_CREATION)),
        closes("a_stream_of_an_unknown_kind", true, [varint(0x99), vec![7; 999]].concat(), None),
        closes("garbage_for_qpack", true, [varint(2), vec![0xFF; 999]].concat(), None),
    ];
    let first = framed(GREASE, b"grease before the settings");
    let code = Some(MISSING_SETTINGS);
    attacks.push(closes("grease_before_settings", false, on_control(&first), code));
    let wrong = [
        ("a_setting_of_http_2", setting(0x02, 1)),
        ("a_setting_twice", [setting(0x33, 1), setting(0x33, 1)].concat()),
        ("half_a_setting", vec![0x33]),
    ];
    for (name, payload) in wrong {
        let bytes = on_control(&framed(SETTINGS, &payload));
        attacks.push(closes(
            name,
            false,
            bytes,
            (name != "half_a_setting").then_some(SETTINGS_ERROR),
        ));
    }
    for (name, is_reset) in [("control_ends", false), ("control_is_reset", true)] {
        let attack = Attack::new(format!("h3::{name}"), async move |target| {
            let quic = Quic::open(target).await;
            let mut control = quic.control().await;
            if is_reset {
                tokio::time::sleep(Duration::from_millis(50)).await;
                control.reset(crate::quic::code(0)).unwrap();
            } else {
                control.finish().unwrap();
            }
            assert_eq!(quic.closed().await, Some(CRITICAL_STREAM));
        });
        attacks.push(attack.counted(failure("quic")));
    }
    let attack = Attack::new("h3::random_streams", async |target| {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..20 {
            let quic = Quic::open(target).await;
            for _ in 0..4 {
                let bytes: Vec<_> = (0..random.usize(1..600)).map(|_| random.u8(..)).collect();
                drop(quic.uni(&bytes).await);
                drop(quic.bi(&bytes).await);
            }
        }
    });
    attacks.push(ended(attack));
    attacks
}

/// Opens every stream that it may, and fills each until the server takes no more.
async fn fill(target: &Target) {
    let quic = Quic::open(target).await;
    let mut streams = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(SHORT, quic.connection.open_uni()).await {
        streams.push(stream);
        assert!(streams.len() <= 16, "as many streams of one direction as one likes");
    }
    let uni = streams.len();
    while let Ok(Ok((stream, _))) = tokio::time::timeout(SHORT, quic.connection.open_bi()).await {
        streams.push(stream);
        assert!(streams.len() <= uni + 8, "as many streams of both directions as one likes");
    }
    let mut taken = 0;
    for stream in &mut streams {
        // A frame, or a stream, of a reserved kind, and a length without end.
        let head = [varint(GREASE), varint(1 << 30)].concat();
        drop(tokio::time::timeout(SHORT, stream.write_all(&head)).await);
        while let Ok(Ok(count)) = tokio::time::timeout(SHORT, stream.write(&[0; 4096])).await {
            taken += count;
            assert!(taken <= 512 * 1024, "the server takes whatever it is sent");
        }
    }
    within_the_deadline("a connection without a session", quic.closed()).await;
}

/// So long a client tries to write what a server need not take.
const SHORT: Duration = Duration::from_millis(100);

/// What asks for a session, and should not get one.
pub fn of_requests() -> Vec<Attack> {
    let get = [(":method", "GET"), (":scheme", "https"), (":authority", "x"), (":path", "/wt")];
    let get = framed(HEADERS, &fields(&get));
    let section = |bytes: &[u8]| framed(HEADERS, bytes);
    let mut attacks = vec![
        asks("a_plain_get", get.clone(), true),
        asks("a_get_that_goes_on", get.clone(), false),
        asks("data_first", framed(DATA, b"x"), false),
        asks("settings_on_a_request", settings(), false),
        asks("no_field_at_all", section(&[0, 0]), true),
        asks("an_empty_section", section(&[]), true),
        asks("half_a_section", framed(HEADERS, &[0; 40])[..20].to_vec(), true),
        asks("a_section_of_a_tebibyte", [varint(HEADERS), varint(1 << 40)].concat(), false),
        asks("a_section_of_5000_bytes", section(&fields(&[("x", &"y".repeat(5_000))])), false),
        asks("a_field_longer_than_its_section", section(&[0, 0, 0x27, 0xFF, 0x7F, b'a']), true),
        asks(
            "an_integer_without_end",
            section(&[&[0, 0, 0x27], [0xFF; 64].as_slice()].concat()),
            true,
        ),
        asks("a_reference_to_no_static_field", section(&[0, 0, 0xFF, 0xFF, 0x7F]), true),
        asks("a_reference_to_the_dynamic_table", section(&[0, 0, 0x80]), true),
        asks("a_section_that_waits_for_inserts", section(&[9, 0, 0xD9]), true),
        asks("huffman_that_is_none", section(&[0, 0, 0x2F, 0x10, 0xFF, 0xFF, 0xFF]), true),
        asks(
            "a_stream_of_no_session",
            [varint(WEBTRANSPORT), varint(40), vec![1; 99]].concat(),
            false,
        ),
        asks(
            "a_stream_of_a_session_that_cannot_be",
            [varint(WEBTRANSPORT), varint(1)].concat(),
            false,
        ),
        asks("a_push_promise", framed(0x05, &[0; 9]), false),
        asks("a_frame_of_http_2", framed(0x06, &[0; 8]), false),
    ];
    let changed: [(&str, &[(&str, &str)]); 9] = [
        ("connect_without_protocol", &[(":protocol", "")]),
        ("connect_for_websocket", &[(":protocol", "websocket")]),
        ("connect_without_authority", &[(":authority", "")]),
        ("connect_without_scheme", &[(":scheme", "")]),
        ("connect_without_path", &[(":path", "")]),
        ("connect_over_http", &[(":scheme", "http")]),
        ("another_path", &[(":path", "/wt/../wt")]),
        ("a_path_with_nul", &[(":path", "/wt\0")]),
        ("an_unknown_pseudo_field", &[(":admin", "1"), (":path", "/")]),
    ];
    for (name, fields) in changed {
        let attack = Attack::new(format!("h3::{name}"), async move |target| {
            let quic = Quic::open(target).await;
            let _control = quic.control().await;
            let (_send, mut recv) = quic.bi(&connect_frame(target, fields)).await.unwrap();
            let answer = patiently("an answer", status(&mut recv)).await;
            assert_ne!(answer, Some(200), "a session that nobody asked for");
            within_the_deadline("a connection without a session", quic.closed()).await;
        });
        attacks.push(attack.counted_among(["quic", "path"].map(failure)));
    }
    let attack = Attack::new("h3::gets_that_are_taken_back", async move |target| {
        let quic = Quic::open(target).await;
        let _control = quic.control().await;
        for _ in 0..40 {
            let Some((mut send, mut recv)) = quic.bi(&get).await else { break };
            drop(send.reset(code(0x10C)));
            drop(recv.stop(code(0x10C)));
        }
        within_the_deadline("a connection without a session", quic.closed()).await;
    });
    attacks.push(ended(attack));
    let attack = Attack::new("h3::random_requests", async |target| {
        let mut random = fastrand::Rng::with_seed(2);
        for _ in 0..40 {
            let quic = Quic::open(target).await;
            let _control = quic.control().await;
            let mut frame = connect_frame(target, &[]);
            for _ in 0..random.usize(1..4) {
                let at = random.usize(3..frame.len());
                frame[at] = random.u8(..);
            }
            if let Some((mut send, mut recv)) = quic.bi(&frame).await {
                drop(send.finish());
                drop(tokio::time::timeout(SHORT, recv.read(&mut [0; 64])).await);
            }
        }
    });
    attacks.push(attack.counted_among(["quic", "quic_timeout", "path", "gone"].map(failure)));
    attacks
}
