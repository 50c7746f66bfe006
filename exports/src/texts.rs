//! `README.txt` and `WARNING.txt`: what people read first.

use seal::continues::Continues;
use seal::export::Selection;

use crate::prepare::Export;

/// The selection in words.
pub(crate) fn selection(selection: &Selection) -> String {
    let Selection { run_id, since, until, kind } = selection;
    if let Some(run) = run_id {
        return format!("the run {run}");
    }
    let runs =
        kind.as_ref().map_or_else(|| "all runs".to_owned(), |kind| format!("all runs of the kind {kind}"));
    match (since, until) {
        (None, None) => runs,
        (Some(since), None) => format!("{runs} that began at {since} or later"),
        (None, Some(until)) => format!("{runs} that began before {until}"),
        (Some(since), Some(until)) => format!("{runs} that began at {since} or later, and before {until}"),
    }
}

/// Where the history was restored, in words: one for each time, the newest first.
pub(crate) fn restorations(export: &Export) -> Vec<String> {
    let said = export.proofs.continues.iter().map(|line| match line.text.parse::<Continues>() {
        Ok(said) => {
            let known = said.known.map_or_else(
                || "How far it had come before is not known here".to_owned(),
                |known| format!("{} is known to have had {} entries before", known.log, known.size),
            );
            format!(
                "On {} the history was restored to an earlier moment, and goes on as the log {}. Of the log {} it has the first {} \
                 entries. {known}: what was sealed beyond is missing. Why: {}",
                said.at, said.log, said.from, said.agrees.0, said.why
            )
        }
        Err(error) => format!("The history was restored to an earlier moment; what is said of it can't be read: {error}"),
    });
    said.collect()
}

/// `README.txt`.
pub(crate) fn readme(export: &Export) -> String {
    let manifest = &export.manifest;
    let (tenant, at) = (&manifest.tenant, &manifest.exported_at);
    let what = selection(&manifest.selection);
    let also = if manifest.administration { ", and all events of the tenant's administration" } else { "" };
    let (origin, size) = export.checkpoint();
    let restored: String =
        restorations(export).iter().map(|said| format!("\n  RESTORED. {said}.\n")).collect();
    let file = match restored.is_empty() {
        true => "",
        false => {
            "  continues.ndjson   with which entries the log goes on after the history was restored to an earlier moment\n"
        }
    };
    format!(
        "\
SEALED HISTORY OF {tenant}

What this is

  {what}{also}.
  Exported at {at} from the log
  {origin}
  as of its checkpoint of {size} entries.
{restored}
  What happened to these runs, event by event as the ledger stored it, with a proof that these are all of their events,
  in this order and unchanged, and that no run of the selection was left out. The proof rests on the ledger's signature,
  and on those of witnesses where there are some. No network and no access to the ledger is needed to check it.

How to verify it

  You need a policy: a small text file that names the keys you trust. Get it from the ledger's operator once, beforehand,
  and keep it. A policy that comes together with an export proves nothing.

      runledger-verify FILE.zip --policy POLICY
      python3 verify.py FILE.zip --policy POLICY

  Both end with exit code 0 and a report, or with exit code 1 and what is wrong. verify.py is short, to be read, and leaves
  time stamps and restored histories to runledger-verify: it then says UNDECIDED. With --since CHECKPOINT they also make sure
  that nothing was changed since a checkpoint that you kept, if the export was made with a proof for it. The form of every
  file is described in docs/sealed-history.md of Runledger, so that you can write a verifier of your own.

What is checked

  manifest.json      what was asked for, and proofs for the list of runs
  heads.txt          how many runs there are, and the hash over their heads
  heads.tlog-proof   that this is the last entry of the log, with the signed checkpoint
{file}  runs.ndjson        the runs, one a line. To show that none is missing, all runs of the period are there and one on each
                     side: where \"selected\" is false, only the first event is told
  events.ndjson      the events, one a line, as they are stored

  timestamp.json     where there is one: what ties this export to a time stamp of the ledger's log. timestamp.checkpoint
                     holds the stamped bytes, timestamp.tsr the answer of the time-stamping authority. Whether it has
                     signed, you check with its certificates, which you have from itself:
                     openssl ts -verify -data timestamp.checkpoint -in timestamp.tsr -CAfile AUTHORITY.pem

What is for reading only, and proves nothing

  report.html        a page for people, which prints well
  events.csv         the events of the selection, for a spreadsheet
  items.csv          what was told of each item. An item may be there several times: its last line counts

  Texts that a spreadsheet would take for a formula have an apostrophe (') in front in the two tables. It does not belong to
  the text; events.ndjson has the text as it is.

  A file WARNING.txt is there only if the event log was not what had been sealed when this was exported.
"
    )
}

/// `WARNING.txt`.
pub(crate) fn warning(differences: &[String], not_listed: u64) -> String {
    let mut text = "\
THE EVENT LOG IS NOT WHAT WAS SEALED

When this file was made, the events in the ledger's database were no longer those that had been sealed. Somebody changed,
removed or added events behind the ledger, or the database is damaged. The file shows what is there now. It will not
verify, and should not.

Keep this file. Tell the ledger's operator, who compares the log with backups and with `runledger seal audit`.

What differs:

"
    .to_owned();
    for difference in differences {
        text.push_str(&format!("  - {difference}\n"));
    }
    if not_listed > 0 {
        text.push_str(&format!("  - and {not_listed} more\n"));
    }
    text
}
