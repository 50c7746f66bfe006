//! The program itself: what it is asked, what it answers, how it ends.

use std::process::{Command, Stdio};

use seal::export::Selection;

use crate::ledger::sample;
use crate::python::{Answer, Question, answer};

fn ask(question: &Question, arguments: &[&str]) -> [Answer; 2] {
    commands(question, arguments).map(answer)
}

fn commands(question: &Question, arguments: &[&str]) -> [Command; 2] {
    let mut binary = Command::new(env!("CARGO_BIN_EXE_runledger-verify"));
    binary.current_dir(question.path()).args(arguments);
    let mut python = Command::new("python3");
    python.args(["-I", concat!(env!("CARGO_MANIFEST_DIR"), "/verify.py")]);
    python.current_dir(question.path()).args(arguments);
    [binary, python]
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

/// A policy that says something else than its owner meant is worse than none.
#[test]
fn a_mistaken_policy_is_refused_by_both() {
    let (ledger, _) = sample();
    let export = ledger.export(&Selection::default(), false, &[]);
    let good = ledger.policy_text("two");
    let question = Question::new(&export.zip(), &good, None);
    let (log, witness) = (ledger.log.verifier().to_string(), ledger.witnesses[0].verifier().to_string());
    let mistyped = log.replacen('+', "+0", 1);
    for (from, to) in [
        (log.as_str(), mistyped.as_str()),
        (log.as_str(), witness.as_str()),
        (witness.as_str(), log.as_str()),
        (witness.as_str(), &witness[..witness.len() - 4]),
        ("witness w1 ", "witness none "),
        ("witness w2 ", "witness w1 "),
        ("two 2", "two 0"),
        ("two 2", "two 4"),
        ("two 2", "two most"),
        ("w1 w2 w3\n", "w1 w2 w4\n"),
        ("quorum two", "quorum three"),
        ("quorum two", "quorum none\nquorum two"),
        ("quorum two", "quorom two"),
        ("quorum two", ""),
    ] {
        assert!(good.contains(from), "{from}");
        std::fs::write(question.path().join("policy"), good.replacen(from, to, 1)).unwrap();
        for answer in ask(&question, &["export.zip", "--policy", "policy"]) {
            assert_eq!(answer.code, 2, "{from:?} {to:?}: {answer:?}");
        }
    }
}

/// What was kept may be a checkpoint, or the proof of an earlier export.
#[test]
fn a_kept_proof_counts_as_its_checkpoint() {
    let (ledger, _) = sample();
    let export = ledger.export(&Selection::default(), false, &[]).unstamped();
    let question = Question::new(&export.zip(), &ledger.policy_text("two"), None);
    std::fs::write(question.path().join("kept"), export.text(verify::PROOF)).unwrap();
    for answer in ask(&question, &["export.zip", "--policy", "policy", "--since", "kept"]) {
        assert_eq!(answer.code, 0, "{answer:?}");
    }
}

/// Whoever reads the report may close it early: what is found out stays what the program ends with.
#[test]
fn a_reader_that_goes_changes_nothing() {
    let (ledger, _) = sample();
    let mut export = ledger.export(&Selection::default(), false, &[]).unstamped();
    for code in [0, 1] {
        let question = Question::new(&export.zip(), &ledger.policy_text("two"), None);
        for mut command in commands(&question, &["export.zip", "--policy", "policy"]) {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), &*said), (Some(code), ""), "{command:?}");
        }
        export.replace(verify::EVENTS, "drift", "draft");
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
