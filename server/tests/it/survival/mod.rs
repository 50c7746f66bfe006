//! What the program survives: kills, a database that goes away, a full disk, neighbours that die, and
//! clients that do not behave. The real program, real Postgres, real signals.
//!
//! The short form runs with all other tests. `scripts/soak` sets higher counts, see [`counts`].
#![allow(clippy::print_stdout, reason = "a soak says what it sees")]

mod audit;
mod cluster;
mod counts;
mod disk;
mod fold;
mod health;
mod kills;
mod load;
mod outage;
mod pressure;
mod program;
mod rebuild;
mod sealing;
mod several;
mod site;
