//! The plain JSON of frames, and their bytes.

use gpys::proto::geo::{Cell, Cover, columns};
use gpys::proto::pose::{Accuracy, Extra, Orientation};
use gpys::proto::wire::PeerId;
use gpys::proto::wire::bits::{BitReader, BitWriter};
use gpys::proto::wire::frame::{self, ChunkKind, Coding, Entry, Frame, Ids, Page};
use serde_json::{Value, json};

use crate::values::{clock, extra, motion_value, number, orientation, position};

pub(crate) fn frame_bytes(value: &Value) -> Vec<u8> {
    let cover = Cover {
        level: number(value, "level"),
        x: number(value, "x0"),
        y: number(value, "y0"),
        width: number(value, "width"),
        height: 64,
    };
    let ids = Ids { base: number(value, "base"), span: number(value, "span") };
    let mut out = BitWriter::default();
    let coding = Coding { ids, state_bits: number(value, "state_bits") };
    frame::write_header(&mut out, clock(number(value, "time")), cover, coding);
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
        let values = chunk["entries"].as_array().unwrap();
        let entries = (0..).zip(values).map(|(index, value)| entry(value, kind, index));
        let (entries, extras): (Vec<_>, Vec<_>) =
            (entries.collect(), values.iter().map(extra).collect());
        frame::write_chunk(&mut out, cell, kind, page, coding, &entries, &extras);
    }
    frame::write_end(&mut out);
    let mut bytes = Vec::new();
    out.write_bytes(&mut bytes);
    bytes
}

fn entry(value: &Value, kind: ChunkKind, extra: u32) -> Entry {
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
        extra,
    }
}

pub(crate) fn frame_value(bytes: &[u8]) -> Value {
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
            entries.iter().map(|entry| entry_value(entry, &frame, chunk.kind)).collect();
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
        "base": frame.coding.ids.base,
        "span": frame.coding.ids.span,
        "state_bits": frame.coding.state_bits,
        "chunks": chunks.collect::<Vec<_>>(),
    })
}

fn entry_value(entry: &Entry, frame: &Frame, kind: ChunkKind) -> Value {
    let Extra { motion, state } = entry.extra(&frame.extras);
    let mut value = json!({
        "id": entry.id.0,
        "lat": entry.position.lat(),
        "lng": entry.position.lng(),
        "orientation": entry.orientation.map(Orientation::code),
        "age_ms": frame::age_ms(entry.age),
        "motion": motion_value(motion),
        "state": state,
    });
    if kind != ChunkKind::Delta {
        value["accuracy"] = json!(entry.accuracy.code());
        value["hidden"] = json!(entry.hidden);
    }
    value
}
