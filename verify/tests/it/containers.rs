//! Zips that two tools could open in two ways, and zips that are made to hurt.

use std::io::{Cursor, Write};

use seal::export::Selection;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::ledger::{Export, Ledger, sample};
use crate::python::Question;

fn good() -> (Ledger, Export) {
    let (ledger, _) = sample();
    let export = ledger.export(&Selection::default(), true, &[]).unstamped();
    (ledger, export)
}

fn check(ledger: &Ledger, zip: &[u8], code: i32, said: &str) {
    let question = Question::new(zip, &ledger.policy_text("two"), None);
    let (rust, python) = (question.binary(), question.python());
    assert_eq!((rust.code, python.code), (code, code), "{rust:?}\n{python:?}");
    assert!(rust.out.contains(said), "expected {said:?}: {rust:?}");
}

fn find(bytes: &[u8], what: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|at| bytes[*at..].starts_with(what)).collect()
}

#[test]
fn other_files_are_told_and_not_read() {
    let (ledger, mut export) = good();
    export.set("report.html", "<p>all is well");
    export.set("Events.ndjson", "\u{1b}[2J");
    export.set("../evil\u{1b}[31m", "");
    check(&ledger, &export.zip(), 0, "report.html");
    check(&ledger, &export.zip(), 0, "../evil\\u{1b}[31m");
}

#[test]
fn stored_files_are_read_too() {
    let (ledger, export) = good();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in &export.0 {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(content).unwrap();
    }
    check(&ledger, &zip.finish().unwrap().into_inner(), 0, "VERIFIED");
}

#[test]
fn two_files_of_one_name_are_refused() {
    let (ledger, mut export) = good();
    export.set("events.ndjsoX", export.text("events.ndjson"));
    let mut zip = export.zip();
    for at in find(&zip, b"events.ndjsoX") {
        zip[at + 12] = b'n';
    }
    check(&ledger, &zip, 1, "two files of one name");
}

#[test]
fn a_local_name_that_differs_is_refused() {
    let (ledger, export) = good();
    let mut zip = export.zip();
    let at = find(&zip, b"events.ndjson")[0];
    zip[at] = b'E';
    check(&ledger, &zip, 1, "");
}

#[test]
fn what_is_no_zip_or_more_than_one_is_refused() {
    let (ledger, export) = good();
    let zip = export.zip();
    check(&ledger, b"", 1, "no zip");
    check(&ledger, b"PK", 1, "no zip");
    check(&ledger, &zip[..zip.len() - 1], 1, "no zip");
    check(&ledger, &zip[1..], 1, "");
    check(&ledger, &[&zip[..], b"more"].concat(), 1, "no zip");
    check(&ledger, &[b"before", &zip[..]].concat(), 1, "");
    let mut comment = zip.clone();
    let end = comment.len();
    comment[end - 2] = 1;
    comment.push(b'x');
    check(&ledger, &comment, 1, "no zip");
}

/// A changed byte of the compressed content is not the content's any more, nor its checksum's.
#[test]
fn a_damaged_zip_is_refused() {
    let (ledger, export) = good();
    let zip = export.zip();
    let at = find(&zip, b"events.ndjson")[0] + 13;
    for place in [at + 20, at + 300, at + 900] {
        let mut zip = zip.clone();
        zip[place] ^= 0x10;
        check(&ledger, &zip, 1, "");
    }
}

#[test]
fn too_many_files_are_refused() {
    let (ledger, mut export) = good();
    for n in 0..100 {
        export.set(&format!("{n}"), "");
    }
    check(&ledger, &export.zip(), 1, "more than 100 files");
}

/// A line without an end, a gigabyte of zeros in a megabyte: read no further than the longest line may be.
#[test]
fn a_bomb_is_not_swallowed() {
    let (ledger, export) = good();
    for bomb in [verify::MANIFEST, verify::EVENTS] {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in &export.0 {
            zip.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
            if name == bomb {
                let zeros = vec![b'0'; 1 << 20];
                (0..70).for_each(|_| zip.write_all(&zeros).unwrap());
                zip.write_all(b"\n").unwrap();
            }
        }
        check(&ledger, &zip.finish().unwrap().into_inner(), 1, bomb);
    }
}
