//! Any frames into a view: rejected without a trace, or shown, and never older than before.

#![no_main]

use std::collections::BTreeMap;

use gpys_proto::view::View;
use gpys_proto::wire::frame::Frame;
use libfuzzer_sys::fuzz_target;

/// The tag is fixed, or the fuzzer would spend its days on finding it.
fn tagged(bytes: &[u8]) -> Vec<u8> {
    [&[0x46], bytes].concat()
}

fuzz_target!(|frames: Vec<&[u8]>| {
    let mut view = View::default();
    let mut frame = Frame::default();
    for bytes in frames {
        let bytes = tagged(bytes);
        let before: BTreeMap<_, _> =
            view.figures().map(|(id, figure)| (id, figure.shown)).collect();
        let decoded = frame.decode(&bytes);
        assert!(frame.entries.len() <= bytes.len() * 8);
        let taken = view.handle_frame(&bytes, |_, _| {});
        assert_eq!(decoded, taken);
        for (id, figure) in view.figures() {
            if let Some(shown) = before.get(&id) {
                assert!(figure.shown.after(*shown) >= 0);
                assert!(taken.is_ok() || figure.shown == *shown);
            } else {
                assert!(taken.is_ok());
            }
        }
        if taken.is_ok() {
            let ends = frame.chunks.iter().map(|chunk| chunk.end);
            assert!(ends.is_sorted_by(|a, b| a <= b));
            for (chunk, entries) in frame.chunks() {
                for entry in entries {
                    assert!(chunk.cell.contains(entry.position));
                }
                assert!(entries.is_sorted_by(|a, b| a.id < b.id));
            }
        }
    }
});
