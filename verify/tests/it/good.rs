//! Good exports of all forms, which both verify.

use seal::export::Selection;
use seal::note::SignedNote;
use seal::policy::Policy;

use crate::ledger::{Export, Ledger, only, period, sample};
use crate::python::both;

fn good(ledger: &Ledger, export: &Export, older: Option<&SignedNote>) -> verify::Report {
    let report = export.verify(&ledger.policy(), older).unwrap_or_else(|error| panic!("{error}"));
    let answer = both(export, &ledger.policy_text("two"), older);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(answer.out, report.to_string());
    report
}

#[test]
fn one_run() {
    let (ledger, _) = sample();
    for run in [0, 4, 9, 10] {
        let report = good(&ledger, &ledger.export(&only(&ledger, run), false, &[]), None);
        assert_eq!((report.runs_listed, report.runs_selected, report.runs_total), (1, 1, 11));
        assert_eq!(report.events, ledger.runs[run].events.len() as u64);
        assert_eq!(report.events_erased, u64::from(run == 4 || run == 9));
    }
}

/// Where an exporter shows its neighbours too, that is no lie.
#[test]
fn one_run_between_its_neighbours() {
    let (ledger, _) = sample();
    let wide = ledger.export(&period("2026-03-01T04:00:00Z", "2026-03-01T05:00:00Z", ""), false, &[]);
    let mut export = wide.clone();
    export.manifest(|manifest| manifest.selection = only(&ledger, 4));
    assert_eq!(good(&ledger, &export, None).runs_listed, 3);
}

#[test]
fn a_population_with_neighbours_and_kinds() {
    let (ledger, _) = sample();
    let selection = period("2026-03-01T02:30:00+01:00", "2026-03-01T08:00:00.000000001Z", "drift");
    let report = good(&ledger, &ledger.export(&selection, false, &[]), None);
    // 01:30 to 08:00 has the runs 2 to 7, two of them of the kind, with the neighbours 1 and 8.
    assert_eq!((report.runs_first, report.runs_listed, report.runs_selected), (1, 8, 2));
    let report = good(&ledger, &ledger.export(&period("", "", "drift"), false, &[]), None);
    // Of run 9, which is one, that can't be told any more.
    assert_eq!((report.runs_listed, report.runs_selected, report.runs_untold), (11, 4, 1));
}

#[test]
fn all_runs_and_the_administration() {
    let (ledger, older) = sample();
    let size = older.text.lines().nth(1).unwrap().parse().unwrap();
    let export = ledger.export(&Selection::default(), true, &[3, size]);
    let report = good(&ledger, &export, Some(&older));
    assert_eq!((report.administration, report.runs_selected), (Some(3), 11));
    assert_eq!(
        (report.earliest.as_deref(), report.latest.as_deref()),
        (Some("2026-03-01T00:00:00Z"), Some("2026-03-01T12:00:00Z"))
    );
    assert_eq!(report.older.map(|older| older.size), Some(size));
    assert_eq!(report.cosigners.len(), 3);
    assert_eq!(report.cosigners[0].at, "2026-03-01T12:00:00Z");
    assert_eq!(report.not_checked, ["README.txt"]);
    assert_eq!(report.tenant_named_by, report.events - report.events_erased);
    // The newest checkpoint is the beginning of itself.
    good(&ledger, &export, Some(&ledger.sign(&ledger.checkpoint())));
}

#[test]
fn nothing_at_all() {
    let mut ledger = Ledger::new(2);
    ledger.seal();
    let report = good(&ledger, &ledger.export(&period("2026-01-01T00:00:00Z", "", "x"), true, &[]), None);
    assert_eq!((report.runs_listed, report.events, report.size), (0, 0, 1));
    ledger.begin("x", "2026-01-01T00:00:00Z");
    ledger.seal();
    good(&ledger, &ledger.export(&Selection::default(), false, &[0, 1, 2]), None);
}

#[test]
fn periods_without_runs() {
    let (ledger, _) = sample();
    for (since, until, first, listed) in [
        ("2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z", 0, 1),
        ("2026-04-01T00:00:00Z", "", 10, 1),
        ("2026-03-01T04:30:00Z", "2026-03-01T04:45:00Z", 4, 2),
    ] {
        let report = good(&ledger, &ledger.export(&period(since, until, ""), false, &[]), None);
        assert_eq!(
            (report.runs_first, report.runs_listed, report.runs_selected),
            (first, listed, 0),
            "{since}"
        );
    }
}

#[test]
fn clocks_that_went_backwards_are_told() {
    let mut ledger = Ledger::new(3);
    for at in ["2026-03-01T10:00:00Z", "2026-03-01T09:59:59Z", "2026-03-01T10:00:01Z", "2026-03-01T11:00:00Z"]
    {
        ledger.begin("x", at);
    }
    ledger.seal();
    let selection = period("2026-03-01T10:00:00Z", "2026-03-01T10:30:00Z", "");
    let report = good(&ledger, &ledger.export(&selection, false, &[]), None);
    assert_eq!((report.runs_selected, report.runs_backwards), (2, vec![1]));
}

#[test]
fn without_witnesses_the_report_says_so() {
    let (mut ledger, _) = sample();
    ledger.witnesses.clear();
    let policy = format!("log {}\nquorum none\n", ledger.log.verifier());
    let export = ledger.export(&only(&ledger, 1), false, &[]);
    let answer = both(&export, &policy, None);
    assert!(answer.code == 0 && answer.out.contains("No witness has cosigned"), "{answer:?}");
    assert!(answer.out.contains("Without --since"), "{answer:?}");
    assert_eq!(export.verify(&Policy::parse(&policy).unwrap(), None).unwrap().cosigners, []);
}
