//! Schemas of values that occur in many places, named and described once. They stand in annotations in the
//! place of the types that hold such values.

use std::borrow::Cow;

use domain::forms::{self, Form};
use utoipa::openapi::schema::{
    AdditionalProperties, KnownFormat, Object, ObjectBuilder, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The greatest position and revision: what a `bigint` holds.
const LAST: u64 = i64::MAX as u64;

macro_rules! named_schemas {
    ($($(#[doc = $doc:literal])+ $name:ident = $schema:expr;)+) => {$(
        $(#[doc = $doc])+
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let description = [$($doc),+].map(str::trim).join(" ");
                $schema.description(Some(description)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )+

        /// All of them, by their names.
        pub fn all() -> impl Iterator<Item = (&'static str, RefOr<Schema>)> {
            [$((stringify!($name), $name::schema())),+].into_iter()
        }
    };
}

named_schemas! {
    /// A tenant's short name.
    TenantId = form(forms::TENANT, "demo");
    /// A kind of operation: words joined by dots.
    Kind = form(forms::KIND, "backup_set.add_policies");
    /// A namespace of the tenant's directory: words joined by dots, without a dash.
    Namespace = form(forms::NAMESPACE, "policies");
    /// Why something did not succeed, for machines: docs/reason-codes.md has the usual ones, others are fine.
    ReasonCode = form(forms::REASON_CODE, "permission_denied");
    /// By which equal operations are known, in hex: docs/idempotency.md.
    IdempotencyKey = text().pattern(Some(forms::IDEMPOTENCY_KEY.pattern));
    /// The principal that did something: compared to the letter.
    PrincipalId = id();
    /// Ties events together across systems.
    CorrelationId = id();
    /// An id of a principal, or one that ties events together: nothing in it is invisible.
    VisibleId = form(forms::VISIBLE_ID, "import-2026-01");
    /// A part of a reference: compared to the letter, and nothing in it is invisible.
    ReferencePart = form(forms::REFERENCE_PART, "nightly-2026-01-31");
    /// A key in quotes (RFC 9651, 3.3.3), or bare and then without quotes, spaces, commas and semicolons.
    IdempotencyHeader = text()
        .pattern(Some(r#"^("[!#-\[\]-~]([ !#-\[\]-~]{0,253}[!#-\[\]-~])?"|[!#-+\-.-:<-\[\]-~]{1,255})$"#))
        .examples(["\"8e03978e-40d5-43e8-bc93-6894a57f9324\""]);
    /// What an item is called within its run. It holds at least one printable character.
    ItemName = text().min_length(Some(1));
    /// A word for people. It holds at least one printable character.
    Message = text().min_length(Some(1));
    /// A number of items. It is exact for every reader of JSON (RFC 7493, 2.2).
    ItemCount = between(forms::ITEM_COUNT);
    /// Seconds between two signs of life.
    HeartbeatSeconds = between(forms::HEARTBEAT_SECONDS);
    /// A place in the whole log.
    Position = between((0, LAST));
    /// A place in a run, from 0, without gaps.
    Revision = between((0, LAST));
    /// A text as it was kept: one line, without secrets, cut where it was longer.
    ShownText = text().max_length(Some(redaction::MAX_CHARS));
    /// The name of a type of event.
    EventTypeName = choice(domain::EventBody::TYPES);
    /// The name of a type of event of administration.
    AdminEventType = text().enum_values(Some(domain::admin::AdminBody::TYPES.iter().copied()));
    /// What is known of who did something: docs/operating.md.
    ActorKind = choice(domain::admin::ActorKind::ALL.map(domain::admin::ActorKind::as_str));
    /// What a token may do.
    Role = choice(access::Role::ALL.map(access::Role::as_str));
    /// A job, as its pings name it.
    Slug = text().pattern(Some("^[A-Za-z0-9._-]+$")).max_length(Some(100));
    /// In which form reports come in through an inlet.
    InletType = choice(access::InletType::ALL.map(access::InletType::as_str));
    /// What became of an event that was sent: it is new, or was there already.
    EventResult = choice(["created", "duplicate"]);
    /// The order of runs: by when they were queued, the newest first (usual) or the oldest first, or by when they ended,
    /// and then without those that have not. With `ended_since` or `ended_until` the last to end come first (usual).
    RunOrder = choice(["-queued_at", "queued_at", "-ended_at", "ended_at"]);
    /// The order of events by when the ledger took them in: the newest first (usual), or the oldest first.
    RecordedOrder = choice(["-recorded_at", "recorded_at"]);
    /// The form of a list: JSON (usual), or a table (RFC 4180).
    ListForm = choice(["json", "csv"]);
    /// How many entries: of JSON 50 (usual) and 200 at most, of a table 10,000.
    ListLimit = between((1, crate::page::LONGEST_TABLE));
    /// A point of a run's life: a revision, or a time (RFC 3339).
    PointOfRun = text().pattern(Some(r"^([0-9]{1,18}|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2}))$"));
    /// The order of events: the oldest first (usual), or the newest first.
    EventOrder = choice(["asc", "desc"]);
    /// Only what is stalled.
    OnlyStalled = choice(["stalled"]);
    /// Only what is so.
    OnlyTrue = choice(["true"]);
    /// Whether it is so.
    YesOrNo = choice(["true", "false"]);
    /// What an append may wait for.
    WaitFor = choice(["sealed"]);
    /// How long it waits, in seconds; the server's own bound may be lower.
    WaitSeconds = between((1, 3_600));
    /// How many entries the tree of a checkpoint has: its second line.
    TreeSize = between((1, LAST));
    /// A zip file with sealed history.
    ExportFile = text().content_media_type("application/zip").content_encoding("binary");
    /// NAME:VALUE of a label.
    LabelFilter = text().pattern(Some(r"^[^:\u0000-\u001F\u007F-\u009F\uFFFD]+:[^\u0000-\u001F\u007F-\u009F\uFFFD]*$"));
    /// The beginning of a name. It is cleaned as names are, and holds at least one printable character.
    SearchText = text().min_length(Some(1)).max_length(Some(crate::params::LONGEST_ASKED));
    /// Revisions in quotes, as ETag gave them (RFC 9110, 13.1.1); or `*`, which asks for nothing.
    IfMatch = text()
        .pattern(Some(r#"^(\*|[0-9]+|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$"#))
        .examples(["\"7\""]);
    /// One of the ledger's epochs: a new one begins where it was restored.
    Epoch = between((0, LAST));
    /// How far a stream was heard: the id of its last message, or a position.
    Heard = text().pattern(Some("^[0-9]{1,18}(-[0-9]{1,18})?$"));
    /// A JSON Pointer (RFC 6901) into the context, or the name of one of its members.
    Unordered = text().min_length(Some(1));
    /// An event to append: the API's description says which.
    EventItem = ObjectBuilder::new();
    /// Any JSON object.
    AnyObject = ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(true)));
    /// Names and values to find a run by. The value is cleaned as all texts are.
    Labels = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property_names(Some(label_name()))
        .additional_properties(Some(text()))
        .max_properties(Some(forms::MOST_LABELS));
    /// Names of labels, with what the directory calls their values today; null where it does not know them.
    LabelNames = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property_names(Some(label_name()))
        .additional_properties(Some(ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]))))
        .max_properties(Some(forms::MOST_LABELS));
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn choice<const N: usize>(words: [&'static str; N]) -> ObjectBuilder {
    text().enum_values(Some(words))
}

fn id() -> ObjectBuilder {
    let Form { least, most, .. } = forms::VISIBLE_ID;
    text().min_length(Some(least)).max_length(Some(most))
}

fn label_name() -> Object {
    let Form { pattern, least, most } = forms::LABEL_NAME;
    text().pattern(Some(pattern)).min_length(Some(least)).max_length(Some(most)).build()
}

fn form(Form { pattern, least, most }: Form, example: &str) -> ObjectBuilder {
    text().pattern(Some(pattern)).min_length(Some(least)).max_length(Some(most)).examples([example])
}

fn between((least, most): (u64, u64)) -> ObjectBuilder {
    let format = SchemaFormat::KnownFormat(KnownFormat::Int64);
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(format))
        .minimum(Some(least))
        .maximum(Some(most))
}
