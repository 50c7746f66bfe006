//! The filters that a list is shown with, each with the way to be rid of it.

use chrono::{DateTime, TimeDelta, Utc};

use super::links::Links;

/// A filter in use.
pub(super) struct InUse {
    /// What it filters by.
    pub(super) name: &'static str,
    pub(super) value: String,
    /// The list without it.
    pub(super) without: String,
}

/// What the parameters are called. Those that the chips above the list choose between are shown there.
const NAMES: [(&str, &str); 8] = [
    ("q", "begins with"),
    ("kind", "kind"),
    ("initiator", "initiator"),
    ("label", "label"),
    ("ref", "reference"),
    ("ref_source", "source of the reference"),
    ("idempotency_key", "idempotency key"),
    ("parent", "part of"),
];

/// Pairs of times, and what runs did between them.
const SPANS: [(&str, &str, &str); 2] =
    [("since", "until", "queued"), ("ended_since", "ended_until", "ended")];

/// The filters in use, in the order in which they were asked for; times at the end.
pub(super) fn in_use(links: Links<'_>) -> Vec<InUse> {
    let named = links.pairs().iter().filter_map(|(given, value)| {
        let (_, name) = NAMES.iter().find(|(known, _)| known == given)?;
        Some(InUse { name, value: value.clone(), without: links.without_one(given, value) })
    });
    let spans = SPANS.iter().filter_map(|(since, until, name)| {
        let value = span(links.value(since), links.value(until))?;
        Some(InUse { name, value, without: links.with(&[since, until], &[]) })
    });
    named.chain(spans).collect()
}

/// From when until when, as short as it is clear.
fn span(since: Option<&str>, until: Option<&str>) -> Option<String> {
    let time = |text: &str| Some(DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc));
    let told = |text: &str| time(text).map_or_else(|| text.to_owned(), full);
    Some(match (since, until) {
        (None, None) => return None,
        (Some(since), None) => format!("since {}", told(since)),
        (None, Some(until)) => format!("before {}", told(until)),
        (Some(since), Some(until)) => match (time(since), time(until)) {
            (Some(from), Some(to))
                if to - from <= TimeDelta::days(1) && from.date_naive() == to.date_naive() =>
            {
                format!("{} to {} UTC", from.format("%-d %b %Y %H:%M"), to.format("%H:%M"))
            }
            _ => format!("{} to {}", told(since), told(until)),
        },
    })
}

fn full(time: DateTime<Utc>) -> String {
    time.format("%-d %b %Y %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_filter_is_told_and_can_be_taken_out() {
        let given = [
            ("status", "failed"),
            ("label", "env:prod"),
            ("label", "team:a"),
            ("since", "2026-11-24T10:00:00Z"),
            ("until", "2026-11-24T11:00:00Z"),
            ("ended_since", "2026-11-24T10:00:00Z"),
            ("cursor", "x"),
        ];
        let pairs: Vec<_> = given.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let used = in_use(Links::new("/r", &pairs));
        let told: Vec<_> = used.iter().map(|used| format!("{} {}", used.name, used.value)).collect();
        assert_eq!(
            told,
            [
                "label env:prod",
                "label team:a",
                "queued 24 Nov 2026 10:00 to 11:00 UTC",
                "ended since 24 Nov 2026 10:00 UTC"
            ]
        );
        let rest = "since=2026-11-24T10:00:00Z&until=2026-11-24T11:00:00Z&ended_since=2026-11-24T10:00:00Z";
        assert_eq!(
            used.first().map(|used| used.without.clone()),
            Some(format!("/r?status=failed&label=team:a&{rest}"))
        );
        assert_eq!(
            used.get(2).map(|used| used.without.as_str()),
            Some("/r?status=failed&label=env:prod&label=team:a&ended_since=2026-11-24T10:00:00Z")
        );
    }
}
