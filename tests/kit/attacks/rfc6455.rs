//! The letter of the WebSocket protocol (RFC 6455): what must be answered how. The cases are those
//! of the Autobahn test suite, reworded.

use crate::attacks::arena::{Attack, gone, leave};
use crate::attacks::socket::{
    BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, Socket, TEXT, close, frame, head, masked,
    unmasked,
};
use crate::attacks::tools::patiently;

/// What the server must do.
#[derive(Clone, Debug)]
enum Answer {
    /// Fail the connection: give the reason in a close frame, then close, with this code of RFC
    /// 6455 (section 7.4.1) or the protocol's own code for malformed messages, 4001.
    Fails(u16),
    /// Answer a close with a close of the same code, if any, and close.
    Closes(Option<u16>),
    /// Answer a close with an invalid code with 1002 (section 7.4.1), and close.
    Corrects,
    /// Answer with a pong frame with this payload, and continue.
    Pong(Vec<u8>),
    /// Handle the protocol's own ping in it (its echo is 1, 2, 3, 4), and continue.
    Hears,
    /// Continue.
    GoesOn,
}

/// A message of the protocol: a ping.
const MESSAGE: [u8; 5] = [0x51, 1, 2, 3, 4];

type Add<'a> = &'a mut dyn FnMut(&str, Vec<Vec<u8>>, Answer);

fn fragments(add: Add<'_>) {
    let (first, last) = MESSAGE.split_at(2);
    let whole =
        |first: &[u8], last: &[u8]| vec![frame(BINARY, first), frame(FIN | CONTINUATION, last)];
    add("two_fragments", whole(first, last), Answer::Hears);
    add("an_empty_first_fragment", whole(&[], &MESSAGE), Answer::Hears);
    add("an_empty_last_fragment", whole(&MESSAGE, &[]), Answer::Hears);
    let mut bytes = vec![frame(BINARY, &MESSAGE[..1])];
    bytes.extend(MESSAGE[1..4].iter().map(|&byte| frame(CONTINUATION, &[byte])));
    bytes.push(frame(FIN | CONTINUATION, &MESSAGE[4..]));
    add("a_fragment_a_byte", bytes, Answer::Hears);
    let between =
        |control: Vec<u8>| vec![frame(BINARY, first), control, frame(FIN | CONTINUATION, last)];
    add("a_ping_between_fragments", between(frame(FIN | PING, b"p")), Answer::Pong(b"p".into()));
    let pings = [frame(FIN | PING, b"p"), frame(FIN | PING, b"q")].concat();
    add("two_pings_between_fragments", between(pings), Answer::Pong(b"q".into()));
    add("a_pong_between_fragments", between(frame(FIN | PONG, b"p")), Answer::Hears);
    add("a_message_around_a_ping", between(frame(FIN | PING, b"p")), Answer::Hears);
    add("a_close_between_fragments", between(frame(FIN | CLOSE, &[])), Answer::Closes(None));
    let lone = |first| vec![frame(first, &MESSAGE)];
    add("a_continuation_of_nothing", lone(FIN | CONTINUATION), Answer::Fails(1002));
    add("an_open_continuation_of_nothing", lone(CONTINUATION), Answer::Fails(1002));
    let after = vec![frame(FIN | BINARY, &MESSAGE), frame(FIN | CONTINUATION, &MESSAGE)];
    add("a_continuation_after_the_end", after, Answer::Fails(1002));
    for (name, opcode) in [("binary", BINARY), ("text", TEXT)] {
        let frames = vec![frame(BINARY, first), frame(FIN | opcode, last)];
        add(&format!("a_new_{name}_among_fragments"), frames, Answer::Fails(1002));
    }
}

fn control(add: Add<'_>) {
    let full = [0xFE; 125];
    add("an_empty_ping", vec![frame(FIN | PING, &[])], Answer::Pong(Vec::new()));
    add("a_ping_of_125_bytes", vec![frame(FIN | PING, &full)], Answer::Pong(full.to_vec()));
    add("a_ping_of_no_text", vec![frame(FIN | PING, &[0xFF, 0, 0xFE])], {
        Answer::Pong(vec![0xFF, 0, 0xFE])
    });
    let pings: Vec<_> = (0..10).map(|i| frame(FIN | PING, &[i])).collect();
    let trickle = pings.concat().into_iter().map(|byte| vec![byte]).collect();
    add("ten_pings", pings, Answer::Pong(vec![9]));
    add("ten_pings_a_byte_at_a_time", trickle, Answer::Pong(vec![9]));
    let trickle = frame(FIN | PING, b"slowly").into_iter().map(|byte| vec![byte]).collect();
    add("a_ping_a_byte_at_a_time", trickle, Answer::Pong(b"slowly".into()));
    add("an_empty_pong_unasked", vec![frame(FIN | PONG, &[])], Answer::GoesOn);
    let both = vec![frame(FIN | PONG, b"unasked"), frame(FIN | PING, b"asked")];
    add("a_pong_unasked_and_a_ping", both, Answer::Pong(b"asked".into()));
    add("a_pong_unasked", vec![frame(FIN | PONG, b"you are welcome")], Answer::GoesOn);
    let long = [0xFE; 126];
    for (name, opcode) in [("ping", PING), ("pong", PONG), ("close", CLOSE)] {
        let payload = if opcode == CLOSE { close(1000, &long[..124]) } else { long.to_vec() };
        let too_long = vec![frame(FIN | opcode, &payload)];
        add(&format!("a_{name}_of_126_bytes"), too_long, Answer::Fails(1002));
        let broken = vec![frame(opcode, &[]), frame(FIN | CONTINUATION, &[])];
        add(&format!("a_{name}_in_fragments"), broken, Answer::Fails(1002));
    }
}

