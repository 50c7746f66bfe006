//! A receipt: one event, with what proves that it was sealed.

use std::fmt;

use seal::Hash;
use seal::checkpoint::Checkpoint;
use seal::entry::{Part, Stream};
use seal::policy::Policy;
use seal::proof::verify_inclusion;
use seal::receipt::{FORMAT, Receipt, entered};
use seal::tlog_proof::TlogProof;
use serde::Serialize;
use uuid::Uuid;

use crate::content::opened;
use crate::refused::{Place, Refused, shown};
use crate::report::{Cosigner, cosigners, named, witnessed};
use crate::time_stamp::{self, Stamped};

/// What a receipt proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipted {
    /// The tenant's name, as the receipt says.
    pub tenant: String,
    /// Whether the event's sealed metadata say the same name; they never say another.
    pub tenant_is_sealed: bool,
    /// The run's number within the tenant.
    pub run: u64,
    /// Its id.
    pub run_id: Uuid,
    /// The event's revision.
    pub revision: u64,
    /// Its id.
    pub event_id: Uuid,
    /// Its type, other bytes escaped as in the entry.
    pub event_type: String,
    /// When it was recorded, escaped likewise.
    pub recorded_at: String,
    /// The stored bytes of its own fields, as text that can be shown; none where they are not here, or are no text.
    pub data: Option<String>,
    /// Whether data and metadata are here; else of one there is only the sealed commitment.
    pub whole: bool,
    /// Which log.
    pub origin: String,
    /// Which entry of it, from 0.
    pub index: u64,
    /// How many entries the tree of the checkpoint has.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The log's key in the policy by which the checkpoint is signed.
    pub key: String,
    /// The witnesses of the policy that have cosigned it.
    pub cosigners: Vec<Cosigner>,
    /// What says when the checkpoint was there at the latest.
    pub time_stamp: Option<Stamped>,
}

/// Checks a receipt.
///
/// # Errors
/// Where it does not prove what it says.
pub fn receipt(text: &[u8], policy: &Policy) -> Result<Receipted, Refused> {
    let at = Place::file;
    let receipt: Receipt = serde_json::from_slice(text)
        .map_err(|error| at("receipt").refused(format_args!("it can't be read: {error}")))?;
    if receipt.format != FORMAT {
        return Err(at("receipt").refused(format_args!("this program reads {FORMAT}")));
    }
    let proof = receipt.proof.parse::<TlogProof>().map_err(|error| at("proof").refused(error))?;
    let trusted = policy.trust(&proof.checkpoint).map_err(|error| at("proof").refused(error))?;
    let Checkpoint { size, root, .. } = trusted.checkpoint;
    verify_inclusion(proof.index, Hash::leaf(receipt.entry.as_bytes()), size, root, &proof.hashes)
        .map_err(|error| at("entry").refused(format_args!("it was not sealed at this place: {error}")))?;
    let entry = entered(&receipt.entry);
    let entry = entry.ok_or_else(|| at("entry").refused("it is not of the form that entries have"))?;
    let Stream::Run { number, id } = entry.stream else {
        return Err(at("entry").refused("it is not of a run"));
    };
    let Receipt { data, data_base64, data_salt, metadata, metadata_base64, meta_salt, .. } = &receipt;
    let there = |parts: [bool; 3]| parts.contains(&true);
    let data_hash =
        (!there([data.is_some(), data_base64.is_some(), data_salt.is_some()])).then_some(entry.data);
    let meta_hash =
        (!there([metadata.is_some(), metadata_base64.is_some(), meta_salt.is_some()])).then_some(entry.meta);
    let data = opened(Part::Data, data, data_base64, *data_salt, data_hash);
    let data = data.map_err(|error| at("data").refused(error))?;
    if data.hash != entry.data {
        return Err(at("data").refused("these are not the bytes that were sealed, or not their salt"));
    }
    let meta = opened(Part::Metadata, metadata, metadata_base64, *meta_salt, meta_hash);
    let meta = meta.map_err(|error| at("metadata").refused(error))?;
    if meta.hash != entry.meta {
        return Err(at("metadata").refused("these are not the bytes that were sealed, or not their salt"));
    }
    let [tenant, run_id, recorded_at] = meta.members(["tenant", "run_id", "recorded_at"]);
    if tenant.as_ref().is_some_and(|tenant| *tenant != receipt.tenant) {
        return Err(at("metadata").refused("they are of another tenant than the receipt says"));
    }
    if run_id.is_some_and(|said| said != id.to_string()) {
        return Err(at("metadata").refused("they are of another run"));
    }
    if recorded_at.is_some_and(|said| seal::receipt::word(&said) != entry.recorded_at) {
        return Err(at("metadata").refused("they say another recorded_at"));
    }
    let stamp = receipt.time_stamp.as_ref().map(|stamp| time_stamp::check(stamp, &trusted.checkpoint));
    let stamp = stamp.transpose().map_err(|error| at("time_stamp").refused(error))?;
    let cosigners = cosigners(&trusted);
    let text = data.bytes.as_ref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    Ok(Receipted {
        tenant_is_sealed: tenant.is_some(),
        run: number,
        run_id: id,
        revision: entry.revision,
        event_id: entry.event_id,
        event_type: entry.event_type.to_owned(),
        recorded_at: entry.recorded_at.to_owned(),
        whole: data.bytes.is_some() && meta.bytes.is_some(),
        data: text.map(shown),
        origin: trusted.checkpoint.origin,
        index: proof.index,
        size,
        root,
        key: trusted.key.to_string(),
        cosigners,
        time_stamp: stamp.map(|stamp| stamp.stamped),
        tenant: receipt.tenant,
    })
}

