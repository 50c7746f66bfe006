//! What texts are found by.

use domain::search_key;
use proptest::prelude::*;

#[test]
fn texts_that_differ_in_case_have_one_key() {
    for (one, other) in [
        ("Drift", "dRIFT"),
        ("Ärzte", "ÄRZTE"),
        ("a\u{308}rzte", "Ärzte"),
        ("straße", "STRASSE"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
        ("ПЛАН", "план"),
        ("ſtill", "STILL"),
        ("Ǆ", "ǆ"),
        ("ﬁle", "FILE"),
        ("\u{212a}elvin", "kelvin"),
        ("Ṩ", "s\u{307}\u{323}"),
    ] {
        assert_eq!(search_key(one), search_key(other), "{one} {other}");
    }
    for (one, other) in [("a", "ä"), ("o", "0"), ("и", "й"), ("漢", "汉")] {
        assert_ne!(search_key(one), search_key(other));
    }
    assert_eq!(search_key("Nightly 42/a_b-c"), "nightly 42/a_b-c");
}

proptest! {
    #[test]
    fn keys_are_stable_and_found_by_their_beginnings(text in "\\PC{0,40}", end in "[a-zA-Z0-9 ]{0,5}") {
        let key = search_key(&text);
        prop_assert_eq!(&search_key(&text.to_uppercase()), &key);
        // What a beginning ends with must not be changed by what follows: a letter, say.
        let whole = format!("{text}{end}");
        prop_assert!(search_key(&whole).starts_with(&key));
    }
}
