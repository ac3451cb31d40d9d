//! Recognises files of other kinds that are mistaken for a PMTiles archive.

/// Names the kind of a file by its first bytes, and says how to fix it; `None` for a PMTiles
/// archive of version 3.
pub(super) fn what(start: &[u8]) -> Option<String> {
    if start.starts_with(b"PMTiles\x03") {
        return None;
    }
    let words = match start {
        [] => "it is empty; copy or download it again".to_owned(),
        [b'P', b'M', b'T', b'i', b'l', b'e', b's', version, ..] => {
            format!("it is PMTiles version {version}, but pages read version 3")
        }
        [b'P', b'M', version @ (1 | 2), 0, ..] => format!(
            "it is PMTiles version {version}, but pages read version 3; convert it with \
            `pmtiles convert`"
        ),
        [0x1F, 0x8B, ..] => "it is compressed with gzip; unpack it with gunzip".into(),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => {
            "it is compressed with Zstandard; unpack it with unzstd".into()
        }
        [b'B', b'Z', b'h', ..] => "it is compressed with bzip2; unpack it with bunzip2".into(),
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => {
            "it is compressed with xz; unpack it with unxz".into()
        }
        [b'P', b'K', 3 | 5, 4 | 6, ..] => "it is a ZIP archive; unpack it".into(),
        _ if start.starts_with(b"SQLite format 3\0") => {
            "it is an MBTiles database; convert it with `pmtiles convert`".into()
        }
        [0x89, b'P', b'N', b'G', ..] | [0xFF, 0xD8, 0xFF, ..] => "it is an image, not a map".into(),
        _ => text(start).to_owned(),
    };
    Some(words)
}

/// The same for text.
fn text(start: &[u8]) -> &'static str {
    let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start();
    let begins = |with: &str| {
        start.get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with.as_bytes()))
    };
    if begins("version https://git-lfs") {
        "it is a Git LFS pointer, not the file itself; fetch that with `git lfs pull`"
    } else if begins("/annex/objects/") {
        "it is a git-annex pointer, not the file itself; fetch that with `git annex get`"
    } else if begins("<!doctype html") || begins("<html") {
        "it is a web page, perhaps an error message; download the map again"
    } else if begins("<") {
        "it is XML, not a PMTiles archive"
    } else if begins("{") || begins("[") {
        "it is JSON, not a PMTiles archive; to use a style, set its URL as map-style"
    } else {
        "it is not a PMTiles archive: it does not begin with PMTiles"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_not_an_archive() {
        assert_eq!(what(b"PMTiles\x03 and so on"), None);
        for (start, name) in [
            (&b""[..], "empty"),
            (b"PMTiles\x04", "version 4"),
            (b"PM\x02\0", "version 2"),
            (b"\x1F\x8B\x08", "gzip"),
            (b"\x28\xB5\x2F\xFD", "Zstandard"),
            (b"PK\x03\x04", "ZIP"),
            (b"SQLite format 3\0", "MBTiles"),
            (b"\x89PNG\r\n", "image"),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
            (b"/annex/objects/SHA256E-s1", "git-annex"),
            (b"\xEF\xBB\xBF\r\n<!DOCTYPE HTML><html>", "web page"),
            (b"  <html lang=en>", "web page"),
            (b"<?xml version='1.0'?><Error/>", "XML"),
            (b"{\"version\":8}", "JSON"),
            (b"PMTile", "does not begin"),
            (&[0; 200], "does not begin"),
        ] {
            let said = what(start).unwrap_or_default();
            assert!(said.contains(name), "{said}, not {name}");
        }
    }
}
