//! The golden vectors of docs/PROTOCOL.md: `tests/vectors/*.json`, shared with the page's tests.
//!
//! Every file is an array of `{"name", "hex", "value"}`: the bytes, and the plain JSON of what
//! they mean. To add a vector, append one with its value and any hex, run
//! `GPYS_BLESS=1 cargo test --test vectors`, which writes each value's bytes into the files, and
//! check the new bytes by hand. `invalid.json` holds bytes that must be refused, `refused.json` such
//! as are read but for a value, and `varints.json` such as say the same in more bytes; they are
//! never rewritten. `orientations.json` and `accuracies.json` pin what a sender quantises, `texts.json`
//! what becomes of a name.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::path::PathBuf;

use gpys::proto::geo::{Cell, Cover, Position, columns};
use gpys::proto::pose::{Accuracy, Orientation, Pose};
use gpys::proto::text;
use gpys::proto::time::{Stamp, Time};
use gpys::proto::view::View;
use gpys::proto::wire::bits::{BitReader, BitWriter};
use gpys::proto::wire::frame::{self, ChunkKind, Entry, Frame, Ids, Page};
use gpys::proto::wire::{
    ClientDatagram, ClientMessage, PeerId, Roster, Sample, ServerMessage, Welcome, decode_pong,
    encode_ping, encode_pong,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Serialize, Deserialize)]
struct Vector {
    name: String,
    hex: String,
    value: Value,
}

#[derive(Deserialize)]
struct Invalid {
    name: String,
    kind: String,
    hex: String,
}

fn path(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "vectors", file].iter().collect()
}

fn read<T: for<'a> Deserialize<'a>>(file: &str) -> Vec<T> {
    serde_json::from_str(&fs::read_to_string(path(file)).unwrap()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2) && hex.is_ascii());
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Checks every vector of a file both ways, or writes the bytes of each value if told to bless.
fn check(file: &str, encode: impl Fn(&Value) -> Vec<u8>, decode: impl Fn(&[u8]) -> Value) {
    let mut vectors: Vec<Vector> = read(file);
    assert!(!vectors.is_empty());
    if std::env::var_os("GPYS_BLESS").is_some() {
        for vector in &mut vectors {
            vector.hex = hex(&encode(&vector.value));
        }
        fs::write(path(file), serde_json::to_string_pretty(&vectors).unwrap() + "\n").unwrap();
    }
    for Vector { name, hex: bytes, value } in &vectors {
        assert_eq!(&hex(&encode(value)), bytes, "{file}: encode {name}");
        assert_eq!(&decode(&unhex(bytes)), value, "{file}: decode {name}");
    }
}

/// Rewrites the fields called so, between the 16 numbers of serde and a string.
fn rewrite(value: &mut Value, to_text: bool) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite(item, to_text)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match name.as_str() {
                    "uuid" | "token" | "resume" if !field.is_null() => {
                        *field = if to_text { text(name, field) } else { numbers(field) };
                    }
                    _ => rewrite(field, to_text),
                }
            }
        }
        _ => {}
    }
}

fn text(name: &str, numbers: &Value) -> Value {
    let bytes: [u8; 16] = serde_json::from_value(numbers.clone()).unwrap();
    if name == "uuid" { json!(uuid::Uuid::from_bytes(bytes)) } else { json!(hex(&bytes)) }
}

fn numbers(text: &Value) -> Value {
    json!(unhex(&text.as_str().unwrap().replace('-', "")))
}

/// The single field of these messages has a name in docs/PROTOCOL.md, and none in Rust.
const NAMELESS: [(&str, &str); 2] = [("Presence", "presence"), ("Budget", "budget")];

fn client_value(message: &ClientMessage) -> Value {
    let mut value = serde_json::to_value(message).unwrap();
    for (variant, field) in NAMELESS {
        if let Some(inner) = value.get_mut(variant) {
            *inner = json!({ field: inner.take() });
        }
    }
    rewrite(&mut value, true);
    value
}

fn client_message(value: &Value) -> ClientMessage {
    let mut value = value.clone();
    for (variant, field) in NAMELESS {
        if let Some(inner) = value.get_mut(variant) {
            *inner = inner[field].take();
        }
    }
    rewrite(&mut value, false);
    serde_json::from_value(value).unwrap()
}

fn server_value(message: &ServerMessage) -> Value {
    let mut value = serde_json::to_value(message).unwrap();
    rewrite(&mut value, true);
    value
}

