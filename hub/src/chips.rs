//! Counts that are filters: how many runs there are in each status, and how many need attention.

use domain::Status;
use reads::runs::{Flagged, LOOKED_AT};
use reads::stats::StatusCounts;

use super::links::Links;
use super::texts;
use super::words;

/// What the chips choose between.
const CHOICES: [&str; 4] = ["status", "liveness", "held", "late"];

/// The same, and what asks for runs that have ended: those neither stall nor are they late.
const AND_ENDED: [&str; 7] = ["status", "liveness", "held", "late", "ended_since", "ended_until", "sort"];

/// A count that is a filter.
pub(super) struct Chip {
    pub(super) name: &'static str,
    /// The class that gives it its colour and shape.
    pub(super) class: &'static str,
    pub(super) runs: Option<String>,
    pub(super) href: String,
    pub(super) chosen: bool,
}

/// The chips of a list, by the counts of all its tenant's runs, or of those of one kind.
pub(super) fn chips(links: Links<'_>, counts: StatusCounts, flagged: Flagged) -> Vec<Chip> {
    let stalled = links.value("liveness") == Some("stalled");
    let late = links.value("late") == Some("true");
    let quarantined = links.value("held") == Some("true");
    let statuses: Vec<_> = links.values("status").collect();
    let mut chips = vec![Chip {
        name: "All",
        class: "all",
        runs: Some(words::number(counts.all())),
        href: links.with(&CHOICES, &[]),
        chosen: statuses.is_empty() && !stalled && !late && !quarantined,
    }];
    for (status, runs) in [
        (Status::Queued, counts.queued),
        (Status::Running, counts.running),
        (Status::Succeeded, counts.succeeded),
        (Status::PartiallySucceeded, counts.partially_succeeded),
        (Status::Failed, counts.failed),
    ] {
        let class = status.as_str();
        chips.push(Chip {
            name: words::status(status),
            class,
            runs: Some(words::number(runs)),
            href: links.with(&CHOICES, &[("status", class)]),
            chosen: statuses.contains(&class),
        });
    }
    // Where there are more active runs than were looked at, what was found is the least that there is.
    let all_seen = counts.queued <= LOOKED_AT && counts.running <= LOOKED_AT;
    chips.push(Chip {
        name: texts::STALLED,
        class: "stalled",
        runs: at_least(flagged.stalled, all_seen),
        href: links.with(&AND_ENDED, &[("liveness", "stalled")]),
        chosen: stalled,
    });
    if flagged.late > 0 || late {
        chips.push(Chip {
            name: texts::LATE,
            class: "late",
            runs: at_least(flagged.late, all_seen),
            href: links.with(&AND_ENDED, &[("late", "true")]),
            chosen: late,
        });
    }
    if flagged.quarantined > 0 || quarantined {
        let more = if flagged.quarantined >= LOOKED_AT { "+" } else { "" };
        chips.push(Chip {
            name: texts::HELD,
            class: "held",
            runs: Some(format!("{}{more}", words::number(flagged.quarantined))),
            href: links.with(&CHOICES, &[("held", "true")]),
            chosen: quarantined,
        });
    }
    chips
}

/// So many, or at least so many where not all were looked at: then none says nothing.
fn at_least(found: u64, all_seen: bool) -> Option<String> {
    match (found, all_seen) {
        (n, true) => Some(words::number(n)),
        (0, false) => None,
        (n, false) => Some(format!("{}+", words::number(n))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn counted(counts: StatusCounts, flagged: Flagged, name: &str) -> Option<Option<String>> {
        let chips = chips(Links::new("/r", &[]), counts, flagged);
        chips.into_iter().find(|chip| chip.name == name).map(|chip| chip.runs)
    }

    #[test]
    fn what_needs_somebody_is_counted_as_far_as_was_looked() {
        let few = StatusCounts { running: 3, ..StatusCounts::default() };
        let many = StatusCounts { running: LOOKED_AT + 1, ..StatusCounts::default() };
        let stalled = |stalled| Flagged { stalled, ..Flagged::default() };
        assert_eq!(counted(few, stalled(2), "Stalled").unwrap().unwrap(), "2");
        assert_eq!(counted(many, stalled(2), "Stalled").unwrap().unwrap(), "2+");
        assert_eq!(counted(many, stalled(0), "Stalled").unwrap(), None);
        assert_eq!(counted(few, stalled(0), "Held"), None);
        let late = |late| Flagged { late, ..Flagged::default() };
        assert_eq!(counted(few, late(0), "Late"), None);
        assert_eq!(counted(many, late(2), "Late").unwrap().unwrap(), "2+");
        let quarantined = Flagged { quarantined: LOOKED_AT, ..Flagged::default() };
        assert_eq!(counted(few, quarantined, "Held").unwrap().unwrap(), "1,000+");
    }
}
