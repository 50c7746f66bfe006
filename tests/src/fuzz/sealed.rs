//! What a verifier reads: notes and what is in them, lines of JSON, whole exports.

use std::fmt::Display;
use std::io::{Cursor, Write};
use std::str::FromStr;

use seal::Hash;
use seal::checkpoint::Checkpoint;
use seal::continues::{Continues, Named};
use seal::heads::Heads;
use seal::note::{SignedNote, SignerKey, VerifierKey};
use seal::policy::Policy;
use seal::receipt::{Receipt, entered};
use seal::time_stamp::claimed;
use seal::tlog_proof::TlogProof;
use verify::{Moment, members, older_checkpoint, verify};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::Target;

/// A good export's files, each after a line `== NAME`, and the policy for it.
const GOOD: &str = include_str!("export.txt");
/// A good receipt, and the policy for it, likewise.
const RECEIVED: &str = include_str!("receipt.txt");
/// Between two files.
const NEXT: &str = "== ";

/// Texts of C2SP.
pub const TEXT: Target = Target {
    name: "sealed_text",
    run: sealed_text,
    seeds: &[
        GOOD,
        "example.org/log\n17\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz",
        "a\n\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
        "log PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW https://x\n# c\ngroup a any b\nquorum none\n",
        "runledger/heads/1\nruns 0 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nadmin 0 - -\n",
        "runledger/continues/1\nlog l.example/t/0123456789abcdef0123456789abcdef/3\nfrom l.example/t/0123456789abcdef0123456789abcdef/2\n\
         agrees 0 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nknown l.example 7 -\nprev -\nat 2026-03-01T12:00:00Z\nwhy x\n",
    ],
};

/// JSON out of stored events, and moments.
pub const JSON: Target = Target {
    name: "sealed_json",
    run: sealed_json,
    seeds: &[
        r#"{"kind":"a.b","context":{"n":[1,2.5,null],"kind":"c"},"recorded_at":"2026-03-01T12:00:00.123456Z"}"#,
        r#"{"kind":"\ud83d\ude00","a":[[[[{}]]]],"b":-0.0,"c":1e300}"#,
        "2026-02-28T23:59:59.999999999+23:59",
        "0001-01-01T00:00:00-00:00",
    ],
};

/// A whole export.
pub const EXPORT: Target =
    Target { name: "export", run: export, seeds: &[GOOD, "PK\u{5}\u{6}", "== manifest.json\n{}\n"] };

/// A receipt, an entry's text, an authority's answer.
pub const RECEIPT: Target = Target {
    name: "receipt",
    run: receipt,
    seeds: &[
        RECEIVED,
        "== receipt\n{\"format\":\"runledger/receipt/1\"}\n",
        "runledger/entry/1\nadmin 3\nprev -\nevent 00000000-0000-0000-0000-000000000002 A %\ndata \
         47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nmeta 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
    ],
};

fn one_spelling<T: FromStr + Display>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        assert_eq!(read.to_string(), text);
    }
}

fn files(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(NEXT).filter_map(|file| file.split_once('\n'))
}

/// Texts that are read are written as they were read. What is no UTF-8 is none of them.
pub fn sealed_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for text in files(text).map(|(_, text)| text).chain([text]) {
        one_spelling::<Hash>(text);
        one_spelling::<Checkpoint>(text);
        one_spelling::<SignedNote>(text);
        one_spelling::<TlogProof>(text);
        one_spelling::<VerifierKey>(text);
        if let Ok(heads) = text.parse::<Heads>() {
            assert_eq!(heads.text(), text);
        }
        if let Ok(entry) = text.parse::<Continues>() {
            assert_eq!(entry.text(), text);
            assert_eq!(Named::of(&entry.log).to_string(), entry.log);
        }
        if let Ok(key) = text.parse::<SignerKey>() {
            assert_eq!(key.reveal(), text);
        }
        let older = older_checkpoint(text);
        if let (Ok(policy), Ok(note)) = (Policy::parse(text), &older) {
            policy.trust(note).unwrap_err();
        }
    }
}

