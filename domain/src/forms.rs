//! The forms of ids and codes as regular expressions, for descriptions of the API: clients can tell what is
//! well formed before they ask. The rules themselves are those of the types; `domain/tests/it/forms.rs` holds
//! the two together.

use crate::event::{HeartbeatSeconds, ItemCount, Labels};

/// The form of a text. A text has it when the pattern is found in it and its length is in the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// A regular expression as JSON Schema takes it (ECMA-262), without anything that other engines read
    /// otherwise.
    pub pattern: &'static str,
    /// The fewest characters (Unicode scalar values).
    pub least: usize,
    /// The most characters (Unicode scalar values).
    pub most: usize,
}

/// [`crate::TenantId`].
pub const TENANT: Form = Form { pattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", least: 1, most: 63 };

/// [`crate::Kind`].
pub const KIND: Form = Form { pattern: r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$", least: 1, most: 100 };

/// A [`crate::PrincipalId`] or [`crate::CorrelationId`] that is new: what can't be seen is in none, save blanks
/// between what can. Old ones may have it, and are shown as they are.
pub const VISIBLE_ID: Form = Form {
    pattern: "^[^\\p{C}\\p{Z}\\p{Default_Ignorable_Code_Point}\\u2800\\uFFFC]+\
              ( +[^\\p{C}\\p{Z}\\p{Default_Ignorable_Code_Point}\\u2800\\uFFFC]+)*$",
    least: 1,
    most: 200,
};

/// A [`crate::ReferencePart`] that is new: nothing in it is invisible.
pub const REFERENCE_PART: Form =
    Form { pattern: VISIBLE_ID.pattern, least: 1, most: crate::ReferencePart::MOST };

/// [`crate::reason::ReasonCode`].
pub const REASON_CODE: Form = Form { pattern: r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$", least: 1, most: 64 };

/// The name of a label, see [`crate::Labels`].
pub const LABEL_NAME: Form = Form { pattern: "^[A-Za-z0-9_./-]+$", least: 1, most: 63 };

/// [`crate::Namespace`].
pub const NAMESPACE: Form = Form { pattern: r"^[a-z0-9_]+(\.[a-z0-9_]+)*$", least: 1, most: 63 };

/// How many labels a run has at most.
pub const MOST_LABELS: usize = Labels::MOST;

/// [`crate::key::IdempotencyKey`].
pub const IDEMPOTENCY_KEY: Form = Form { pattern: "^[0-9a-f]{64}$", least: 64, most: 64 };

/// The least and the greatest number of [`ItemCount`].
pub const ITEM_COUNT: (u64, u64) = (ItemCount::LEAST, ItemCount::MOST);

/// The least and the greatest number of [`HeartbeatSeconds`].
pub const HEARTBEAT_SECONDS: (u64, u64) = (HeartbeatSeconds::LEAST, HeartbeatSeconds::MOST);
