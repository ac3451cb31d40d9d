//! Field sections (RFC 9204): what a request says, line by line, in the order in which it says it.
//!
//! The library decodes a section into a map, which has neither an order nor anything twice. So
//! each line is cut out and decoded as a section of its own.

use wtransport_proto::qpack::{Decoder, DecodingError};

/// The beginning of a section that refers to no dynamic table.
const PREFIX: [u8; 2] = [0, 0];
/// The sign in a section's second integer (RFC 9204, section 4.5.1.2): without a dynamic table
/// there is nothing below zero to begin from.
const SIGN: u8 = 0x80;
/// Most bytes of an integer: a length within a section needs three.
const INTEGER: usize = 4;

/// A section is no section, or refers to a dynamic table, for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Undecodable;

impl From<DecodingError> for Undecodable {
    fn from(_: DecodingError) -> Self {
        Self
    }
}

/// A name and a value.
pub(super) type Field = (String, String);

/// Takes an integer with so many bits in its first byte away (RFC 7541, section 5.1).
fn integer(bytes: &mut &[u8], bits: u32) -> Result<usize, Undecodable> {
    let (&first, mut rest) = bytes.split_first().ok_or(Undecodable)?;
    let most = (1_usize << bits) - 1;
    let mut value = usize::from(first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (&byte, after) = rest.split_first().ok_or(Undecodable)?;
            rest = after;
            value += usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift >= 7 * INTEGER {
                return Err(Undecodable);
            }
        }
    }
    *bytes = rest;
    Ok(value)
}

/// Takes text away whose length has so many bits in its first byte.
fn text(bytes: &mut &[u8], bits: u32) -> Result<(), Undecodable> {
    let length = integer(bytes, bits)?;
    *bytes = bytes.get(length..).ok_or(Undecodable)?;
    Ok(())
}

/// Takes a line away (RFC 9204, sections 4.5.2 to 4.5.6).
fn line<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Undecodable> {
    let whole = *bytes;
    match whole.first().ok_or(Undecodable)? {
        0x80.. => {
            integer(bytes, 6)?;
        }
        0x40..0x80 => {
            integer(bytes, 4)?;
            text(bytes, 7)?;
        }
        0x20..0x40 => {
            text(bytes, 3)?;
            text(bytes, 7)?;
        }
        // Of the dynamic table.
        _ => return Err(Undecodable),
    }
    whole.get(..whole.len() - bytes.len()).ok_or(Undecodable)
}

/// All fields of a section.
///
/// # Errors
/// If there is no telling what it says.
pub(super) fn decode(mut section: &[u8]) -> Result<Vec<Field>, Undecodable> {
    let required = integer(&mut section, 8)?;
    let sign = section.first().ok_or(Undecodable)? & SIGN;
    integer(&mut section, 7)?;
    if required != 0 || sign != 0 {
        return Err(Undecodable);
    }
    let mut fields = Vec::new();
    while !section.is_empty() {
        let line = line(&mut section)?;
        fields.extend(Decoder::decode([&PREFIX, line].concat())?);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wtransport_proto::qpack::Encoder;

    use super::*;

    #[test]
    fn order_and_repetition_are_kept() {
        let sent = [(":path", "/"), ("b", "2"), ("a", "1"), ("b", "3"), ("origin", "x")];
        let fields = decode(&Encoder::encode(sent)).unwrap();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(fields, sent);
    }

    #[test]
    fn long_texts_have_long_lengths() {
        for length in [6, 7, 8, 126, 127, 128, 300, 4_000] {
            let (name, value) = ("n".repeat(length), "v".repeat(length));
            let fields = decode(&Encoder::encode([(&name, &value)])).unwrap();
            assert_eq!(fields, [(name, value)]);
        }
    }

    #[test]
    fn what_needs_a_dynamic_table_is_refused() {
        for section in [
            [0_u8, 0, 0x80].as_slice(),
            &[0, 0, 0x10],
            &[0, 0, 0x00, 1, b'x'],
            &[0, 0, 0x40, 1, b'x'],
            &[1, 0, 0xD1],
            &[0, 0x80, 0xD1],
        ] {
            assert_eq!(decode(section), Err(Undecodable), "{section:?}");
        }
        assert!(decode(&[0, 0, 0xD1]).is_ok(), "GET");
        assert!(decode(&[0, 7, 0xD1]).is_ok(), "any base will do");
    }

    #[test]
    fn integers_without_end_are_refused() {
        for byte in [0x80, 0xFF] {
            let section = [&[0, 0, 0x27], [byte; 64].as_slice()].concat();
            assert_eq!(decode(&section), Err(Undecodable));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(decode(&[&PREFIX, bytes.as_slice()].concat()));
            drop(decode(&bytes));
        }

        #[test]
        fn any_fields_come_back(sent in prop::collection::vec(("[a-z:-]{1,40}", "[ -~]{0,200}"), 0..20)) {
            prop_assert_eq!(decode(&Encoder::encode(sent.clone())), Ok(sent));
        }
    }
}
