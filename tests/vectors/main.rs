//! The golden vectors of docs/PROTOCOL.md: `tests/vectors/*.json`, shared with the page's tests.
//!
//! Every file is an array of `{"name", "hex", "value"}`: the bytes, and the plain JSON of what they
//! mean. To add a vector, append one with its value and any hex, run `GPYS_BLESS=1 cargo test
//! --test vectors`, which writes each value's bytes into the files, and check the new bytes by
//! hand. `invalid.json` holds bytes that must be rejected, `refused.json` messages with a value
//! that is not taken, and `varints.json` longer forms of the same message; they are never
//! rewritten. `orientations.json` and `accuracies.json` pin what a sender quantises, `texts.json`
//! what names become.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod frames;
mod values;

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use gpys::proto::pose::{Accuracy, Orientation};
use gpys::proto::text;
use gpys::proto::time::Stamp;
use gpys::proto::view::View;
use gpys::proto::wire::{ClientDatagram, ClientMessage, PeerId, Roster, ServerMessage, Welcome};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::frames::{frame_bytes, frame_value};
use crate::values::{
    client_message, client_value, clock, hex, ping_bytes, ping_value, pose_bytes, pose_value,
    server_message, server_value, unhex,
};

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
    let vectors: Vec<Vector> = read("poses.json");
    let mut state_bits = vectors.iter().map(|it| values::number(&it.value, "state_bits"));
    let state_bits = RefCell::new(&mut state_bits);
    check("poses.json", pose_bytes, |bytes| {
        pose_value(bytes, state_bits.borrow_mut().next().unwrap())
    });
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
            "pose" => ClientDatagram::decode(&bytes, clock(70_000), 0).is_err(),
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
            "pose" => vec![ClientDatagram::decode(&bytes, clock(70_000), 0).unwrap_err()],
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
fn a_welcome_as_a_new_peer_voids_what_the_server_said_before_its_restart() {
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
    view.handle_message(&ServerMessage::Welcome(Welcome { resumed: true, ..anew.clone() }));
    view.handle_frame(&late, |_, _| {}).unwrap();
    assert_eq!(view.figure(id), None, "who left has left, also for whoever is back");
    view.handle_message(&ServerMessage::Welcome(anew));
    view.handle_frame(&early, |_, _| {}).unwrap();
    assert_eq!(view.figure(id).map(|figure| figure.shown), Some(Stamp(70)));
}

/// The vectors above cannot show how time compares across its wrap; a view can.
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
