//! The events of a run, in their current form. `docs/events.md` is the catalogue for producers.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use redaction::{CleanText, hidden_by_name};
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::ids::{CorrelationId, InvalidId, Kind, Namespace, PrincipalId, RequestId, RunId, TenantId};
use crate::key::IdempotencyKey;
use crate::reason::ReasonCode;
use crate::reference::Reference;
use crate::run::Counts;

/// One thing that happened to a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Chosen by the producer or, where it gives none, by the ledger. Repeating it changes nothing.
    pub id: Uuid,
    /// The version of the wire form it was written in, see [`crate::wire`].
    pub schema_version: u16,
    /// Whose run it is.
    pub tenant: TenantId,
    /// Which run.
    pub run: RunId,
    /// Its place in the run's stream, from 0, without gaps.
    pub revision: u64,
    /// When it happened, by the producer's clock; in whole microseconds.
    pub occurred_at: DateTime<Utc>,
    /// When the ledger took it in, by ours; never earlier than the event before it.
    pub recorded_at: DateTime<Utc>,
    /// The principal that appended it.
    pub actor: PrincipalId,
    /// Ties it to what else belongs together, where the producer says so.
    pub correlation_id: Option<CorrelationId>,
    /// What caused it, where the producer says so.
    pub causation_id: Option<CorrelationId>,
    /// What brought it to the ledger; none of those from before that was kept.
    pub origin: Option<Origin>,
    /// What happened.
    pub body: EventBody,
}

/// What brought an event to the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A request.
    Request {
        /// By whose token.
        token_id: Uuid,
        /// Which request, as the server's log calls it.
        request_id: RequestId,
    },
    /// The ledger itself: it presumed that a silent run has failed. No token can speak so.
    Sweeper,
    /// An import of rows that another system had kept, by an operator's command. It happened long ago: nobody is told
    /// of it any more.
    Import,
}

impl Origin {
    /// What events that no request brought are called by; none of the others.
    #[must_use]
    pub fn own_name(&self) -> Option<&'static str> {
        match self {
            Self::Request { .. } => None,
            Self::Sweeper => Some("sweeper"),
            Self::Import => Some("import"),
        }
    }
}

/// What happened to a run. The variants' names are the wire names. Written as its payload alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "each variant's payload says what it means")]
pub enum EventBody {
    Queued(Box<Queued>),
    Started(Started),
    Resumed(Resumed),
    ItemSucceeded(ItemSucceeded),
    ItemFailed(ItemFailed),
    ItemSkipped(ItemSkipped),
    Progressed(Progressed),
    Completed(Completed),
    Failed(Failed),
    Aborted(Failure),
}

impl Event {
    /// Whether it was taken over from another system's rows, see [`Origin::Import`].
    #[must_use]
    pub fn is_imported(&self) -> bool {
        self.origin == Some(Origin::Import)
    }
}

impl EventBody {
    /// Every wire name, in the order of a run's life.
    pub const TYPES: [&str; 10] = [
        "Queued",
        "Started",
        "Resumed",
        "ItemSucceeded",
        "ItemFailed",
        "ItemSkipped",
        "Progressed",
        "Completed",
        "Failed",
        "Aborted",
    ];

    /// The wire name.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Queued(_) => "Queued",
            Self::Started(_) => "Started",
            Self::Resumed(_) => "Resumed",
            Self::ItemSucceeded(_) => "ItemSucceeded",
            Self::ItemFailed(_) => "ItemFailed",
            Self::ItemSkipped(_) => "ItemSkipped",
            Self::Progressed(_) => "Progressed",
            Self::Completed(_) => "Completed",
            Self::Failed(_) => "Failed",
            Self::Aborted(_) => "Aborted",
        }
    }

    /// Why something did not succeed, where it says so.
    #[must_use]
    pub fn reason_code(&self) -> Option<&ReasonCode> {
        match self {
            Self::ItemFailed(ItemFailed { reason_code, .. })
            | Self::Failed(Failed { reason_code, .. })
            | Self::Aborted(Failure { reason_code, .. }) => Some(reason_code),
            Self::ItemSkipped(skipped) => skipped.reason_code.as_ref(),
            _ => None,
        }
    }

    /// Whether it ends the run for good, so that nothing may follow it.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed(_) | Self::Failed(_) | Self::Aborted(_)) && !self.is_presumed()
    }

    /// Whether it is an end that nobody has reported, see [`Failed::presumed`].
    #[must_use]
    pub fn is_presumed(&self) -> bool {
        matches!(self, Self::Failed(Failed { presumed: true, .. }))
    }
}

