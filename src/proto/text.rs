//! The one rule for text that people write for others to read (docs/PROTOCOL.md, section 3,
//! "Text").
//!
//! `web/client/src/wire/text.ts` is its twin; `tests/vectors/texts.json` pins both.

use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};
use unicode_segmentation::UnicodeSegmentation as _;

use self::unicode::{is_default_ignorable, is_emoji_modifier, is_ideographic, is_pictographic};

pub mod unicode;

/// Longest name or label, in bytes of UTF-8: 16 emoji, 21 ideographs, or 64 letters of Latin.
pub const MAX_NAME: usize = 64;
/// Longest explanation from the other side to show, in bytes of UTF-8: two sentences.
pub const MAX_REASON: usize = 256;
/// Most nonspacing marks in a row (UTS #39, section 5.4): no language needs more than four, and
/// more draw over the neighbours.
const MAX_MARKS: u8 = 4;

const ZWNJ: char = '\u{200C}';
const ZWJ: char = '\u{200D}';
const VS16: char = '\u{FE0F}';
const KEYCAP: char = '\u{20E3}';
const BLACK_FLAG: char = '\u{1F3F4}';
/// The tags behind the black flag in the flags of England, Scotland and Wales, the only ones
/// recommended for interchange (UTS #51, annex C).
const FLAGS: [&str; 3] = [
    "\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
    "\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
    "\u{E0067}\u{E0062}\u{E0077}\u{E006C}\u{E0073}\u{E007F}",
];

/// Makes `text` fit to show: composed (NFC), on one line, without characters that hide or reorder
/// others, at most `max` bytes long, and empty if nothing of it is visible.
///
/// Idempotent. It cuts between grapheme clusters, unless the first one alone is too long.
#[must_use]
pub fn clean(text: &str, max: usize) -> String {
    if is_plain(text) && text.len() <= max {
        return text.to_owned();
    }
    let mut text = cut(tidy(text), max);
    loop {
        // A character that was dropped or cut off may be the reason why its neighbour stayed.
        let again = cut(tidy(&text), max);
        if again == text {
            return text;
        }
        text = again;
    }
}

/// Makes `text` fit for a name or a label: [`clean`] to at most [`MAX_NAME`] bytes.
#[must_use]
pub fn name(text: &str) -> String {
    clean(text, MAX_NAME)
}

/// Whether the text is words of visible ASCII, one space apart: most names are, and need no work.
fn is_plain(text: &str) -> bool {
    text.is_empty()
        || text
            .split(' ')
            .all(|word| !word.is_empty() && word.bytes().all(|it| it.is_ascii_graphic()))
}

fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let ends = text.grapheme_indices(true).map(|(at, grapheme)| at + grapheme.len());
        let end = ends.take_while(|&end| end <= max).last();
        text.truncate(end.unwrap_or_else(|| text.floor_char_boundary(max)));
    }
    text
}

fn tidy(text: &str) -> String {
    let composed: String = text.nfc().collect();
    let mut tidied = Tidied::default();
    let mut rest = composed.chars();
    while let Some(c) = rest.next() {
        tidied.take(c);
        if c == BLACK_FLAG
            && let Some(tags) = FLAGS.into_iter().find(|&tags| rest.as_str().starts_with(tags))
        {
            tidied.text.push_str(tags);
            rest = rest.as_str()[tags.len()..].chars();
        }
    }
    tidied.text.trim_end().nfc().collect()
}

/// Text as it grows, one character after another.
#[derive(Debug, Default)]
struct Tidied {
    text: String,
    last: Option<char>,
    /// Nonspacing marks at the end.
    marks: u8,
    /// A character to keep only if the next one needs it.
    pending: Option<char>,
}

impl Tidied {
    fn take(&mut self, c: char) {
        let category = c.general_category();
        if is_blank(c) {
            self.space();
        } else if matches!(c, ZWNJ | ZWJ) || (c == VS16 && self.last.is_some_and(is_keycap_base)) {
            self.pending = Some(c);
        } else if self.last.is_some_and(|last| selects(c, last)) {
            self.put(c);
        } else if is_hidden(c, category) {
            // It leaves no gap.
        } else if c.general_category_group() == GeneralCategoryGroup::Mark {
            self.mark(c, category != GeneralCategory::SpacingMark);
        } else {
            self.marks = 0;
            self.put(c);
        }
    }

