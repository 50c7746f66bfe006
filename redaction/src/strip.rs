//! Control, escape and invisible characters out; white space to single spaces.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

const ESCAPE: char = '\u{1b}';
const BELL: char = '\u{7}';
/// String terminator, the one-character form of `ESC \`.
const TERMINATOR: char = '\u{9c}';

/// One line of visible text. Borrowed when nothing had to change.
pub(crate) fn strip(raw: &str) -> Cow<'_, str> {
    if is_plain(raw) {
        return Cow::Borrowed(raw);
    }
    let stripped = stripped(raw);
    if stripped == raw { Cow::Borrowed(raw) } else { Cow::Owned(stripped) }
}

/// Printable ASCII with single spaces inside: by far the most common case.
fn is_plain(raw: &str) -> bool {
    let mut space_before = true;
    for byte in raw.bytes() {
        match byte {
            b' ' if space_before => return false,
            b' ' => space_before = true,
            0x21..=0x7e => space_before = false,
            _ => return false,
        }
    }
    raw.is_empty() || !space_before
}

fn stripped(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    // The white space that waits for the next visible character.
    let mut gap: Option<char> = None;
    while let Some(c) = chars.next() {
        if c == ESCAPE || ('\u{80}'..='\u{9f}').contains(&c) && c != '\u{85}' {
            skip_sequence(c, &mut chars);
        } else if c.is_whitespace() {
            gap = Some(match gap {
                // A lone no-break or ideographic space is part of the language.
                None if !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}') => c,
                _ => ' ',
            });
        } else if c.is_control() || is_invisible(c) || is_stray_joiner(c, gap, &out, &mut chars) {
            // Left out.
        } else {
            if let Some(space) = gap.take()
                && !out.is_empty()
            {
                out.push(space);
            }
            out.push(c);
        }
    }
    out
}

/// Leaves out the rest of an ANSI (ECMA-48) sequence whose first character is `start`.
fn skip_sequence(start: char, chars: &mut Peekable<Chars<'_>>) {
    let kind = match start {
        ESCAPE => match chars.peek() {
            Some(&next @ ('[' | ']' | 'P' | 'X' | '^' | '_')) => {
                chars.next();
                next
            }
            // Intermediates, then one final: for example the choice of a character set.
            Some(' '..='/') => {
                while chars.next_if(|c| (' '..='/').contains(c)).is_some() {}
                chars.next_if(|c| ('0'..='~').contains(c));
                return;
            }
            Some('0'..='~') => {
                chars.next();
                return;
            }
            _ => return,
        },
        '\u{9b}' => '[',
        '\u{9d}' | '\u{90}' | '\u{98}' | '\u{9e}' | '\u{9f}' => ']',
        _ => return,
    };
    if kind == '[' {
        while chars.next_if(|c| (' '..='?').contains(c)).is_some() {}
        chars.next_if(|c| ('@'..='~').contains(c));
        return;
    }
    // A string (title, link) runs to its terminator. Without one only the start is left out,
    // so that a stray escape does not eat the message.
    let mut ahead = chars.clone();
    while let Some(c) = ahead.next() {
        let ends = c == BELL || c == TERMINATOR || c == ESCAPE && ahead.next_if_eq(&'\\').is_some();
        if ends {
            *chars = ahead;
            return;
        }
        // Another sequence begins. Looking further would cost the square of the length.
        if c == ESCAPE || ('\u{80}'..='\u{9f}').contains(&c) {
            return;
        }
    }
}

/// Characters without a shape of their own that can hide or reorder others.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e001f}'
        | '\u{e0100}'..='\u{e01ef}')
}

/// Joiners, variation selectors and tags make emoji and several scripts; beside ASCII they
/// only hide something.
fn is_stray_joiner(c: char, gap: Option<char>, out: &str, chars: &mut Peekable<Chars<'_>>) -> bool {
    let after_letter = gap.is_none() && out.chars().next_back().is_some_and(|p| !p.is_ascii());
    match c {
        '\u{200c}' | '\u{200d}' => {
            let before_letter = chars.peek().is_some_and(|&next| {
                !next.is_ascii()
                    && !next.is_whitespace()
                    && !next.is_control()
                    && !is_invisible(next)
                    && !is_joiner(next)
            });
            !(after_letter && before_letter)
        }
        // A keycap such as 1️⃣ is a digit, this selector and the cap.
        '\u{fe0f}' if chars.peek() == Some(&'\u{20e3}') => gap.is_some() || out.is_empty(),
        c if is_joiner(c) => !after_letter,
        _ => false,
    }
}

pub(crate) fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0020}'..='\u{e007f}')
}
