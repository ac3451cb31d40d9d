//! Text on its way to a terminal. Files, servers and certificates say what they like, and a
//! terminal obeys control characters: they would move the cursor, change its title, or hide what
//! was said before.

use std::fmt::Display;
use std::io::{self, Write};

/// Longest piece of a file's or server's text that is quoted, in characters.
const QUOTE: usize = 120;

/// A piece of text from outside as one line says it: without what a terminal obeys or what turns
/// the direction of reading, and cut where it is long.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted: String = text
        .chars()
        .take(QUOTE)
        .map(|c| if c == '\n' || c == '\t' { ' ' } else { plain(c) })
        .collect();
    if text.chars().nth(QUOTE).is_some() {
        quoted.push('…');
    }
    quoted
}

/// Writes words and ends the line. Whatever is in them, the terminal shows text and does nothing.
///
/// # Errors
/// If nobody reads any more.
pub fn say(out: &mut impl Write, words: &(impl Display + ?Sized)) -> io::Result<()> {
    let words: String = words.to_string().chars().map(plain).collect();
    writeln!(out, "{words}")
}

/// The character, or a mark in its place.
fn plain(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => '\u{FFFD}',
        c if c.is_control() => '\u{FFFD}',
        c => c,
    }
}
