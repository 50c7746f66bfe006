//! How times, spans and numbers are written for people.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use domain::Status;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// A time as pages write it: for machines, in full, and relative to now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DisplayTime {
    /// RFC 3339.
    pub(super) iso: String,
    /// In full.
    pub(super) full: String,
    /// With the day, without the year.
    pub(super) brief: String,
    /// The time of the day to the millisecond.
    pub(super) clock: String,
    /// How long ago, or in how long.
    pub(super) ago: String,
}

impl DisplayTime {
    pub(super) fn new(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self {
            iso: at.to_rfc3339_opts(SecondsFormat::Millis, true),
            full: at.format("%-d %b %Y %H:%M:%S UTC").to_string(),
            brief: at.format("%-d %b %H:%M:%S").to_string(),
            clock: at.format("%H:%M:%S%.3f").to_string(),
            ago: ago(at, now),
        }
    }
}

fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let passed = now - at;
    if passed.abs() < TimeDelta::seconds(1) {
        "just now".to_owned()
    } else if passed < TimeDelta::zero() {
        format!("in {}", rough(-passed))
    } else {
        format!("{} ago", rough(passed))
    }
}

/// What people know an item by, and in which namespace it is not known, if it is not: the directory's name counts more
/// than the label that came with an event, for it is that of today.
pub(super) fn known_as(
    label: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
) -> (Option<String>, Option<String>) {
    match name {
        Some(name) => (Some(name), None),
        None => (label, namespace),
    }
}

/// A span in its largest unit.
pub(super) fn rough(span: TimeDelta) -> String {
    let (days, hours, minutes) = (span.num_days(), span.num_hours(), span.num_minutes());
    match (days, hours, minutes) {
        (2.., _, _) => format!("{days} days"),
        (_, 1.., _) => format!("{hours} h"),
        (_, _, 1..) => format!("{minutes} min"),
        _ => format!("{} s", span.num_seconds()),
    }
}

/// A span in its two largest units.
pub(super) fn span(span: TimeDelta) -> String {
    let span = span.max(TimeDelta::zero());
    let (days, hours, minutes, seconds) =
        (span.num_days(), span.num_hours() % 24, span.num_minutes() % 60, span.num_seconds() % 60);
    match (days, span.num_hours(), span.num_minutes(), span.num_seconds()) {
        (1.., ..) => format!("{days} d {hours} h"),
        (_, 1.., ..) => format!("{hours} h {minutes} min"),
        (_, _, 1.., _) => format!("{minutes} min {seconds} s"),
        (_, _, _, 10..) => format!("{seconds} s"),
        _ => {
            let tenths = span.num_milliseconds() / 100;
            format!("{}.{} s", tenths / 10, tenths % 10)
        }
    }
}

/// A span that is only known roughly: in one unit, or in two where one would hide too much.
pub(super) fn about(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a span that is too long for it is the longest one")]
    let passed = TimeDelta::milliseconds((seconds * 1_000.0) as i64);
    match passed.num_seconds() {
        10..3_600 => rough(passed),
        _ => span(passed),
    }
}

/// A span from then on, or before it.
pub(super) fn offset(passed: TimeDelta) -> String {
    // To the tenth, as short spans are written: what is less before is at the same time.
    if passed.num_milliseconds() <= -100 {
        format!("−{}", span(-passed))
    } else {
        format!("+{}", span(passed))
    }
}

/// How much of a list is shown: `2 of 4 runs`. `more` says that there is more than what is shown, where nobody knows
/// how much.
pub(super) fn extent(shown: usize, all: Option<u64>, more: bool, thing: &str) -> String {
    let shown = shown as u64;
    match all {
        Some(all) if all > shown => format!("{} of {}", number(shown), counted(all, thing)),
        None if more => format!("{}, and there are more", counted(shown, thing)),
        _ => counted(shown, thing),
    }
}

/// A number with commas between its thousands.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 run`, `2 runs`.
pub(super) fn counted(n: u64, thing: &str) -> String {
    let mut text = format!("{} {thing}", number(n));
    if n != 1 {
        text.push('s');
    }
    text
}

/// A status in words.
pub(super) fn status(status: Status) -> &'static str {
    match status {
        Status::Queued => "Queued",
        Status::Running => "Running",
        Status::Succeeded => "Succeeded",
        Status::PartiallySucceeded => "Partially succeeded",
        Status::Failed => "Failed",
    }
}

