//! Runs: the list, one run, and one run as it was.

mod as_of;
mod filter;
mod flagged;
mod list;
mod moment;
mod one;
mod order;
#[cfg(test)]
mod plans;
mod query;
mod row;
mod search;
mod statement;
mod usual;
mod view;

pub use filter::ListQuery;
pub use flagged::{Flagged, LOOKED_AT, flagged};
pub use list::{RunPage, page_of_runs};
pub use moment::{AsOf, revision_as_of};
pub use one::{OneQuery, one_run, past_run};
pub use order::By;
pub use row::{must_exist, revision_of};
pub use usual::Usual;
pub use view::{
    ChildCounts, EndedAsName, InitiatorView, ItemCounts, LinkedRunView, Liveness, LivenessState, RunLinks,
    RunReference, RunStatus, RunView,
};
