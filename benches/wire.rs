//! The cost of encoding and decoding, per person: `cargo bench --bench wire`.

#![allow(clippy::unwrap_used, reason = "a bench may panic")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gpys::proto::geo::{Cell, Cover, Position, Viewport};
use gpys::proto::pose::{Accuracy, Orientation, Pose};
use gpys::proto::time::Time;
use gpys::proto::view::View;
use gpys::proto::wire::bits::BitWriter;
use gpys::proto::wire::frame::{self, ChunkKind, Entry, Frame, Ids, Page};
use gpys::proto::wire::{
    ClientDatagram, ClientMessage, Online, PeerId, Person, Presence, PublicId, Role, Roster,
    Sample, ServerMessage,
};
use uuid::Uuid;

const PEOPLE: usize = 100;

fn looks() -> Viewport {
    Viewport {
        south: 457_480_700,
        west: 143_584_500,
        north: 457_519_300,
        east: 143_615_500,
        zoom: 174,
    }
}

/// A hundred people spread over a phone's view, cell by cell, ids of a room of 10,000.
fn people() -> (Cover, Ids, Vec<(u32, Vec<Entry>)>) {
    let mut random = fastrand::Rng::with_seed(1);
    let view = looks();
    let cover = Cover::of(view);
    let mut people: Vec<Entry> = (0..PEOPLE as u32)
        .map(|n| Entry {
            id: PeerId(40_000 + 100 * n + random.u32(..100)),
            position: Position::new(
                random.i32(view.south..view.north),
                random.i32(view.west..view.east),
            )
            .unwrap(),
            orientation: Some(Orientation::from_code(random.u32(..133_000_000)).unwrap()),
            age: random.u8(..20),
            accuracy: Accuracy::from_metres(5.0),
            hidden: false,
            extra: 0,
        })
        .collect();
    people.sort_by_key(|entry| cover.index(Cell::at(cover.level, entry.position)));
    let mut cells: Vec<(u32, Vec<Entry>)> = Vec::new();
    for entry in people {
        let index = cover.index(Cell::at(cover.level, entry.position)).unwrap();
        match cells.last_mut() {
            Some((last, entries)) if *last == index => entries.push(entry),
            _ => cells.push((index, vec![entry])),
        }
    }
    for (_, entries) in &mut cells {
        entries.sort_by_key(|entry| entry.id);
    }
    (cover, Ids::between(40_000, 50_000), cells)
}

fn write(
    out: &mut BitWriter,
    now: Time,
    kind: ChunkKind,
    (cover, ids, cells): &(Cover, Ids, Vec<(u32, Vec<Entry>)>),
) {
    out.clear();
    frame::write_header(out, now, *cover, (*ids).into());
    let mut last = 0;
    for (index, entries) in cells {
        frame::write_link(out, index - last);
        last = *index;
        frame::write_chunk(
            out,
            cover.cell(*index),
            kind,
            Page::default(),
            (*ids).into(),
            entries,
            &[],
        );
    }
    frame::write_end(out);
}

fn bytes(now: Time, kind: ChunkKind) -> Vec<u8> {
    let mut out = BitWriter::default();
    write(&mut out, now, kind, &people());
    let mut bytes = Vec::new();
    out.write_bytes(&mut bytes);
    bytes
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame of 100 people");
    group.throughput(Throughput::Elements(PEOPLE as u64));
    let scene = people();
    for (name, kind) in [("delta", ChunkKind::Delta), ("key", ChunkKind::Key)] {
        let mut out = BitWriter::default();
        group.bench_function(format!("encode, {name}"), |bencher| {
            bencher.iter(|| {
                write(&mut out, Time::from_ms(70_000), kind, black_box(&scene));
                out.len()
            });
        });
        let encoded = bytes(Time::from_ms(70_000), kind);
        let mut decoded = Frame::default();
        group.bench_function(format!("decode, {name}"), |bencher| {
            bencher.iter(|| decoded.decode(black_box(&encoded)).unwrap());
        });
        assert_eq!(decoded.entries.len(), PEOPLE);
        let mut view = View::default();
        let mut now = 70_000;
        // A frame's time is its second to fifth byte.
        let mut encoded = encoded;
        group.bench_function(format!("into a view, {name}"), |bencher| {
            bencher.iter(|| {
                now += 33;
                for (byte, new) in
                    encoded.iter_mut().skip(1).zip(Time::from_ms(now).stamp().0.to_le_bytes())
                {
                    *byte = new;
                }
                view.handle_frame(black_box(&encoded), |_, _| {}).unwrap();
            });
        });
        assert_eq!(view.figures().count(), PEOPLE);
    }
    let mut arena = BitWriter::default();
    write(&mut arena, Time::from_ms(70_000), ChunkKind::Delta, &scene);
    let mut out = BitWriter::default();
    group.bench_function("copy", |bencher| {
        bencher.iter(|| {
            out.clear();
            out.push(5, 3);
            out.append(black_box(&arena), 0, arena.len());
            out.len()
        });
    });
    group.finish();
}

fn poses(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pose");
    group.throughput(Throughput::Elements(1));
    let pose = Pose {
        position: Position::from_degrees(45.75, 14.36).unwrap(),
        orientation: Some(Orientation::from_euler(10.0, 20.0, 30.0).unwrap()),
        accuracy: Accuracy::from_metres(5.0),
        sampled: Time::from_ms(70_000),
    };
    let sample = Sample::new(7, pose);
    group.bench_function("encode", |bencher| bencher.iter(|| black_box(&sample).encode(0)));
    let bytes = sample.encode(0);
    group.bench_function("decode", |bencher| {
        bencher
            .iter(|| ClientDatagram::decode(black_box(&bytes), Time::from_ms(70_050), 0).unwrap());
    });
    group.bench_function("quantise angles", |bencher| {
        bencher.iter(|| Orientation::from_euler(black_box(10.0), 20.0, 30.0).unwrap());
    });
    group.finish();
}

fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reliable lane");
    let viewport = ClientMessage::Viewport(looks()).encode();
    group.bench_function("decode a viewport", |bencher| {
        bencher.iter(|| ClientMessage::decode(black_box(&viewport)).unwrap());
    });
    let joined = (0..128_u32).map(|id| Person {
        id: PeerId(40_000 + id),
        uuid: PublicId(Uuid::from_u128(id.into())),
        name: format!("walker {id}"),
        presence: Presence::Sharing,
        role: Role::Guest,
        subject: None,
        profile: String::new(),
    });
    let online = Online { sharing: 128, ..Online::default() };
    let roster = Roster { joined: joined.collect(), online, ..Roster::default() };
    let roster = ServerMessage::Roster(roster);
    group.throughput(Throughput::Elements(128));
    group.bench_function("encode a roster of 128", |bencher| {
        bencher.iter(|| black_box(&roster).encode());
    });
    let bytes = roster.encode();
    group.bench_function("decode a roster of 128", |bencher| {
        bencher.iter(|| ServerMessage::decode(black_box(&bytes)).unwrap());
    });
    group.finish();
}

criterion_group! {
    name = wire;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = frames, poses, messages
}
criterion_main!(wire);
