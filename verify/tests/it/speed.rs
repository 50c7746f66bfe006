//! How long it takes. Run apart, in a release build: `cargo test --release -p runledger-verify -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use seal::export::Selection;

use crate::ledger::{Ledger, only};
use crate::python::Question;

fn filled(runs: usize, events: usize) -> Ledger {
    let mut ledger = Ledger::new(5);
    for run in 0..runs {
        let at =
            format!("2026-03-{:02}T{:02}:{:02}:00.123456Z", 1 + run / 1440 % 28, run / 60 % 24, run % 60);
        ledger.begin("backup_set.add_policies", &at);
        for event in 1..events {
            let data = format!(
                r#"{{"item":"policy-{event}","label":"Policy number {event}","reason_code":"target.unreachable","message":"could not reach the target after 3 tries"}}"#
            );
            ledger.append(run, "ItemFailed", data.as_bytes(), &at);
        }
    }
    ledger.seal();
    ledger
}

fn timed(name: &str, what: impl FnOnce() -> crate::python::Answer) -> Duration {
    let begun = Instant::now();
    let answer = what();
    let took = begun.elapsed();
    assert_eq!(answer.code, 0, "{answer:?}");
    println!("{name}: {took:.2?}");
    took
}

#[test]
#[ignore = "needs a release build"]
fn long_runs_and_large_populations_are_verified_in_seconds() {
    let ledger = filled(1, 100_000);
    let run = ledger.export(&only(&ledger, 0), false, &[]).unstamped();
    let run = Question::new(&run.zip(), &ledger.policy_text("two"), None);
    let one = timed("a run of 100,000 events", || run.binary());
    let python = timed("the same by verify.py", || run.python());
    drop(ledger);
    let ledger = filled(20_000, 50);
    let zip = ledger.export(&Selection::default(), false, &[]).zip();
    println!("1,000,000 events of 20,000 runs: {} MB", zip.len() >> 20);
    let all = Question::new(&zip, &ledger.policy_text("two"), None);
    drop((ledger, zip));
    let million = timed("the same, verified", || all.binary());
    let within = |took: Duration, seconds| took < Duration::from_secs(seconds);
    assert!(within(one, 1) && within(python, 10) && within(million, 10), "{one:?} {python:?} {million:?}");
}