fn server_message(value: &Value) -> ServerMessage {
    let mut value = value.clone();
    rewrite(&mut value, false);
    serde_json::from_value(value).unwrap()
}

fn number<T: TryFrom<u64, Error: std::fmt::Debug>>(value: &Value, name: &str) -> T {
    value[name].as_u64().unwrap().try_into().unwrap()
}

fn position(value: &Value) -> Position {
    let unit = |name: &str| i32::try_from(value[name].as_i64().unwrap()).unwrap();
    Position::new(unit("lat"), unit("lng")).unwrap()
}

fn orientation(value: &Value) -> Option<Orientation> {
    let code = value["orientation"].as_u64()?;
    Some(Orientation::from_code(code.try_into().unwrap()).unwrap())
}

/// A server's clock, after its first wrap, that shows `stamp`.
fn clock(stamp: u32) -> Time {
    Time((1 << 32) + u64::from(stamp))
}

fn pose_value(bytes: &[u8]) -> Value {
    let sent = u32::from_le_bytes(bytes[5..9].try_into().unwrap());
    let decoded = ClientDatagram::decode(bytes, clock(sent)).unwrap();
    let ClientDatagram::Pose(Sample { seq, pose }) = decoded else { panic!("{decoded:?}") };
    json!({
        "seq": seq,
        "time": pose.sampled.stamp().0,
        "lat": pose.position.lat(),
        "lng": pose.position.lng(),
        "accuracy": pose.accuracy.code(),
        "orientation": pose.orientation.map(Orientation::code),
    })
}

fn pose_bytes(value: &Value) -> Vec<u8> {
    let pose = Pose {
        position: position(value),
        orientation: orientation(value),
        accuracy: Accuracy::from_code(number(value, "accuracy")).unwrap(),
        sampled: clock(number(value, "time")),
    };
    Sample { seq: number(value, "seq"), pose }.encode().to_vec()
}

fn ping_value(bytes: &[u8]) -> Value {
    if let Ok((echo, time)) = decode_pong(bytes) {
        return json!({ "Pong": { "echo": echo, "time": time.0 } });
    }
    let decoded = ClientDatagram::decode(bytes, Time(0)).unwrap();
    let ClientDatagram::Ping(echo) = decoded else { panic!("{decoded:?}") };
    json!({ "Ping": { "echo": echo } })
}

fn ping_bytes(value: &Value) -> Vec<u8> {
    match value.get("Pong") {
        Some(pong) => encode_pong(number(pong, "echo"), clock(number(pong, "time"))).to_vec(),
        None => encode_ping(number(&value["Ping"], "echo")).to_vec(),
    }
}

fn frame_bytes(value: &Value) -> Vec<u8> {
    let cover = Cover {
        level: number(value, "level"),
        x: number(value, "x0"),
        y: number(value, "y0"),
        width: number(value, "width"),
        height: 64,
    };
    let ids = Ids { base: number(value, "base"), span: number(value, "span") };
    let mut out = BitWriter::default();
    frame::write_header(&mut out, clock(number(value, "time")), cover, ids);
    let mut last = 0;
    for chunk in value["chunks"].as_array().unwrap() {
        let cell = Cell {
            level: number(&chunk["cell"], "level"),
            x: number(&chunk["cell"], "x"),
            y: number(&chunk["cell"], "y"),
        };
        let index = cover.index(cell).unwrap();
        frame::write_link(&mut out, index - last);
        last = index;
        let kind = match chunk["kind"].as_str().unwrap() {
            "delta" => ChunkKind::Delta,
            "key" => ChunkKind::Key,
            _ => ChunkKind::Crowd(serde_json::from_value(chunk["counts"].clone()).unwrap()),
        };
        let page =
            Page { bits: number(&chunk["page"], "bits"), index: number(&chunk["page"], "index") };
        let entries = chunk["entries"].as_array().unwrap().iter().map(|value| entry(value, kind));
        frame::write_chunk(&mut out, cell, kind, page, ids, &entries.collect::<Vec<_>>());
    }
    frame::write_end(&mut out);
    let mut bytes = Vec::new();
    out.write_bytes(&mut bytes);
    bytes
}