/// Members of JSON are those that a lenient reader finds too; moments are in order with themselves.
pub fn sealed_json(data: &[u8]) {
    if let [Some(kind)] = members(data, ["kind"]) {
        let value: serde_json::Value = serde_json::from_slice(data).unwrap();
        assert_eq!(value["kind"], *kind);
    }
    if let Some(moment) = std::str::from_utf8(data).ok().and_then(Moment::parse) {
        let text = String::from_utf8_lossy(data);
        let known = chrono::DateTime::parse_from_rfc3339(&text).unwrap();
        let epoch = (Moment::parse("1970-01-01T00:00:00Z").unwrap(), chrono::DateTime::UNIX_EPOCH);
        assert_eq!(moment.cmp(&epoch.0), known.to_utc().cmp(&epoch.1));
    }
}

/// A receipt is verified or refused, and nothing else happens. What is verified is what was sealed: of a changed receipt,
/// no other event.
pub fn receipt(data: &[u8]) {
    let of =
        |name: &'static str| files(RECEIVED).find(|(known, _)| *known == name).map_or("", |(_, text)| text);
    let text = String::from_utf8_lossy(data);
    let changed = files(&text).find(|(name, _)| *name == "receipt").map_or(&*text, |(_, text)| text);
    let policy = Policy::parse(of("policy")).ok();
    for bytes in [changed.as_bytes(), data] {
        let Some(Ok(report)) = policy.as_ref().map(|policy| verify::receipt(bytes, policy)) else { continue };
        assert!(report.to_string().starts_with("VERIFIED"));
        let read = |bytes| serde_json::from_slice::<Receipt>(bytes).unwrap();
        let (good, said) = (read(of("receipt").as_bytes()), read(bytes));
        assert_eq!(good.entry, said.entry);
        assert!(said.data.is_none() || said.data == good.data);
    }
    if let Some(read) = entered(&text) {
        assert!(text.starts_with("runledger/entry/1\n") && text.contains(&read.event_id.to_string()));
    }
    let _ = claimed(data);
}

/// An export is verified or refused, and nothing else happens. Bytes that begin as a zip are one; others are the files
/// for one, as in the seed.
pub fn export(data: &[u8]) {
    let mut policy = files(GOOD).find(|(name, _)| *name == "policy").map_or("", |(_, text)| text).to_owned();
    let text = String::from_utf8_lossy(data);
    let zip = if data.starts_with(b"PK") {
        data.to_vec()
    } else {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files(&text) {
            if name == "policy" {
                content.clone_into(&mut policy);
            }
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
            // A name that is there already is no second file.
            if zip.start_file(name, options).is_ok() {
                zip.write_all(content.as_bytes()).unwrap();
            }
        }
        zip.finish().unwrap().into_inner()
    };
    let Ok(policy) = Policy::parse(&policy) else { return };
    match verify(|| Ok(Cursor::new(&zip)), &policy, None) {
        Ok(report) => assert!(report.to_string().starts_with("VERIFIED")),
        Err(refused) => assert!(!refused.to_string().is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_a_good_receipt() {
        let of = |wanted: &str| files(RECEIVED).find(|(name, _)| *name == wanted).unwrap().1;
        let policy = Policy::parse(of("policy")).unwrap();
        assert!(verify::receipt(of("receipt").as_bytes(), &policy).unwrap().time_stamp.is_some());
        verify::receipt(of("receipt").replace("Completed", "Complete").as_bytes(), &policy).unwrap_err();
        receipt(RECEIVED.as_bytes());
    }

    #[test]
    fn the_seed_is_a_good_export() {
        let mut good = GOOD.to_owned();
        export(good.as_bytes());
        let zip = |text: &str| {
            let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
            for (name, content) in files(text) {
                zip.start_file(name, SimpleFileOptions::default()).unwrap();
                zip.write_all(content.as_bytes()).unwrap();
            }
            zip.finish().unwrap().into_inner()
        };
        let policy = files(GOOD).find(|(name, _)| *name == "policy").unwrap().1;
        let policy = Policy::parse(policy).unwrap();
        verify(|| Ok(Cursor::new(zip(&good))), &policy, None).unwrap();
        good = good.replace("Queued", "Qeuued");
        verify(|| Ok(Cursor::new(zip(&good))), &policy, None).unwrap_err();
    }
}