fn bits(add: Add<'_>) {
    for bit in 1_u8..=3 {
        let first = FIN | (0x80 >> bit) | BINARY;
        add(&format!("reserved_bit_{bit}"), vec![frame(first, &MESSAGE)], Answer::Fails(1002));
    }
    let ping = vec![frame(FIN | 0x40 | PING, &[])];
    add("reserved_bit_1_on_a_ping", ping, Answer::Fails(1002));
    for (name, opcode) in [("ping", PING), ("pong", PONG), ("close", CLOSE)] {
        let reserved = vec![frame(FIN | 0x40 | opcode, &[])];
        add(&format!("a_reserved_bit_of_a_{name}"), reserved, Answer::Fails(1002));
    }
    let later = vec![frame(BINARY, &MESSAGE[..2]), frame(FIN | 0x40 | CONTINUATION, &MESSAGE[2..])];
    add("a_reserved_bit_of_a_later_fragment", later, Answer::Fails(1002));
    let all = vec![frame(FIN | 0x70 | BINARY, &MESSAGE)];
    add("all_reserved_bits", all, Answer::Fails(1002));
    for opcode in (0x3..=0x7).chain(0xB..=0xF) {
        let frames = vec![frame(FIN | opcode, &[])];
        add(&format!("reserved_opcode_{opcode:x}"), frames, Answer::Fails(1002));
    }
    let bare = |opcode, payload: &[u8]| vec![unmasked(FIN | opcode, payload)];
    add("no_mask", bare(BINARY, &MESSAGE), Answer::Fails(1002));
    add("no_mask_on_a_ping", bare(PING, &[]), Answer::Fails(1002));
    add("no_mask_on_a_close", bare(CLOSE, &close(1000, b"")), Answer::Fails(1002));
    let zero = vec![masked(FIN | BINARY, &MESSAGE, [0; 4])];
    add("a_mask_of_zeros", zero, Answer::Hears);
}

fn lengths(add: Add<'_>) {
    let claim = |length| vec![[head(FIN | BINARY, length, true).as_slice(), &[0; 4]].concat()];
    add("a_frame_of_2049_bytes", vec![frame(FIN | BINARY, &[0x60; 2049])], Answer::Fails(1009));
    // Where the form of the length changes, and the longest datagram accepted.
    for length in [1, 125, 126, 127, 128, 1_024] {
        let whole = vec![frame(FIN | BINARY, &vec![0x60; length])];
        add(&format!("a_frame_of_{length}_bytes"), whole, Answer::GoesOn);
    }
    let long = [&[FIN | BINARY, 0xFE, 0, 5], [0; 4].as_slice(), &MESSAGE].concat();
    add("a_length_longer_than_it_needs_to_be", vec![long], Answer::Hears);
    let bytes = frame(FIN | BINARY, &MESSAGE).into_iter().map(|byte| vec![byte]).collect();
    add("a_frame_a_byte_at_a_time", bytes, Answer::Hears);
    // The rest never comes: the head alone must suffice.
    add("a_claim_of_64_kib", claim(0x1_0000), Answer::Fails(1009));
    add("a_claim_of_a_tebibyte", claim(1 << 40), Answer::Fails(1009));
    add("a_claim_of_the_sign_bit", claim(1 << 63), Answer::Fails(1009));
    add("a_claim_of_everything", claim(u64::MAX), Answer::Fails(1009));
    let mut sum = vec![frame(BINARY, &[0x60; 1024])];
    sum.extend((0..2).map(|_| frame(CONTINUATION, &[0x60; 1024])));
    add("fragments_that_sum_up", sum, Answer::Fails(1009));
    let mut dust = vec![frame(BINARY, &[0x60])];
    dust.push((0..4096).flat_map(|_| frame(CONTINUATION, &[0x60])).collect());
    add("endless_single_bytes", dust, Answer::Fails(1009));
}

