//! The reads of the API over real HTTP, on read tables that the tests fill themselves: what a projector
//! would write, written by hand, so that every state of the tables can be tried.

mod difference;
mod ended;
mod events;
mod filters;
mod fixture;
mod freshness;
mod history;
mod isolation;
mod items;
mod moving;
mod notifications;
mod one;
mod paging;
mod served;
mod skewed;
mod stalled;
mod stats;
mod titles;
mod unchanged;
mod usual;
