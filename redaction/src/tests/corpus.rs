//! Texts with a secret in `«»`, made up as in [`super::samples`], and texts without one.

use super::samples::fill;
use crate::CleanText;

const LEAKS: &str = include_str!("../../tests/corpus/more-leaks.txt");
const ORDINARY: &str = include_str!("../../tests/corpus/more-ordinary.txt");

#[test]
fn no_secret_comes_through() {
    assert!(LEAKS.lines().count() >= 200);
    let mut wrong = Vec::new();
    for (line, template) in LEAKS.lines().enumerate() {
        for seed in 0..3 {
            let text = fill(template, seed);
            let (before, rest) = text.split_once('«').expect("«");
            let (secret, after) = rest.split_once('»').expect("»");
            let raw = format!("{before}{secret}{after}");
            let clean = CleanText::new(&raw);
            // What was cut is no proof: the secret itself must have become a marker, all of it.
            let halves = [&secret[..secret.len() / 2], &secret[secret.len() / 2..]];
            let kept = halves.iter().any(|half| half.len() > 3 && clean.as_str().contains(half));
            if kept || !clean.as_str().contains("[redacted:") {
                wrong.push(format!("{}: {raw}\n    -> {clean}", line + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn ordinary_texts_come_through_as_they_are() {
    assert!(ORDINARY.lines().count() >= 200);
    let wrong: Vec<String> = ORDINARY
        .lines()
        .map(|line| (crate::strip::strip(line).into_owned(), CleanText::new(line)))
        .filter(|(raw, clean)| clean.as_str() != raw)
        .map(|(raw, clean)| format!("{raw}\n    -> {clean}"))
        .collect();
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}
