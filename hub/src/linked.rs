//! The runs that a run has to do with: what it is a part of, its own parts, and what it goes on with.

use domain::RunId;
use reads::runs::{ChildCounts, LinkedRunView, RunView};

use super::words;

/// A link to another run.
pub(super) struct LinkedRun {
    /// What that run is to this one.
    pub(super) what: &'static str,
    pub(super) id: String,
    pub(super) href: String,
}

/// The parts of a run.
pub(super) struct Parts {
    /// How many there are in each status.
    pub(super) text: String,
    /// The list of them.
    pub(super) href: String,
}

/// The runs that it names, and those that name it as what they come after.
pub(super) fn named(run: &RunView) -> Vec<LinkedRun> {
    let runs = runs_of(run);
    let named = [("Part of", run.parent), ("Retry of", run.retry_of), ("Goes on with", run.resumes)];
    let named = named.into_iter().filter_map(|(what, run)| Some((what, run?)));
    let followed = [("Retried by", &run.retried_by), ("Resumed by", &run.resumed_by)];
    let followed = followed
        .into_iter()
        .flat_map(|(what, runs)| runs.iter().flatten().map(move |run: &LinkedRunView| (what, *run)));
    let link = |(what, link): (&'static str, LinkedRunView)| {
        let id = link.run_id.to_string();
        LinkedRun { what, href: format!("{runs}/{id}"), id }
    };
    named.chain(followed).map(link).collect()
}

/// Its parts, where it has any.
pub(super) fn parts(run: &RunView) -> Option<Parts> {
    let counts = run.children?;
    (counts.all() > 0).then(|| Parts { text: in_words(counts), href: parts_of(run, run.run_id) })
}

/// How many of its parts failed, or did in part, where any did.
pub(super) fn failed_parts(run: &RunView) -> Option<String> {
    let counts = run.children?;
    let told = |n: u64, what: &str| (n > 0).then(|| format!("{} {what}", words::counted(n, "part")));
    let told = [told(counts.failed, "failed"), told(counts.partially_succeeded, "partially succeeded")];
    let told: Vec<String> = told.into_iter().flatten().collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// The list of all parts of the run that it is a part of.
pub(super) fn siblings(run: &RunView) -> Option<String> {
    run.parent.map(|parent| parts_of(run, parent.run_id))
}

fn parts_of(run: &RunView, of: RunId) -> String {
    format!("{}?parent={of}", runs_of(run))
}

/// The page of all runs: a run's own is below it.
fn runs_of(run: &RunView) -> &str {
    run.links.view.rsplit_once('/').map_or("", |(runs, _)| runs)
}

fn in_words(counts: ChildCounts) -> String {
    let all = counts.all();
    let each = [
        (counts.queued, "queued"),
        (counts.running, "running"),
        (counts.succeeded, "succeeded"),
        (counts.partially_succeeded, "partially succeeded"),
        (counts.failed, "failed"),
    ];
    let each = each.into_iter().filter(|(runs, _)| *runs > 0);
    let each: Vec<String> = each.map(|(runs, status)| format!("{} {status}", words::number(runs))).collect();
    format!("{} {}: {}", words::number(all), if all == 1 { "part" } else { "parts" }, each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_by_their_status() {
        let counts = ChildCounts { running: 1, failed: 1_200, ..ChildCounts::default() };
        assert_eq!(in_words(counts), "1,201 parts: 1 running, 1,200 failed");
        assert_eq!(in_words(ChildCounts { queued: 1, ..ChildCounts::default() }), "1 part: 1 queued");
    }
}
