//! Time stamps (RFC 3161) of the ledger's own log, as far as they can be checked without knowing an authority: that they
//! are about the bytes they should be, and that what is proven was in them. Who has signed, `openssl ts` says.

use std::fmt::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use seal::Hash;
use seal::checkpoint::Checkpoint;
use seal::continues::{Named, generation_of};
use seal::entry::{Part, Stream};
use seal::proof::{verify_consistency, verify_inclusion};
use seal::receipt::{CHECKPOINT, TimeStamp, entered};
use seal::time_stamp::claimed;
use seal::tlog_proof::TlogProof;
use serde::Serialize;

use crate::refused::shown;

/// A time stamp that is about what is proven. When it is from is only claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stamped {
    /// When the stamped bytes were there at the latest, as the response says (RFC 3339). Nobody's signature was checked.
    pub claimed_at: String,
    /// So many of the tenant's entries are covered, from the first on.
    pub entries: u64,
    /// The name of the ledger's own log.
    pub ledger: String,
    /// How many entries that had.
    pub ledger_entries: u64,
    /// The SHA-256 of the stamped bytes, in hex digits.
    pub imprint: String,
}

/// A time stamp with the bytes that it is about, and the authority's answer.
pub struct Checked {
    /// What it says.
    pub stamped: Stamped,
    /// The note of the ledger's own log.
    pub note: String,
    /// The answer.
    pub response: Vec<u8>,
}

/// Checks that a time stamp covers the tree of this checkpoint, or its beginning.
///
/// # Errors
/// What is wrong.
pub fn check(stamp: &TimeStamp, of: &Checkpoint) -> Result<Checked, String> {
    let entry = entered(&stamp.entry).ok_or("its entry is not of the form that entries have")?;
    let Stream::Run { id: suffix, .. } = entry.stream else {
        return Err("its entry is not that of a checkpoint".into());
    };
    if entry.event_type != CHECKPOINT {
        return Err("its entry is not that of a checkpoint".into());
    }
    if stamp.data_salt.commit(Part::Data, stamp.data.as_bytes()) != entry.data {
        return Err("its entry commits to another checkpoint".into());
    }
    let listed = format!("{}\n{}", of.origin, stamp.data).parse::<Checkpoint>();
    let listed = listed.map_err(|_| "its data are not size and root of a checkpoint")?;
    if listed.size == 0 || listed.size > of.size {
        return Err(format!("it is of {} entries, and the checkpoint has {}", listed.size, of.size));
    }
    verify_consistency((listed.size, listed.root), (of.size, of.root), &stamp.consistency)
        .map_err(|error| format!("its tree is not the beginning of the checkpoint's: {error}"))?;
    let proof = stamp.proof.parse::<TlogProof>().map_err(|error| error.to_string())?;
    let ledger = proof.checkpoint.text.parse::<Checkpoint>().map_err(|error| error.to_string())?;
    // A log's name has its place in the ledger's own log. Each of the two may have been begun anew since the other was signed.
    let of_tenant = Named::of(&of.origin).first.strip_suffix(&format!("/t/{}", suffix.simple()));
    if of_tenant.and_then(|name| generation_of(name, &ledger.origin)).is_none() {
        return Err("its entry is of another log".into());
    }
    let leaf = Hash::leaf(stamp.entry.as_bytes());
    verify_inclusion(proof.index, leaf, ledger.size, ledger.root, &proof.hashes)
        .map_err(|error| format!("its entry is not in the stamped tree: {error}"))?;
    let note = proof.checkpoint.to_string();
    let response = STANDARD.decode(&stamp.response).map_err(|_| "the response is no base64")?;
    let claimed = claimed(&response).map_err(|error| error.to_string())?;
    if claimed.imprint != Hash::of(&[note.as_bytes()]) {
        return Err("the response is about other bytes than these".into());
    }
    let stamped = Stamped {
        claimed_at: claimed.at,
        entries: listed.size,
        ledger: ledger.origin,
        ledger_entries: ledger.size,
        imprint: hex(&claimed.imprint),
    };
    Ok(Checked { stamped, note, response })
}

fn hex(hash: &Hash) -> String {
    hash.0.iter().fold(String::new(), |mut text, byte| {
        // Writing into a text can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The line of a report that tells of a time stamp.
///
/// # Errors
/// The formatter's.
pub fn found(stamp: Option<&Stamped>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match stamp {
        None => writeln!(f, "Time stamp     none"),
        Some(Stamped { claimed_at, entries, ledger, .. }) => {
            writeln!(
                f,
                "Time stamp     claims that the first {entries} entries were there at {claimed_at}, by {}",
                shown(ledger)
            )
        }
    }
}

impl Stamped {
    /// What a report says of how to go on.
    ///
    /// # Errors
    /// The formatter's.
    pub fn to_check(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "- The time stamp is about the right bytes. Whether the authority made it is not checked here. With the"
        )?;
        writeln!(f, "  authority's certificates, which you have from itself (AUTHORITY.pem):")
    }
}
