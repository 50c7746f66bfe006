//! Receipts: good ones, what could be done to them, and how the program answers. `verify.py` leaves them to it.

use std::process::Command;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use seal::Hash;
use seal::entry::{Entry, PartSalt, Stream};
use seal::export::{EventLine, Selection};
use seal::proof;
use seal::receipt::{FORMAT, Receipt};
use seal::tlog_proof::TlogProof;
use serde_json::Value;

use crate::ledger::{Export, Ledger, TENANT, sample};
use crate::python::{Answer, Question, answer, both};
use crate::stamps::{put, response, roots, stamp};

/// Where it is refused, and what is changed.
type Change = (&'static str, Box<dyn Fn(&mut Receipt)>);

/// The receipt of an event, by a checkpoint of so many entries.
pub fn receipt(ledger: &Ledger, run: usize, revision: usize, size: u64) -> Receipt {
    let sealed = &ledger.runs[run];
    let event: &EventLine = &sealed.events[revision];
    let (data_salt, meta_salt) = (
        sealed.salt.of(seal::entry::Part::Data, revision as u64),
        sealed.salt.of(seal::entry::Part::Metadata, revision as u64),
    );
    let bytes = |text: &Option<String>, base64: &Option<String>| {
        use base64::Engine;
        let decoded =
            base64.as_ref().map(|text| base64::engine::general_purpose::STANDARD.decode(text).unwrap());
        text.as_ref().map(|text| text.clone().into_bytes()).or(decoded)
    };
    let commit = |part, salt: PartSalt, text, base64, hash: Option<Hash>| {
        hash.unwrap_or_else(|| salt.commit(part, &bytes(text, base64).unwrap()))
    };
    let entry = Entry {
        stream: sealed.stream,
        revision: revision as u64,
        prev: revision.checked_sub(1).map(|before| sealed.leaves[before]),
        event_id: event.event_id,
        event_type: &event.event_type,
        recorded_at: &event.recorded_at,
        data: commit(seal::entry::Part::Data, data_salt, &event.data, &event.data_base64, event.data_hash),
        meta: commit(
            seal::entry::Part::Metadata,
            meta_salt,
            &event.metadata,
            &event.metadata_base64,
            event.meta_hash,
        ),
    };
    assert_eq!(entry.leaf(), sealed.leaves[revision]);
    let index = ledger.tree.iter().position(|leaf| *leaf == entry.leaf()).unwrap() as u64;
    let tree = &ledger.tree[..size as usize];
    let checkpoint = seal::checkpoint::Checkpoint { size, root: Hash::root(tree), ..ledger.checkpoint() };
    let proof = TlogProof {
        index,
        hashes: roots(tree, proof::inclusion(index, size).unwrap()),
        checkpoint: ledger.sign(&checkpoint),
    };
    Receipt {
        format: FORMAT.into(),
        tenant: TENANT.into(),
        entry: entry.text(),
        data: event.data.clone(),
        data_base64: event.data_base64.clone(),
        data_salt: event.data_salt,
        metadata: event.metadata.clone(),
        metadata_base64: event.metadata_base64.clone(),
        meta_salt: event.meta_salt,
        proof: proof.to_string(),
        time_stamp: Some(stamp(ledger, size.min(30), size)),
    }
}

fn files(ledger: &Ledger, receipt: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("receipt.json"), receipt).unwrap();
    std::fs::write(folder.path().join("policy"), ledger.policy_text("two")).unwrap();
    folder
}

fn ask(ledger: &Ledger, receipt: &[u8], more: &[&str]) -> [Answer; 2] {
    let folder = files(ledger, receipt);
    let mut python = Command::new("python3");
    python.args(["-I", concat!(env!("CARGO_MANIFEST_DIR"), "/verify.py")]);
    [Command::new(env!("CARGO_BIN_EXE_runledger-verify")), python].map(|mut command| {
        command.current_dir(folder.path()).args(["receipt.json", "--policy", "policy"]).args(more);
        answer(command)
    })
}

/// What the program answers.
fn check(ledger: &Ledger, receipt: &[u8]) -> Answer {
    let folder = files(ledger, receipt);
    let mut command = Command::new(env!("CARGO_BIN_EXE_runledger-verify"));
    command.current_dir(folder.path()).args(["receipt.json", "--policy", "policy"]);
    answer(command)
}

fn json(receipt: &Receipt) -> Vec<u8> {
    serde_json::to_vec(receipt).unwrap()
}