/// The operation was accepted and waits for a worker. First and once in every run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queued {
    /// The kind of operation.
    pub kind: Kind,
    /// The principal that asked for it; nobody is notified without.
    #[serde(default, deserialize_with = "crate::json::object", skip_serializing_if = "Option::is_none")]
    pub initiator: Option<Initiator>,
    /// What it works on: a JSON object, with secrets already redacted.
    #[serde(deserialize_with = "crate::json::value")]
    pub context: Value,
    /// Made by the ledger of tenant, kind and the context as it was sent; none of those that were made without
    /// the ledger's secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// How many items it expects to touch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_total: Option<ItemCount>,
    /// To find it by.
    #[serde(default)]
    pub labels: Labels,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<CleanText>,
    /// The producer's own name for the start.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// The run that it is a part of.
    #[serde(default, deserialize_with = "crate::json::object", skip_serializing_if = "Option::is_none")]
    pub parent: Option<LinkedRun>,
    /// The run whose work it tries once more.
    #[serde(default, deserialize_with = "crate::json::object", skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<LinkedRun>,
    /// The run with whose items it goes on.
    #[serde(default, deserialize_with = "crate::json::object", skip_serializing_if = "Option::is_none")]
    pub resumes: Option<LinkedRun>,
}

/// Another run of the same tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkedRun {
    /// Which one.
    pub run_id: RunId,
}

/// The principal that started a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Initiator {
    /// The principal that gets the notifications.
    pub id: PrincipalId,
    /// The name people know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<CleanText>,
}

/// A worker took the run up. Once, from queued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// Which worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<CleanText>,
    /// The worker promises a sign of life at least this often, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_seconds: Option<HeartbeatSeconds>,
}

/// Another worker goes on with a run whose worker is gone. From running, as often as it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resumed {
    /// Which worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<CleanText>,
    /// That worker promises a sign of life at least this often, in seconds; what the one before had promised holds no
    /// longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_seconds: Option<HeartbeatSeconds>,
}

/// An item was done. The last outcome of an item counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemSucceeded {
    /// Which item.
    pub item: ItemName,
    /// The name people know it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<CleanText>,
    /// In which namespace of the tenant's directory the item is an id: then its name of today is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
}

/// An item could not be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemFailed {
    /// Which item.
    pub item: ItemName,
    /// The name people know it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<CleanText>,
    /// In which namespace of the tenant's directory the item is an id: then its name of today is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    /// Why, for machines.
    pub reason_code: ReasonCode,
    /// Why, for people.
    pub message: CleanText,
}

/// An item was left alone on purpose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemSkipped {
    /// Which item.
    pub item: ItemName,
    /// The name people know it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<CleanText>,
    /// In which namespace of the tenant's directory the item is an id: then its name of today is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    /// Why, for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCode>,
}

/// A sign of life, with or without news.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progressed {
    /// What the worker is at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<CleanText>,
    /// A better estimate of the number of items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_total: Option<ItemCount>,
}

/// The run went through all it had to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Completed {
    /// A closing word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<CleanText>,
    /// How many items there were, of a run that counts them and need not name them.
    #[serde(default, deserialize_with = "crate::json::object", skip_serializing_if = "Option::is_none")]
    pub tally: Option<Tally>,
}

/// What a run says of its items as a whole: all of them, those that it has named as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// How many were done.
    #[serde(default)]
    pub succeeded: ItemCount,
    /// How many could not be done.
    #[serde(default)]
    pub failed: ItemCount,
    /// How many were left alone on purpose.
    #[serde(default)]
    pub skipped: ItemCount,
}

impl From<Tally> for Counts {
    fn from(Tally { succeeded, failed, skipped }: Tally) -> Self {
        Self { succeeded: succeeded.get(), failed: failed.get(), skipped: skipped.get() }
    }
}

/// The run could not proceed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// Why, for machines.
    pub reason_code: ReasonCode,
    /// Why, for people.
    pub message: CleanText,
    /// The ledger concluded it from silence. The run's own end, should it come after all, replaces it.
    /// Left out of the wire form where it is not so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub presumed: bool,
}

