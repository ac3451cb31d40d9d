//! Field sections (RFC 9204): the fields of a request, line by line and in order.
//!
//! The library decodes a section into a map, which loses order and repetition. So this module
//! splits a section into lines and decodes each as a section of its own.

use wtransport_proto::qpack::{Decoder, DecodingError};

/// Prefix of a section that does not use the dynamic table.
const PREFIX: [u8; 2] = [0, 0];
/// Sign bit of the base (RFC 9204, section 4.5.1.2): without a dynamic table, the base cannot be
/// negative.
const SIGN: u8 = 0x80;
/// Maximum number of continuation bytes of an integer; a length within a section needs three bytes
/// in all.
const MAX_CONTINUATION: usize = 4;

/// The error for a malformed section, or one that uses the dynamic table, which has no capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Undecodable;

impl From<DecodingError> for Undecodable {
    fn from(_: DecodingError) -> Self {
        Self
    }
}

/// A name and a value.
pub(super) type Field = (String, String);

/// Reads and removes an integer with a `bits`-bit prefix (RFC 7541, section 5.1).
fn take_integer(bytes: &mut &[u8], bits: u32) -> Result<usize, Undecodable> {
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
            if shift >= 7 * MAX_CONTINUATION {
                return Err(Undecodable);
            }
        }
    }
    *bytes = rest;
    Ok(value)
}

/// Removes a string whose length has a `bits`-bit prefix.
fn skip_string(bytes: &mut &[u8], bits: u32) -> Result<(), Undecodable> {
    let length = take_integer(bytes, bits)?;
    *bytes = bytes.get(length..).ok_or(Undecodable)?;
    Ok(())
}

/// Removes a field line and returns its bytes (RFC 9204, sections 4.5.2 to 4.5.6).
fn take_line<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Undecodable> {
    let whole = *bytes;
    match whole.first().ok_or(Undecodable)? {
        0x80.. => {
            take_integer(bytes, 6)?;
        }
        0x40..0x80 => {
            take_integer(bytes, 4)?;
            skip_string(bytes, 7)?;
        }
        0x20..0x40 => {
            skip_string(bytes, 3)?;
            skip_string(bytes, 7)?;
        }
        // Refers to the dynamic table.
        _ => return Err(Undecodable),
    }
    whole.get(..whole.len() - bytes.len()).ok_or(Undecodable)
}

/// Decodes all fields of a section.
///
/// # Errors
/// If the section is malformed or uses the dynamic table.
pub(super) fn decode(mut section: &[u8]) -> Result<Vec<Field>, Undecodable> {
    let required = take_integer(&mut section, 8)?;
    let sign = section.first().ok_or(Undecodable)? & SIGN;
    take_integer(&mut section, 7)?;
    if required != 0 || sign != 0 {
        return Err(Undecodable);
    }
    let mut fields = Vec::new();
    while !section.is_empty() {
        let line = take_line(&mut section)?;
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
    fn keeps_order_and_repetition() {
        let sent = [(":path", "/"), ("b", "2"), ("a", "1"), ("b", "3"), ("origin", "x")];
        let fields = decode(&Encoder::encode(sent)).unwrap();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(fields, sent);
    }

    #[test]
    fn decodes_strings_of_every_length() {
        for length in [6, 7, 8, 126, 127, 128, 300, 4_000] {
            let (name, value) = ("n".repeat(length), "v".repeat(length));
            let fields = decode(&Encoder::encode([(&name, &value)])).unwrap();
            assert_eq!(fields, [(name, value)]);
        }
    }

    #[test]
    fn rejects_references_to_the_dynamic_table() {
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
        assert!(decode(&[0, 7, 0xD1]).is_ok(), "any base is valid");
    }

    #[test]
    fn rejects_endless_integers() {
        for byte in [0x80, 0xFF] {
            let section = [&[0, 0, 0x27], [byte; 64].as_slice()].concat();
            assert_eq!(decode(&section), Err(Undecodable));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(decode(&[&PREFIX, bytes.as_slice()].concat()));
            drop(decode(&bytes));
        }

        #[test]
        fn encoded_fields_round_trip(sent in prop::collection::vec(("[a-z:-]{1,40}", "[ -~]{0,200}"), 0..20)) {
            prop_assert_eq!(decode(&Encoder::encode(sent.clone())), Ok(sent));
        }
    }
}
