//! The core's Unicode data against that of the Unicode Consortium (ICU4X), over all code points.

use gpys::proto::text::unicode::{
    is_default_ignorable, is_emoji_modifier, is_ideographic, is_pictographic,
};
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::props::{
    BinaryProperty, DefaultIgnorableCodePoint, EmojiModifier, ExtendedPictographic,
    GeneralCategory, Ideographic,
};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::UnicodeGeneralCategory as _;

fn all() -> impl Iterator<Item = char> {
    '\0'..=char::MAX
}

fn same_set<P: BinaryProperty>(own: fn(char) -> bool) {
    let set = CodePointSetData::new::<P>();
    let wrong: Vec<char> = all().filter(|&c| own(c) != set.contains(c)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_sets_of_characters_are_those_of_the_database() {
    same_set::<DefaultIgnorableCodePoint>(is_default_ignorable);
    same_set::<Ideographic>(is_ideographic);
    same_set::<ExtendedPictographic>(is_pictographic);
    same_set::<EmojiModifier>(is_emoji_modifier);
}

#[test]
fn every_character_has_the_category_of_the_database() {
    let categories = CodePointMapData::<GeneralCategory>::new();
    let name = |c: char| format!("{:?}", categories.get(c));
    // Both name a category by its long alias.
    let wrong: Vec<char> =
        all().filter(|&c| format!("{:?}", c.general_category()) != name(c)).collect();
    assert!(wrong.is_empty(), "{} characters, {:?}", wrong.len(), &wrong[..wrong.len().min(40)]);
}

#[test]
fn every_character_composes_and_decomposes_as_in_the_database() {
    let (nfc, nfd) =
        (ComposingNormalizerBorrowed::new_nfc(), DecomposingNormalizerBorrowed::new_nfd());
    // Marks that compose with many letters, one that sorts below others, and parts of Hangul.
    let after = [
        "",
        "\u{301}",
        "\u{323}",
        "\u{338}\u{301}",
        "\u{302}\u{323}",
        "\u{93C}",
        "\u{1161}",
        "\u{11A8}",
        "\u{3099}",
    ];
    for c in all() {
        for marks in after {
            let text = format!("{c}{marks}");
            assert_eq!(text.nfc().collect::<String>(), nfc.normalize(&text), "{text:?}");
            assert_eq!(text.nfd().collect::<String>(), nfd.normalize(&text), "{text:?}");
        }
    }
}
