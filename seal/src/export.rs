//! What the files of an export hold (`docs/sealed-history.md`): written by who exports, read by who verifies.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::entry::PartSalt;
use crate::hash::Hash;

/// The only format there is.
pub const FORMAT: &str = "runledger/export/1";

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// The tenant's short name. It is not sealed.
    pub tenant: String,
    /// When the export was made (RFC 3339). It is not sealed.
    pub exported_at: String,
    /// Which runs are told whole.
    pub selection: Selection,
    /// Which runs are told of at all.
    pub runs: RunRange,
    /// Whether all events of the tenant's administration are there.
    pub administration: bool,
    /// Proofs that older trees are the beginning of this one.
    #[serde(default)]
    pub consistency: Vec<Consistency>,
}

/// Which runs are told whole. A run is selected when its first event meets all that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// This run alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<Uuid>,
    /// Runs that were recorded at this moment or later (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Runs that were recorded before this moment (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Runs of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// The runs of `runs.ndjson` within those of the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRange {
    /// The number of the first one.
    pub first: u64,
    /// How many the tenant has.
    pub total: u64,
    /// See [`verify_range`](crate::proof::verify_range).
    pub proof: Vec<Hash>,
}

/// That the tree of an older checkpoint is the beginning of this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consistency {
    /// The older size.
    pub size: u64,
    /// See [`verify_consistency`](crate::proof::verify_consistency).
    pub proof: Vec<Hash>,
}

/// A line of `continues.ndjson`, which is there where the log was begun anew: the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContinuesLine {
    /// Which entry of the tree it is, from 0.
    pub index: u64,
    /// See [`Continues`](crate::continues::Continues).
    pub text: String,
    /// See [`verify_inclusion`](crate::proof::verify_inclusion).
    pub proof: Vec<Hash>,
}

/// A line of `runs.ndjson`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLine {
    /// Its number within the tenant.
    pub number: u64,
    /// Its id.
    pub run_id: Uuid,
    /// How many events it has.
    pub count: u64,
    /// The leaf hash of its first entry.
    pub first: Hash,
    /// The leaf hash of its last entry.
    pub last: Hash,
    /// Whether all of its events are there; else its first one only.
    pub selected: bool,
}

/// A line of `events.ndjson`. Content stands as text or, where it is no UTF-8, as base64, each with its salt; or, where
/// it was erased, there is its commitment in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLine {
    /// The number of its run; none where it is of the administration.
    pub run: Option<u64>,
    /// Its revision.
    pub revision: u64,
    /// Its id.
    pub event_id: Uuid,
    /// Its wire name.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it was recorded, as its metadata say; empty where they don't.
    pub recorded_at: String,
    /// The stored bytes of its own fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The same, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
    /// What opens the commitment to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_salt: Option<PartSalt>,
    /// The commitment, where the content was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_hash: Option<Hash>,
    /// The stored bytes of what is said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// The same, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_base64: Option<String>,
    /// What opens the commitment to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_salt: Option<PartSalt>,
    /// The commitment, where the content was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_hash: Option<Hash>,
}
