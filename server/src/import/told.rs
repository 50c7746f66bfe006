//! What an import has found, in words.

use std::collections::BTreeMap;

use imports::{Found, Report};

use crate::print_line;

pub(super) fn in_words(report: &Report) {
    let Report { rows, imported, further, known, left_out, refused, noted, runs, events, .. } = report;
    let would = if report.dry_run { "would be " } else { "" };
    print_line!("{rows} rows: {imported} runs {would}new, with {events} events");
    if *further > 0 {
        print_line!("{further} runs that were imported before have gone on since");
    }
    if *known > 0 {
        print_line!("{known} runs are there already");
    }
    for (why, count) in left_out {
        let why = match *why {
            "unfinished" => "are not done: --unfinished says what becomes of them",
            _ => "are no runs, as the mapping says",
        };
        print_line!("{count} rows {why}");
    }
    if let (Some(earliest), Some(latest)) = (report.earliest, report.latest) {
        print_line!("queued from {} to {}", earliest.format("%F %T UTC"), latest.format("%F %T UTC"));
    }
    for (kind, statuses) in runs {
        let statuses: Vec<String> =
            statuses.iter().map(|(status, count)| format!("{count} {status}")).collect();
        print_line!("  {kind:<32}  {}", statuses.join(", "));
    }
    list("to be known", noted);
    list("NOT imported", refused);
}

fn list(title: &str, all: &BTreeMap<&'static str, Found>) {
    for (code, found) in all {
        print_line!("{title}: {code}, {} times", found.count);
        for example in &found.examples {
            let key = example.key.as_deref().map(|key| format!(" ({key})")).unwrap_or_default();
            print_line!("  row {}{key}: {}", example.row, example.text);
        }
        let more = found.count.saturating_sub(found.examples.len() as u64);
        if more > 0 {
            print_line!("  and {more} more");
        }
    }
}
