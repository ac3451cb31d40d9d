use gpys::proto::geo::{Cell, Cover, MAX_LAT, MAX_LNG, Position, Viewport};
use gpys::proto::motion::Motion;
use gpys::proto::pose::{Accuracy, Extra, ORIENTATION_CODES, Orientation};
use gpys::proto::time::{Stamp, Time};
use gpys::proto::wire::bits::BitWriter;
use gpys::proto::wire::frame::{
    ChunkKind, Coding, Entry, Frame, Ids, Page, write_chunk, write_end, write_header, write_link,
};
use gpys::proto::wire::{FRAME_TAG, PeerId};
use proptest::prelude::*;

/// An entry, with its motion and state.
fn entry() -> impl Strategy<Value = (Entry, Extra)> {
    let place = (-MAX_LAT..=MAX_LAT, -MAX_LNG..=MAX_LNG);
    let orientation = proptest::option::of(0..ORIENTATION_CODES);
    let motion = proptest::option::of(any::<u16>().prop_map(Motion::from_bits));
    let extra = (motion, any::<u64>()).prop_map(|(motion, state)| Extra { motion, state });
    let entry = (any::<u32>(), place, orientation, 0_u8..32, 0_u8..64, any::<bool>()).prop_map(
        |(id, (lat, lng), orientation, age, accuracy, hidden)| Entry {
            id: PeerId(id),
            position: Position::new(lat, lng).unwrap(),
            orientation: orientation.map(|code| Orientation::from_code(code).unwrap()),
            age,
            accuracy: Accuracy::from_code(accuracy).unwrap(),
            hidden,
            extra: 0,
        },
    );
    (entry, extra)
}

/// Makes a frame of the whole world with these people on one page, and the people that it must
/// decode to.
fn frame(
    kind: ChunkKind,
    mut people: Vec<(Entry, Extra)>,
    bits: u32,
    state_bits: u32,
) -> (Vec<u8>, Vec<(Entry, Extra)>) {
    let cover = Cover::of(Viewport::WORLD);
    let cell = Cell::at(cover.level, Position::default());
    people.retain(|(entry, _)| cell.contains(entry.position));
    people.sort_by_key(|(entry, _)| entry.id);
    people.dedup_by_key(|(entry, _)| entry.id);
    let lowest = people.first().map_or(0, |(entry, _)| entry.id.0);
    let highest = people.last().map_or(0, |(entry, _)| entry.id.0);
    let mut ids = Ids::between(lowest, highest);
    ids.span = ids.span.min(31);
    people
        .retain(|(entry, _)| entry.id.0 - lowest < 1 << ids.span && ids.page(entry.id, bits) == 0);
    for (index, (entry, extra)) in (0..).zip(&mut people) {
        entry.extra = index;
        extra.state &= u64::MAX.checked_shr(64 - state_bits).unwrap_or(0);
    }
    let (entries, extras): (Vec<Entry>, Vec<Extra>) = people.iter().copied().unzip();
    let mut out = BitWriter::default();
    let coding = Coding { ids, state_bits };
    write_header(&mut out, Time::from_ms(77), cover, coding);
    write_link(&mut out, cover.index(cell).unwrap());
    write_chunk(&mut out, cell, kind, Page { bits, index: 0 }, coding, &entries, &extras);
    write_end(&mut out);
    let mut bytes = Vec::new();
    out.write_bytes(&mut bytes);
    for (entry, _) in &mut people {
        let (x, y) = cell.steps(entry.position);
        (entry.position, entry.extra) = (cell.position(x, y), 0);
        if kind == ChunkKind::Delta {
            (entry.accuracy, entry.hidden) = (Accuracy::UNKNOWN, false);
        }
    }
    (bytes, people)
}

/// The people of a decoded frame.
fn people(frame: &Frame) -> Vec<(Entry, Extra)> {
    let person = |entry: &Entry| (Entry { extra: 0, ..*entry }, entry.extra(&frame.extras));
    frame.entries.iter().map(person).collect()
}

/// Nobody has motion, everybody does, or some do.
fn moving(people: Vec<(Entry, Extra)>, who: u8) -> Vec<(Entry, Extra)> {
    let motion = |motion| match who {
        0 => None,
        1 => Some(Motion::from_bits(7)),
        _ => motion,
    };
    let moved = |extra: Extra| Extra { motion: motion(extra.motion), ..extra };
    people.into_iter().map(|(entry, extra)| (entry, moved(extra))).collect()
}

proptest! {
    #[test]
    fn a_frame_survives_the_wire(
        entries in proptest::collection::vec(entry(), 0..60),
        kind in prop_oneof![
            Just(ChunkKind::Delta), Just(ChunkKind::Key), any::<[u32; 4]>().prop_map(ChunkKind::Crowd)
        ],
        page_bits in 0..3_u32,
        state_bits in prop_oneof![Just(0), 1..=64_u32],
        who in 0..3_u8,
    ) {
        let (bytes, expected) = frame(kind, moving(entries, who), page_bits, state_bits);
        let mut decoded = Frame::default();
        prop_assert_eq!(decoded.decode(&bytes), Ok(()));
        prop_assert_eq!(decoded.time, Stamp(77));
        prop_assert_eq!(decoded.chunks[0].kind, kind);
        prop_assert_eq!(people(&decoded), expected);
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
