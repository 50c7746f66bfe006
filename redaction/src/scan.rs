//! The pass: one walk over a text, in which words, signs and runs of letters wake the rules.

use std::borrow::Cow;

use crate::entropy;
use crate::find::{Find, Rank};
use crate::fold::fold;
use crate::marker::{LONGEST, MARKER, is_marker, marker_len};
use crate::pairs::Pairs;
use crate::rules::{Run, WORDS, Wakes};
use crate::view::View;

/// A text without its secrets.
pub(crate) struct Redacted<'t> {
    /// Borrowed when there were none.
    pub text: Cow<'t, str>,
    /// How many bytes were looked at.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the test that holds a pass to its bound"))]
    pub looked_at: usize,
    /// The length in bytes of the shortest secret, if there was any.
    pub shortest: Option<usize>,
}

/// What the passes over a text have in common.
#[derive(Default)]
struct Tally {
    looked_at: usize,
    shortest: Option<usize>,
}

/// The text without its secrets. Redacting twice is the same as redacting once: passes are made until one
/// finds nothing more.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    redact_until(text, usize::MAX).text
}

/// As [`redact`], of the first `shown` characters only. What follows is looked at, so that no secret is halved
/// unseen, but left out.
pub(crate) fn redact_until(text: &str, shown: usize) -> Redacted<'_> {
    const PASSES: usize = 5;
    let mut tally = Tally::default();
    let redacted = |text, Tally { looked_at, shortest }| Redacted { text, looked_at, shortest };
    let Some(mut current) = step(text, shown, &mut tally) else {
        return redacted(Cow::Borrowed(&text[..byte_at(text, shown)]), tally);
    };
    for _ in 1..PASSES {
        match step(&current, usize::MAX, &mut tally) {
            Some(next) => current = next,
            None => return redacted(Cow::Owned(current), tally),
        }
    }
    // Rules that keep finding something disagree about this text. It is safer without it.
    redacted(Cow::Owned("[redacted:text]".to_owned()), Tally { shortest: Some(0), ..tally })
}

/// The kind of the first secret in a text that is known by its shape, by a word before it or by its name;
/// looks don't count.
pub(crate) fn recognized(text: &str) -> Option<&'static str> {
    let folded = fold(text);
    let texts = [folded.as_deref(), Some(text)];
    texts.into_iter().flatten().find_map(|text| {
        let finds = merged(text, finds(&View::of(text)));
        finds.iter().find(|find| find.rank < Rank::Look).map(|find| find.kind)
    })
}

/// One pass. The rules know ASCII: wide letters, odd spaces and escapes are for people and parsers to read, not to
/// hide behind.
fn step(text: &str, shown: usize, tally: &mut Tally) -> Option<String> {
    let mut pass = |text: &str, shown: usize| {
        let view = View::of(text);
        let finds = finds(&view);
        tally.looked_at += view.looked_at();
        let finds = merged(text, finds);
        let shortest = finds.iter().map(|find| find.end - find.start).min();
        tally.shortest = [tally.shortest, shortest].into_iter().flatten().min();
        replaced(text, finds, byte_at(text, shown))
    };
    let folded = fold(text).and_then(|folded| {
        // Written out, a character may be shorter than it was.
        let shown = if shown >= text.len() {
            usize::MAX
        } else {
            let before = &text[..byte_at(text, shown)];
            fold(before).as_deref().unwrap_or(before).chars().count()
        };
        pass(&folded, shown)
    });
    folded.or_else(|| pass(text, shown))
}

/// Where the character of this number begins.
fn byte_at(text: &str, character: usize) -> usize {
    if character >= text.len() {
        return text.len();
    }
    text.char_indices().nth(character).map_or(text.len(), |(at, _)| at)
}

/// All secrets, as the rules name them: in no order, and several rules may have found one.
fn finds(view: &View<'_>) -> Vec<Find> {
    let words = &*WORDS;
    let mut state = words.start();
    let mut found: Vec<Find> = Vec::new();
    let mut covered = 0..0;
    let mut pairs = Pairs::default();
    let mut command: Option<Run> = None;
    let mut run: Option<usize> = None;
    let mut at = 0;
    while let Some(byte) = view.at(at) {
        if byte == b'[' {
            let length = marker_len(view.ahead(at, LONGEST));
            if length > 0 {
                if let Some(start) = run.take() {
                    entropy::token(view, start, at, &mut found);
                }
                state = words.start();
                at += length;
                continue;
            }
        }
        match run {
            None if entropy::is_token_byte(byte) => run = Some(at),
            Some(start) if !entropy::is_token_byte(byte) => {
                entropy::token(view, start, at, &mut found);
                run = None;
            }
            _ => {}
        }
        state = words.next(state, byte);
        for (wakes, length) in words.woken(state) {
            let (start, end) = (at + 1 - length, at + 1);
            if covered.contains(&start) {
                continue;
            }
            if let Wakes::Command(named) = wakes {
                if let Some((begun, find)) = Run::begin(view, named, start, end) {
                    command = Some(begun);
                    found.extend(find);
                }
            } else if let Some(find) = wakes.find(view, start, end) {
                if find.rank == Rank::Shape {
                    covered = find.start..find.end;
                }
                found.push(find);
            }
        }
        pairs.take(view, at, byte, &mut found);
        match byte {
            b'|' | b';' | b'\n' => command = None,
            b' ' | b'\t' => found.extend(command.as_mut().and_then(|run| run.argument(view, at + 1))),
            _ => {}
        }
        at += 1;
    }
    if let Some(start) = run {
        entropy::token(view, start, at, &mut found);
    }
    found
}

/// In order and without overlaps. Of finds that overlap, the larger names the whole, and of equals the more
/// exact one; what has only the look of a secret gives way to any.
fn merged(text: &str, mut finds: Vec<Find>) -> Vec<Find> {
    finds.retain(|find| find.start < find.end && !is_marker(&text[find.start..find.end]));
    finds.sort_by_key(|find| (find.start, std::cmp::Reverse(find.end), find.rank));
    let mut merged: Vec<Find> = Vec::new();
    for find in finds {
        match merged.last_mut() {
            Some(last) if find.start < last.end => {
                let beyond = find.end > last.end;
                if find.rank < last.rank && (beyond || last.rank == Rank::Look) {
                    (last.kind, last.rank) = (find.kind, find.rank);
                }
                last.end = last.end.max(find.end);
            }
            _ => merged.push(find),
        }
    }
    merged
}

/// Puts markers in the place of the finds; none when nothing changes. What begins at `shown` or after it is
/// left out.
fn replaced(text: &str, finds: Vec<Find>, shown: usize) -> Option<String> {
    let mut out = String::new();
    let mut done = 0;
    for find in finds.iter().filter(|find| find.start < shown) {
        out.push_str(&text[done..find.start]);
        out.push_str(MARKER);
        out.push_str(find.kind);
        out.push(']');
        done = find.end;
    }
    if done == 0 {
        return None;
    }
    out.push_str(text.get(done..shown).unwrap_or(""));
    (out != text).then_some(out)
}
