//! The program itself: what it is asked, what it answers, how it ends.

use std::process::Command;

use seal::export::Selection;

use crate::ledger::sample;
use crate::python::{Answer, Question, answer};

fn ask(question: &Question, arguments: &[&str]) -> [Answer; 2] {
    let mut binary = Command::new(env!("CARGO_BIN_EXE_runledger-verify"));
    binary.current_dir(question.path()).args(arguments);
    let mut python = Command::new("python3");
    python.args(["-I", concat!(env!("CARGO_MANIFEST_DIR"), "/verify.py")]);
    python.current_dir(question.path()).args(arguments);
    [answer(binary), answer(python)]
}

#[test]
fn where_nothing_could_be_checked_it_ends_with_2() {
    let (ledger, older) = sample();
    let export = ledger.export(&Selection::default(), false, &[]);
    let question = Question::new(&export.zip(), &ledger.policy_text("two"), Some(&older));
    std::fs::write(question.path().join("bad"), "quorum\n").unwrap();
    for arguments in [
        &[][..],
        &["export.zip"],
        &["--policy", "policy"],
        &["export.zip", "--policy", "none"],
        &["none.zip", "--policy", "policy"],
        &["export.zip", "--policy", "bad"],
        &["export.zip", "--policy", "export.zip"],
        &["export.zip", "--policy", "policy", "--since", "none"],
        &["export.zip", "--policy", "policy", "--since", "bad"],
        &["export.zip", "--policy", "policy", "--what"],
    ] {
        for answer in ask(&question, arguments) {
            assert_eq!(answer.code, 2, "{arguments:?}: {answer:?}");
        }
    }
}

/// What was kept may be a checkpoint, or the proof of an earlier export.
#[test]
fn a_kept_proof_counts_as_its_checkpoint() {
    let (ledger, _) = sample();
    let export = ledger.export(&Selection::default(), false, &[]);
    let question = Question::new(&export.zip(), &ledger.policy_text("two"), None);
    std::fs::write(question.path().join("kept"), export.text(verify::PROOF)).unwrap();
    for answer in ask(&question, &["export.zip", "--policy", "policy", "--since", "kept"]) {
        assert_eq!(answer.code, 0, "{answer:?}");
    }
}

#[test]
fn it_answers_in_json_too() {
    let (ledger, _) = sample();
    let mut export = ledger.export(&Selection::default(), true, &[]);
    let json = |export: &crate::ledger::Export| -> serde_json::Value {
        let question = Question::new(&export.zip(), &ledger.policy_text("two"), None);
        let [binary, _] = ask(&question, &["export.zip", "--policy", "policy", "--json"]);
        serde_json::from_str(&binary.out).unwrap()
    };
    let good = json(&export);
    assert_eq!((&good["verified"], &good["runs_selected"]), (&true.into(), &11.into()));
    export.replace(verify::EVENTS, "drift", "draft");
    let bad = json(&export);
    assert_eq!((&bad["verified"], &bad["refused"]["run"]), (&false.into(), &0.into()));
    assert_eq!(bad["refused"]["file"], "events.ndjson");
}
