//! An export for others' programs: `scripts/check-sealed`.

use std::fmt::Write;
use std::path::PathBuf;

use seal::export::Selection;

use crate::ledger::{Ledger, sample};

#[test]
#[ignore = "run by scripts/check-sealed"]
fn an_export_for_others() {
    let folder = PathBuf::from(std::env::var_os("RUNLEDGER_SEALED").unwrap());
    let (ledger, older) = sample();
    let size = older.text.lines().nth(1).unwrap().parse().unwrap();
    let export = ledger.export(&Selection::default(), true, &[size]).unstamped();
    let write = |name: &str, content: &[u8]| std::fs::write(folder.join(name), content).unwrap();
    write("export.zip", &export.zip());
    export.0.iter().for_each(|(name, content)| write(name, content));
    write("older", older.to_string().as_bytes());
    write("log.vkey", ledger.log.verifier().to_string().as_bytes());
    let witnesses = ledger.witnesses.iter().fold(String::new(), |mut text, witness| {
        writeln!(text, "{}", witness.verifier()).unwrap();
        text
    });
    write("witnesses.vkeys", witnesses.as_bytes());
    write("policy", ledger.policy_text("two").as_bytes());
}

/// What the search for inputs that break the verifier begins with: `tests/src/fuzz/export.txt`, `receipt.txt`.
#[test]
#[ignore = "writes into RUNLEDGER_SEALED"]
fn a_seed_for_fuzzing() {
    let mut ledger = Ledger::new(9);
    ledger.witnesses.clear();
    ledger.administer("TenantCreated", b"{}", "2026-03-01T09:00:00Z");
    for (kind, hour) in [("a", 10), ("b", 11)] {
        let run = ledger.begin(kind, &format!("2026-03-01T{hour}:00:00Z"));
        ledger.append(run, "Completed", b"{}", &format!("2026-03-01T{hour}:01:00Z"));
    }
    ledger.seal();
    let mut text = format!("== policy\nlog {}\nquorum none\n", ledger.log.verifier());
    for (name, content) in ledger.export(&crate::ledger::period("", "", "a"), true, &[1]).0 {
        if name.starts_with("timestamp.") {
            continue;
        }
        write!(text, "== {name}\n{}", String::from_utf8(content).unwrap()).unwrap();
    }
    let folder = PathBuf::from(std::env::var_os("RUNLEDGER_SEALED").unwrap());
    std::fs::write(folder.join("export.txt"), text).unwrap();
    let receipt = crate::receipts::receipt(&ledger, 1, 1, ledger.tree.len() as u64);
    let receipt = serde_json::to_string(&receipt).unwrap();
    let text = format!("== policy\nlog {}\nquorum none\n== receipt\n{receipt}\n", ledger.log.verifier());
    std::fs::write(folder.join("receipt.txt"), text).unwrap();
}
