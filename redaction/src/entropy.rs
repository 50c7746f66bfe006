//! Long tokens that look random, whatever program made them.

mod harmless;

use harmless::{has_extension, has_known_extension, is_known_harmless};

use crate::find::{Find, Rank};
use crate::view::View;
use crate::wording::{is_common_pair, piece_count, worded};

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

/// The share of a random run that reads as words and numbers is below this in 9,995 of 10,000, that of names above.
const MAX_WORDED: f64 = 0.65;

/// Enough where something else speaks for a name: no digit, or many common pairs.
const NEARLY_WORDED: f64 = 0.45;

/// What tokens are made of.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-')
}

/// What looks random in a run of token bytes: capitals, small letters and digits, no words.
pub(crate) fn token(view: &View<'_>, start: usize, end: usize, finds: &mut Vec<Find>) {
    if end - start < SHORTEST {
        return;
    }
    if let Some(kind) = by_form(view, start, end) {
        finds.push(kind);
        return;
    }
    if end - start < MIN_LENGTH || is_known_harmless(view, start, end) {
        return;
    }
    let run = view.taken(start, end);
    let mut push = |start: usize, end: usize| {
        let padding = view.ahead(end, 2).bytes().take_while(|b| *b == b'=').count();
        finds.push(Find { start, end: end + padding, kind: "high_entropy", rank: Rank::Look });
    };
    if !run.contains('/') || is_blob_with_slashes(run) {
        if is_random(run) && !has_known_extension(view.ahead(end, 10)) {
            push(start, end);
        }
        return;
    }
    let mut from = start;
    for part in run.split('/') {
        let to = from + part.len();
        // `dir/<random>.ext` is a file with a random name.
        let file = from > start && to == end && has_extension(view.ahead(to, 8));
        let after_id = from >= start + 3 && run[..from - start].ends_with("/d/");
        if part.len() >= MIN_LENGTH && !file && !after_id && is_random(part) {
            push(from, to);
        }
        from = to + 1;
    }
}

/// Shorter runs are none of those that only their form tells.
const SHORTEST: usize = 24;

/// Tokens that no literal tells, only the lengths and alphabets of their parts.
fn by_form(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
    const LONGEST: usize = 128;
    let length = end - start;
    if length > LONGEST {
        return None;
    }
    let run = view.taken(start, end);
    let hex =
        |text: &str, length| text.len() == length && text.bytes().all(|b| b"0123456789abcdef".contains(&b));
    let find = |end, kind| Some(Find { start, end, kind, rank: Rank::Shape });
    // Azure DevOps before 2024: 52 signs of base 32 in small letters.
    let base32 = |b: u8| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b);
    let word = || !run.bytes().any(|b| b.is_ascii_digit()) && common_pairs(run) >= MAX_COMMON_PAIRS;
    if length == 52 && run.bytes().all(base32) && !word() {
        return find(end, "azure_token");
    }
    // Mailgun's keys for signatures.
    if length == 50
        && hex(&run[..32], 32)
        && run.as_bytes()[32] == b'-'
        && hex(&run[33..41], 8)
        && hex(&run[42..], 8)
    {
        return find(end, "mailgun_key");
    }
    // Bots of Discord: the number of the bot in base 64, a time and a code, joined by dots.
    if (23..=30).contains(&length) && run.starts_with(['M', 'N', 'O']) && is_discord_rest(view.ahead(end, 64))
    {
        let code = view.run_end(end + 8, |b| !is_token_byte(b));
        return find(code, "discord_token");
    }
    None
}

fn is_discord_rest(after: &str) -> bool {
    let mut parts = after.split('.').map(|part| part.bytes().take_while(|b| is_token_byte(*b)).count());
    parts.next() == Some(0) && parts.next() == Some(6) && parts.next().is_some_and(|code| code >= 27)
}

/// Standard base64 in which `/` is a digit, not a separator of a path: no folder at its beginning, no two in it,
/// no year.
fn is_blob_with_slashes(run: &str) -> bool {
    let slashes = run.bytes().filter(|b| *b == b'/').count();
    let number = |part: &str| part.len() >= 2 && part.bytes().all(|b| b.is_ascii_digit());
    let folder = |part: &str| {
        part.len() >= 4 && part.bytes().all(|b| b.is_ascii_lowercase()) && worded(part) > MAX_WORDED
    };
    let named = || run.split('/').filter(|part| number(part) || folder(part)).count();
    let year = || run.split('/').any(|part| number(part) && part.len() >= 4);
    let begins = || run.split('/').find(|part| !part.is_empty()).is_some_and(folder);
    run.len() >= MIN_WITH_SLASH
        && !run.contains(['-', '_'])
        && slashes * 10 <= run.len()
        && !(begins() || year() || named() > 1)
}

/// As a whole, or in a segment of a name.
fn is_random(run: &str) -> bool {
    looks_random(run) || run.split(['-', '_']).any(|part| part.len() >= MIN_LENGTH && looks_random(part))
}

fn looks_random(run: &str) -> bool {
    let has = |class: fn(&u8) -> bool| run.as_bytes().iter().any(class);
    let number = run.strip_prefix("0x").unwrap_or(run);
    has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && !number.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
        && entropy(run) >= MIN_ENTROPY
        && !is_name(run, has(u8::is_ascii_digit))
}

/// Words and numbers, or nearly.
fn is_name(run: &str, digits: bool) -> bool {
    let worded = worded(run);
    let nearly = worded >= NEARLY_WORDED;
    worded >= MAX_WORDED
        || nearly && (!digits || common_pairs(run) >= MAX_COMMON_PAIRS)
        || !digits && piece_count(run) * 3 <= run.len()
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
    let mut letters = 0u32;
    let mut common = 0u32;
    for pair in run.as_bytes().windows(2) {
        if pair.iter().all(u8::is_ascii_alphabetic) {
            letters += 1;
            common += u32::from(is_common_pair(pair));
        }
    }
    if letters == 0 {
        return 0.0;
    }
    f64::from(common) / f64::from(letters)
}