impl From<Failure> for Failed {
    fn from(Failure { reason_code, message }: Failure) -> Self {
        Self { reason_code, message, presumed: false }
    }
}

/// Why a run failed or was stopped, as its producer says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Why, for machines.
    pub reason_code: ReasonCode,
    /// Why, for people.
    pub message: CleanText,
}

/// A whole number between `MIN` and `MAX`, both included. `1.0` and `1e0` are the number 1 as well: JSON has
/// one kind of number (RFC 8259, 6), and many writers know no other than doubles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "u64")]
pub struct Bounded<const MIN: u64, const MAX: u64>(u64);

/// A number of items: up to 2^53 - 1, which every JSON reader takes exactly (RFC 7493, 2.2).
pub type ItemCount = Bounded<0, 9_007_199_254_740_991>;

/// Seconds between two signs of life: from 1 to a day.
pub type HeartbeatSeconds = Bounded<1, 86_400>;

impl<const MIN: u64, const MAX: u64> Bounded<MIN, MAX> {
    /// The least of them.
    pub const LEAST: u64 = MIN;
    /// The greatest of them.
    pub const MOST: u64 = MAX;

    /// The number itself.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl<const MAX: u64> Default for Bounded<0, MAX> {
    fn default() -> Self {
        Self(0)
    }
}

impl<const MIN: u64, const MAX: u64> TryFrom<u64> for Bounded<MIN, MAX> {
    type Error = InvalidId;

    fn try_from(number: u64) -> Result<Self, InvalidId> {
        if (MIN..=MAX).contains(&number) {
            Ok(Self(number))
        } else {
            Err(InvalidId(format!("{number} is not a whole number from {MIN} to {MAX}")))
        }
    }
}

impl<const MIN: u64, const MAX: u64> From<Bounded<MIN, MAX>> for u64 {
    fn from(number: Bounded<MIN, MAX>) -> Self {
        number.0
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(WholeNumber)?.try_into().map_err(de::Error::custom)
    }
}

/// Reads a whole number from 0 on, however it is spelled.
struct WholeNumber;

impl Visitor<'_> for WholeNumber {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 0 on")
    }

    fn visit_u64<E>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        number.try_into().map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<u64, E> {
        // Beyond 2^53 a double no longer says which whole number was meant.
        if number.fract() == 0.0 && (0.0..=9_007_199_254_740_991.0).contains(&number) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is whole and in range"
            )]
            return Ok(number as u64);
        }
        Err(E::invalid_value(Unexpected::Float(number), &self))
    }
}

/// What an item is called within its run: clean text that is not empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ItemName(CleanText);

impl ItemName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<String> for ItemName {
    type Error = InvalidId;

    fn try_from(raw: String) -> Result<Self, InvalidId> {
        let text = CleanText::for_item(&raw);
        if text.as_str().is_empty() {
            return Err(InvalidId("an item's name must hold at least one printable character".into()));
        }
        Ok(Self(text))
    }
}

/// Labels of a run: at most 32, names of 1 to 63 characters `A-Z a-z 0-9 _ . / -`, values clean text. The
/// value of a label whose name says that it is a secret is not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, CleanText>")]
pub struct Labels(BTreeMap<String, CleanText>);

impl Labels {
    /// How many there are at most.
    pub const MOST: usize = 32;

    /// The labels in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &CleanText)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl TryFrom<BTreeMap<String, CleanText>> for Labels {
    type Error = InvalidId;

    fn try_from(mut labels: BTreeMap<String, CleanText>) -> Result<Self, InvalidId> {
        if labels.len() > Labels::MOST {
            let count = labels.len();
            let most = Labels::MOST;
            return Err(InvalidId(format!("{count} labels are too many: at most {most}")));
        }
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"_./-".contains(&b);
        for (name, value) in &mut labels {
            if !(1..=63).contains(&name.len()) || !name.bytes().all(legal) {
                return Err(InvalidId(
                    "a label's name has 1 to 63 characters A-Z, a-z, 0-9, _, ., / and -".into(),
                ));
            }
            if let Some(hidden) = hidden_by_name(name, value) {
                *value = hidden;
            }
        }
        Ok(Self(labels))
    }
}
