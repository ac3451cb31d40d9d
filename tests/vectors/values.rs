//! The plain JSON of messages, poses and pings, and their bytes.

use gpys::proto::geo::Position;
use gpys::proto::motion::Motion;
use gpys::proto::pose::{Accuracy, Extra, Orientation, Pose};
use gpys::proto::time::Time;
use gpys::proto::wire::{
    ClientDatagram, ClientMessage, Said, Sample, Say, ServerMessage, decode_pong, encode_ping,
    encode_pong,
};
use serde_json::{Value, json};

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2) && hex.is_ascii());
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Converts `uuid`, `token` and `resume` between the 16 numbers of serde and a string.
fn rewrite(value: &mut Value, to_text: bool) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite(item, to_text)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match name.as_str() {
                    "uuid" | "token" | "resume" | "subject" if !field.is_null() => {
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
    if matches!(name, "uuid" | "subject") {
        json!(uuid::Uuid::from_bytes(bytes))
    } else {
        json!(hex(&bytes))
    }
}

fn numbers(text: &Value) -> Value {
    json!(unhex(&text.as_str().unwrap().replace('-', "")))
}

/// Messages whose only field has a name in docs/PROTOCOL.md, and none in Rust.
const NAMELESS: [(&str, &str); 2] = [("Presence", "presence"), ("Budget", "budget")];

pub(crate) fn client_value(message: &ClientMessage) -> Value {
    let mut value = serde_json::to_value(message).unwrap();
    for (variant, field) in NAMELESS {
        if let Some(inner) = value.get_mut(variant) {
            *inner = json!({ field: inner.take() });
        }
    }
    rewrite(&mut value, true);
    value
}

pub(crate) fn client_message(value: &Value) -> ClientMessage {
    let mut value = value.clone();
    for (variant, field) in NAMELESS {
        if let Some(inner) = value.get_mut(variant) {
            *inner = inner[field].take();
        }
    }
    rewrite(&mut value, false);
    serde_json::from_value(value).unwrap()
}

pub(crate) fn server_value(message: &ServerMessage) -> Value {
    let mut value = serde_json::to_value(message).unwrap();
    rewrite(&mut value, true);
    value
}

pub(crate) fn server_message(value: &Value) -> ServerMessage {
    let mut value = value.clone();
    rewrite(&mut value, false);
    serde_json::from_value(value).unwrap()
}

pub(crate) fn number<T: TryFrom<u64, Error: std::fmt::Debug>>(value: &Value, name: &str) -> T {
    value[name].as_u64().unwrap().try_into().unwrap()
}

pub(crate) fn position(value: &Value) -> Position {
    let unit = |name: &str| i32::try_from(value[name].as_i64().unwrap()).unwrap();
    Position::new(unit("lat"), unit("lng")).unwrap()
}

pub(crate) fn orientation(value: &Value) -> Option<Orientation> {
    let code = value["orientation"].as_u64()?;
    Some(Orientation::from_code(code.try_into().unwrap()).unwrap())
}

pub(crate) fn motion_value(motion: Option<Motion>) -> Value {
    json!(motion.map(|Motion { speed, course }| json!({ "speed": speed, "course": course })))
}

/// Motion and state.
pub(crate) fn extra(value: &Value) -> Extra {
    let motion = value["motion"].as_object();
    let motion = motion.map(|_| Motion {
        speed: number(&value["motion"], "speed"),
        course: number(&value["motion"], "course"),
    });
    Extra { motion, state: number(value, "state") }
}

/// Returns a server's clock, after its first wrap, that shows `stamp`.
pub(crate) fn clock(stamp: u32) -> Time {
    Time::from_ms((1 << 32) + u64::from(stamp))
}

pub(crate) fn pose_value(bytes: &[u8], state_bits: u32) -> Value {
    let sent = u32::from_le_bytes(bytes[5..9].try_into().unwrap());
    let decoded = ClientDatagram::decode(bytes, clock(sent), state_bits).unwrap();
    let ClientDatagram::Pose(Sample { seq, pose, extra }) = decoded else { panic!("{decoded:?}") };
    json!({
        "seq": seq,
        "time": pose.sampled.stamp().0,
        "lat": pose.position.lat(),
        "lng": pose.position.lng(),
        "accuracy": pose.accuracy.code(),
        "orientation": pose.orientation.map(Orientation::code),
        "motion": motion_value(extra.motion),
        "state": extra.state,
        "state_bits": state_bits,
    })
}

pub(crate) fn pose_bytes(value: &Value) -> Vec<u8> {
    let pose = Pose {
        position: position(value),
        orientation: orientation(value),
        accuracy: Accuracy::from_code(number(value, "accuracy")).unwrap(),
        sampled: clock(number(value, "time")),
    };
    let seq = number(value, "seq");
    Sample { seq, pose, extra: extra(value) }.encode(number(value, "state_bits"))
}

/// A datagram's fields and its number, under its kind.
fn numbered(kind: &str, name: &str, number: u32, mut fields: Value) -> Value {
    fields[name] = json!(number);
    json!({ kind: fields })
}

pub(crate) fn ping_value(bytes: &[u8]) -> Value {
    if let Ok((time, said)) = Said::decode_datagram(bytes) {
        return numbered("Said", "time", time, json!(said));
    }
    if let Ok((echo, time)) = decode_pong(bytes) {
        return json!({ "Pong": { "echo": echo, "time": time.0 } });
    }
    let decoded = ClientDatagram::decode(bytes, Time::from_ms(0), 0).unwrap();
    match decoded {
        ClientDatagram::Ping(echo) => json!({ "Ping": { "echo": echo } }),
        ClientDatagram::Say(seq, say) => numbered("Say", "seq", seq, json!(say)),
        _ => panic!("{decoded:?}"),
    }
}

pub(crate) fn ping_bytes(value: &Value) -> Vec<u8> {
    let (kind, fields) = value.as_object().unwrap().iter().next().unwrap();
    let part = || fields.clone();
    match kind.as_str() {
        "Pong" => encode_pong(number(fields, "echo"), clock(number(fields, "time"))).to_vec(),
        "Ping" => encode_ping(number(fields, "echo")).to_vec(),
        "Say" => {
            serde_json::from_value::<Say>(part()).unwrap().encode_datagram(number(fields, "seq"))
        }
        _ => {
            serde_json::from_value::<Said>(part()).unwrap().encode_datagram(number(fields, "time"))
        }
    }
}
