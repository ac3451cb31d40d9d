use gpys::proto::geo::{Cell, Cover, MAX_LAT, MAX_LNG, Position, Viewport};
use gpys::proto::pose::{Accuracy, ORIENTATION_CODES, Orientation};
use gpys::proto::time::{Stamp, Time};
use gpys::proto::wire::bits::BitWriter;
use gpys::proto::wire::frame::{
    ChunkKind, Entry, Frame, Ids, Page, write_chunk, write_end, write_header, write_link,
};
use gpys::proto::wire::{FRAME_TAG, PeerId};
use proptest::prelude::*;

fn entry() -> impl Strategy<Value = Entry> {
    let place = (-MAX_LAT..=MAX_LAT, -MAX_LNG..=MAX_LNG);
    let orientation = proptest::option::of(0..ORIENTATION_CODES);
    (any::<u32>(), place, orientation, 0_u8..32, 0_u8..64, any::<bool>()).prop_map(
        |(id, (lat, lng), orientation, age, accuracy, hidden)| Entry {
            id: PeerId(id),
            position: Position::new(lat, lng).unwrap(),
            orientation: orientation.map(|code| Orientation::from_code(code).unwrap()),
            age,
            accuracy: Accuracy::from_code(accuracy).unwrap(),
            hidden,
        },
    )
}

/// Makes a frame of the whole world with these people on one page, and the entries that it must
/// decode to.
fn frame(kind: ChunkKind, mut entries: Vec<Entry>, bits: u32) -> (Vec<u8>, Vec<Entry>) {
    let cover = Cover::of(Viewport::WORLD);
    let cell = Cell::at(cover.level, Position::default());
    entries.retain(|entry| cell.contains(entry.position));
    entries.sort_by_key(|entry| entry.id);
    entries.dedup_by_key(|entry| entry.id);
    let lowest = entries.first().map_or(0, |entry| entry.id.0);
    let highest = entries.last().map_or(0, |entry| entry.id.0);
    let mut ids = Ids::between(lowest, highest);
    ids.span = ids.span.min(31);
    entries.retain(|entry| entry.id.0 - lowest < 1 << ids.span && ids.page(entry.id, bits) == 0);
    let mut out = BitWriter::default();
    write_header(&mut out, Time::from_ms(77), cover, ids);
    write_link(&mut out, cover.index(cell).unwrap());
    write_chunk(&mut out, cell, kind, Page { bits, index: 0 }, ids, &entries);
    write_end(&mut out);
    let mut bytes = Vec::new();
    out.write_bytes(&mut bytes);
    for entry in &mut entries {
        let (x, y) = cell.steps(entry.position);
        entry.position = cell.position(x, y);
        if kind == ChunkKind::Delta {
            (entry.accuracy, entry.hidden) = (Accuracy::UNKNOWN, false);
        }
    }
    (bytes, entries)
}

proptest! {
    #[test]
    fn a_frame_survives_the_wire(
        entries in proptest::collection::vec(entry(), 0..60),
        kind in prop_oneof![
            Just(ChunkKind::Delta), Just(ChunkKind::Key), any::<[u32; 4]>().prop_map(ChunkKind::Crowd)
        ],
        page_bits in 0..3_u32,
    ) {
        let (bytes, expected) = frame(kind, entries, page_bits);
        let mut decoded = Frame::default();
        prop_assert_eq!(decoded.decode(&bytes), Ok(()));
        prop_assert_eq!(decoded.time, Stamp(77));
        prop_assert_eq!(decoded.chunks[0].kind, kind);
        prop_assert_eq!(&decoded.entries, &expected);
        for cut in 0..bytes.len() {
            prop_assert!(decoded.decode(&bytes[..cut]).is_err());
        }
        let longer = [&bytes[..], &[0]].concat();
        prop_assert!(decoded.decode(&longer).is_err());
    }

    #[test]
    fn any_bytes_decode_or_are_refused(mut bytes in proptest::collection::vec(any::<u8>(), 1..300)) {
        bytes[0] = FRAME_TAG;
        let mut frame = Frame::default();
        let _ = frame.decode(&bytes);
        prop_assert!(frame.entries.len() <= bytes.len() * 8);
    }
}
