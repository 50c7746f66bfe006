//! The runs of an export: all of the range, each with its events.

use std::io::Read;

use seal::entry::Stream;
use seal::export::{Manifest, RunLine};
use seal::heads::{Head, Heads, RunHead};
use seal::proof::RangeLeaves;

use crate::archive::Lines;
use crate::form;
use crate::refused::{Place, Refused};
use crate::selected::{First, Wanted, When};
use crate::stream::{Chain, Events};
use crate::{MANIFEST, RUNS};

/// What was found of the runs.
#[derive(Default)]
pub struct Found {
    /// How many the range has.
    pub listed: u64,
    /// How many of them are told whole.
    pub selected: u64,
    /// How many of these because kind or moment can't be told.
    pub untold: u64,
    /// The numbers of runs that are recorded before the run that began before them: the first few.
    pub backwards: Vec<u64>,
}

/// Checks the runs and their events.
///
/// # Errors
/// Where something is not as it was sealed, is left out or too much.
pub fn check<F: Read, G: Read>(
    mut lines: Lines<F>,
    events: &mut Events<'_, G>,
    manifest: &Manifest,
    heads: &Heads,
    wanted: &Wanted,
) -> Result<Found, Refused> {
    let range = &manifest.runs;
    let mut leaves = RangeLeaves::new(range.first);
    let (mut found, mut number, mut last) = (Found::default(), range.first, None::<First>);
    while let Some(line) = lines.next()? {
        let run = form::line::<RunLine>(line);
        let place = lines.place();
        let run = run.map_err(|error| place.refused(error))?;
        let place = place.run(run.number, run.run_id);
        if run.number != number {
            return Err(place.refused(format_args!("here should be run {number}: the numbers have no gaps")));
        }
        if run.number >= heads.runs || run.count == 0 {
            return Err(place.refused("there is no such run"));
        }
        let head = Head { count: run.count, first: run.first, last: run.last };
        let leaf = RunHead { number, id: run.run_id, head }.leaf();
        leaves.push(leaf).map_err(|error| place.refused(error))?;
        let mut chain = Chain::new(Stream::Run { number, id: run.run_id });
        let first = wanted.look(&run, &events.next(&mut chain, &head)?);
        if first.meets != run.selected {
            return Err(place.refused(if first.meets {
                "the run meets the selection and is not told whole"
            } else {
                "the run does not meet the selection and is said to"
            }));
        }
        if run.selected {
            events.rest(&mut chain, &head)?;
        }
        if number == range.first
            && number > 0
            && first.when != When::Before
            && !matches!(wanted, Wanted::Run(_))
        {
            return Err(place.refused("runs before this one could be of the selection too, and are left out"));
        }
        found.selected += u64::from(run.selected);
        found.untold += u64::from(first.untold);
        let before = last.as_ref().and_then(|last| last.moment);
        if found.backwards.len() < 10 && before.zip(first.moment).is_some_and(|(before, now)| now < before) {
            found.backwards.push(number);
        }
        (found.listed, number, last) = (found.listed + 1, number + 1, Some(first));
    }
    let place = Place {
        line: lines.place().line.map(|line| line.saturating_sub(1)).filter(|l| *l > 0),
        ..Place::file(RUNS)
    };
    match (wanted, last) {
        (Wanted::Run(_), _) if found.selected == 1 => {}
        (Wanted::Run(_), _) => return Err(place.refused("the selected run is not there exactly once")),
        (_, Some(last)) if number == heads.runs || last.when == When::After => {}
        (_, None) if heads.runs == 0 => {}
        _ => return Err(place.refused("runs after this one could be of the selection too, and are left out")),
    }
    leaves.verify(heads.runs, heads.root, &range.proof).map_err(|error| {
        let what =
            format!("the runs in {RUNS} are not those of the sealed heads, or a wrong proof is with them");
        Place::file(MANIFEST).refused(format_args!("runs.proof: {what}: {error}"))
    })?;
    Ok(found)
}