fn texts(add: Add<'_>) {
    let text = |text: &[u8]| vec![frame(FIN | TEXT, text)];
    add("text", text(b"hello"), Answer::Fails(1003));
    add("empty_text", text(b""), Answer::Fails(1003));
    add("invalid_utf_8", text(&[0xCE, 0xBA, 0xFF]), Answer::Fails(1007));
    add("an_overlong_form", text(&[0xC0, 0x80]), Answer::Fails(1007));
    add("a_surrogate", text(&[0xED, 0xA0, 0x80]), Answer::Fails(1007));
    add("a_code_point_too_high", text(&[0xF4, 0x90, 0x80, 0x80]), Answer::Fails(1007));
    add("a_form_of_five_bytes", text(&[0xF8, 0x88, 0x80, 0x80, 0x80]), Answer::Fails(1007));
    add("half_a_code_point", text(&[0xE2, 0x82]), Answer::Fails(1007));
    let split = vec![frame(TEXT, &[0xE2]), frame(FIN | CONTINUATION, &[0x82, 0xAC])];
    add("text_split_in_a_code_point", split, Answer::Fails(1003));
    let broken = vec![frame(TEXT, &[0xCE]), frame(FIN | CONTINUATION, &[0xCE])];
    add("text_broken_between_fragments", broken, Answer::Fails(1007));
}

fn closes(add: Add<'_>) {
    let bye = |payload: &[u8]| vec![frame(FIN | CLOSE, payload)];
    add("a_close_without_code", bye(&[]), Answer::Closes(None));
    add("a_close_with_a_code_alone", bye(&close(1000, b"")), Answer::Closes(Some(1000)));
    let long = close(1000, &[b'x'; 123]);
    add("a_close_with_a_long_reason", bye(&long), Answer::Closes(Some(1000)));
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        let name = format!("a_close_with_{code}");
        add(&name, bye(&close(code, b"so long")), Answer::Closes(Some(code)));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        let name = format!("a_close_with_{code}_that_is_none");
        add(&name, bye(&close(code, b"")), Answer::Corrects);
    }
    add("a_close_of_one_byte", bye(&[3]), Answer::Fails(1002));
    add("a_close_with_a_bad_reason", bye(&close(1000, &[0xFF])), Answer::Fails(1007));
    let twice = [frame(FIN | CLOSE, &close(1000, b"")), frame(FIN | CLOSE, &close(1001, b""))];
    add("two_closes", vec![twice.concat()], Answer::Closes(Some(1000)));
    let late = [frame(FIN | CLOSE, &close(1000, b"")), frame(FIN | BINARY, &MESSAGE)];
    add("a_message_after_a_close", vec![late.concat()], Answer::Closes(Some(1000)));
    let more = [frame(FIN | CLOSE, &close(1000, b"")), frame(FIN | PING, b"still here?")];
    add("a_ping_after_a_close", vec![more.concat()], Answer::Closes(Some(1000)));
}

async fn check(socket: &mut Socket, answer: Answer) {
    match answer {
        Answer::Fails(book) => {
            let end = socket.ends().await;
            let code = end.code.unwrap_or_else(|| panic!("no close frame: {end:?}"));
            assert!(code == u64::from(book) || code == 4001, "{end:?}");
        }
        Answer::Corrects => assert_eq!(socket.ends().await.code, Some(1002)),
        Answer::Closes(code) => {
            let mut after = Vec::new();
            let closed = patiently("an answer to the close", async {
                while let Some((first, payload)) = socket.read().await {
                    if first == FIN | CLOSE {
                        after.push(payload.first_chunk().map(|&code| u16::from_be_bytes(code)));
                    } else {
                        assert!(after.is_empty(), "{first:#x} follows the close");
                        assert_ne!(first, FIN | PONG, "a pong to a ping after a close");
                    }
                }
            });
            closed.await;
            assert_eq!(after, [code], "one close, with the code that it answers");
        }
        Answer::Pong(payload) => {
            let waiting = patiently("a pong", async {
                while socket.read_until(FIN | PONG).await != payload {}
            });
            waiting.await;
            socket.answers().await;
        }
        Answer::Hears => {
            socket.pong([1, 2, 3, 4]).await;
            socket.answers().await;
        }
        Answer::GoesOn => socket.answers().await,
    }
}

/// Turns cases into attacks: what to send to a session in the lobby, and what must come back.
fn attacks(cases: fn(Add<'_>)) -> Vec<Attack> {
    let mut attacks = Vec::new();
    cases(&mut |name, frames, answer| {
        let fails = matches!(answer, Answer::Fails(_));
        let reasons = if fails { vec![leave("bad_message")] } else { gone() };
        let attack = Attack::new(name, async move |target| {
            let mut socket = Socket::join(target).await;
            for bytes in frames {
                socket.write(&bytes).await;
            }
            check(&mut socket, answer).await;
        });
        attacks.push(attack.counted_among(reasons));
    });
    attacks
}

/// All attacks with fragments.
pub fn of_fragments() -> Vec<Attack> {
    attacks(fragments)
}

/// All attacks with control frames.
pub fn of_control() -> Vec<Attack> {
    attacks(control)
}

/// All attacks with reserved bits, reserved opcodes and masks.
pub fn of_bits() -> Vec<Attack> {
    attacks(bits)
}

/// All attacks with lengths.
pub fn of_lengths() -> Vec<Attack> {
    attacks(lengths)
}

/// All attacks with text, which the protocol does not use, and its UTF-8.
pub fn of_text() -> Vec<Attack> {
    attacks(texts)
}

/// All attacks with closing handshakes and their codes.
pub fn of_closes() -> Vec<Attack> {
    attacks(closes)
}
