//! Text on its way to a terminal. Files, servers and certificates say what they like, and a
//! terminal obeys control characters: they would move its cursor, change its title, or hide what
//! was said before.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use gpys_proto::text::{MAX_REASON, clean};

/// A piece of text from outside as it may stand within a line: cleaned as every text of others,
/// and cut where it is long.
#[must_use]
pub fn quoted(text: &str) -> String {
    clean(text, MAX_REASON)
}

/// A file's name as it may stand within a line: as it is, but for what cannot be shown.
#[must_use]
pub fn file(path: &Path) -> String {
    let plain = |c: char| if is_obeyed(c) { char::REPLACEMENT_CHARACTER } else { c };
    path.to_string_lossy().chars().map(plain).collect()
}

/// Writes words and ends the line. Whatever is in them, the terminal shows text and does nothing.
///
/// # Errors
/// If nobody reads any more.
pub fn say(out: &mut impl Write, words: &(impl Display + ?Sized)) -> io::Result<()> {
    let plain = |c: char| match c {
        '\n' | '\t' => c,
        c if is_obeyed(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    let mut words: String = words.to_string().chars().map(plain).collect();
    words.push('\n');
    // In one piece, because others may write to the same terminal.
    out.write_all(words.as_bytes())
}

/// Whether a terminal does something at this character, or reads on in another direction.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_is_obeyed() {
        let evil = "\u{1b}]0;x\u{7}a\u{9b}2J\u{202E}\r\n\tb";
        assert!(!quoted(evil).contains(is_obeyed), "{:?}", quoted(evil));
        assert!(!file(Path::new(evil)).contains(is_obeyed));
        assert_eq!(file(Path::new("my  file.gpx")), "my  file.gpx");
        let mut out = Vec::new();
        say(&mut out, evil).unwrap();
        let said = String::from_utf8(out).unwrap();
        assert!(!said.contains(|c| c != '\n' && c != '\t' && is_obeyed(c)), "{said:?}");
        assert!(said.ends_with("\n\tb\n"));
    }
}