#[test]
fn a_receipt_proves_its_event() {
    let (ledger, _) = sample();
    let size = ledger.tree.len() as u64;
    for (run, revision, says) in [
        (3, 1, "revision 1, "),
        (4, 3, "Odd%20type, recorded 2026-03-01T04:03:00.5Z"),
        (4, 2, "Data or metadata are not here"),
        (0, 0, "it claims"),
    ] {
        let mut receipt = receipt(&ledger, run, revision, size);
        let answer = check(&ledger, &json(&receipt));
        assert_eq!(answer.code, 0, "{answer:?}");
        if says != "it claims" {
            assert!(answer.out.contains(says), "{says}: {}", answer.out);
        }
        assert!(answer.out.contains("the first 30 entries were there at 2026-03-01T12:30:00Z"), "{answer:?}");
        // However it is written.
        let value: Value = serde_json::from_slice(&json(&receipt)).unwrap();
        let pretty =
            format!("\n {}\n", serde_json::to_string_pretty(&value).unwrap().replace('é', "\\u00e9"));
        assert_eq!(check(&ledger, pretty.as_bytes()).code, 0);
        receipt.time_stamp = None;
        let answer = check(&ledger, &json(&receipt));
        assert!(answer.code == 0 && answer.out.contains("Time stamp     none"), "{answer:?}");
    }
    let good = receipt(&ledger, 3, 1, size);
    let [rust, _] = ask(&ledger, &json(&good), &["--json"]);
    let told: Value = serde_json::from_str(&rust.out).unwrap();
    assert_eq!((&told["verified"], &told["run"]), (&true.into(), &3.into()), "{told}");
    for answer in ask(&ledger, &json(&good), &["--since", "policy"]) {
        assert_eq!(answer.code, 2, "{answer:?}");
    }
    for receipt in [json(&good), [b"\n ", &json(&good)[..]].concat()] {
        let [_, python] = ask(&ledger, &receipt, &[]);
        assert!(python.code == 2 && python.out.contains("runledger-verify checks"), "{python:?}");
    }
}

