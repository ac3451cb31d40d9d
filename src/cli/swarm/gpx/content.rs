//! From a file's bytes to XML text: sizes, compression, encodings, and formats that are not GPX.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use flate2::read::MultiGzDecoder;

use crate::cli::swarm::gpx::error::GpxErrorKind;

/// Most bytes to read of a file, before and after unpacking: half a million points, a week at one a
/// second. It also bounds what a small compressed file can unpack to.
pub(super) const MAX_BYTES: usize = 64 << 20;
/// Most layers of gzip to open: a file may have been compressed twice by mistake.
const MOST_LAYERS: usize = 3;
const GZIP: &[u8] = &[0x1F, 0x8B];

/// Known formats: the offset, the bytes there, and the format's name.
const MAGIC: &[(usize, &[u8], &str)] = &[
    (0, b"PK\x03\x04", "a ZIP archive (as KMZ is); unpack it first"),
    (8, b".FIT", "FIT, a format of sports devices; convert it to GPX"),
    (0, b"BZh", "compressed with bzip2; unpack it first"),
    (0, b"\xFD7zXZ\0", "compressed with xz; unpack it first"),
    (0, b"\x28\xB5\x2F\xFD", "compressed with zstd; unpack it first"),
    (0, b"7z\xBC\xAF\x27\x1C", "a 7z archive; unpack it first"),
    (0, b"Rar!", "a RAR archive; unpack it first"),
    (257, b"ustar", "a tar archive; unpack it first"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89PNG", "a picture"),
    (0, b"\xFF\xD8\xFF", "a picture"),
    (0, b"SQLite format 3\0", "a database (as GeoPackage and MBTiles are)"),
    (
        0,
        b"version https://git-lfs",
        "a pointer of Git LFS; fetch the file itself with `git lfs pull`",
    ),
    (0, b"$G", "NMEA, what a receiver says; convert it to GPX"),
    (0, b"OziExplorer", "a track of OziExplorer; convert it to GPX"),
    (0, &[0xFF, 0xFE, 0, 0], "text in UTF-32; save it as UTF-8"),
    (0, &[0, 0, 0xFE, 0xFF], "text in UTF-32; save it as UTF-8"),
    (0, &[0x3C, 0, 0, 0], "text in UTF-32; save it as UTF-8"),
    (0, &[0, 0, 0, 0x3C], "text in UTF-32; save it as UTF-8"),
];

/// A file's text, and the reason if its end is missing.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) text: String,
    pub(super) cut: Option<&'static str>,
}

/// Reads a file, up to [`MAX_BYTES`].
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Unpacks and decodes a file's bytes.
///
/// # Errors
/// If they are known to be something else than GPX.
pub(super) fn text(bytes: &[u8]) -> Result<Content, GpxErrorKind> {
    let (mut bytes, mut cut) = (bytes.to_vec(), None);
    for _ in 0..MOST_LAYERS {
        if bytes.starts_with(GZIP) {
            let unpacked = unpack(&bytes)?;
            (bytes, cut) = (unpacked.0, unpacked.1.or(cut));
        }
    }
    if bytes.len() > MAX_BYTES {
        bytes.truncate(MAX_BYTES);
        cut = Some("it is longer than 64 MiB");
    }
    if bytes.iter().all(|&byte| byte == 0 || byte.is_ascii_whitespace()) {
        return Err(GpxErrorKind::Blank);
    }
    if let Some(what) = foreign(&bytes) {
        return Err(GpxErrorKind::Foreign(what));
    }
    let encoding = encoding(&bytes);
    let (text, ..) = encoding.decode(&bytes);
    Ok(Content { text: text.into_owned(), cut })
}

fn unpack(bytes: &[u8]) -> Result<(Vec<u8>, Option<&'static str>), GpxErrorKind> {
    let mut unpacked = Vec::new();
    let done = MultiGzDecoder::new(bytes).take(MAX_BYTES as u64 + 1).read_to_end(&mut unpacked);
    match done {
        Ok(_) => Ok((unpacked, None)),
        Err(_) if unpacked.is_empty() => {
            Err(GpxErrorKind::Foreign("gzip data that is damaged; fetch the file again"))
        }
        Err(_) => Ok((unpacked, Some("its gzip data is damaged or cut off"))),
    }
}

/// The format, if it is known not to be XML.
fn foreign(bytes: &[u8]) -> Option<&'static str> {
    let is = |&&(at, magic, _): &&(usize, &[u8], &str)| {
        bytes.get(at..).is_some_and(|rest| rest.starts_with(magic))
    };
    if let Some(&(.., what)) = MAGIC.iter().find(is) {
        return Some(what);
    }
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    let head = &text[..text.len().min(4_096)];
    let has = |part: &[u8]| head.windows(part.len()).any(|window| window == part);
    match head.first() {
        Some(b'{' | b'[') if has(b"Feature") || has(b"\"coordinates\"") => {
            Some("GeoJSON; convert it to GPX")
        }
        Some(b'{' | b'[') => Some("JSON"),
        Some(b'A') if has(b"HFDTE") => Some("IGC, a log of gliders; convert it to GPX"),
        _ => None,
    }
}

/// The encoding, from the byte order mark, the positions of zeros, or the declaration.
fn encoding(bytes: &[u8]) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return encoding;
    }
    match bytes {
        [0, second, ..] if *second != 0 => return UTF_16BE,
        [first, 0, ..] if *first != 0 => return UTF_16LE,
        _ => {}
    }
    // Only the XML declaration names it. Text that was readable so far is not UTF-16.
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(256)]);
    let declared = head.split_once("encoding=").and_then(|(before, rest)| {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let label = rest[1..].split(quote).next()?;
        (!before.contains('>')).then(|| Encoding::for_label(label.as_bytes()))?
    });
    declared.filter(|encoding| encoding.is_ascii_compatible()).unwrap_or(UTF_8)
}
