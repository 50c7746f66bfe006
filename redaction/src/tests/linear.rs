//! The work of a pass is linear in the text, counted in bytes looked at, whatever the text is made of.

use proptest::prelude::*;

use crate::rules::{COMMANDS, ISSUERS, PHRASES};
use crate::scan::redact_until;

/// Bytes looked at per byte of text, at most: the windows of the rules that one byte can wake, over five passes.
const MOST: usize = 3_000;

fn looked_at(text: &str) -> usize {
    redact_until(text, usize::MAX).looked_at
}

/// What wakes rules, separates, opens and never closes.
fn pieces() -> Vec<String> {
    let tokens = ISSUERS.iter().flat_map(|row| {
        let token = super::samples::fill(row.leak, 1);
        let start: String = token.chars().take(8).collect();
        let half: String = token.chars().take(token.len() / 2).collect();
        [start, half]
    });
    let words = PHRASES.iter().flat_map(|row| row.words.iter().map(|word| (*word).to_owned()));
    let programs = COMMANDS.iter().map(|row| format!("{} -p ", row.programs[0]));
    let rest = [
        "sk-",
        "eyJ",
        "eyJ.",
        "s.",
        "a:",
        "=",
        ":",
        "%3D",
        "%253D",
        "%",
        " ",
        "  ",
        "\n",
        "\t",
        "\"",
        "'",
        "`",
        "\\",
        "\\\"",
        "&quot;",
        "{",
        "}",
        "[",
        "]",
        "[redacted:",
        "[redacted:x]",
        "<",
        ">",
        "<password>",
        "</password>",
        "password=",
        "password=\"",
        "password: | ",
        "password: |\n  ",
        "password=${",
        "password={",
        "pw=",
        "pw: no ",
        "token: ",
        "name=password ",
        "value=",
        "key=password value=",
        "Cookie: a=b;",
        "Cookie: a=b; ",
        ";a;a;",
        "a,b b b,",
        "&a&a",
        "https://a:",
        "https://a:b@",
        "://",
        "user:x@tcp(",
        "-----BEGIN PRIVATE KEY-----",
        "-----END ",
        "Digest ",
        "Authorization: ",
        "Authorization: Bearer ",
        "Authorization: Digest a=b, ",
        "Bearer ",
        "Basic ",
        "--password ",
        "-p ",
        " -p",
        "curl -u ",
        "mysql -p",
        "docker login ",
        "password is \"",
        "identified by ",
        "/d/",
        "/",
        ".",
        "-",
        "_",
        "=",
        "==",
        "@",
        "…",
        "é",
        "ｐａｓｓ",
        "\u{a0}",
        "A",
        "z9",
        "AAAA",
        "Password=a b;",
        ";Password=",
        "x x x ",
        "$",
        "$(",
        "<![CDATA[",
        "\\u0061",
        "\\\\u003d",
        "\\x3d",
        "&#61;",
        "%20%3D%20",
        "echo a | ",
        "echo ",
        "AUTH a ",
        "requirepass a ",
        "passphrase: a b c ",
        "password for a ",
        "api key ",
        "https://aB3dE6gH9jK2mN5pQ8rS1t@",
        "Ab1-",
        "a-1-",
        "<param name=\"password\">",
        "--from-literal a=",
        "create secret generic ",
    ];
    tokens.chain(words).chain(programs).chain(rest.map(str::to_owned)).collect()
}

fn check(text: &dyn Fn(usize) -> String) {
    let mut before: Option<(usize, usize)> = None;
    for size in [1 << 12, 1 << 14] {
        let text = text(size);
        let steps = looked_at(&text);
        assert!(
            steps <= MOST * text.len(),
            "{} bytes took {steps} of {:?}",
            text.len(),
            text.chars().take(40).collect::<String>()
        );
        if let Some((length, earlier)) = before {
            let grown = steps as f64 / earlier.max(1) as f64;
            let expected = text.len() as f64 / length as f64;
            assert!(
                grown <= expected * 1.5 + 0.5,
                "{expected:.2} times the text, {grown:.2} times the work, from {earlier} to {steps} for {:?}",
                text.chars().take(40).collect::<String>()
            );
        }
        before = Some((text.len(), steps));
    }
}

#[test]
fn a_piece_over_and_over_costs_the_same_every_time() {
    for piece in pieces() {
        check(&|size| piece.repeat(size / piece.len() + 1));
        let unclosed = format!("password=\"{piece}");
        check(&|size| format!("{unclosed}{}", piece.repeat(size / piece.len() + 1)));
    }
}

#[test]
fn the_texts_that_took_seconds() {
    for text in [
        "sk-",
        "password=${",
        "password=$",
        "Zx9QwK3vB7nTfakeL2pXr8YcJ5mHdG4s ",
        "eyJhbGciOi",
        "a.",
        "curl -u x ",
    ] {
        check(&|size| text.repeat(size / text.len() + 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn pieces_in_any_order_too(of in prop::collection::vec(prop::sample::select(pieces()), 1..5)) {
        let once = of.concat();
        check(&|size| once.repeat(size / once.len() + 1));
    }
}