#[test]
fn a_changed_receipt_is_refused() {
    let (ledger, _) = sample();
    let size = ledger.tree.len() as u64;
    let good = receipt(&ledger, 3, 1, size);
    let (other, foreign) = (receipt(&ledger, 5, 1, size), {
        let mut foreign = Ledger::new(7);
        let run = foreign.begin("drift", "2026-03-01T03:00:00.5Z");
        foreign.append(run, "Started", b"{}", "2026-03-01T03:01:00.5Z");
        foreign.seal();
        receipt(&foreign, 0, 1, 3)
    });
    let earlier = receipt(&ledger, 3, 1, 29);
    let stamped = |receipt: &mut Receipt, how: &dyn Fn(&mut seal::receipt::TimeStamp)| {
        how(receipt.time_stamp.as_mut().unwrap());
    };
    let Stream::Run { id, .. } = ledger.runs[3].stream else { panic!("a run") };
    let changes: Vec<Change> = vec![
        ("receipt: ", Box::new(|r| r.format = "runledger/receipt/2".into())),
        ("metadata: ", Box::new(|r| r.tenant = "demo".into())),
        ("data: ", Box::new(|r| r.data = Some(r.data.clone().unwrap().replace('w', "v")))),
        ("data: ", Box::new(|r| r.data = None)),
        ("data: ", Box::new(|r| r.data_salt = None)),
        ("data: ", Box::new(|r| r.data_salt = r.meta_salt)),
        ("data: ", Box::new(|r| r.data_base64 = Some("//4=".into()))),
        ("data: ", Box::new(|r| (r.data, r.data_base64) = (None, Some("e30=".into())))),
        ("metadata: ", Box::new(|r| r.metadata = Some(r.metadata.clone().unwrap().replace("ann", "bob")))),
        ("metadata: ", Box::new(|r| r.metadata = r.data.clone())),
        ("entry: ", Box::new(|r| r.entry = r.entry.replace(" 1\n", " 2\n"))),
        (
            "entry: ",
            Box::new(move |r| r.entry = r.entry.replace(&id.to_string(), &id.to_string().replace('8', "9"))),
        ),
        ("entry: ", Box::new(|r| r.entry = r.entry.replace("Started", "Starved"))),
        ("entry: ", Box::new(|r| r.entry = r.entry.replace("03:01", "03:02"))),
        ("entry: ", Box::new(|r| r.entry.push('\n'))),
        ("entry: ", Box::new(|r| r.entry.truncate(5))),
        ("proof: ", Box::new(|r| r.proof = r.proof.replace("index ", "index 0"))),
        ("proof: ", Box::new(|r| r.proof = r.proof.replacen("\n\n", "\n", 1))),
        ("proof: ", Box::new(|r| r.proof.truncate(r.proof.match_indices('\u{2014}').nth(2).unwrap().0))),
        ("time_stamp: ", Box::new(move |r| stamped(r, &|s| s.data = s.data.replace("30\n", "31\n")))),
        (
            "time_stamp: ",
            Box::new(move |r| stamped(r, &|s| s.entry = s.entry.replace("Checkpoint", "Chickpoint"))),
        ),
        ("time_stamp: ", Box::new(move |r| stamped(r, &|s| s.consistency.clear()))),
        ("time_stamp: ", Box::new(move |r| stamped(r, &|s| s.consistency.push(Hash::empty())))),
        ("time_stamp: ", Box::new(move |r| stamped(r, &|s| s.proof = s.proof.replace("index 5", "index 4")))),
        (
            "time_stamp: ",
            Box::new(move |r| {
                stamped(r, &|s| s.proof = s.proof.replace("ledger.example\n9", "ledger.example\n8"))
            }),
        ),
        (
            "time_stamp: ",
            Box::new(move |r| {
                stamped(r, &|s| s.proof = s.proof.replace("ledger.example\n9", "ledger.exemple\n9"))
            }),
        ),
        ("time_stamp: ", Box::new(move |r| stamped(r, &|s| s.response.truncate(40)))),
        (
            "time_stamp: ",
            Box::new(move |r| {
                stamped(r, &|s| {
                    use base64::Engine;
                    let bytes = response(Hash::empty(), "20260301123000Z");
                    s.response = base64::engine::general_purpose::STANDARD.encode(bytes);
                })
            }),
        ),
    ];
    assert_eq!(check(&ledger, &json(&good)).code, 0);
    for (n, (place, change)) in changes.iter().enumerate() {
        let mut changed = good.clone();
        change(&mut changed);
        assert_ne!(changed, good, "change {n}");
        let answer = check(&ledger, &json(&changed));
        let said = format!("REFUSED: {place}");
        assert!(answer.code == 1 && answer.out.starts_with(&said), "change {n}, {said}: {answer:?}");
    }
    // Parts of others' receipts, and of another tree.
    for from in [&other, &foreign] {
        for part in 0..5 {
            let mut mixed = good.clone();
            match part {
                0 => mixed.entry.clone_from(&from.entry),
                1 => mixed.proof.clone_from(&from.proof),
                2 => (mixed.data, mixed.data_salt) = (from.data.clone(), from.data_salt),
                3 => (mixed.metadata, mixed.meta_salt) = (from.metadata.clone(), from.meta_salt),
                _ if std::ptr::eq(from, &foreign) => mixed.time_stamp.clone_from(&from.time_stamp),
                _ => continue,
            }
            assert_eq!(check(&ledger, &json(&mixed)).code, 1, "part {part}");
        }
    }
    assert_eq!(check(&ledger, &json(&foreign)).code, 1);
    let mut mixed = earlier.clone();
    mixed.time_stamp.clone_from(&good.time_stamp);
    assert_eq!(check(&ledger, &json(&earlier)).code, 0);
    assert_eq!(check(&ledger, &json(&mixed)).code, 1, "it is stamped later than it was sealed");
}

#[test]
fn json_that_could_be_read_in_two_ways_is_refused() {
    let (ledger, _) = sample();
    let good = String::from_utf8(json(&receipt(&ledger, 3, 1, ledger.tree.len() as u64))).unwrap();
    for (from, to) in [
        ("\"tenant\":", "\"tenant\":\"demo\",\"tenant\":"),
        ("\"tenant\":", "\"more\":\"demo\",\"tenant\":"),
        ("\"tenant\":\"acme\"", "\"tenant\":7"),
        ("\"tenant\":\"acme\"", "\"tenant\":null"),
        ("\"tenant\":\"acme\"", "\"tenant\":\"\\ud800\""),
        ("\"time_stamp\":{", "\"time_stamp\":{\"more\":\"x\","),
        ("\"time_stamp\":{", "\"time_stamp\":{\"entry\":\"x\","),
        ("\"consistency\":[", "\"consistency\":[7,"),
        ("\"consistency\":[", "\"consistency\":\"\",\"x\":["),
        ("{\"format\"", "[{\"format\""),
        ("{\"format\"", "{}{\"format\""),
        ("{\"format\"", "{NaN\"format\""),
    ] {
        assert!(good.contains(from), "{from}");
        let answer = check(&ledger, good.replacen(from, to, 1).as_bytes());
        assert_eq!(answer.code, 1, "{from} {to}: {answer:?}");
    }
    for stamp in ["{}", "\"\"", "0", "false", "[]"] {
        let (before, _) = good.split_once("\"time_stamp\":").unwrap();
        let answer = check(&ledger, format!("{before}\"time_stamp\":{stamp}}}").as_bytes());
        assert_eq!(answer.code, 1, "{stamp}: {answer:?}");
    }
}

