use gpys::proto::text::{clean, name};
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::props::{
    DefaultIgnorableCodePoint, GeneralCategory, PrependedConcatenationMark, WhiteSpace,
};
use icu_properties::{CodePointMapData, CodePointSetData};
use proptest::prelude::*;

/// Letters, marks, joiners, selectors, emoji, blanks and hidden characters.
const ODD: &str = "aé1# Ω字辻가각मक\u{94D}\u{93F}\u{93C}می\u{64B}ก\u{E47}\u{E33}👩🏽❤↔🏴🇸🇮\
    \u{301}\u{323}\u{338}\u{20E3}\u{20DD}\u{200B}\u{200C}\u{200D}\u{FE0F}\u{FE0E}\u{E0100}\
    \u{202E}\u{2066}\u{FEFF}\u{AD}\u{34F}\u{3164}\u{2800}\u{1160}\u{E0067}\u{E0062}\u{E0065}\
    \u{E006E}\u{E007F}\u{600}\u{110BD}\u{1820}\u{180B}\t\n\u{85}\u{0}\u{FFFF}\u{FFFC}\u{2126}";

fn odd() -> impl Strategy<Value = String> {
    let chars: Vec<char> = ODD.chars().collect();
    let any = prop_oneof![9 => proptest::sample::select(chars), 1 => any::<char>()];
    proptest::collection::vec(any, 0..60).prop_map(String::from_iter)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_is_clean_stays_as_it_is(text in odd(), max in 0_usize..80) {
        let cleaned = clean(&text, max);
        prop_assert!(cleaned.len() <= max);
        prop_assert_eq!(clean(&cleaned, max), cleaned.as_str());
        prop_assert_eq!(cleaned.trim(), cleaned.as_str());
        let nfc = ComposingNormalizerBorrowed::new_nfc();
        prop_assert!(nfc.is_normalized(&cleaned));
    }

    #[test]
    fn texts_that_are_canonically_the_same_become_the_same(text in odd()) {
        let nfd = DecomposingNormalizerBorrowed::new_nfd();
        prop_assert_eq!(name(&nfd.normalize(&text)), name(&text));
    }

    #[test]
    fn nothing_that_is_hidden_stays_among_letters(text in odd()) {
        for c in text.chars().filter(|&c| is_hidden(c)) {
            prop_assert_eq!(name(&format!("a{c}b")), "ab", "{:?}", c);
        }
    }
}

/// Whether `c` is a control, a format character or ignorable, except for visible signs (prepended
/// marks) and blanks, which become a space.
fn is_hidden(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    let is_sign = CodePointSetData::new::<PrependedConcatenationMark>().contains(c);
    let is_blank = CodePointSetData::new::<WhiteSpace>().contains(c)
        || matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}');
    let is_ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c);
    let hides = matches!(category, GeneralCategory::Control | GeneralCategory::Format);
    !is_blank && !is_sign && (hides || is_ignorable)
}
