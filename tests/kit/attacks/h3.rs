//! HTTP/3 by and against the letter of RFC 9114 and RFC 9204, before there is a session.

use std::time::Duration;

use wtransport::quinn::{ReadError, VarInt};

use crate::attacks::arena::{Attack, Target, failure};
use crate::attacks::quic::{
    CONTROL, DATA, HEADERS, Quic, SETTINGS, WEBTRANSPORT, code, connect_frame, connect_with,
    fields, framed, settings, status, varint,
};
use crate::attacks::tools::{patiently, within_the_deadline};

const STREAM_CREATION: u64 = 0x103;
const CRITICAL_STREAM: u64 = 0x104;
const FRAME_UNEXPECTED: u64 = 0x105;
const SETTINGS_ERROR: u64 = 0x109;
const MISSING_SETTINGS: u64 = 0x10A;
const FRAME_ERROR: u64 = 0x106;
const EXCESSIVE_LOAD: u64 = 0x107;
const ID_ERROR: u64 = 0x108;
const REQUEST_REJECTED: u64 = 0x10B;
const REQUEST_INCOMPLETE: u64 = 0x10D;
const MESSAGE_ERROR: u64 = 0x10E;
const DECOMPRESSION: u64 = 0x200;
const ENCODER_STREAM: u64 = 0x201;
const DECODER_STREAM: u64 = 0x202;
/// A reserved frame type, which no endpoint may rely on.
const GREASE: u64 = 0x21;

/// Writes bytes to a unidirectional stream, after a control stream if `has_control`, and waits
/// until the server closes, with `code` if given.
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

/// Writes bytes to a bidirectional stream, and ends the stream if `is_finished`. The server must
/// not keep the connection.
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
            assert_ne!(answer, Some(200), "an unrequested session");
        }
        within_the_deadline("a connection without a session", quic.closed()).await;
    });
    ended(attack)
}

/// Sends a request with this frame. The server must reset only the stream, with this code.
fn refused(
    name: &str,
    bytes: impl FnOnce(&Target) -> Vec<u8> + Send + 'static,
    code: u64,
) -> Attack {
    let attack = Attack::new(format!("h3::{name}"), async move |target| {
        let quic = Quic::open(target).await;
        let _control = quic.control().await;
        let (_send, mut recv) = quic.bi(&bytes(target)).await.unwrap();
        let read = patiently("an answer", recv.read(&mut [0; 64])).await;
        let reset = VarInt::from_u64(code).unwrap();
        assert_eq!(read, Err(ReadError::Reset(reset)), "instead of {code:#x}");
        // The connection still works.
        let (_send, mut recv) = quic.bi(&connect_frame(target, &[])).await.unwrap();
        assert_eq!(patiently("an answer", status(&mut recv)).await, Some(200));
    });
    attack.counted(failure("gone"))
}

/// Writes bytes to a bidirectional stream, and ends the stream if `is_finished`. The server must
/// close the connection with this code.
fn breaks(name: &str, bytes: Vec<u8>, is_finished: bool, code: u64) -> Attack {
    let attack = Attack::new(format!("h3::{name}"), async move |target| {
        let quic = Quic::open(target).await;
        let _control = quic.control().await;
        let (mut send, _recv) = quic.bi(&bytes).await.unwrap();
        if is_finished {
            send.finish().unwrap();
        }
        assert_eq!(quic.closed().await, Some(code), "instead of {code:#x}");
    });
    attack.counted(failure("quic"))
}

/// Sets the counts of an attack that ends a connection without a session, at once or at its
/// deadline.
fn ended(attack: Attack) -> Attack {
    attack.counted_among(["quic", "quic_timeout"].map(failure))
}

fn setting(id: u64, value: u64) -> Vec<u8> {
    [varint(id), varint(value)].concat()
}