fn entry(value: &Value, kind: ChunkKind) -> Entry {
    let delta = kind == ChunkKind::Delta;
    let age = number::<u64>(value, "age_ms");
    Entry {
        id: PeerId(number(value, "id")),
        position: position(value),
        orientation: orientation(value),
        age: frame::age_code(age),
        accuracy: if delta {
            Accuracy::UNKNOWN
        } else {
            Accuracy::from_code(number(value, "accuracy")).unwrap()
        },
        hidden: !delta && value["hidden"].as_bool().unwrap(),
    }
}

fn frame_value(bytes: &[u8]) -> Value {
    let mut frame = Frame::default();
    frame.decode(bytes).unwrap();
    let mut bits = BitReader::new(&bytes[5..]);
    let level = bits.read(5).unwrap();
    let x0 = bits.read(19_u32.saturating_sub(level)).unwrap();
    let y0 = bits.read(18_u32.saturating_sub(level)).unwrap();
    let width = bits.read(5).unwrap() + 1;
    assert!(x0 < columns(level as u8));
    let chunks = frame.chunks().map(|(chunk, entries)| {
        let Cell { level, x, y } = chunk.cell;
        let (kind, counts) = match chunk.kind {
            ChunkKind::Delta => ("delta", None),
            ChunkKind::Key => ("key", None),
            ChunkKind::Crowd(counts) => ("crowd", Some(counts)),
        };
        let entries: Vec<Value> =
            entries.iter().map(|entry| entry_value(entry, chunk.kind)).collect();
        let mut value = json!({
            "cell": { "level": level, "x": x, "y": y },
            "kind": kind,
            "page": { "bits": chunk.page.bits, "index": chunk.page.index },
            "entries": entries,
        });
        if let Some(counts) = counts {
            value["counts"] = json!(counts);
        }
        value
    });
    json!({
        "time": frame.time.0,
        "level": level,
        "x0": x0,
        "y0": y0,
        "width": width,
        "base": frame.ids.base,
        "span": frame.ids.span,
        "chunks": chunks.collect::<Vec<_>>(),
    })
}

fn entry_value(entry: &Entry, kind: ChunkKind) -> Value {
    let mut value = json!({
        "id": entry.id.0,
        "lat": entry.position.lat(),
        "lng": entry.position.lng(),
        "orientation": entry.orientation.map(Orientation::code),
        "age_ms": frame::age_ms(entry.age),
    });
    if kind != ChunkKind::Delta {
        value["accuracy"] = json!(entry.accuracy.code());
        value["hidden"] = json!(entry.hidden);
    }
    value
}

#[test]
fn client_messages() {
    check(
        "client_messages.json",
        |value| client_message(value).encode(),
        |bytes| client_value(&ClientMessage::decode(bytes).unwrap()),
    );
}

#[test]
fn server_messages() {
    check(
        "server_messages.json",
        |value| server_message(value).encode(),
        |bytes| server_value(&ServerMessage::decode(bytes).unwrap()),
    );
}

#[test]
fn poses() {
    check("poses.json", pose_bytes, pose_value);
}

#[test]
fn pings() {
    check("pings.json", ping_bytes, ping_value);
}

#[test]
fn frames() {
    check("frames.json", frame_bytes, frame_value);
}

#[test]
fn invalid_bytes_are_refused() {
    for Invalid { name, kind, hex } in read("invalid.json") {
        let bytes = unhex(&hex);
        let refused = match kind.as_str() {
            "client_message" => ClientMessage::decode(&bytes).is_err(),
            "server_message" => ServerMessage::decode(&bytes).is_err(),
            "pose" => ClientDatagram::decode(&bytes, clock(70_000)).is_err(),
            "frame" => {
                let mut view = View::default();
                let refused = view.handle_frame(&bytes, |_, _| {}).is_err();
                assert_eq!((view.figures().count(), view.newest()), (0, None), "{name}");
                refused
            }
            other => panic!("{other}"),
        };
        assert!(refused, "{kind}: {name}");
    }
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    kind: String,
    hex: String,
    fields: Vec<String>,
}

#[test]
fn values_out_of_range_are_refused_by_their_field() {
    for Refused { name, kind, hex, fields } in read("refused.json") {
        let bytes = unhex(&hex);
        let errors = match kind.as_str() {
            "pose" => vec![ClientDatagram::decode(&bytes, clock(70_000)).unwrap_err()],
            _ => match ClientMessage::decode(&bytes) {
                Ok(ClientMessage::Hello(hello)) => hello.settle().1,
                decoded => vec![decoded.unwrap_err()],
            },
        };
        let told: Vec<_> =
            errors.iter().map(|error| format!("{:?}", error.outcome().unwrap())).collect();
        assert_eq!(told, fields, "{name}");
    }
}

