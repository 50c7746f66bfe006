//! What was checked, and what it says, for people and for programs.

use std::fmt;

use seal::Hash;
use seal::continues::Continues;
use seal::export::Selection;
use seal::policy::Trusted;
use serde::Serialize;

use crate::moment;
use crate::refused::shown;
use crate::time_stamp::{self, Stamped};
use crate::{STAMP_CHECKPOINT, STAMP_RESPONSE};

/// What an export proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The tenant's name, as the manifest says. It is not sealed by itself.
    pub tenant: String,
    /// How many events have sealed metadata that say the same name; none says another.
    pub tenant_named_by: u64,
    /// When the export was made, as the manifest says. It is not sealed.
    pub exported_at: String,
    /// Which log.
    pub origin: String,
    /// How many entries the tree of the checkpoint has.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The log's key in the policy by which the checkpoint is signed.
    pub key: String,
    /// The witnesses of the policy that have cosigned it.
    pub cosigners: Vec<Cosigner>,
    /// Which runs are told whole.
    pub selection: Selection,
    /// How many runs the tenant has.
    pub runs_total: u64,
    /// The number of the first run of the range.
    pub runs_first: u64,
    /// How many runs the range has.
    pub runs_listed: u64,
    /// How many of them are told whole.
    pub runs_selected: u64,
    /// How many of these since their kind or moment can't be told.
    pub runs_untold: u64,
    /// Runs that are recorded before the one that began before them; the first ten numbers.
    pub runs_backwards: Vec<u64>,
    /// How many events the administration has, where it is told.
    pub administration: Option<u64>,
    /// How many events were checked.
    pub events: u64,
    /// How many of them lack data or metadata, of which only the commitment is there.
    pub events_erased: u64,
    /// The earliest `recorded_at` of an event.
    pub earliest: Option<String>,
    /// The latest.
    pub latest: Option<String>,
    /// Where the history was restored to an earlier moment, the newest first.
    pub restored: Vec<Restored>,
    /// The older checkpoint that the tree goes on from.
    pub older: Option<Older>,
    /// What says when some of it was there at the latest.
    pub time_stamp: Option<Stamped>,
    /// Other files in the zip.
    pub not_checked: Vec<String>,
}

/// A witness that has cosigned a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cosigner {
    /// Its name in the policy.
    pub name: String,
    /// When it says it did (RFC 3339).
    pub at: String,
}

/// The history was restored to an earlier moment, and its log begun anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// When it was begun anew, as its entry says.
    pub at: String,
    /// Why, in the words of the ledger's operator.
    pub why: String,
    /// The log's name since.
    pub log: String,
    /// Its name before.
    pub from: String,
    /// How many entries of that are in this log.
    pub agrees: u64,
    /// Under which name it was known outside of the restored database, and how many entries it had.
    pub known: Option<(String, u64)>,
}

impl From<Continues> for Restored {
    fn from(said: Continues) -> Self {
        let Continues { log, from, agrees, known, at, why, .. } = said;
        Self { at, why, log, from, agrees: agrees.0, known: known.map(|known| (known.log, known.size)) }
    }
}

/// An older checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Older {
    /// The log's name then.
    pub origin: String,
    /// How many entries its tree has.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The witnesses that have cosigned it.
    pub cosigners: Vec<Cosigner>,
}

pub(crate) fn cosigners(trusted: &Trusted) -> Vec<Cosigner> {
    let cosigner = |(name, time): &(String, u64)| Cosigner { name: name.clone(), at: moment::of_unix(*time) };
    trusted.cosigners.iter().map(cosigner).collect()
}

pub(crate) fn named(cosigners: &[Cosigner]) -> String {
    let named = cosigners.iter().map(|Cosigner { name, at }| format!("{} at {at}", shown(name)));
    named.collect::<Vec<_>>().join(", ")
}

/// What cosignatures are worth.
pub(crate) fn witnessed(cosigners: &[Cosigner], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match cosigners.len() {
        0 => writeln!(
            f,
            "- No witness has cosigned: the holder of the log's key could show others another history."
        )?,
        _ => writeln!(
            f,
            "- The witnesses vouch that they saw one history only, unless a quorum of them lies with the log."
        )?,
    }
    Ok(())
}

fn selected(selection: &Selection) -> String {
    let Selection { run_id, since, until, kind } = selection;
    if let Some(id) = run_id {
        return format!("the run {id}");
    }
    let mut said = "all runs".to_owned();
    for (word, value) in [("of kind", kind), ("begun at or after", since), ("begun before", until)] {
        if let Some(value) = value {
            said += &format!(" {word} {}", shown(value));
        }
    }
    said
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.found(f)?;
        self.proven(f)?;
        self.not_proven(f)
    }
}

