//! Stuck runs: presumed failed where a policy says so, once, and never against the log.

mod folded;
mod judged;
mod swept;
