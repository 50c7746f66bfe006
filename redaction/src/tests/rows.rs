//! Every row of the tables finds its sample, and leaves its near miss alone.

use super::samples::fill;
use crate::rules::{COMMANDS, ISSUERS, PHRASES};
use crate::scan::redact;

/// Sentences that a token may stand in.
const AROUND: [(&str, &str); 6] = [
    ("", ""),
    ("got ", " back"),
    ("refused (", ")"),
    ("\"", "\", then 401"),
    ("x=", "&y=2"),
    ("it was ", "."),
];

#[test]
fn every_token_is_found_wherever_it_stands() {
    let mut wrong = Vec::new();
    for row in ISSUERS {
        for seed in 0..8 {
            let token = fill(row.leak, seed);
            for (before, after) in AROUND {
                let raw = format!("{before}{token}{after}");
                let clean = redact(&raw);
                let half = &token[token.len() / 2..];
                if clean.contains(half) || !clean.contains("[redacted:") {
                    wrong.push(format!("{}: {raw} -> {clean}", row.issuer));
                } else if before == "got " && !clean.contains(&format!("[redacted:{}]", row.kind)) {
                    wrong.push(format!("{} is not called {}: {raw} -> {clean}", row.issuer, row.kind));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ISSUERS.len(), wrong.join("\n"));
}

#[test]
fn a_near_miss_is_no_token() {
    let mut wrong = Vec::new();
    for row in ISSUERS {
        let miss = fill(row.miss, 1);
        let raw = format!("see {miss} there");
        if redact(&raw).contains(&format!("[redacted:{}]", row.kind)) {
            wrong.push(format!("{}: {raw} -> {}", row.issuer, redact(&raw)));
        }
        assert!(row.source.contains('.') || row.source.contains("RFC"), "{}", row.issuer);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_right_checksum_counts_where_variety_is_missing() {
    let body = "a".repeat(30);
    let token = format!("ghp_{body}{}", crate::proof::crc62(&body));
    assert_eq!(redact(&token), "[redacted:github_token]");
    let sample = format!("ghp_{}", "x".repeat(36));
    assert_eq!(redact(&sample), sample);
}

/// Splits a text with a secret in `«»` into the text and the secret.
fn marked(text: &str) -> (String, String) {
    let (before, rest) = text.split_once('«').expect("«");
    let (secret, after) = rest.split_once('»').expect("»");
    (format!("{before}{secret}{after}"), secret.to_owned())
}

#[test]
fn every_phrase_and_every_command_is_found() {
    assert!(PHRASES.iter().all(|row| !row.source.is_empty()));
    let phrases = PHRASES.iter().map(|row| (row.leak, row.miss));
    let commands = COMMANDS.iter().map(|row| (row.leak, row.miss));
    let mut wrong = Vec::new();
    for (leak, miss) in phrases.chain(commands) {
        for seed in 0..4 {
            let (text, secret) = marked(&fill(leak, seed));
            for (before, after) in [("", ""), ("ran ", ""), ("+ ", " ; done")] {
                let raw = format!("{before}{text}{after}");
                let clean = redact(&raw);
                if clean.contains(&secret) || !clean.contains("[redacted:") {
                    wrong.push(format!("{raw} -> {clean}"));
                }
            }
        }
        let miss = fill(miss, 1);
        if redact(&miss) != miss {
            wrong.push(format!("harmed: {miss} -> {}", redact(&miss)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
