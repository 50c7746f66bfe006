//! What somebody could do to an export: each is refused by both, and the place is named.

use seal::Hash;
use seal::entry::PartSalt;
use seal::export::{EventLine, RunLine, Selection};
use seal::note::{KeyKind, SignedNote, SignerKey};
use seal::tlog_proof::TlogProof;
use verify::{EVENTS, HEADS, PROOF, RUNS};

use crate::ledger::{Export, Ledger, erase, only, period, sample};
use crate::python::{Question, both};

type Changes<F, const N: usize> = [(&'static str, F); N];

/// Both refuse, and say this.
fn refused(ledger: &Ledger, export: &Export, said: &str) {
    refused_by(export, &ledger.policy_text("two"), None, said);
}

fn refused_by(export: &Export, policy: &str, older: Option<&SignedNote>, said: &str) {
    let answer = both(export, policy, older);
    assert!(answer.code == 1 && answer.out.contains(said), "expected {said:?}: {answer:?}");
}

fn all() -> (Ledger, Export) {
    let (ledger, _) = sample();
    let export = ledger.export(&Selection::default(), true, &[]);
    (ledger, export)
}

fn first_line(events: &[EventLine], run: u64) -> usize {
    events.iter().position(|event| event.run == Some(run)).unwrap()
}

/// A change to the event of that run and revision.
fn change_event(run: u64, revision: usize, how: impl FnOnce(&mut EventLine)) -> (Ledger, Export) {
    let (ledger, mut export) = all();
    export.change(EVENTS, |events: &mut Vec<EventLine>| {
        let at = first_line(events, run) + revision;
        how(&mut events[at]);
    });
    (ledger, export)
}

#[test]
fn a_changed_event_is_refused() {
    let changes: Changes<fn(&mut EventLine), 9> = [
        ("data", |event| event.data = event.data.as_ref().map(|data| data.replace('{', "{ "))),
        ("metadata", |event| event.metadata = event.metadata.as_ref().map(|meta| meta.replace("ann", "bob"))),
        ("type", |event| event.event_type.push('x')),
        ("id", |event| event.event_id = uuid::Uuid::from_u128(7)),
        ("data's salt", |event| event.data_salt = Some(PartSalt(Hash::empty()))),
        ("metadata's salt", |event| event.meta_salt = event.data_salt),
        ("a commitment", |event| {
            erase(event);
            event.data_hash = event.meta_hash;
        }),
        ("both parts", |event| std::mem::swap(&mut event.data, &mut event.metadata)),
        ("recorded_at alone", |event| {
            event.recorded_at = "2026-03-01T00:00:00Z".into();
            erase(event);
        }),
    ];
    for (what, change) in changes {
        let (ledger, export) = change_event(3, 0, change);
        refused(&ledger, &export, "run 3 (01900000-0000-7000-8000-8a0000000003), revision 0");
        let (ledger, export) = change_event(3, 2, change);
        let answer = both(&export, &ledger.policy_text("two"), None);
        assert!(answer.code == 1 && answer.out.contains("run 3 ("), "{what}: {answer:?}");
    }
    let (ledger, export) = change_event(3, 1, |event| event.recorded_at = "2026-03-01T00:00:00Z".into());
    refused(&ledger, &export, "run 3 (01900000-0000-7000-8000-8a0000000003), revision 1: its metadata");
    // Bytes that are no text, one of them changed.
    let (ledger, export) = change_event(4, 3, |event| event.data_base64 = Some("//4gbm8gdGV4cw==".into()));
    refused(&ledger, &export, "run 4 (");
}

#[test]
fn removed_swapped_and_inserted_events_are_refused() {
    let changes: Changes<fn(&mut Vec<EventLine>, usize), 7> = [
        ("revision 4: ", |events, at| drop(events.remove(at + 4))),
        ("revision 2: ", |events, at| drop(events.remove(at + 2))),
        ("revision 0: ", |events, at| drop(events.remove(at))),
        ("revision 1: ", |events, at| events.swap(at + 1, at + 2)),
        ("run 2 (", |events, at| {
            events.swap(at + 1, at + 2);
            (events[at + 1].revision, events[at + 2].revision) = (1, 2);
        }),
        ("revision 3: ", |events, at| events.insert(at + 2, events[at + 2].clone())),
        ("run 3 (", |events, at| {
            let mut more = events[at + 4].clone();
            more.revision = 5;
            events.insert(at + 5, more);
        }),
    ];
    for (said, change) in changes {
        let (ledger, mut export) = all();
        export.change(EVENTS, |events: &mut Vec<EventLine>| {
            let at = first_line(events, 2);
            change(events, at);
        });
        refused(&ledger, &export, said);
    }
    let (ledger, mut export) = all();
    export.change(EVENTS, |events: &mut Vec<EventLine>| drop(events.pop()));
    refused(&ledger, &export, "run 10 (01900000-0000-7000-8000-8a000000000a), revision 4: ");
    let (ledger, mut export) = all();
    export.change(EVENTS, |events: &mut Vec<EventLine>| events.push(events[0].clone()));
    refused(&ledger, &export, "events.ndjson, line ");
}

/// Nothing but its first event is there to show why it is not.
#[test]
fn the_first_event_of_a_run_that_is_not_told_whole_is_pinned() {
    let (ledger, _) = sample();
    let good = ledger.export(&period("", "", "drift"), false, &[]);
    let changes: Changes<fn(&mut EventLine), 4> = [
        ("type", |event| event.event_type.push('x')),
        ("id", |event| event.event_id = uuid::Uuid::from_u128(7)),
        ("data", |event| event.data = event.data.as_ref().map(|data| data.replace("\"n\":1", "\"n\":2"))),
        ("metadata", |event| event.metadata = event.metadata.as_ref().map(|meta| meta.replace("ann", "bob"))),
    ];
    for (what, change) in changes {
        let mut export = good.clone();
        export.change(EVENTS, |events: &mut Vec<EventLine>| {
            let at = first_line(events, 1);
            change(&mut events[at]);
        });
        assert!(export != good, "{what}");
        refused(&ledger, &export, "run 1 (01900000-0000-7000-8000-8a0000000001), revision 0");
    }
}

#[test]
fn an_event_under_another_number_is_refused() {
    let changes: Changes<fn(&mut EventLine), 3> = [
        ("revision", |event| event.revision = 7),
        ("run", |event| event.run = Some(5)),
        ("administration", |event| event.run = None),
    ];
    for (what, change) in changes {
        let (ledger, export) = change_event(3, 1, change);
        let answer = both(&export, &ledger.policy_text("two"), None);
        assert!(answer.code == 1 && answer.out.contains("should be here"), "{what}: {answer:?}");
    }
}

#[test]
fn a_proof_with_a_hash_too_many_is_refused() {
    let (ledger, older) = sample();
    let size = older.text.lines().nth(1).unwrap().parse().unwrap();
    let good = ledger.export(&Selection::default(), false, &[size]);
    let mut export = good.clone();
    export.manifest(|manifest| manifest.runs.proof.push(Hash::empty()));
    refused(&ledger, &export, "manifest.json: ");
    for at in [0, 1] {
        let mut export = good.clone();
        export.manifest(|manifest| manifest.consistency[0].proof.insert(at, Hash::empty()));
        refused_by(&export, &ledger.policy_text("two"), Some(&older), "the older checkpoint: ");
        let mut export = good.clone();
        let mut proof: TlogProof = export.text(PROOF).parse().unwrap();
        proof.hashes.insert(at, Hash::empty());
        export.set(PROOF, proof.to_string());
        refused(&ledger, &export, "heads.txt: ");
    }
}

/// A tail cut off, with all that says how long the run is adjusted.
#[test]
fn a_cut_tail_is_refused_also_with_another_count() {
    let (ledger, _) = sample();
    for selection in [only(&ledger, 2), Selection::default()] {
        let mut export = ledger.export(&selection, false, &[]);
        export.change(EVENTS, |events: &mut Vec<EventLine>| {
            let at = first_line(events, 2);
            events.remove(at + 4);
        });
        let cut = |last| {
            move |runs: &mut Vec<RunLine>| {
                let run = runs.iter_mut().find(|run| run.number == 2).unwrap();
                (run.count, run.last) = (4, last);
            }
        };
        let mut half = export.clone();
        half.change(RUNS, cut(ledger.runs[2].leaves[4]));
        refused(&ledger, &half, "run 2 (");
        export.change(RUNS, cut(ledger.runs[2].leaves[3]));
        refused(&ledger, &export, "manifest.json");
    }
}

#[test]
fn a_run_that_was_left_out_is_missed() {
    for left_out in [0, 5, 10] {
        let (ledger, export) = all();
        let mut without = export.clone();
        without.change(RUNS, |runs: &mut Vec<RunLine>| {
            runs.remove(left_out);
        });
        without.change(EVENTS, |events: &mut Vec<EventLine>| {
            events.retain(|event| event.run != Some(left_out as u64))
        });
        refused(&ledger, &without, "");
        // The numbers closed up.
        let mut closed = without.clone();
        closed.change(RUNS, |runs: &mut Vec<RunLine>| {
            (0..).zip(runs).for_each(|(number, run)| run.number = number);
        });
        closed.change(EVENTS, |events: &mut Vec<EventLine>| {
            for event in events {
                event.run = event.run.map(|run| if run > left_out as u64 { run - 1 } else { run });
            }
        });
        closed.manifest(|manifest| manifest.runs.total = 10);
        refused(&ledger, &closed, "manifest.json: ");
        closed.manifest(|manifest| manifest.runs.total = 11);
        refused(&ledger, &closed, "");
    }
}

/// The range made smaller, with proofs that are right.
#[test]
fn a_smaller_range_does_not_show_that_nothing_was_left_out() {
    let (ledger, _) = sample();
    let told = period("2026-03-01T04:00:00Z", "2026-03-01T06:00:00Z", "drift");
    for wanted in [
        period("2026-03-01T02:00:00Z", "2026-03-01T06:00:00Z", "drift"),
        period("2026-03-01T04:00:00Z", "2026-03-01T09:00:00Z", "drift"),
        period("", "2026-03-01T06:00:00Z", "drift"),
        period("2026-03-01T04:00:00Z", "", "drift"),
        period("", "", "drift"),
    ] {
        let mut export = ledger.export(&told, false, &[]);
        export.manifest(|manifest| manifest.selection = wanted.clone());
        refused(&ledger, &export, "runs.ndjson, line ");
    }
    // Where the first that is told is of another kind, only its moment shows that none before it is missing.
    let told = period("2026-03-01T05:00:00Z", "2026-03-01T06:00:00Z", "drift");
    let mut export = ledger.export(&told, false, &[]);
    export.manifest(|manifest| manifest.selection.since = Some("2026-03-01T03:00:00Z".into()));
    refused(&ledger, &export, "runs before this one");
    // No run at all.
    for (first, wanted) in [(0, &told), (11, &told), (11, &Selection::default())] {
        let mut export = ledger.export(&told, false, &[]);
        export.set(RUNS, "");
        export.set(EVENTS, "");
        export.manifest(|manifest| {
            (manifest.runs.first, manifest.runs.proof) = (first, vec![ledger.heads().root]);
            manifest.selection = wanted.clone();
        });
        refused(&ledger, &export, "runs.ndjson");
    }
}

#[test]
fn a_run_is_selected_where_it_meets_the_selection_and_else_not() {
    let (ledger, _) = sample();
    let selection = period("", "", "drift");
    let good = ledger.export(&selection, false, &[]);
    for (number, selected) in [(3, false), (9, false), (4, true)] {
        let mut export = good.clone();
        export.change(RUNS, |runs: &mut Vec<RunLine>| runs[number].selected = selected);
        export.change(EVENTS, |events: &mut Vec<EventLine>| {
            let at = first_line(events, number as u64);
            if selected {
                events.splice(at + 1..at + 1, ledger.runs[number].events[1..].iter().cloned());
            } else {
                events.drain(at + 1..at + ledger.runs[number].events.len());
            }
        });
        refused(&ledger, &export, &format!("runs.ndjson, line {}, run {number} (", number + 1));
    }
    // "Erased", so that its kind can't be told: then it has to be told whole.
    let mut export = good.clone();
    export.change(RUNS, |runs: &mut Vec<RunLine>| runs[3].selected = false);
    export.change(EVENTS, |events: &mut Vec<EventLine>| {
        let at = first_line(events, 3);
        events.drain(at + 1..at + 3);
        erase(&mut events[at]);
    });
    refused(&ledger, &export, "run 3 (");
    let mut export = ledger.export(&only(&ledger, 3), false, &[]);
    export.manifest(|manifest| manifest.selection = only(&ledger, 4));
    refused(&ledger, &export, "run 3 (");
}

/// Sealed JSON in which readers find different kinds counts as of every kind. `verify.py` leaves it to the program.
#[test]
fn a_run_whose_kind_readers_could_differ_on_can_not_be_left_out() {
    let deep = format!(r#"a","b":{}1{},"c":""#, "[".repeat(130), "]".repeat(130));
    let digits = format!(r#"a","b":{},"c":""#, "7".repeat(400));
    for kind in [
        r#"b","kind":"a"#,
        r#"a","b":1,"b":2,"c":""#,
        r#"a","b":1e999,"c":""#,
        r#"a","b":-Infinity,"c":""#,
        r#"a","b":NaN,"c":""#,
        r"a\ud800",
        deep.as_str(),
        digits.as_str(),
    ] {
        let mut ledger = Ledger::new(6);
        ledger.begin("x", "2026-03-01T01:00:00Z");
        ledger.begin(kind, "2026-03-01T02:00:00Z");
        ledger.seal();
        let mut export = ledger.export(&period("", "2026-03-01T03:00:00Z", ""), false, &[]).unstamped();
        export.manifest(|manifest| manifest.selection = period("", "", "x"));
        export.change(RUNS, |runs: &mut Vec<RunLine>| runs[1].selected = false);
        let question = Question::new(&export.zip(), &ledger.policy_text("two"), None);
        let (rust, python) = (question.binary(), question.python());
        assert!(rust.code == 1 && rust.out.contains("run 1 ("), "{kind}: {rust:?}");
        assert!([1, 3].contains(&python.code), "{kind}: {python:?}");
    }
}

#[test]
fn the_heads_of_others_are_refused() {
    let (ledger, good) = all();
    let (mut other, _) = sample();
    other.log = Ledger::new(7).log;
    // Another ledger's, another tenant's, an earlier one of its own.
    let other = other.export(&Selection::default(), true, &[]);
    let mut export = good.clone();
    export.set(PROOF, other.text(PROOF));
    refused(&ledger, &export, "heads.tlog-proof: ");
    let mut longer = ledger.clone();
    longer.begin("drift", "2026-03-02T00:00:00Z");
    longer.seal();
    let longer = longer.export(&Selection::default(), true, &[]);
    for files in
        [&[HEADS][..], &[PROOF], &[HEADS, PROOF], &[RUNS], &[EVENTS], &[RUNS, EVENTS], &["manifest.json"]]
    {
        let mut export = good.clone();
        files.iter().for_each(|file| export.set(file, longer.text(file)));
        refused(&ledger, &export, "");
    }
    let mut export = good.clone();
    export.replace(HEADS, "runs 11", "runs 10");
    refused(&ledger, &export, "heads.txt: ");
    export = good.clone();
    export.replace(HEADS, "admin 3", "admin 2");
    refused(&ledger, &export, "heads.txt: ");
}

#[test]
fn the_administration_is_all_there() {
    let (ledger, good) = all();
    let mut export = good.clone();
    export.change(EVENTS, |events: &mut Vec<EventLine>| drop(events.remove(2)));
    refused(&ledger, &export, "events.ndjson, line 3, revision 2: ");
    export = good.clone();
    export.change(EVENTS, |events: &mut Vec<EventLine>| erase(&mut events[1]));
    assert_eq!(both(&export, &ledger.policy_text("two"), None).code, 0);
    export.change(EVENTS, |events: &mut Vec<EventLine>| events[1].data_hash = Some(Hash::empty()));
    refused(&ledger, &export, "events.ndjson, line 3: ");
    export = good.clone();
    export.manifest(|manifest| manifest.administration = false);
    refused(&ledger, &export, "events.ndjson, line 1, run 0 (");
}

/// A checkpoint must be signed by the policy's log, and cosigned by its quorum.
#[test]
fn only_what_the_policy_trusts_counts() {
    let (ledger, good) = all();
    let checkpoint = ledger.checkpoint();
    let proof: TlogProof = good.text(PROOF).parse().unwrap();
    let with = |signatures: Vec<seal::note::Signature>| {
        let mut export = good.clone();
        let checkpoint = SignedNote { signatures, ..proof.checkpoint.clone() };
        export.set(PROOF, TlogProof { checkpoint, ..proof.clone() }.to_string());
        export
    };
    let text = checkpoint.to_string();
    let log = ledger.log.sign(&text);
    let by = |n: usize| ledger.witnesses[n].cosign(&text, 5);
    let own = SignerKey::new(ledger.log.name(), KeyKind::Note, &[66; 32]).unwrap().sign(&text);
    refused(&ledger, &with(vec![own, by(0), by(1)]), "heads.tlog-proof: ");
    refused(&ledger, &with(vec![by(0), by(1)]), "heads.tlog-proof: ");
    refused(
        &ledger,
        &with(vec![log.clone(), by(0)]),
        "heads.tlog-proof: the policy demands cosignatures by two",
    );
    refused(&ledger, &with(vec![log.clone(), by(0), by(0)]), "heads.tlog-proof: the policy demands");
    let forged = SignerKey::new("w2.example", KeyKind::Cosignature, &[5; 32]).unwrap().cosign(&text, 5);
    refused(&ledger, &with(vec![log.clone(), by(0), forged.clone()]), "heads.tlog-proof: the policy demands");
    assert_eq!(
        both(&with(vec![forged, by(2), log.clone(), by(0)]), &ledger.policy_text("two"), None).code,
        0
    );
    // A known key's signature of something else spoils all.
    refused(
        &ledger,
        &with(vec![log.clone(), by(0), by(1), ledger.witnesses[2].cosign("x", 5)]),
        "heads.tlog-proof: ",
    );
    refused(&ledger, &with(vec![log, by(0), by(1), ledger.log.sign("x")]), "heads.tlog-proof: ");
    // Another key under the name of the log in the policy.
    let other = SignerKey::new(ledger.log.name(), KeyKind::Note, &[66; 32]).unwrap();
    let policy = format!("log {}\nquorum none\n", other.verifier());
    refused_by(&good, &policy, None, "heads.tlog-proof: ");
    // Signed by the right key under another name.
    let policy = format!("log {}\nquorum none\n", ledger.log.named("other.example").unwrap().verifier());
    refused_by(&good, &policy, None, "heads.tlog-proof: ");
}

#[test]
fn the_older_checkpoint_must_be_the_beginning() {
    let (ledger, older) = sample();
    let size: u64 = older.text.lines().nth(1).unwrap().parse().unwrap();
    let policy = ledger.policy_text("two");
    let export = ledger.export(&Selection::default(), false, &[size]);
    assert_eq!(both(&export, &policy, Some(&older)).code, 0);
    let forked = |size: u64, root: Hash, by: &Ledger| {
        let mut checkpoint = ledger.checkpoint();
        (checkpoint.size, checkpoint.root) = (size, root);
        by.sign(&checkpoint)
    };
    let root = Hash::root(&ledger.tree[..size as usize]);
    for (older, said) in [
        (forked(size, Hash::empty(), &ledger), "the older checkpoint: "),
        (forked(size - 1, root, &ledger), "the older checkpoint: "),
        (forked(1_000, root, &ledger), "the older checkpoint: "),
        (forked(0, root, &ledger), "the older checkpoint: "),
        (forked(ledger.tree.len() as u64, root, &ledger), "the older checkpoint: "),
        (Ledger::new(8).sign(&ledger.checkpoint()), "the older checkpoint: "),
        (Ledger::new(8).sign(&Ledger::new(8).checkpoint()), "the older checkpoint: "),
    ] {
        refused_by(&export, &policy, Some(&older), said);
    }
    assert_eq!(both(&export, &policy, Some(&forked(0, Hash::empty(), &ledger))).code, 0);
    // The same tree under another name, which the policy trusts too.
    let other = ledger.log.named("other.example").unwrap();
    let mut checkpoint = ledger.checkpoint();
    (checkpoint.origin, checkpoint.size, checkpoint.root) = (other.name().to_owned(), size, root);
    let mut renamed = ledger.sign(&checkpoint);
    renamed.signatures[0] = other.sign(&renamed.text);
    let trusting = format!("log {}\n{policy}", other.verifier());
    refused_by(&export, &trusting, Some(&renamed), "the older checkpoint: it is of another log");
    let mut spoilt = export.clone();
    spoilt.manifest(|manifest| manifest.consistency[0].proof.truncate(1));
    refused_by(&spoilt, &policy, Some(&older), "the older checkpoint: ");
    spoilt.manifest(|manifest| manifest.consistency.clear());
    refused_by(&spoilt, &policy, Some(&older), "the older checkpoint: ");
}

#[test]
fn the_name_of_another_tenant_is_refused_by_the_metadata() {
    let (ledger, mut export) = all();
    export.manifest(|manifest| manifest.tenant = "other".into());
    refused(&ledger, &export, "events.ndjson, line 1, revision 0: its metadata");
}

/// What two readers could read in two ways.
#[test]
fn json_in_another_spelling_is_refused() {
    let (ledger, good) = all();
    for (file, from, to) in [
        (EVENTS, "\"revision\":1,", "\"revision\":0,\"revision\":1,"),
        (EVENTS, "\"revision\":1,", "\"revision\":1,\"extra\":0,"),
        (EVENTS, "\"revision\":1,", "\"revision\":1.0,"),
        (EVENTS, "\"revision\":0,", "\"revision\":-0,"),
        (EVENTS, "\"revision\":1,", "\"revision\":NaN,"),
        (EVENTS, "\"revision\":1,", "\"revision\": 1,"),
        (EVENTS, "\"type\":\"Queued\"", "\"type\":\"Queue\\u0064\""),
        (EVENTS, "\"type\":\"Queued\"", "\"type\":\"Queued\\ud800\""),
        (EVENTS, "\"type\":\"Queued\"", "\"type\":null"),
        (EVENTS, "\"data\":\"{", "\"data\":null,\"data\":\"{"),
        (EVENTS, "\"run\":null", "\"run\":0"),
        (EVENTS, "\n", "\r\n"),
        (EVENTS, "\n", "\n\n"),
        (EVENTS, "\n", "\n \n"),
        (RUNS, "\"selected\":true", "\"selected\":true,\"selected\":false"),
        (RUNS, "\"selected\":true", "\"selected\":1"),
        (RUNS, "{\"number\":0,\"run_id\":\"0190", "{\"number\":0,\"run_id\":\"urn:uuid:0190"),
        (RUNS, "8000-8a00", "8000-8A00"),
        (RUNS, "\"number\":0", "\"number\":00"),
        (RUNS, "\"number\":0", "\"number\":18446744073709551616"),
        (RUNS, "\"count\":5", "\"count\":0"),
        ("manifest.json", "\"format\"", "\"format\": \"runledger/export/1\",\n  \"format\""),
        ("manifest.json", "export/1", "export/2"),
        ("manifest.json", "\"consistency\": []", "\"consistency\": [], \"x\": 1"),
        ("manifest.json", "\"selection\": {}", "\"selection\": {\"x\":1}"),
        ("manifest.json", "\"selection\": {}", "\"selection\": []"),
        ("manifest.json", "\"exported_at\": \"", "\"exported_at\": \"x"),
        ("manifest.json", "\"proof\": []", "\"proof\": [\"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"]"),
        (HEADS, "runledger/heads/1", "runledger/heads/1 "),
        (HEADS, "runs 11", "runs 011"),
        (PROOF, "index ", "index 0"),
        (PROOF, "@v1\n", "@v1\nextra AAAA\n"),
        (PROOF, "\n\n", "\n\n\n"),
    ] {
        let mut export = good.clone();
        export.replace(file, from, to);
        refused(&ledger, &export, "");
    }
    for file in [verify::MANIFEST, HEADS, PROOF, RUNS, EVENTS] {
        let mut export = good.clone();
        export.set(file, format!("{} ", good.text(file)));
        refused(&ledger, &export, "");
        export.set(file, good.text(file).trim_end());
        refused(&ledger, &export, "");
        export.set(file, [good.text(file).as_bytes(), b"\xff\n"].concat());
        refused(&ledger, &export, "");
        export.set(file, format!("\u{feff}{}", good.text(file)));
        refused(&ledger, &export, "");
        export.0.remove(file);
        refused(&ledger, &export, file);
    }
}