#[test]
fn the_files_of_a_time_stamp_hold_what_was_checked() {
    let (ledger, older) = sample();
    let size = older.text.lines().nth(1).unwrap().parse().unwrap();
    let policy = ledger.policy_text("two");
    let good = ledger.export(&Selection::default(), false, &[size]);
    let answer = both(&good, &policy, None);
    let says = format!("claims that the first {size} entries were there at 2026-03-01T12:30:00Z");
    assert!(answer.code == 0 && answer.out.contains(&says), "{answer:?}");
    // Which `verify.py` leaves to the program, and says so.
    let undecided = |export: &Export, left: &str| {
        let python = Question::new(&export.zip(), &policy, None).python();
        let begins = python.out.starts_with("UNDECIDED: ");
        assert!(python.code == 3 && begins && python.out.contains(left), "{left}: {python:?}");
    };
    undecided(&good, "['timestamp.checkpoint', 'timestamp.json', 'timestamp.tsr']");
    let files = [verify::STAMP, verify::STAMP_CHECKPOINT, verify::STAMP_RESPONSE];
    for file in files {
        let mut without = good.clone();
        without.0.remove(file);
        assert_eq!(both(&without, &policy, None).code, 1, "{file}");
        undecided(&without, "timestamp.");
        let mut changed = good.clone();
        changed.0.get_mut(file).unwrap()[20] ^= 1;
        assert_eq!(both(&changed, &policy, None).code, 1, "{file}");
        undecided(&changed, file);
    }
    let mut without = good.clone();
    files.iter().for_each(|file| drop(without.0.remove(*file)));
    assert_eq!(both(&without, &policy, None).code, 0);
    // Of a larger tree, and of another log.
    let mut short = good.clone();
    put(&mut short, &stamp(&ledger, size + 1, size + 1));
    assert_eq!(both(&short, &policy, None).code, 1);
}

/// As many as `RUNLEDGER_MUTATIONS` says.
#[test]
fn a_receipt_that_was_changed_at_random_is_refused_or_true() {
    let cases: u32 = std::env::var("RUNLEDGER_MUTATIONS").map_or(2_000, |text| text.parse().unwrap());
    let (ledger, _) = sample();
    let (size, policy) = (ledger.tree.len() as u64, ledger.policy());
    let good: Vec<Vec<u8>> = [(3, 1), (4, 2), (4, 3), (9, 0)]
        .iter()
        .map(|(run, revision)| json(&receipt(&ledger, *run, *revision, size)))
        .collect();
    let (mut refused, mut verified) = (0, 0);
    for case in 0..cases {
        let mut rng = StdRng::seed_from_u64(u64::from(case));
        let from = good.choose(&mut rng).unwrap();
        let mut changed = from.clone();
        for _ in 0..rng.random_range(1..3) {
            let (at, other) = (rng.random_range(0..changed.len()), good.choose(&mut rng).unwrap());
            match rng.random_range(0..5) {
                0 => changed[at] ^= 1 << rng.random_range(0..8),
                1 => changed[at] = *b"0123456789abcdefABCDEFZ+/=-\"\\{},n ".choose(&mut rng).unwrap(),
                2 => drop(changed.drain(at..(at + rng.random_range(1..30)).min(changed.len()))),
                3 => {
                    let (from, to) = (rng.random_range(0..other.len()), rng.random_range(1..80));
                    let piece = other[from..(from + to).min(other.len())].to_vec();
                    changed.splice(at..at, piece).for_each(drop);
                }
                _ => {
                    let at = at.min(other.len());
                    let end = (at + rng.random_range(1..300)).min(other.len()).min(changed.len());
                    if at < end {
                        changed.splice(at..end, other[at..end].iter().copied()).for_each(drop);
                    }
                }
            }
        }
        match verify::receipt(&changed, &policy) {
            Err(_) => refused += 1,
            Ok(report) => {
                verified += 1;
                let sealed = &ledger.runs[report.run as usize].events[report.revision as usize];
                assert_eq!((report.event_id, report.size), (sealed.event_id, size), "case {case}");
                assert!(!report.tenant_is_sealed || report.tenant == TENANT, "case {case}");
                let read: Receipt = serde_json::from_slice(&changed).unwrap();
                for (said, known) in [(&read.data, &sealed.data), (&read.metadata, &sealed.metadata)] {
                    assert!(said.is_none() || said == known, "case {case}");
                }
            }
        }
    }
    println!("{cases} changed receipts: {verified} verified and true, {refused} refused");
    assert!(refused > cases / 2);
}
