//! The fuzz targets, on a bounded number of inputs: examples, examples changed in a few places, and noise.
//! The same inputs each time; `scripts/fuzz` looks further.

use access::Secret;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tests::fuzz::{TARGETS, Target, token};

const INPUTS: u32 = 3_000;

#[derive(Debug, Clone)]
enum Change {
    Put(usize, u8),
    Insert(usize, Vec<u8>),
    Cut(usize, usize),
    Repeat(usize, usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let interesting = prop::sample::select(vec![
        &b"\""[..],
        b"\\u0000",
        b"{",
        b"]",
        b"null",
        b"1e999",
        b"-0",
        b"\xff\xfe",
        "\u{202e}".as_bytes(),
        b"\x1b[0m",
        b"rlg_",
        b"&cursor=",
        b"%00",
        b"%ff",
        b"password=",
        b"$serde_json::private::RawValue",
        b"$serde_json::private::Number",
        b"18446744073709551616",
    ]);
    let change = prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        (any::<usize>(), interesting).prop_map(|(at, bytes)| Change::Insert(at, bytes.to_vec())),
        (any::<usize>(), 1..20usize).prop_map(|(at, bytes)| Change::Cut(at, bytes)),
        (any::<usize>(), 1..60usize).prop_map(|(at, bytes)| Change::Repeat(at, bytes)),
    ];
    vec(change, 0..6)
}

fn changed(seed: &str, changes: &[Change]) -> Vec<u8> {
    let mut bytes = seed.as_bytes().to_vec();
    for change in changes {
        let length = bytes.len().max(1);
        match change {
            Change::Put(at, byte) => bytes
                .splice((at % length).min(bytes.len())..bytes.len().min(at % length + 1), [*byte])
                .for_each(drop),
            Change::Insert(at, more) => {
                bytes.splice(at % length..at % length, more.iter().copied()).for_each(drop)
            }
            Change::Cut(at, count) => {
                bytes.drain(at % length..(at % length + count).min(bytes.len())).for_each(drop)
            }
            Change::Repeat(at, count) => {
                let piece = bytes[at % length..(at % length + count).min(bytes.len())].to_vec();
                bytes.extend(piece);
            }
        }
    }
    bytes
}

fn search(target: &Target) {
    let config = Config { cases: INPUTS, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let inputs = prop_oneof![
        9 => (prop::sample::select(target.seeds), changes()).prop_map(|(seed, list)| changed(seed, &list)),
        1 => vec(any::<u8>(), 0..300),
    ];
    let result = TestRunner::new_with_rng(config, rng).run(&inputs, |input| {
        (target.run)(&input);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{}: {error}", target.name));
}

#[test]
fn nothing_that_a_stranger_sends_breaks_a_reader() {
    for target in &TARGETS {
        search(target);
    }
}

#[test]
fn a_real_token_is_one() {
    let secret = Secret::generate().unwrap();
    assert!(api::fuzzing::token(secret.reveal()));
    token(secret.reveal().as_bytes());
}