impl fmt::Display for Receipted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "VERIFIED: the event was sealed as it stands here.\n")?;
        writeln!(f, "Tenant         {}", shown(&self.tenant))?;
        writeln!(f, "Log            {}", shown(&self.origin))?;
        writeln!(f, "Run            number {}, {}", self.run, self.run_id)?;
        writeln!(f, "Event          revision {}, {}", self.revision, self.event_id)?;
        writeln!(f, "               {}, recorded {}", self.event_type, self.recorded_at)?;
        if let Some(data) = &self.data {
            writeln!(f, "Data           {data}")?;
        }
        writeln!(f, "Entry          number {} of {}, root {}", self.index, self.size, self.root)?;
        writeln!(f, "Signed by      {}", shown(&self.key))?;
        match self.cosigners.as_slice() {
            [] => writeln!(f, "Cosigned by    none of the policy's witnesses")?,
            some => writeln!(f, "Cosigned by    {}", named(some))?,
        }
        time_stamp::found(self.time_stamp.as_ref(), f)?;
        writeln!(f, "\nProven, as far as the policy's keys can be trusted:")?;
        writeln!(f, "- This event is in the sealed history, at this place of its run and of the log.")?;
        if self.whole {
            writeln!(f, "- Data and metadata are the bytes that were sealed.")?;
        }
        writeln!(f, "\nTo know besides:")?;
        if !self.whole {
            writeln!(f, "- Data or metadata are not here. The commitment to them is sealed.")?;
        }
        writeln!(f, "- Nothing is said about other events, nor about what came after. An export does that.")?;
        if !self.tenant_is_sealed {
            writeln!(f, "- The tenant's name is not sealed: compare the log with the one you know.")?;
        }
        witnessed(&self.cosigners, f)?;
        if let Some(stamp) = &self.time_stamp {
            stamp.to_check(f)?;
            writeln!(
                f,
                "    sed -n 's/.*\"response\": *\"\\([^\"]*\\)\".*/\\1/p' RECEIPT | base64 -d > timestamp.tsr\n    \
                 openssl ts -verify -digest {} -in timestamp.tsr -CAfile AUTHORITY.pem",
                stamp.imprint
            )?;
        }
        Ok(())
    }
}