/// JSON in lines. Characters that are not seen, or that change the order in which others are seen, are
/// written as escapes: what a producer has sent is to be read as it is.
pub(super) fn json(value: &serde_json::Value) -> String {
    let mut text = String::new();
    for letter in format!("{value:#}").chars() {
        match letter {
            '\n' => text.push('\n'),
            _ if is_unseen(letter) => {
                let mut units = [0; 2];
                for unit in letter.encode_utf16(&mut units) {
                    // Writing to a String does not fail.
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
            _ => text.push(letter),
        }
    }
    text
}

/// Controls, and the characters that format: direction, joining, tags (Unicode 16, general category Cf).
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// As in the API's links, but for the colon, which a query may have as it is.
const RESERVED: &AsciiSet = &api::RESERVED.remove(b':');

/// A query in a URL: pairs in their order, percent-encoded (RFC 3986, section 2.1). Empty where there are
/// none, else with the question mark.
pub(super) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.extend(utf8_percent_encode(name, RESERVED).chain(["="]));
        text.extend(utf8_percent_encode(value, RESERVED));
    }
    text
}

/// An address as a header can have it: what is not ASCII is percent-encoded in UTF-8, and so is a blank (RFC 3987,
/// section 3.1).
pub(super) fn in_header(address: &str) -> String {
    const NOT_GRAPHIC: &AsciiSet = &CONTROLS.add(b' ');
    utf8_percent_encode(address, NOT_GRAPHIC).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        let of = |ms| span(TimeDelta::milliseconds(ms));
        assert_eq!(of(-5), "0.0 s");
        assert_eq!(of(1_250), "1.2 s");
        assert_eq!(of(59_999), "59 s");
        assert_eq!(of(61_000), "1 min 1 s");
        assert_eq!(of(3_600_000 * 25), "1 d 1 h");
        assert_eq!(of(3_600_000 * 2 + 60_000 * 5), "2 h 5 min");
    }

    #[test]
    fn what_is_known_roughly_is_told_so() {
        let told = [0.35, 9.0, 59.0, 615.0, 3_599.0, 5_400.0, 100_000.0].map(about);
        assert_eq!(told, ["0.3 s", "9.0 s", "59 s", "10 min", "59 min", "1 h 30 min", "1 d 3 h"]);
    }

    #[test]
    fn what_came_before_is_told_as_such() {
        let of = |ms| offset(TimeDelta::milliseconds(ms));
        assert_eq!((of(-2_500), of(-99), of(0)), ("−2.5 s".into(), "+0.0 s".into(), "+0.0 s".into()));
        assert_eq!((of(61_000), of(-61_000)), ("+1 min 1 s".into(), "−1 min 1 s".into()));
    }

    #[test]
    fn a_part_is_told_of_its_whole() {
        assert_eq!(extent(50, Some(5_000), true, "item"), "50 of 5,000 items");
        assert_eq!(extent(1, Some(1), false, "item"), "1 item");
        assert_eq!(extent(50, None, true, "run"), "50 runs, and there are more");
        // What was counted lags behind what is shown: then there is no more than that.
        assert_eq!(
            (extent(3, Some(2), false, "run"), extent(3, None, false, "run")),
            ("3 runs".into(), "3 runs".into())
        );
    }

    #[test]
    fn moments_are_told_from_now() {
        let now: DateTime<Utc> = "2026-11-24T10:00:00Z".parse().unwrap();
        let of = |seconds| DisplayTime::new(now - TimeDelta::seconds(seconds), now).ago;
        assert_eq!(
            (of(0), of(59), of(60 * 14), of(-90)),
            ("just now".into(), "59 s ago".into(), "14 min ago".into(), "in 1 min".into())
        );
        assert_eq!((of(86_400), of(86_400 * 3)), ("24 h ago".into(), "3 days ago".into()));
        assert_eq!(DisplayTime::new(now, now).full, "24 Nov 2026 10:00:00 UTC");
    }

    #[test]
    fn numbers_are_grouped_and_things_counted() {
        assert_eq!((number(0), number(999), number(1_000)), ("0".into(), "999".into(), "1,000".into()));
        assert_eq!(counted(1_234_567, "run"), "1,234,567 runs");
        assert_eq!(counted(1, "run"), "1 run");
    }

    #[test]
    fn what_is_not_seen_in_json_is_written_out() {
        let value = serde_json::json!({"a": "x\u{202e}y\u{1b}\u{e0041}é"});
        assert_eq!(json(&value), "{\n  \"a\": \"x\\u202ey\\u001b\\udb40\\udc41é\"\n}");
    }

    #[test]
    fn addresses_fit_into_headers() {
        assert_eq!(in_header("/t/demo?q=a%20b&c"), "/t/demo?q=a%20b&c");
        assert_eq!(in_header("/é \u{1}"), "/%C3%A9%20%01");
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(query([]), "");
        assert_eq!(query([("label", "a:b c"), ("q", "é&")]), "?label=a:b%20c&q=%C3%A9%26");
    }
}
