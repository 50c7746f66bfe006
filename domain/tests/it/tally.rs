//! Runs that count their items and don't name them.

use crate::support::*;
use domain::{Counts, EventBody, Rejection, Status};

fn counts(succeeded: u64, failed: u64, skipped: u64) -> Counts {
    Counts { succeeded, failed, skipped }
}

#[test]
fn the_status_follows_from_the_tally() {
    for (tally, status) in [
        ((1_997, 2, 1), Status::PartiallySucceeded),
        ((2_000, 0, 0), Status::Succeeded),
        ((0, 0, 0), Status::Succeeded),
        ((0, 3, 5), Status::Failed),
    ] {
        let (succeeded, failed, skipped) = tally;
        let end = tallied(succeeded, failed, skipped);
        let run = given([queued(), started()]).when([end]).then(&["Completed"]);
        assert_eq!((run.status, run.counts), (Some(status), counts(succeeded, failed, skipped)));
        assert!(run.tallied);
    }
    assert!(!given([queued(), started(), completed()]).run.tallied);
}

#[test]
fn named_items_are_part_of_it() {
    let history = || [queued(), started(), succeeded("a"), failed_item("b"), failed_item("a")];
    // a and b have failed; others need no names.
    let run = given(history()).when([tallied(5, 2, 0)]).then(&["Completed"]);
    assert_eq!((run.status, run.counts), (Some(Status::PartiallySucceeded), counts(5, 2, 0)));
    for tally in [(5, 1, 0), (0, 0, 0), (9, 0, 9)] {
        let refused = given(history()).when([tallied(tally.0, tally.1, tally.2)]).then_refused();
        let tally = counts(tally.0, tally.1, tally.2);
        assert_eq!(refused, Rejection::TallyContradicts { index: 0, tally, named: counts(0, 2, 0) });
        let says = refused.to_string();
        assert!(says.contains("0 succeeded, 2 failed, 0 skipped"), "{says}");
    }
}

#[test]
fn what_the_same_command_names_counts_as_well() {
    let items = |end: EventBody| [succeeded("a"), failed_item("a"), skipped("b"), end];
    given([queued(), started(), succeeded("b")]).when(items(tallied(0, 1, 1))).then(&[
        "ItemSucceeded",
        "ItemFailed",
        "ItemSkipped",
        "Completed",
    ]);
    let refused = given([queued(), started(), succeeded("b")]).when(items(tallied(2, 1, 0))).then_refused();
    let named = counts(0, 1, 1);
    assert_eq!(refused, Rejection::TallyContradicts { index: 3, tally: counts(2, 1, 0), named });
}
