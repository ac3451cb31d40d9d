//! Text bound for a terminal. Files, servers and certificates may contain anything, and a terminal
//! obeys control characters: they would move its cursor, change its title, or hide earlier output.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use gpys_proto::text::{MAX_REASON, clean};

/// Foreign text, safe within a line: cleaned like any other, and truncated if long.
#[must_use]
pub fn quoted(text: &str) -> String {
    clean(text, MAX_REASON)
}

/// A file's name, safe within a line: unchanged except for unprintable characters.
#[must_use]
pub fn file(path: &Path) -> String {
    let plain = |c: char| if is_obeyed(c) { char::REPLACEMENT_CHARACTER } else { c };
    path.to_string_lossy().chars().map(plain).collect()
}

/// Writes a line of text, with everything that a terminal would obey replaced.
///
/// # Errors
/// If the output is closed.
pub fn say(out: &mut impl Write, text: &(impl Display + ?Sized)) -> io::Result<()> {
    let plain = |c: char| match c {
        '\n' | '\t' => c,
        c if is_obeyed(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    let mut text: String = text.to_string().chars().map(plain).collect();
    text.push('\n');
    // In one write, because other processes may share the terminal.
    out.write_all(text.as_bytes())
}

/// Whether a terminal obeys this character or changes the reading direction at it.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_holds_nothing_a_terminal_obeys() {
        let evil = "\u{1b}]0;x\u{7}a\u{9b}2J\u{202E}\r\n\tb";
        assert!(!quoted(evil).contains(is_obeyed), "{:?}", quoted(evil));
        assert!(!file(Path::new(evil)).contains(is_obeyed));
        assert_eq!(file(Path::new("my  file.gpx")), "my  file.gpx");
        let mut out = Vec::new();
        say(&mut out, evil).unwrap();
        let output = String::from_utf8(out).unwrap();
        assert!(!output.contains(|c| c != '\n' && c != '\t' && is_obeyed(c)), "{output:?}");
        assert!(output.ends_with("\n\tb\n"));
    }
}
