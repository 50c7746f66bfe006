//! `docs/errors.md` lists every code that the API can answer, and no other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The first string literals after each place where a problem is made.
fn codes_in(source: &str, codes: &mut BTreeSet<String>) {
    for made in ["Problem::new(", "Self::new(", "unavailable("] {
        for (at, _) in source.match_indices(made) {
            let rest = &source[at + made.len()..];
            let literal = rest.split('"').nth(1).unwrap_or_default();
            let before = rest.split('"').next().unwrap_or_default();
            // What stands before the code is at most a status: a call, not a definition.
            let is_code = before.len() < 120 && !before.contains([';', '{', ')']);
            if is_code && !literal.is_empty() && literal.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            {
                codes.insert(literal.to_owned());
            }
        }
    }
}

fn walk(folder: &Path, codes: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, codes);
        } else {
            codes_in(&fs::read_to_string(&path).unwrap(), codes);
        }
    }
}

#[test]
fn the_document_lists_the_codes_of_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut codes = BTreeSet::new();
    walk(&root.join("api/src"), &mut codes);
    assert!(codes.len() > 12, "{codes:?}");
    let document = fs::read_to_string(root.join("docs/errors.md")).unwrap();
    let listed: BTreeSet<String> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|row| row.split('`').next().map(str::to_owned))
        .collect();
    assert_eq!(listed, codes);
}
