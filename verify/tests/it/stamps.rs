//! A ledger's own log, and time stamps of it that nobody has signed: what signatures are worth is not for the verifiers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use seal::Hash;
use seal::checkpoint::Checkpoint;
use seal::continues::Named;
use seal::entry::{Entry, Part, Salt, Stream};
use seal::note::{KeyKind, SignedNote, SignerKey};
use seal::proof;
use seal::receipt::TimeStamp;
use seal::tlog_proof::TlogProof;
use uuid::Uuid;

use crate::ledger::{Export, Ledger};

/// An element of DER.
pub fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    match u8::try_from(content.len()) {
        Ok(length @ ..=127) => [&[tag, length], &content[..]].concat(),
        _ => [&[tag, 0x82], &u16::try_from(content.len()).unwrap().to_be_bytes()[..], &content].concat(),
    }
}

/// A `TimeStampResp` without a signature.
pub fn response(imprint: Hash, at: &str) -> Vec<u8> {
    let (number, sha) = (der(2, &[&[1]]), der(6, &[b"\x60\x86\x48\x01\x65\x03\x04\x02\x01"]));
    let imprint = der(0x30, &[&der(0x30, &[&sha]), &der(4, &[&imprint.0])]);
    let said = der(0x30, &[&number, &der(6, &[b"\x2a"]), &imprint, &number, &der(0x18, &[at.as_bytes()])]);
    let kind = der(6, &[b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04"]);
    let said = der(0x30, &[&kind, &der(0xa0, &[&der(4, &[&said])])]);
    let signed = der(0x30, &[&number, &der(0x31, &[]), &said]);
    let token = der(0x30, &[&der(6, &[b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"]), &der(0xa0, &[&signed])]);
    der(0x30, &[&der(0x30, &[&der(2, &[&[0]])]), &token])
}

pub fn roots(leaves: &[Hash], ranges: Vec<std::ops::Range<u64>>) -> Vec<Hash> {
    let root = |range: std::ops::Range<u64>| Hash::root(&leaves[range.start as usize..range.end as usize]);
    ranges.into_iter().map(root).collect()
}

/// The suffix of a ledger's log.
fn suffix(ledger: &Ledger) -> Uuid {
    Named::of(ledger.log.name()).first.rsplit('/').next().unwrap().parse().unwrap()
}

/// A time stamp of the checkpoint with that size, for what is proven by one of `size` entries.
pub fn stamp(ledger: &Ledger, listed: u64, size: u64) -> TimeStamp {
    let root = Hash::root(&ledger.tree[..listed as usize]);
    let (data, salt) = (format!("{listed}\n{root}\n"), Salt::new([77; 32]));
    let data_salt = salt.of(Part::Data, 2);
    let entry = Entry {
        stream: Stream::Run { number: 3, id: suffix(ledger) },
        revision: 2,
        prev: Some(Hash::empty()),
        event_id: Uuid::from_u128(listed.into()),
        event_type: "Checkpoint",
        recorded_at: "2026-03-01T12:00:00.000001Z",
        data: data_salt.commit(Part::Data, data.as_bytes()),
        meta: salt.of(Part::Metadata, 2).commit(Part::Metadata, b""),
    }
    .text();
    let mut leaves: Vec<Hash> = (0..9u8).map(|n| Hash::leaf(&[n])).collect();
    leaves[5] = Hash::leaf(entry.as_bytes());
    let checkpoint = Checkpoint { origin: "ledger.example".into(), size: 9, root: Hash::root(&leaves) };
    let key = SignerKey::new("ledger.example", KeyKind::Note, &[5; 32]).unwrap();
    let text = checkpoint.to_string();
    let checkpoint = SignedNote { signatures: vec![key.sign(&text)], text };
    let imprint = Hash::of(&[checkpoint.to_string().as_bytes()]);
    let proof = TlogProof { index: 5, hashes: roots(&leaves, proof::inclusion(5, 9).unwrap()), checkpoint };
    TimeStamp {
        entry,
        data,
        data_salt,
        consistency: roots(&ledger.tree[..size as usize], proof::consistency(listed, size).unwrap()),
        proof: proof.to_string(),
        response: STANDARD.encode(response(imprint, "20260301123000Z")),
    }
}

/// Puts a time stamp into an export.
pub fn put(export: &mut Export, stamp: &TimeStamp) {
    let note = stamp.proof.split_once("\n\n").unwrap().1;
    export.set(verify::STAMP, serde_json::to_string_pretty(stamp).unwrap() + "\n");
    export.set(verify::STAMP_CHECKPOINT, note);
    export.set(verify::STAMP_RESPONSE, STANDARD.decode(&stamp.response).unwrap());
}
