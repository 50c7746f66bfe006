//! All steps, in the order of `docs/sealed-history.md`.

use std::io::{self, Read, Seek};

use seal::checkpoint::Checkpoint;
use seal::continues::Named;
use seal::entry::Stream;
use seal::export::{FORMAT, Manifest};
use seal::heads::Heads;
use seal::note::SignedNote;
use seal::policy::{Policy, Trusted};
use seal::proof::verify_inclusion;
use seal::receipt::TimeStamp;
use seal::tlog_proof::{TlogProof, kept_checkpoint};

use crate::archive::Archive;
use crate::continues::{self, is_beginning};
use crate::form;
use crate::moment::Moment;
use crate::refused::{Place, Refused};
use crate::report::{Older, Report, Restored, cosigners};
use crate::runs;
use crate::selected::Wanted;
use crate::stream::{Chain, Events};
use crate::time_stamp::{self, Stamped};
use crate::{EVENTS, HEADS, MANIFEST, PROOF, RUNS, STAMP, STAMP_CHECKPOINT, STAMP_RESPONSE};

/// Checks an export. `open` opens it anew; it is called twice, since two of its files are read side by side. `older` is a
/// checkpoint from before.
///
/// # Errors
/// Where the export does not prove what it says.
pub fn verify<R: Read + Seek>(
    open: impl Fn() -> io::Result<R>,
    policy: &Policy,
    older: Option<&SignedNote>,
) -> Result<Report, Refused> {
    let open = || Archive::open(open().map_err(|error| Place::default().refused(error))?);
    let (mut archive, mut beside) = (open()?, open()?);
    let manifest = form::document::<Manifest>(&archive.content(MANIFEST)?);
    let manifest = manifest.map_err(|error| Place::file(MANIFEST).refused(error))?;
    let wanted = read_manifest(&manifest).map_err(|error| Place::file(MANIFEST).refused(error))?;
    let (trusted, heads) = read_heads(&mut archive, policy)?;
    if manifest.runs.total != heads.runs {
        let (said, sealed) = (manifest.runs.total, heads.runs);
        return Err(Place::file(MANIFEST)
            .refused(format_args!("it says that the tenant has {said} runs; sealed are {sealed}")));
    }
    let restored = continues::check(&mut archive, &trusted.checkpoint, &manifest)?;
    let newer = (&trusted.checkpoint, restored.as_slice());
    let older = older.map(|older| check_older(older, newer, &manifest, policy)).transpose()?;
    let time_stamp = read_stamp(&mut archive, &trusted.checkpoint)?;
    let others = archive.others();
    let mut events = Events::new(beside.lines(EVENTS)?, &manifest.tenant);
    let head = heads.administration.filter(|_| manifest.administration);
    if let Some(head) = head {
        events.rest(&mut Chain::new(Stream::Administration), &head)?;
    }
    let found = runs::check(archive.lines(RUNS)?, &mut events, &manifest, &heads, &wanted)?;
    events.end()?;
    Ok(Report {
        tenant: manifest.tenant.clone(),
        tenant_named_by: events.named,
        exported_at: manifest.exported_at.clone(),
        origin: trusted.checkpoint.origin.clone(),
        size: trusted.checkpoint.size,
        root: trusted.checkpoint.root,
        key: trusted.key.to_string(),
        cosigners: cosigners(&trusted),
        selection: manifest.selection.clone(),
        runs_total: heads.runs,
        runs_first: manifest.runs.first,
        runs_listed: found.listed,
        runs_selected: found.selected,
        runs_untold: found.untold,
        runs_backwards: found.backwards,
        administration: manifest.administration.then_some(head.map_or(0, |head| head.count)),
        events: events.count,
        events_erased: events.erased,
        earliest: events.earliest.take().map(|(_, text)| text),
        latest: events.latest.take().map(|(_, text)| text),
        restored,
        older,
        time_stamp,
        not_checked: others,
    })
}

/// Reads a checkpoint that was kept: a signed note, or a `tlog-proof`, of which its checkpoint is taken.
///
/// # Errors
/// What is wrong with it.
pub fn older_checkpoint(text: &str) -> Result<SignedNote, String> {
    kept_checkpoint(text).map(|(note, _)| note)
}

