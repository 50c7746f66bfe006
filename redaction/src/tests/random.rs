//! Tokens by chance: what issuers give out has no digit, or no capital, now and then.

use super::samples::random;
use crate::rules::ISSUERS;
use crate::scan::redact;

/// How many tokens are made of each row.
const TOKENS: u64 = 300;

/// What of the secret comes through, whole or by half.
fn leaks(raw: &str, secret: &str) -> bool {
    let clean = redact(raw);
    let (first, second) = secret.split_at(secret.len() / 2);
    !clean.contains("[redacted:") || clean.contains(second) || first.len() > 8 && clean.contains(first)
}

#[test]
fn no_token_of_any_issuer_comes_through() {
    let mut wrong = Vec::new();
    for row in ISSUERS {
        for seed in 0..TOKENS {
            let token = random(row.leak, seed);
            let around = [("got ", " back"), ("\"", "\","), ("x (", ")")][(seed % 3) as usize];
            let raw = format!("{}{token}{}", around.0, around.1);
            if leaks(&raw, &token) {
                wrong.push(format!("{}: {raw} -> {}", row.issuer, redact(&raw)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_secret_of_a_sentence_comes_through() {
    let mut wrong = Vec::new();
    for template in [
        "secret «{B40}» was refused",
        "{\"auth\":{\"client_token\":\"«s.{A24}»\"}}",
        "vault login «s.{A24}»",
        "vault login «hvs.{W90}»",
        "AWS_SECRET_ACCESS_KEY=«{B40}»",
        "az: invalid secret «{T3}8Q~{T34}»",
        "git push with «{552}» failed",
        "bitbucket «ATBB{A32}» has no scope",
        "mollie «live_{A30}» is wrong",
        "lob «live_{h35}» is wrong",
        "fireworks «fw_{A22}» is wrong",
    ] {
        for seed in 0..TOKENS {
            let text = random(template, seed);
            let (before, rest) = text.split_once('«').expect("«");
            let (secret, after) = rest.split_once('»').expect("»");
            let raw = format!("{before}{secret}{after}");
            if leaks(&raw, secret) {
                wrong.push(format!("{raw} -> {}", redact(&raw)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Without a beginning and without a word before it, only the look of a token tells it from a name. A few look
/// like names; so many that nobody finds a rule in it.
#[test]
fn hardly_any_token_without_a_beginning_comes_through() {
    const MOST: usize = 3;
    for (template, tokens) in [("{A32}", 2_000), ("{A40}", 2_000), ("{B40}", 2_000), ("{W43}", 2_000)] {
        let kept: Vec<String> = (0..tokens)
            .map(|seed| random(template, seed))
            .filter(|token| leaks(&format!("found {token} in it"), token))
            .collect();
        assert!(kept.len() <= MOST, "{template}: {}\n{}", kept.len(), kept.join("\n"));
    }
}
