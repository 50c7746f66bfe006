//! Long tokens that look random, whoever made them.

use crate::redact::Find;

/// Shorter runs are too often identifiers.
const MIN_LENGTH: usize = 32;

/// Base64 of 30 random bytes, the size of common secret keys; needed where `/` could make the
/// run a path.
const MIN_WITH_SLASH: usize = 40;

/// Bits per character. Random base62 of 32 characters has 4.2 to 4.9.
const MIN_ENTROPY: f64 = 3.5;

/// The share of neighbouring letters that are a common pair. Measured: below 0.35 in 99 of 100
/// random tokens, above 0.45 in compound names.
const MAX_COMMON_PAIRS: f64 = 0.42;

/// The most common letter pairs of words and identifiers.
const COMMON_PAIRS: &str = "th he in er an re nd at on nt ha es st en ed to it ou ea hi is or ti as te et ng of al de \
se le sa si ar ve ra ld ur io ic ro ri ne me li co ce ll ma om ta pe ec tr el ns us ac la \
ss ca ch ge ho pr nc no di ie em rt un po pl ad ct il mo so lo wi be tu ut ul ap ag im id";

/// Finds runs that look random: capitals, small letters and digits, no words.
pub(crate) fn tokens(text: &str) -> Vec<Find> {
    let bytes = text.as_bytes();
    let mut finds = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !is_token_byte(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && is_token_byte(bytes[at]) {
            at += 1;
        }
        let end = at;
        if end - start >= MIN_LENGTH && !is_known_harmless(text, start, end) {
            find_in_run(text, start, end, &mut finds);
        }
    }
    finds
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-')
}

fn find_in_run(text: &str, start: usize, end: usize, finds: &mut Vec<Find>) {
    let run = &text[start..end];
    let mut push = |start: usize, end: usize| {
        let padding = text[end..].bytes().take(2).take_while(|b| *b == b'=').count();
        finds.push(Find { start, end: end + padding, kind: "high_entropy" });
    };
    if !run.contains('/') || is_blob_with_slashes(run) {
        if is_random(run) {
            push(start, end);
        }
        return;
    }
    let mut from = start;
    for part in run.split('/') {
        let to = from + part.len();
        // `dir/<random>.ext` is a file with a random name.
        let file = from > start && has_extension(&text[to..]);
        let after_id = text[..from].ends_with("/d/");
        if part.len() >= MIN_LENGTH && !file && !after_id && is_random(part) {
            push(from, to);
        }
        from = to + 1;
    }
}

/// Standard base64 in which `/` is a digit, not a separator of a path.
fn is_blob_with_slashes(run: &str) -> bool {
    let slashes = run.bytes().filter(|b| *b == b'/').count();
    let is_path_part = |part: &str| {
        part.len() >= 2 && part.bytes().all(|b| b.is_ascii_digit())
            || part.len() >= 4 && part.bytes().all(|b| b.is_ascii_lowercase())
    };
    run.len() >= MIN_WITH_SLASH
        && !run.contains(['-', '_'])
        && slashes * 10 <= run.len()
        && !run.split('/').any(is_path_part)
}

fn is_random(run: &str) -> bool {
    let has = |class: fn(&u8) -> bool| run.as_bytes().iter().any(class);
    has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_digit)
        && !run.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
        && entropy(run) >= MIN_ENTROPY
        && common_pairs(run) < MAX_COMMON_PAIRS
}

/// Shannon entropy in bits per character.
fn entropy(run: &str) -> f64 {
    let mut counts = [0u32; 256];
    for byte in run.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let total = run.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / total)
        .map(|share| -share * share.log2())
        .sum()
}

fn common_pairs(run: &str) -> f64 {
    let lower = run.to_ascii_lowercase();
    let mut letters = 0u32;
    let mut common = 0u32;
    for pair in lower.as_bytes().windows(2) {
        if pair.iter().all(u8::is_ascii_lowercase) {
            letters += 1;
            let known = COMMON_PAIRS.as_bytes().chunks(3).any(|known| known.starts_with(pair));
            common += u32::from(known);
        }
    }
    if letters == 0 {
        return 0.0;
    }
    f64::from(common) / f64::from(letters)
}

/// Public things with a random look.
fn is_known_harmless(text: &str, start: usize, end: usize) -> bool {
    // SSH public keys, mail items and drives of Microsoft Graph.
    const PREFIXES: &[&str] = &["AAAAB3NzaC1", "AAAAC3NzaC1", "AAAAE2VjZHNh", "AAMk", "AQMk"];
    let run = &text[start..end];
    let before = text[..start].trim_end_matches([':', '=']).to_ascii_lowercase();
    let digest = |end: &str| ["sha1", "sha256", "sha384", "sha512"].iter().any(|name| end.ends_with(name));
    let lower = run.to_ascii_lowercase();
    PREFIXES.iter().any(|prefix| run.starts_with(prefix))
        // Mangled names of C++ and Rust symbols.
        || run.starts_with("_ZN")
        || text[..start].ends_with("b!")
        || before.len() < start && digest(&before)
        || ["sha256-", "sha384-", "sha512-"].iter().any(|name| lower.starts_with(name))
}

fn has_extension(after: &str) -> bool {
    let Some(rest) = after.strip_prefix('.') else {
        return false;
    };
    let length = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
    (1..=5).contains(&length)
}
