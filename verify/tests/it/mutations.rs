//! Good exports, changed at random: each is refused, or says only what is true of the ledger.
//!
//! `RUNLEDGER_MUTATIONS` is how many are tried, `RUNLEDGER_MUTATIONS_PYTHON` of how many `verify.py` is asked too.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use seal::export::{EventLine, Manifest, RunLine, Selection};
use seal::note::SignedNote;
use verify::{CONTINUES, EVENTS, MANIFEST, RUNS};

use crate::ledger::{Export, Ledger, Sealed, erase, only, period, restored, sample};
use crate::python::both;

fn setting(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn pieces() -> [&'static [u8]; 24] {
    [
        b"0",
        b"1",
        b"-0",
        b"1e999",
        b"NaN",
        b"null",
        b"true",
        b"false",
        b"\"",
        b"\\",
        b"\\u0000",
        b"\\ud800",
        b",",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\n",
        b"\r",
        b" ",
        b"\xff",
        b"%",
        b"\"run\":0,",
        b"2026-03-01T05:00:00Z",
    ]
}

/// Changes one file of an export in one place.
fn change(export: &mut Export, others: &[Export], rng: &mut StdRng) {
    let files: Vec<String> = export.0.keys().cloned().collect();
    let file = files.choose(rng).unwrap().as_str();
    let Some(content) = export.0.get_mut(file) else { return };
    let at = rng.random_range(0..=content.len().saturating_sub(1));
    match rng.random_range(0..11) {
        0 if !content.is_empty() => content[at] ^= 1 << rng.random_range(0..8),
        1 if !content.is_empty() => content[at] = rng.random(),
        2 => {
            let piece = *pieces().choose(rng).unwrap();
            content.splice(at..at, piece.iter().copied()).for_each(drop);
        }
        3 => {
            let end = (at + rng.random_range(1..60)).min(content.len());
            content.drain(at..end);
        }
        4 => {
            let other = others.choose(rng).unwrap();
            if let Some(other) = other.0.get(file) {
                *content = other.clone();
            }
        }
        5 => {
            // One figure or letter becomes another.
            let at = (at..content.len()).find(|at| content[*at].is_ascii_alphanumeric());
            if let Some(at) = at {
                content[at] = *b"0123456789abcdefABCDEFZ+/=-".choose(rng).unwrap();
            }
        }
        6..=8 => {
            let mut lines: Vec<Vec<u8>> =
                content.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            let (from, to) =
                (rng.random_range(0..lines.len().max(1)), rng.random_range(0..lines.len().max(1)));
            match rng.random_range(0..4) {
                _ if lines.is_empty() => {}
                0 => drop(lines.remove(from)),
                1 => lines.swap(from, to),
                2 => lines.insert(to, lines[from].clone()),
                _ => lines.truncate(from),
            }
            *content = lines.concat();
        }
        _ => values(export, rng),
    }
}

/// Changes values, in their proper spelling.
fn values(export: &mut Export, rng: &mut StdRng) {
    let small = rng.random_range(0..13);
    let texts = [EVENTS, RUNS, MANIFEST].map(|file| std::str::from_utf8(&export.0[file]));
    if export.0[EVENTS].is_empty() || texts.iter().any(Result::is_err) {
        return;
    }
    let parse = |export: &Export| {
        let lines = |file: &str| {
            export.text(file).lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
        };
        lines(EVENTS) && lines(RUNS) && serde_json::from_str::<Manifest>(&export.text(MANIFEST)).is_ok()
    };
    let typed = |export: &Export| {
        export.text(EVENTS).lines().all(|line| serde_json::from_str::<EventLine>(line).is_ok())
            && export.text(RUNS).lines().all(|line| serde_json::from_str::<RunLine>(line).is_ok())
    };
    if !parse(export) || !typed(export) {
        return;
    }
    match rng.random_range(0..4) {
        0 => export.change(EVENTS, |events: &mut Vec<EventLine>| {
            let (from, to) = (rng.random_range(0..events.len()), rng.random_range(0..events.len()));
            let other = events[from].clone();
            let event = &mut events[to];
            match rng.random_range(0..9) {
                0 => event.run = Some(small),
                1 => event.run = None,
                2 => event.revision = small,
                3 => event.event_type = other.event_type,
                4 => event.recorded_at = other.recorded_at,
                5 => event.data_salt = other.data_salt,
                6 => (event.data, event.data_salt) = (other.data, other.data_salt),
                7 if event.data_hash.is_none() => erase(event),
                _ => (event.metadata, event.meta_salt) = (other.metadata, other.meta_salt),
            }
        }),
        1 => export.change(RUNS, |runs: &mut Vec<RunLine>| {
            let Some(other) = runs.choose(rng).cloned() else { return };
            let at = rng.random_range(0..runs.len());
            let run = &mut runs[at];
            match rng.random_range(0..6) {
                0 => run.number = small,
                1 => run.count = small,
                2 => run.selected = !run.selected,
                3 => run.last = other.last,
                4 => run.run_id = other.run_id,
                _ => (run.count, run.last) = (other.count, other.last),
            }
        }),
        _ => export.manifest(|manifest| match rng.random_range(0..9) {
            0 => manifest.runs.first = small,
            1 => manifest.runs.total = small,
            2 => drop(manifest.runs.proof.pop()),
            3 => manifest.runs.proof.reverse(),
            4 => manifest.administration = !manifest.administration,
            5 => manifest.selection.since = Some(format!("2026-03-01T{small:02}:00:00Z")),
            6 => manifest.selection.until = Some(format!("2026-03-01T{small:02}:30:00Z")),
            7 => manifest.selection.kind = ["drift", "backup"].choose(rng).map(|kind| (*kind).to_owned()),
            _ => manifest.selection.run_id = None,
        }),
    }
}

/// Whether an export that was verified says only what is true.
fn is_true(export: &Export, ledger: &Ledger) {
    let manifest: Manifest = serde_json::from_slice(&export.0[MANIFEST]).unwrap();
    let (runs, events) = (export.lines::<RunLine>(RUNS), export.lines::<EventLine>(EVENTS));
    let same = |said: &EventLine, sealed: &Sealed| {
        let sealed = &sealed.events[said.revision as usize];
        let mut without = sealed.clone();
        if sealed.data_hash.is_none() {
            erase(&mut without);
        }
        let data = if said.data_hash.is_some() { &without } else { sealed };
        let meta = if said.meta_hash.is_some() { &without } else { sealed };
        let wanted = EventLine {
            metadata: meta.metadata.clone(),
            metadata_base64: meta.metadata_base64.clone(),
            meta_salt: meta.meta_salt,
            meta_hash: meta.meta_hash,
            ..data.clone()
        };
        assert_eq!(*said, wanted);
    };
    let mut events = events.iter();
    if manifest.administration {
        let all = events.by_ref().take(ledger.admin.events.len()).collect::<Vec<_>>();
        assert_eq!(all.len(), ledger.admin.events.len());
        (0..)
            .zip(&all)
            .for_each(|(revision, event)| assert_eq!((event.run, event.revision), (None, revision)));
        all.iter().for_each(|event| same(event, &ledger.admin));
    }
    for run in &runs {
        let sealed = &ledger.runs[run.number as usize];
        let count = if run.selected { sealed.events.len() } else { 1 };
        for revision in 0..count as u64 {
            let event = events.next().unwrap();
            assert_eq!((event.run, event.revision), (Some(run.number), revision));
            same(event, sealed);
        }
    }
    assert!(events.next().is_none());
    // Which are selected, by the whole ledger.
    let told: Vec<u64> = runs.iter().filter(|run| run.selected).map(|run| run.number).collect();
    let meet = |run: &(usize, &Sealed)| ledger.meets(run.1, &manifest.selection);
    let mut wanted: Vec<u64> =
        ledger.runs.iter().enumerate().filter(meet).map(|(number, _)| number as u64).collect();
    // One whose content is withheld counts as of every kind, and is told whole.
    let extra: Vec<u64> = told.iter().copied().filter(|run| !wanted.contains(run)).collect();
    for run in extra {
        let first =
            export.lines::<EventLine>(EVENTS).into_iter().find(|event| event.run == Some(run)).unwrap();
        assert!(
            first.data_hash.is_some() && manifest.selection.kind.is_some(),
            "run {run} is not of the selection"
        );
        wanted.push(run);
    }
    wanted.sort_unstable();
    assert_eq!(told, wanted);
}

fn exports((ledger, older): (Ledger, SignedNote)) -> (Ledger, SignedNote, Vec<Export>) {
    let size = older.text.lines().nth(1).unwrap().parse().unwrap();
    let middle = period("2026-03-01T02:00:00Z", "2026-03-01T06:30:00Z", "backup");
    let selections = [
        (only(&ledger, 4), false),
        (Selection::default(), true),
        (middle, false),
        (period("", "", "drift"), true),
    ];
    let exports =
        selections.iter().map(|(selection, admin)| ledger.export(selection, *admin, &[size])).collect();
    (ledger, older, exports)
}

#[test]
fn a_changed_export_is_refused_or_true() {
    changed_at_random(sample());
}

/// And what was restored stays told.
#[test]
fn a_changed_export_of_a_restored_history_is_refused_or_true() {
    changed_at_random((restored().0, sample().1));
}

fn changed_at_random(of: (Ledger, SignedNote)) {
    let (ledger, older, mut exports) = exports(of);
    let mut short = ledger.clone();
    short.begin("drift", "2026-03-02T00:00:00Z");
    short.seal();
    let mut others = exports.clone();
    others.push(short.export(&Selection::default(), true, &[]));
    exports.iter_mut().for_each(|export| drop(export.0.remove("README.txt")));
    let (cases, asked) = (setting("RUNLEDGER_MUTATIONS", 400), setting("RUNLEDGER_MUTATIONS_PYTHON", 40));
    let (policy, policy_text) = (ledger.policy(), ledger.policy_text("two"));
    let (mut accepted, mut same) = (0, 0);
    for case in 0..cases {
        let mut rng = StdRng::seed_from_u64(u64::from(case));
        let good = exports.choose(&mut rng).unwrap();
        let mut export = good.clone();
        for _ in 0..rng.random_range(1..4) {
            change(&mut export, &others, &mut rng);
        }
        let since = rng.random_bool(0.3).then_some(&older);
        match export.verify(&policy, since) {
            _ if export == *good => same += 1,
            Ok(_) => {
                accepted += 1;
                let checked = std::panic::catch_unwind(|| is_true(&export, &ledger));
                assert!(checked.is_ok(), "case {case}: verified, and not true");
                assert_eq!(export.0.get(CONTINUES), good.0.get(CONTINUES), "case {case}");
            }
            Err(_) => {}
        }
        if case < asked {
            both(&export, &policy_text, since);
        }
    }
    println!("{cases} changed exports: {same} unchanged, {accepted} verified and true, all others refused");
}
