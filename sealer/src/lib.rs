//! Follows the event log and seals it: one Merkle tree a tenant, checkpoints signed where there is news, and a tree of the
//! ledger's own over all tenants' checkpoints. `docs/sealed-history.md` has the forms; the crate `seal` makes them.
//!
//! Appends are not touched. What is signed was committed before, durably, so that after a crash at any step the
//! sealer goes on from there and never signs two trees of one size.

mod anew;
mod ask;
mod audit;
mod belongs;
mod checkpoint;
mod continues;
mod error;
mod findings;
mod gathered;
mod given;
mod hasher;
mod integrate;
mod key;
mod logs;
mod outside;
mod pace;
mod progress;
mod publish;
mod recomputed;
mod rfc3161;
mod round;
mod run;
mod runs;
mod sampler;
mod stamped;
mod status;
mod tiles;
mod timestamps;
mod told;
mod witnesses;

pub use anew::{Anew, Begun};
pub use audit::{Audit, AuditProgress, Audited, Restoration};
pub use belongs::must_be_key_of;
pub use error::SealError;
pub use findings::Finding;
pub use key::{KeyFile, KeyFileError, write_whole};
pub use run::{Sealer, SealerConfig};
pub use status::{LogStatus, origin, status};
pub use timestamps::{StampStatus, TimeStamping, time_stamps};
pub use told::tell_stopped;
