//! A text as the rules read it: in ASCII where that says the same.

use crate::strip::is_joiner;

/// Full-width forms and white space as ASCII, character by character, and letters, digits and signs between name and
/// value that are escaped as JSON, C or HTML do; none when there are none.
pub(crate) fn fold(text: &str) -> Option<String> {
    let escaped = || text.contains("\\u00") || text.contains("\\x3") || text.contains("&#");
    if text.is_ascii() && !escaped() {
        return None;
    }
    let plain = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c if c.is_whitespace() && !c.is_ascii() => ' ',
        c => c,
    };
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    // Joiners that wait for the next character: beside ASCII they only hide something.
    let mut joiners = String::new();
    while let Some(c) = rest.chars().next() {
        let (read, length) = match c {
            '\\' | '&' => escape(rest).unwrap_or((c, c.len_utf8())),
            c => (plain(c), c.len_utf8()),
        };
        rest = &rest[length..];
        if is_joiner(c) {
            joiners.push(c);
            continue;
        }
        if !joiners.is_empty() {
            let hides = read != c || folded.ends_with(|before: char| before.is_ascii());
            folded.push_str(if hides { "" } else { &joiners });
            joiners.clear();
        }
        folded.push(read);
    }
    folded.push_str(&joiners);
    (folded != text).then_some(folded)
}

/// The character that an escape stands for which the text begins with, and the length of the escape. Quotes,
/// backslashes and brackets stay escaped: they would end something.
fn escape(text: &str) -> Option<(char, usize)> {
    const MOST_SLASHES: usize = 8;
    const MOST_SIGNS: usize = 5;
    let slashes = text.bytes().take(MOST_SLASHES).take_while(|b| *b == b'\\').count();
    let hex = |from: usize, digits: usize| u8::from_str_radix(text.get(from..from + digits)?, 16).ok();
    let after = text.get(slashes..)?;
    let (byte, length) = if slashes > 0 && after.starts_with("u00") {
        (hex(slashes + 3, 2)?, slashes + 5)
    } else if slashes > 0 && after.starts_with("x3") {
        (hex(slashes + 1, 2)?, slashes + 3)
    } else if let Some(entity) = text.strip_prefix("&#") {
        // Looked for in a few bytes only: an end far away would be looked for again from every beginning.
        let number = &entity[..entity.bytes().take(MOST_SIGNS + 1).position(|b| b == b';')?];
        let byte = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u8::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        (byte, 2 + number.len() + 1)
    } else {
        return None;
    };
    let plain = byte.is_ascii_alphanumeric() || b"=:_-".contains(&byte);
    // `\x3a` is known for signs only: paths of Windows look like that.
    let sign = !after.starts_with("x3") || b"=:".contains(&byte);
    (plain && sign).then_some((char::from(byte), length))
}
