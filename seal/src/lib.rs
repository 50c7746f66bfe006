//! What makes history provable. Pure: no I/O, no clock, no randomness.
//!
//! A tenant's events are the leaves of a Merkle tree (RFC 6962, SHA-256), in the order of the event log. What a leaf
//! holds is an [`entry`]: lines of text that commit to the event's stored bytes, and to the entry before it in the
//! same stream. The [`heads`] of all streams are the leaves of a second tree, whose root is an entry of the first one.
//! A [`checkpoint`] says size and root of the first tree, in a signed [`note`]. From the four follows offline that
//! a run's events are all there, in order and unchanged, and that no run was left out.
//!
//! `docs/sealed-history.md` describes the forms. They follow C2SP (<https://c2sp.org>): `signed-note`,
//! `tlog-checkpoint`, `tlog-cosignature`, `tlog-policy`, `tlog-proof`, `tlog-witness`, and tiles of 256 hashes as in `tlog-tiles`.

pub mod checkpoint;
pub mod continues;
pub mod entry;
pub mod export;
mod hash;
pub mod heads;
mod key;
pub mod note;
pub mod policy;
pub mod proof;
pub mod receipt;
pub mod tiles;
pub mod time_stamp;
pub mod tlog_proof;
pub mod witness;

pub use hash::{Hash, HashParseError};
