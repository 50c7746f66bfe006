//! Whether the log was begun anew, after the history was restored to an earlier moment. Then the export has to say so.

use std::io::{Read, Seek};

use seal::checkpoint::Checkpoint;
use seal::continues::{Continues, Named};
use seal::export::{ContinuesLine, Manifest};
use seal::proof::{verify_consistency, verify_inclusion};

use crate::archive::Archive;
use crate::moment::Moment;
use crate::refused::{Place, Refused};
use crate::report::Restored;
use crate::{CONTINUES, MANIFEST, form};

/// The entries with which the log was begun anew, the newest first; none under its first name.
///
/// # Errors
/// Where one is missing, is not in the tree, or what it goes on from is not its beginning.
pub fn check(
    archive: &mut Archive<impl Read + Seek>,
    checkpoint: &Checkpoint,
    manifest: &Manifest,
) -> Result<Vec<Restored>, Refused> {
    let file = Place::file(CONTINUES);
    let now = Named::of(&checkpoint.origin);
    if now.generation == 1 {
        let there = archive.has(CONTINUES);
        return if there { Err(file.refused("the log was never begun anew")) } else { Ok(Vec::new()) };
    }
    let (mut restored, mut below) = (Vec::<Restored>::new(), checkpoint.size.saturating_sub(1));
    let mut prev = None;
    let mut lines = archive.lines(CONTINUES)?;
    while let Some(line) = lines.next()? {
        let line = form::line::<ContinuesLine>(line);
        let place = lines.place();
        let line = line.map_err(|error| place.refused(error))?;
        let said: Continues = line.text.parse().map_err(|error| place.refused(error))?;
        let (log, from) = (Named::of(&said.log), Named::of(&said.from));
        let follows = match restored.last() {
            None => said.log == checkpoint.origin,
            Some(newer) => prev == Some(said.leaf()) && log.generation <= Named::of(&newer.from).generation,
        };
        if !follows || log.first != now.first || from.first != now.first || from.generation >= log.generation
        {
            return Err(place.refused("it is not the entry with which this log was begun anew"));
        }
        if line.index >= below || said.agrees.0 > line.index || Moment::parse(&said.at).is_none() {
            return Err(place.refused("it can't stand where it is said to"));
        }
        verify_inclusion(line.index, said.leaf(), checkpoint.size, checkpoint.root, &line.proof)
            .map_err(|error| place.refused(format_args!("it is not in the tree: {error}")))?;
        is_beginning(said.agrees, checkpoint, manifest).map_err(|error| {
            Place::file(MANIFEST).refused(format_args!("consistency, of what the log goes on from: {error}"))
        })?;
        (below, prev) = (line.index, said.prev);
        restored.push(said.into());
    }
    match (restored.is_empty(), prev) {
        (false, None) => Ok(restored),
        _ => Err(lines.place().refused("an entry with which the log was begun anew is missing")),
    }
}

/// Whether the tree of an older size is the beginning of a checkpoint's, by the proof that the export has.
pub fn is_beginning(
    (size, root): (u64, seal::Hash),
    newer: &Checkpoint,
    manifest: &Manifest,
) -> Result<(), String> {
    let known = manifest.consistency.iter().find(|proof| proof.size == size);
    let proof = match known {
        Some(known) => known.proof.as_slice(),
        None if size == newer.size || size == 0 => &[],
        None => return Err(format!("the export has no proof for its size, {size}")),
    };
    let verified = verify_consistency((size, root), (newer.size, newer.root), proof);
    verified.map_err(|error| format!("its tree is not the beginning of the export's: {error}"))
}