impl Report {
    fn found(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.restored.as_slice() {
            [] => writeln!(f, "VERIFIED: the export is what was sealed.\n")?,
            _ => writeln!(
                f,
                "VERIFIED, OF A HISTORY THAT WAS RESTORED: the export is what was sealed, but what came after an earlier \
                 moment is missing in it.\n"
            )?,
        }
        writeln!(f, "Tenant         {}", shown(&self.tenant))?;
        writeln!(f, "Log            {}", shown(&self.origin))?;
        writeln!(f, "Selection      {}", selected(&self.selection))?;
        match (self.runs_first, self.runs_listed) {
            (_, 0) => writeln!(f, "Runs           none; the tenant has {}", self.runs_total)?,
            (first, listed) => {
                let (last, total, whole) = (first + listed - 1, self.runs_total, self.runs_selected);
                writeln!(
                    f,
                    "Runs           numbers {first} to {last} of 0 to {}; {whole} selected and told whole",
                    total - 1
                )?;
            }
        }
        match self.administration {
            None => writeln!(f, "Administration not in this export")?,
            Some(count) => writeln!(f, "Administration all of its {count} events")?,
        }
        let between = match (&self.earliest, &self.latest) {
            (Some(earliest), Some(latest)) => format!(", recorded {} to {}", shown(earliest), shown(latest)),
            _ => String::new(),
        };
        writeln!(f, "Events         {}{between}", self.events)?;
        writeln!(f, "Checkpoint     {} entries, root {}", self.size, self.root)?;
        writeln!(f, "Signed by      {}", shown(&self.key))?;
        match self.cosigners.as_slice() {
            [] => writeln!(f, "Cosigned by    none of the policy's witnesses")?,
            some => writeln!(f, "Cosigned by    {}", named(some))?,
        }
        for Restored { at, why, from, agrees, known, .. } in &self.restored {
            writeln!(f, "Restored       at {}: {}", shown(at), shown(why))?;
            writeln!(f, "               of {} the first {agrees} entries are in this log", shown(from))?;
            match known {
                Some((log, size)) => {
                    writeln!(
                        f,
                        "               {} is known to have had {size}: what those beyond told is missing",
                        shown(log)
                    )?;
                }
                None => writeln!(
                    f,
                    "               how many it had is not known here: whatever those beyond told is missing"
                )?,
            }
        }
        match &self.older {
            None => writeln!(f, "Older one      none was given"),
            Some(Older { origin, size, cosigners, .. }) => {
                let by = if cosigners.is_empty() { "none".to_owned() } else { named(cosigners) };
                let of =
                    if *origin == self.origin { String::new() } else { format!(" of {}", shown(origin)) };
                writeln!(
                    f,
                    "Older one      its {size} entries{of} are the beginning of these; cosigned by {by}"
                )
            }
        }?;
        time_stamp::found(self.time_stamp.as_ref(), f)
    }

    fn proven(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nProven, as far as the policy's keys can be trusted:")?;
        if self.runs_selected > 0 {
            writeln!(
                f,
                "- The events of each selected run are all that were sealed of it, in their order, unchanged."
            )?;
        }
        if self.selection.run_id.is_none() {
            writeln!(f, "- No run that belongs to the selection was left out of the range.")?;
        }
        if self.administration.is_some() {
            writeln!(f, "- The same holds for the tenant's administration.")?;
        }
        if self.older.is_some() {
            writeln!(f, "- Nothing that the older checkpoint has was changed or removed since.")?;
        }
        Ok(())
    }

    fn not_proven(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nTo know besides:")?;
        if !self.restored.is_empty() {
            writeln!(
                f,
                "- What was sealed between a backup and its being restored is not here, and nothing here says what it was."
            )?;
            writeln!(
                f,
                "  With --since a checkpoint of before shows whether something that it has is missing."
            )?;
        }
        if self.events_erased > 0 {
            let count = self.events_erased;
            writeln!(
                f,
                "- Of {count} events data or metadata are not here: erased, or withheld from you. Their commitments are sealed."
            )?;
        }
        if self.runs_untold > 0 {
            let count = self.runs_untold;
            writeln!(f, "- Of {count} runs kind or moment can't be told; they count as selected.")?;
        }
        if let [first, ..] = self.runs_backwards.as_slice() {
            writeln!(
                f,
                "- Clocks went backwards: run {first} is recorded before the run that began before it."
            )?;
            writeln!(f, "  By as much a run at the edge of the period may lie outside of the range.")?;
        }
        if self.selection.run_id.is_some() {
            writeln!(f, "- Nothing is said about other runs.")?;
        }
        writeln!(f, "- What was changed before it was sealed, in general within 10 seconds, is not seen.")?;
        writeln!(f, "- What happened after the checkpoint is not in it.")?;
        match self.tenant_named_by {
            0 => writeln!(
                f,
                "- The tenant's name is not sealed: compare the log with the one you know to be its."
            )?,
            count => writeln!(
                f,
                "- The tenant's name stands in the sealed metadata of {count} events; which log is its, the policy must say."
            )?,
        }
        writeln!(f, "- That it was exported at {} is not sealed.", shown(&self.exported_at))?;
        witnessed(&self.cosigners, f)?;
        if self.older.is_none() {
            writeln!(
                f,
                "- Without --since nothing ties this to what you were shown before. Keep the checkpoint for next time."
            )?;
        }
        if let Some(stamp) = &self.time_stamp {
            stamp.to_check(f)?;
            writeln!(
                f,
                "    openssl ts -verify -data {STAMP_CHECKPOINT} -in {STAMP_RESPONSE} -CAfile AUTHORITY.pem"
            )?;
        }
        if !self.not_checked.is_empty() {
            writeln!(f, "- Not checked, and proves nothing: {}", self.not_checked.join(", "))?;
        }
        Ok(())
    }
}
