//! Runs: the list, one run, and one run as it was.

mod as_of;
mod filter;
mod flagged;
mod list;
mod one;
mod query;
mod row;
mod search;
mod view;

pub(super) use list::__path_list_runs;
pub(super) use list::list_runs;
pub(super) use one::__path_get_run;
#[cfg(test)]
pub(super) use one::OneQuery;
pub(super) use one::get_run;
pub(super) use view::EndedAsName;

pub(crate) use filter::ListQuery;
pub(crate) use flagged::{Flagged, LOOKED_AT, flagged};
pub(crate) use list::page_of_runs;
pub(crate) use one::{one_run, past_run};
pub(crate) use row::{must_exist, revision_of};
pub(crate) use view::{InitiatorView, ItemCounts, LivenessState, RunLinks, RunStatus, RunView};