#[derive(Deserialize)]
struct Varint {
    name: String,
    kind: String,
    hex: String,
    short: String,
}

#[test]
fn numbers_in_a_longer_form_are_the_same_numbers() {
    for Varint { name, kind, hex, short } in read("varints.json") {
        let (long, short) = (unhex(&hex), unhex(&short));
        if kind == "client_message" {
            let message = ClientMessage::decode(&long).unwrap();
            assert_eq!(ClientMessage::decode(&short), Ok(message), "{name}");
        } else {
            let message = ServerMessage::decode(&long).unwrap();
            assert_eq!(ServerMessage::decode(&short), Ok(message), "{name}");
        }
    }
}

#[derive(Deserialize)]
struct Tilt {
    name: String,
    alpha: f64,
    beta: f64,
    gamma: f64,
    code: u32,
    quaternion: [f64; 4],
}

#[test]
fn orientations() {
    for Tilt { name, alpha, beta, gamma, code, quaternion } in read("orientations.json") {
        let orientation = Orientation::from_euler(alpha, beta, gamma).unwrap();
        assert_eq!(orientation.code(), code, "{name}");
        for (ours, theirs) in orientation.quaternion().into_iter().zip(quaternion) {
            assert!((ours - theirs).abs() < 1e-9, "{name}");
        }
    }
}

#[derive(Deserialize)]
struct Radius {
    name: String,
    metres: f64,
    code: u8,
}

#[test]
fn accuracies() {
    for Radius { name, metres, code } in read("accuracies.json") {
        assert_eq!(Accuracy::from_metres(metres).code(), code, "{name}");
    }
}

#[derive(Deserialize)]
struct Text {
    name: String,
    text: String,
    cleaned: String,
}

#[test]
fn texts() {
    for Text { name, text, cleaned } in read("texts.json") {
        assert_eq!(text::name(&text), cleaned, "{name}");
        assert_eq!(text::name(&cleaned), cleaned, "{name}, again");
    }
}

#[test]
fn a_welcome_as_somebody_new_voids_what_a_server_said_before_its_restart() {
    let frames: Vec<Vector> = read("frames.json");
    let late = frames.iter().find(|it| it.name.starts_with("time just before its wrap")).unwrap();
    let late = unhex(&late.hex);
    let mut early = late.clone();
    early[1..5].copy_from_slice(&70_u32.to_le_bytes());
    let welcomes: Vec<Vector> = read("server_messages.json");
    let welcome = welcomes.iter().find(|it| it.value.get("Welcome").is_some()).unwrap();
    let ServerMessage::Welcome(welcome) = server_message(&welcome.value) else { panic!() };
    let anew = Welcome { id: PeerId(77), resumed: false, ..welcome };
    let mut view = View::default();
    view.handle_message(&ServerMessage::Welcome(anew.clone()));
    view.handle_frame(&late, |_, _| {}).unwrap();
    let (id, left) = (PeerId(0), vec![PeerId(0)]);
    view.handle_message(&ServerMessage::Roster(Roster { left, ..Roster::default() }));
    view.handle_message(&ServerMessage::Welcome(Welcome { resumed: true, ..anew }));
    view.handle_frame(&late, |_, _| {}).unwrap();
    assert_eq!(view.figure(id), None, "who left has left, also for whoever is back");
    view.handle_message(&ServerMessage::Welcome(anew));
    view.handle_frame(&early, |_, _| {}).unwrap();
    assert_eq!(view.figure(id).map(|figure| figure.shown), Some(Stamp(70)));
}

/// The vectors above cannot show that time is compared across its wrap; a view can.
#[test]
fn frames_around_the_wrap_of_time_are_in_order() {
    let frames: Vec<Vector> = read("frames.json");
    let find = |name: &str| frames.iter().find(|vector| vector.name.starts_with(name)).unwrap();
    let before = unhex(&find("time just before its wrap").hex);
    let after = unhex(&find("time just after its wrap").hex);
    let mut view = View::default();
    for bytes in [&after, &before] {
        view.handle_frame(bytes, |_, _| {}).unwrap();
    }
    assert_eq!(view.newest(), Some(Stamp(17)));
    assert_eq!(view.figure(PeerId(0)).unwrap().shown, Stamp(17));
    assert_eq!(view.figure(PeerId(0)).unwrap().sampled, Stamp(17_u32.wrapping_sub(181)));
}
