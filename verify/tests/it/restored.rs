//! Exports of a history that was restored to an earlier moment: they verify, and say so.

use seal::Hash;
use seal::continues::{Continues, Known};
use seal::export::{ContinuesLine, Selection};
use seal::note::SignedNote;
use verify::{CONTINUES, MANIFEST};

use crate::ledger::{Export, Ledger, restored, sample};
use crate::python::{Answer, both};

fn ask(ledger: &Ledger, export: &Export, older: Option<&SignedNote>) -> Answer {
    both(export, &ledger.policy_text("two"), older)
}

fn all(ledger: &Ledger, older: &[u64]) -> Export {
    ledger.export(&Selection::default(), true, older)
}

fn refused(ledger: &Ledger, export: &Export, begins: &str) {
    let answer = ask(ledger, export, None);
    assert!(answer.code == 1 && answer.out.starts_with(&format!("REFUSED: {begins}")), "{begins} {answer:?}");
}

fn size(note: &SignedNote) -> u64 {
    note.text.lines().nth(1).unwrap().parse().unwrap()
}

#[test]
fn what_was_restored_is_said() {
    let (ledger, lost) = restored();
    let export = all(&ledger, &[]);
    let report = export.verify(&ledger.policy(), None).unwrap();
    let answer = ask(&ledger, &export, None);
    assert_eq!((answer.code, &answer.out), (0, &report.to_string()), "{answer:?}");
    assert!(answer.out.starts_with("VERIFIED, OF A HISTORY THAT WAS RESTORED: "), "{}", answer.out);
    let [second, first] = report.restored.as_slice() else { panic!("{report:?}") };
    assert!(first.log.ends_with("/2") && second.log.ends_with("/4") && second.from == first.log);
    assert_eq!((first.known.as_ref().map(|(_, size)| *size), &second.known), (Some(size(&lost)), &None));
    let said = format!("the first {} entries are in this log", first.agrees);
    let known = format!("is known to have had {}", size(&lost));
    for said in [
        said.as_str(),
        known.as_str(),
        "2026-03-01T13:00:00Z: the disk is gone: \\u{e9}",
        "how many it had is not known",
    ] {
        assert!(answer.out.contains(said), "{said}: {}", answer.out);
    }
    // One run alone, and one without a reason to doubt: under its first name nothing is said.
    let one = ledger.export(&crate::ledger::only(&ledger, 3), false, &[]);
    assert!(ask(&ledger, &one, None).out.starts_with("VERIFIED, OF A HISTORY THAT WAS RESTORED"));
    let (whole, _) = sample();
    assert!(ask(&whole, &all(&whole, &[]), None).out.starts_with("VERIFIED: "));
}

#[test]
fn a_checkpoint_of_before_shows_what_is_missing_and_what_is_not() {
    let (ledger, lost) = restored();
    let (before, older) = sample();
    let newest = before.sign(&before.checkpoint());
    let export = all(&ledger, &[size(&older), size(&newest)]);
    for kept in [&older, &newest] {
        let answer = ask(&ledger, &export, Some(kept));
        let said = format!("its {} entries of {} are the beginning", size(kept), before.log.name());
        assert!(answer.code == 0 && answer.out.contains(&said), "{said} {answer:?}");
    }
    let answer = ask(&ledger, &export, Some(&lost));
    let said = format!("it has {} entries of {}", size(&lost), before.log.name());
    assert!(
        answer.code == 1
            && answer.out.contains(&said)
            && answer.out.contains("what the others told is missing"),
        "{answer:?}"
    );
    // Also where the log has grown beyond that size, with a proof for it.
    let answer = ask(&ledger, &all(&ledger, &[size(&lost)]), Some(&lost));
    assert!(answer.code == 1 && answer.out.contains("what the others told is missing"), "{answer:?}");
    // Who uses a restore to change what was before is caught by it.
    let mut forged = before.clone();
    forged.tree[3] = Hash::leaf(b"another");
    forged.begin_anew(2, None);
    let forged_export = forged.export(&crate::ledger::only(&forged, 8), false, &[size(&older)]);
    assert_eq!(ask(&forged, &forged_export, None).code, 0, "by itself it can't be told");
    let answer = ask(&forged, &forged_export, Some(&older));
    assert!(answer.code == 1, "{answer:?}");
}