    /// Puts one space between words, none before the first.
    fn space(&mut self) {
        self.pending = None;
        if self.last.is_some_and(|last| last != ' ') {
            self.put(' ');
        }
    }

    /// Puts a mark on a character; without one it would land on what is shown before the text.
    fn mark(&mut self, c: char, nonspacing: bool) {
        if self.last.is_none_or(|last| last == ' ') {
            return;
        }
        self.marks = if nonspacing { self.marks + 1 } else { 0 };
        if self.marks <= MAX_MARKS {
            self.put(c);
        } else {
            self.marks = MAX_MARKS;
        }
    }

    fn put(&mut self, c: char) {
        if let (Some(pending), Some(last)) = (self.pending.take(), self.last)
            && joins(last, pending, c)
        {
            self.text.push(pending);
        }
        self.text.push(c);
        self.last = Some(c);
    }
}

/// Whether `c` is white space or looks like it.
const fn is_blank(c: char) -> bool {
    matches!(
        c,
        '\t'..='\r' | ' ' | '\u{85}' | '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}'
            | '\u{2028}' | '\u{2029}' | '\u{202F}' | '\u{205F}' | '\u{3000}'
            // Fillers of Hangul, braille without a dot, hieroglyphs and a note without ink.
            | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' | '\u{2800}'
            | '\u{13441}' | '\u{13442}' | '\u{1D159}'
    )
}

/// Whether `c` is a control, or has no look of its own and changes that of others: bidirectional
/// controls, tags, invisible operators, fillers.
fn is_hidden(c: char, category: GeneralCategory) -> bool {
    // Signs under the number that follows are format characters, but visible.
    let is_sign = matches!(
        c,
        '\u{600}'
            ..='\u{605}'
                | '\u{6DD}'
                | '\u{70F}'
                | '\u{890}'
                | '\u{891}'
                | '\u{8E2}'
                | '\u{110BD}'
                | '\u{110CD}'
    );
    let is_object_or_none = c == '\u{FFFC}' || matches!(c as u32 & 0xFFFF, 0xFFFE | 0xFFFF);
    matches!(category, GeneralCategory::Control)
        || (category == GeneralCategory::Format && !is_sign)
        || is_default_ignorable(c)
        || matches!(c, '\u{FDD0}'..='\u{FDEF}')
        || is_object_or_none
}

/// Whether `c` selects a variant of `last`: of an emoji, an ideograph or a Mongolian letter.
fn selects(c: char, last: char) -> bool {
    match c {
        '\u{FE0E}' | VS16 if is_pictographic(last) => true,
        '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' => is_ideographic(last),
        '\u{180B}'..='\u{180D}' | '\u{180F}' => matches!(last, '\u{1820}'..='\u{18AA}'),
        _ => false,
    }
}

/// Whether `pending` belongs between `last` and `next`: it joins two emoji, makes a digit a keycap,
/// or controls how letters join, in scripts where they do.
fn joins(last: char, pending: char, next: char) -> bool {
    match pending {
        VS16 => is_keycap_base(last) && next == KEYCAP,
        ZWJ if is_pictographic(next) => {
            is_pictographic(last) || is_emoji_modifier(last) || last == VS16
        }
        _ => has_joiners(last) && has_joiners(next),
    }
}

const fn is_keycap_base(c: char) -> bool {
    matches!(c, '0'..='9' | '#' | '*')
}

/// Whether `c` is in a block of a script whose letters join or form conjuncts: Arabic and its like,
/// and the descendants of Brahmi.
const fn has_joiners(c: char) -> bool {
    matches!(
        c,
        '\u{600}'..='\u{DFF}' | '\u{F00}'..='\u{109F}' | '\u{1700}'..='\u{18AF}'
            | '\u{1900}'..='\u{1AAF}' | '\u{1B00}'..='\u{1C7F}' | '\u{A800}'..='\u{A95F}'
            | '\u{A980}'..='\u{AAFF}' | '\u{ABC0}'..='\u{ABFF}' | '\u{FB50}'..='\u{FDCF}'
            | '\u{FE70}'..='\u{FEFC}' | '\u{10A00}'..='\u{10AFF}' | '\u{10D00}'..='\u{10D3F}'
            | '\u{10F30}'..='\u{10FAF}' | '\u{11000}'..='\u{11FFF}' | '\u{1E900}'..='\u{1E95F}'
    )
}
