//! Which runs an export tells whole.

use seal::entry::Part;
use seal::export::{EventLine, RunLine, Selection};
use uuid::Uuid;

use crate::content::content;
use crate::moment::Moment;

/// A selection, read.
pub enum Wanted {
    /// One run.
    Run(Uuid),
    /// The runs of a period, and of a kind.
    Period {
        /// Those at this moment or later.
        since: Option<Moment>,
        /// Those before this moment.
        until: Option<Moment>,
        /// Those of this kind.
        kind: Option<String>,
    },
}

/// Whether a run is in the period.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// It is before it.
    Before,
    /// It is within.
    Within,
    /// It is after it.
    After,
    /// It can't be told.
    Untold,
}

/// What the first event of a run shows.
pub struct First {
    /// When it was, where that can be told.
    pub moment: Option<Moment>,
    /// Where that is in the period.
    pub when: When,
    /// Whether the run is to be told whole.
    pub meets: bool,
    /// Whether that is so because kind or moment can't be told.
    pub untold: bool,
}

impl Wanted {
    /// Reads a selection.
    ///
    /// # Errors
    /// What is wrong.
    pub fn new(selection: &Selection) -> Result<Self, String> {
        let Selection { run_id, since, until, kind } = selection;
        let moment = |text: &Option<String>| match text.as_deref().map(Moment::parse) {
            Some(None) => Err("the selection's since or until is no moment"),
            other => Ok(other.flatten()),
        };
        match run_id {
            Some(id) if since.is_none() && until.is_none() && kind.is_none() => Ok(Self::Run(*id)),
            Some(_) => Err("the selection has both a run and what only many runs have".into()),
            None => Ok(Self::Period { since: moment(since)?, until: moment(until)?, kind: kind.clone() }),
        }
    }

    /// Looks at the first event of a run.
    pub fn look(&self, run: &RunLine, event: &EventLine) -> First {
        let moment = Moment::parse(&event.recorded_at);
        match self {
            Self::Run(id) => First { moment, when: When::Within, meets: run.run_id == *id, untold: false },
            Self::Period { since, until, kind } => {
                let when = match moment {
                    _ if since.is_none() && until.is_none() => When::Within,
                    None => When::Untold,
                    Some(moment) if since.is_some_and(|since| moment < since) => When::Before,
                    Some(moment) if until.is_some_and(|until| moment >= until) => When::After,
                    Some(_) => When::Within,
                };
                let found =
                    || content(event, Part::Data).ok().and_then(|data| data.members(["kind"])[0].take());
                let kind = kind.as_ref().map(|kind| found().map(|found| found == *kind));
                First {
                    moment,
                    when,
                    meets: matches!(when, When::Within | When::Untold) && kind != Some(Some(false)),
                    untold: when == When::Untold || kind == Some(None),
                }
            }
        }
    }
}