#[test]
fn newer_names_and_others_are_other_logs() {
    let (ledger, _) = restored();
    let (before, _) = sample();
    let newer = ledger.sign(&ledger.checkpoint());
    let mut policy = ledger.policy_text("two");
    let export = all(&before, &[]);
    let answer = both(&export, &policy, Some(&newer));
    assert!(answer.code == 1 && answer.out.contains("of another log"), "{answer:?}");
    // A policy that names the log as it was does not take it as it is.
    policy = before.policy_text("two");
    assert_eq!(both(&all(&ledger, &[]), &policy, None).code, 1);
}

#[test]
fn it_can_be_neither_left_out_nor_changed() {
    let (ledger, _) = restored();
    let good = all(&ledger, &[]);
    assert_eq!(ask(&ledger, &good, None).code, 0);
    let mut export = good.clone();
    export.0.remove(CONTINUES);
    refused(&ledger, &export, CONTINUES);
    export.set(CONTINUES, "");
    refused(&ledger, &export, CONTINUES);
    let change = |how: &dyn Fn(&mut Vec<ContinuesLine>)| {
        let mut export = good.clone();
        export.change(CONTINUES, how);
        refused(&ledger, &export, CONTINUES);
    };
    change(&|lines| drop(lines.remove(0)));
    change(&|lines| drop(lines.remove(1)));
    change(&|lines| lines.swap(0, 1));
    change(&|lines| lines.push(lines[1].clone()));
    change(&|lines| lines[1].index += 1);
    change(&|lines| lines[0].index = u64::MAX);
    change(&|lines| lines[0].proof.truncate(1));
    let says = |how: &dyn Fn(&mut Continues)| {
        change(&|lines| {
            let mut said: Continues = lines[0].text.parse().unwrap();
            how(&mut said);
            lines[0].text = said.text();
        });
    };
    says(&|said| said.why = "nothing happened".into());
    says(&|said| said.at = "yesterday".into());
    says(&|said| said.log = said.log.replace("/4", "/5"));
    says(&|said| said.from = said.log.clone());
    says(&|said| said.from = "ledger.example/t/00000000000000000000000000000008".into());
    says(&|said| said.known = Some(Known { log: "x".into(), size: 3, root: None }));
    says(&|said| said.prev = None);
    change(&|lines| lines[0].text += "more\n");
    change(&|lines| lines[0].text = lines[0].text.replace("prev ", "prev  "));
    let mut export = good.clone();
    export.manifest(|manifest| manifest.consistency.clear());
    refused(&ledger, &export, MANIFEST);
    // Under the first name there is none.
    let (whole, _) = sample();
    let mut export = all(&whole, &[]);
    export.set(CONTINUES, good.text(CONTINUES));
    refused(&whole, &export, CONTINUES);
}

/// An entry that is sealed, and says what is not so.
#[test]
fn what_it_goes_on_from_is_proven() {
    let (mut ledger, _) = sample();
    ledger.begin_anew(2, None);
    let (at, entry) = ledger.continues[0].clone();
    for (agrees, place) in [
        ((entry.agrees.0, Hash::empty()), MANIFEST),
        ((entry.agrees.0 - 1, entry.agrees.1), MANIFEST),
        ((0, entry.agrees.1), MANIFEST),
        ((at as u64 + 1, entry.agrees.1), CONTINUES),
    ] {
        let mut forged = ledger.clone();
        forged.continues[0].1.agrees = agrees;
        forged.tree[at] = forged.continues[0].1.leaf();
        refused(&forged, &all(&forged, &[]), place);
    }
    // Restored to before anything was sealed.
    let mut ledger = Ledger::new(5);
    ledger.begin("x", "2026-03-01T00:00:00Z");
    ledger.begin_anew(2, None);
    assert_eq!(ask(&ledger, &all(&ledger, &[]), None).code, 0);
}