fn read_manifest(manifest: &Manifest) -> Result<Wanted, String> {
    if manifest.format != FORMAT {
        return Err(format!("this program reads {FORMAT}, and it is {}", manifest.format));
    }
    if Moment::parse(&manifest.exported_at).is_none() {
        return Err("exported_at is no moment".into());
    }
    Wanted::new(&manifest.selection)
}

fn text(archive: &mut Archive<impl Read + Seek>, name: &'static str) -> Result<String, Refused> {
    String::from_utf8(archive.content(name)?).map_err(|_| Place::file(name).refused("it is no UTF-8"))
}

/// Steps 1 and 2: the checkpoint, and the heads as the last entry of its tree.
fn read_heads(archive: &mut Archive<impl Read + Seek>, policy: &Policy) -> Result<(Trusted, Heads), Refused> {
    let proof = text(archive, PROOF)?.parse::<TlogProof>();
    let proof = proof.map_err(|error| Place::file(PROOF).refused(error))?;
    let trusted = policy.trust(&proof.checkpoint);
    let trusted = trusted.map_err(|error| Place::file(PROOF).refused(error))?;
    let heads = text(archive, HEADS)?.parse::<Heads>();
    let heads = heads.map_err(|error| Place::file(HEADS).refused(error))?;
    let Checkpoint { size, root, .. } = trusted.checkpoint;
    if proof.index.checked_add(1) != Some(size) {
        return Err(Place::file(PROOF).refused("it is not about the last entry of the tree"));
    }
    verify_inclusion(proof.index, heads.leaf(), size, root, &proof.hashes).map_err(|error| {
        Place::file(HEADS)
            .refused(format_args!("it is not the last entry of the tree, or {PROOF} is wrong: {error}"))
    })?;
    Ok((trusted, heads))
}

/// Step 6: that the older tree is the beginning of the newer one. It may be of the same log under an earlier name.
fn check_older(
    older: &SignedNote,
    (newer, restored): (&Checkpoint, &[Restored]),
    manifest: &Manifest,
    policy: &Policy,
) -> Result<Older, Refused> {
    let refused = |what: String| Place::default().refused(format_args!("the older checkpoint: {what}"));
    let trusted = policy.trust(older).map_err(|error| refused(error.to_string()))?;
    let Checkpoint { origin, size, root } = &trusted.checkpoint;
    let (then, now) = (Named::of(origin), Named::of(&newer.origin));
    if then.first != now.first || then.generation > now.generation {
        return Err(refused(format!("it is of another log, {origin}")));
    }
    let checked = is_beginning((*size, *root), newer, manifest);
    if let Err(what) = checked {
        // The first restoration after it that does not reach as far.
        let later = |one: &&Restored| Named::of(&one.log).generation > then.generation;
        let gone = restored.iter().rev().filter(later).find(|one| one.agrees < *size);
        return Err(refused(match gone {
            Some(Restored { at, why, agrees, .. }) => format!(
                "it has {size} entries of {origin}. The history was restored at {at} to a moment at which it had {agrees} of \
                 them: what the others told is missing. Why: {why}"
            ),
            None if *size > newer.size => {
                format!("it has {size} entries, and the export's only {}", newer.size)
            }
            None => what,
        }));
    }
    Ok(Older { origin: origin.clone(), size: *size, root: *root, cosigners: cosigners(&trusted) })
}

/// Step 9: what says when some of it was there at the latest. Its two files for `openssl ts` hold what was checked.
fn read_stamp(archive: &mut Archive<impl Read + Seek>, of: &Checkpoint) -> Result<Option<Stamped>, Refused> {
    let there = [STAMP, STAMP_CHECKPOINT, STAMP_RESPONSE].map(|name| archive.has(name));
    if there == [false; 3] {
        return Ok(None);
    }
    let stamp = serde_json::from_slice::<TimeStamp>(&archive.content(STAMP)?);
    let stamp = stamp.map_err(|error| Place::file(STAMP).refused(error))?;
    let checked = time_stamp::check(&stamp, of).map_err(|error| Place::file(STAMP).refused(error))?;
    for (name, content) in
        [(STAMP_CHECKPOINT, checked.note.as_bytes()), (STAMP_RESPONSE, checked.response.as_slice())]
    {
        if archive.content(name)? != content {
            return Err(Place::file(name).refused(format_args!("it holds something else than {STAMP}")));
        }
    }
    Ok(Some(checked.stamped))
}