/// All attacks with streams and frames before there is a session.
pub fn of_streams() -> Vec<Attack> {
    let control_stream = |rest: &[u8]| [&varint(CONTROL), rest].concat();
    let claim = |kind, length| [varint(kind), varint(length)].concat();
    let twice = [settings(), settings()].concat();
    let mut attacks = vec![
        Attack::new("h3::silence", async |target| {
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
        closes("a_second_control_stream", true, control_stream(&settings()), Some(STREAM_CREATION)),
        closes("control_without_settings", false, control_stream(&framed(DATA, b"x")), None),
        closes("settings_twice", false, control_stream(&twice), Some(FRAME_UNEXPECTED)),
        closes("settings_that_never_come", false, control_stream(&claim(SETTINGS, 40)), None),
        closes("settings_of_a_tebibyte", false, control_stream(&claim(SETTINGS, 1 << 40)), None),
        closes(
            "a_grease_frame_of_a_tebibyte",
            false,
            control_stream(&claim(GREASE, 1 << 40)),
            None,
        ),
        closes("a_push_stream", true, [varint(1), varint(0)].concat(), Some(STREAM_CREATION)),
        closes("a_stream_of_an_unknown_kind", true, [varint(0x99), vec![7; 999]].concat(), None),
        closes(
            "garbage_for_qpack",
            true,
            [varint(2), vec![0xFF; 999]].concat(),
            Some(ENCODER_STREAM),
        ),
        closes("an_insert_for_qpack", true, vec![2, 0x41, b'x', 1, b'y'], Some(ENCODER_STREAM)),
        closes("an_acknowledgement_of_qpack", true, vec![3, 0x80], Some(DECODER_STREAM)),
        closes("an_increment_of_qpack", true, vec![3, 0x01], Some(DECODER_STREAM)),
    ];
    // What is out of place or wrong on a control stream.
    let promised = |payload: &[u8]| framed(0x03, payload);
    let pushes = |most: u8| framed(0x0D, &[most]);
    for (name, frames, code) in [
        ("data_on_control", framed(DATA, b"x"), FRAME_UNEXPECTED),
        ("headers_on_control", framed(HEADERS, &fields(&[("x", "y")])), FRAME_UNEXPECTED),
        ("a_push_promise_on_control", framed(0x05, &[0, 0, 0]), FRAME_UNEXPECTED),
        (
            "a_stream_header_on_control",
            [varint(WEBTRANSPORT), varint(0)].concat(),
            FRAME_UNEXPECTED,
        ),
        ("a_cancelled_push_that_never_was", promised(&[0]), ID_ERROR),
        ("a_goaway_without_an_id", framed(0x07, &[]), FRAME_ERROR),
        ("a_goaway_with_too_much", framed(0x07, &[0, 0]), FRAME_ERROR),
        ("a_goaway_that_goes_up", [framed(0x07, &[1]), framed(0x07, &[2])].concat(), ID_ERROR),
        ("pushes_that_go_down", [pushes(5), pushes(4)].concat(), ID_ERROR),
        ("empty_frames_without_end", framed(GREASE, b"").repeat(500), EXCESSIVE_LOAD),
    ] {
        let bytes = control_stream(&[settings(), frames].concat());
        attacks.push(closes(name, false, bytes, Some(code)));
    }
    for kind in [0x02, 0x06, 0x08, 0x09] {
        let bytes = control_stream(&[settings(), framed(kind, &[0; 8])].concat());
        let name = format!("a_frame_of_http_2_on_control_{kind}");
        attacks.push(closes(&name, false, bytes, Some(FRAME_UNEXPECTED)));
    }
    for (name, kind) in [("encoder", 2), ("decoder", 3)] {
        let attack = Attack::new(format!("h3::a_second_{name}_stream"), async move |target| {
            let quic = Quic::open(target).await;
            let _control = quic.control().await;
            let _streams = (quic.uni(&[kind]).await, quic.uni(&[kind]).await);
            assert_eq!(quic.closed().await, Some(STREAM_CREATION));
        });
        attacks.push(attack.counted(failure("quic")));
        let attack = Attack::new(format!("h3::{name}_stream_ends"), async move |target| {
            let quic = Quic::open(target).await;
            let _control = quic.control().await;
            quic.uni(&[kind]).await.unwrap().finish().unwrap();
            assert_eq!(quic.closed().await, Some(CRITICAL_STREAM));
        });
        attacks.push(attack.counted(failure("quic")));
    }
    let first = framed(GREASE, b"grease before the settings");
    let code = Some(MISSING_SETTINGS);
    attacks.push(closes("grease_before_settings", false, control_stream(&first), code));
    let wrong = [
        ("a_setting_of_http_2", setting(0x02, 1)),
        ("a_setting_twice", [setting(0x33, 1), setting(0x33, 1)].concat()),
        ("a_setting_that_is_neither_yes_nor_no", setting(0x33, 2)),
        ("half_a_setting", vec![0x33]),
    ];
    for (name, payload) in wrong {
        let bytes = control_stream(&framed(SETTINGS, &payload));
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
                control.reset(crate::attacks::quic::code(0)).unwrap();
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

/// Opens every stream that the server allows, and fills each until it takes no more.
async fn fill(target: &Target) {
    let quic = Quic::open(target).await;
    let mut streams = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(SHORT, quic.connection.open_uni()).await {
        streams.push(stream);
        assert!(streams.len() <= 16, "unlimited unidirectional streams");
    }
    let uni = streams.len();
    while let Ok(Ok((stream, _))) = tokio::time::timeout(SHORT, quic.connection.open_bi()).await {
        streams.push(stream);
        assert!(streams.len() <= uni + 8, "unlimited bidirectional streams");
    }
    let mut taken = 0;
    for stream in &mut streams {
        // A frame or stream of a reserved type, and a huge length.
        let head = [varint(GREASE), varint(1 << 30)].concat();
        drop(tokio::time::timeout(SHORT, stream.write_all(&head)).await);
        while let Ok(Ok(count)) = tokio::time::timeout(SHORT, stream.write(&[0; 4096])).await {
            taken += count;
            assert!(taken <= 512 * 1024, "the server takes unlimited data");
        }
    }
    within_the_deadline("a connection without a session", quic.closed()).await;
}

/// How long a client tries to write what the server need not take.
const SHORT: Duration = Duration::from_millis(100);

/// Malformed session requests: replaced fields (removed if the value is `-`), added fields, and the
/// code that must reset the stream.
type Wrong = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, &'static str)],
    u64,
);

const MALFORMED: &[Wrong] = &[
    ("connect_without_protocol", &[(":protocol", "-")], &[], MESSAGE_ERROR),
    ("connect_for_websocket", &[(":protocol", "websocket")], &[], REQUEST_REJECTED),
    ("connect_without_authority", &[(":authority", "-")], &[], MESSAGE_ERROR),
    ("connect_with_an_empty_authority", &[(":authority", "")], &[], MESSAGE_ERROR),
    ("connect_with_a_user", &[(":authority", "me@localhost")], &[], MESSAGE_ERROR),
    ("connect_without_scheme", &[(":scheme", "-")], &[], MESSAGE_ERROR),
    ("connect_over_http", &[(":scheme", "http")], &[], MESSAGE_ERROR),
    ("connect_without_path", &[(":path", "-")], &[], MESSAGE_ERROR),
    ("connect_with_an_empty_path", &[(":path", "")], &[], MESSAGE_ERROR),
    ("connect_with_a_relative_path", &[(":path", "wt")], &[], MESSAGE_ERROR),
    ("connect_for_a_fragment", &[(":path", "/wt#a")], &[], MESSAGE_ERROR),
    ("connect_without_method", &[(":method", "-")], &[], MESSAGE_ERROR),
    ("connect_in_lower_case", &[(":method", "connect")], &[], MESSAGE_ERROR),
    ("a_path_with_nul", &[(":path", "/wt\0")], &[], MESSAGE_ERROR),
    ("an_unknown_pseudo_field", &[], &[(":admin", "1")], MESSAGE_ERROR),
    ("a_status", &[], &[(":status", "200")], MESSAGE_ERROR),
    ("two_paths", &[], &[(":path", "/wt")], MESSAGE_ERROR),
    ("two_methods", &[], &[(":method", "CONNECT")], MESSAGE_ERROR),
    (
        "a_pseudo_field_at_the_end",
        &[(":path", "-")],
        &[("x", "y"), (":path", "/wt")],
        MESSAGE_ERROR,
    ),
    ("a_name_in_upper_case", &[], &[("Origin", "x")], MESSAGE_ERROR),
    ("a_name_with_a_space", &[], &[("or igin", "x")], MESSAGE_ERROR),
    ("no_name", &[], &[("", "x")], MESSAGE_ERROR),
    ("a_value_with_a_new_line", &[], &[("x", "a\r\nb: c")], MESSAGE_ERROR),
    ("a_value_with_nul", &[], &[("x", "a\0")], MESSAGE_ERROR),
    ("connection", &[], &[("connection", "close")], MESSAGE_ERROR),
    ("keep_alive", &[], &[("keep-alive", "5")], MESSAGE_ERROR),
    ("proxy_connection", &[], &[("proxy-connection", "close")], MESSAGE_ERROR),
    ("transfer_encoding", &[], &[("transfer-encoding", "chunked")], MESSAGE_ERROR),
    ("upgrade", &[], &[("upgrade", "websocket")], MESSAGE_ERROR),
    ("te_that_is_not_trailers", &[], &[("te", "gzip")], MESSAGE_ERROR),
    ("another_host", &[], &[("host", "elsewhere")], MESSAGE_ERROR),
    ("content", &[], &[("content-length", "10")], MESSAGE_ERROR),
    ("two_origins", &[], &[("origin", "https://a"), ("origin", "https://a")], MESSAGE_ERROR),
];

/// All attacks with requests that must not get a session.
pub fn of_requests() -> Vec<Attack> {
    let get = [(":method", "GET"), (":scheme", "https"), (":authority", "x"), (":path", "/wt")];
    let get = framed(HEADERS, &fields(&get));
    let section = |bytes: &[u8]| framed(HEADERS, bytes);
    let mut attacks = vec![
        asks("a_plain_get", get.clone(), true),
        asks("a_get_that_goes_on", get.clone(), false),
        asks("data_first", framed(DATA, b"x"), false),
        asks("settings_on_a_request", settings(), false),
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
    let other = |fields: &[(&str, &str)]| section(&self::fields(fields));
    let mut refuse = |name: &str, bytes: Vec<u8>, code| {
        attacks.push(refused(name, move |_: &Target| bytes, code));
    };
    let target = [(":scheme", "https"), (":authority", "x"), (":path", "/")];
    let get_with = |more: &[(&'static str, &'static str)]| {
        other(&[&[(":method", "GET")], &target[..], more].concat())
    };
    refuse("a_get", get_with(&[]), REQUEST_REJECTED);
    refuse("a_tunnel", other(&[(":method", "CONNECT"), target[1]]), REQUEST_REJECTED);
    refuse("a_get_without_path", other(&[(":method", "GET"), target[0], target[1]]), MESSAGE_ERROR);
    refuse("a_get_for_a_protocol", get_with(&[(":protocol", "webtransport")]), MESSAGE_ERROR);
    refuse("a_get_that_keeps_alive", get_with(&[("connection", "keep-alive")]), MESSAGE_ERROR);
    refuse("no_field_at_all", section(&[0, 0]), MESSAGE_ERROR);
    for (name, fields, more, code) in MALFORMED {
        attacks.push(refused(name, move |target| connect_with(target, fields, more), *code));
    }
    attacks.extend([
        breaks("data_before_headers", framed(DATA, b""), false, FRAME_UNEXPECTED),
        breaks("settings_instead_of_headers", settings(), false, FRAME_UNEXPECTED),
        breaks("goaway_on_a_request", framed(0x07, &[0]), false, FRAME_UNEXPECTED),
        breaks("pushes_on_a_request", framed(0x0D, &[0]), false, FRAME_UNEXPECTED),
        breaks("half_a_frame", vec![1, 40, 0, 0], true, FRAME_ERROR),
        breaks(
            "a_stream_header_that_comes_late",
            [framed(GREASE, b""), varint(WEBTRANSPORT), varint(0)].concat(),
            false,
            FRAME_ERROR,
        ),
        breaks("a_dynamic_field", section(&[0, 0, 0x80]), false, DECOMPRESSION),
        breaks("inserts_that_never_came", section(&[9, 0, 0xD9]), false, DECOMPRESSION),
        breaks("empty_reserved_frames", framed(GREASE, b"").repeat(500), false, EXCESSIVE_LOAD),
    ]);
    let attack = Attack::new("h3::nothing_on_a_stream", async |target| {
        let quic = Quic::open(target).await;
        let _control = quic.control().await;
        let (mut send, mut recv) = quic.bi(&framed(GREASE, b"")).await.unwrap();
        send.finish().unwrap();
        let read = patiently("an answer", recv.read(&mut [0; 64])).await;
        let code = VarInt::from_u64(REQUEST_INCOMPLETE).unwrap();
        assert_eq!(read, Err(ReadError::Reset(code)));
    });
    attacks.push(attack.counted_among(["quic", "quic_timeout"].map(failure)));
    let attack = Attack::new("h3::another_path", async |target| {
        let quic = Quic::open(target).await;
        let _control = quic.control().await;
        let request = connect_frame(target, &[(":path", "/wt/../wt")]);
        let (_send, mut recv) = quic.bi(&request).await.unwrap();
        assert_eq!(patiently("an answer", status(&mut recv)).await, Some(404));
        within_the_deadline("a connection without a session", quic.closed()).await;
    });
    attacks.push(attack.counted(failure("path")));
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
