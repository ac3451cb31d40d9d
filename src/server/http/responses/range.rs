//! Parsing of range requests (RFC 9110, section 14).

use http::{HeaderMap, header};

/// The part of a file that a client requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The whole file.
    Whole,
    /// The bytes from the first to the last, inclusive.
    Bytes(u64, u64),
    /// A range beyond the end of the file.
    Beyond,
}

/// The part requested of a file of `length` bytes. Multiple ranges, other units and malformed
/// ranges are ignored, as the RFC allows.
pub(crate) fn requested_part(headers: &HeaderMap, length: u64) -> Part {
    let mut fields = headers.get_all(header::RANGE).into_iter();
    let (Some(range), None) = (fields.next(), fields.next()) else { return Part::Whole };
    range.to_str().ok().and_then(|range| parse(range, length)).unwrap_or(Part::Whole)
}

/// Parses `bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-COUNT`; `None` for anything else.
fn parse(range: &str, length: u64) -> Option<Part> {
    let (unit, range) = range.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim_end().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let end = length.checked_sub(1);
    let (first, last) = match (first, last) {
        ("", count) => {
            let count = number(count)?;
            (if count == 0 { length } else { length.saturating_sub(count) }, u64::MAX)
        }
        (first, "") => (number(first)?, u64::MAX),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some((first, last))?
        }
    };
    let part = end.filter(|end| first <= *end).map(|end| Part::Bytes(first, last.min(end)));
    Some(part.unwrap_or(Part::Beyond))
}

/// Parses plain digits; a number that overflows saturates.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn requested(range: &'static str, length: u64) -> Part {
        requested_part(
            &[(header::RANGE, HeaderValue::from_static(range))].into_iter().collect(),
            length,
        )
    }

    #[test]
    fn clamps_ranges_to_the_file() {
        for (range, bytes) in [
            ("bytes=0-9", (0, 9)),
            ("bytes=90-200", (90, 99)),
            ("bytes=5-", (5, 99)),
            ("bytes=-5", (95, 99)),
            ("bytes=-500", (0, 99)),
            ("bytes=0-99999999999999999999999", (0, 99)),
            ("Bytes= 0-0 ", (0, 0)),
        ] {
            assert_eq!(requested(range, 100), Part::Bytes(bytes.0, bytes.1), "{range}");
        }
        for beyond in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(requested(beyond, 100), Part::Beyond, "{beyond}");
        }
        for empty in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            assert_eq!(requested(empty, 0), Part::Beyond, "{empty}");
        }
    }

    #[test]
    fn ignores_anything_but_a_single_range() {
        let bad = ["bytes=9-5", "bytes=0-1,3-4", "lines=0-1", "", "bytes=-", "bytes=+1-2", "bytes"];
        for bad in bad {
            assert_eq!(requested(bad, 100), Part::Whole, "{bad}");
        }
        assert_eq!(requested_part(&HeaderMap::new(), 100), Part::Whole);
        let range = || (header::RANGE, HeaderValue::from_static("bytes=0-1"));
        let mut twice = HeaderMap::new();
        for (name, value) in [range(), range()] {
            twice.append(name, value);
        }
        assert_eq!(requested_part(&twice, 100), Part::Whole);
    }
}
