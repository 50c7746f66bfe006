//! Request bodies of commands, read so that all that is wrong can be named by its place.

mod directory;
mod event;
mod events;

use commands::{Changes, StartRequest};
use domain::json::Strict;
use domain::key::IdempotencySecret;
use domain::{
    CorrelationId, Initiator, ItemCount, Kind, Labels, LinkedRun, Origin, PrincipalId, ProposedEvent,
    Reference, TenantId, invisible,
};
use reads::forms;
use redaction::{CleanText, recognized_secret, secret_name};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use chrono::{DateTime, Utc};

use crate::body::from_value;
use crate::problem::Problem;

pub use directory::DirectoryBody;
pub use events::EventsBody;

/// How many arrays a request may call unordered.
const MAX_UNORDERED: usize = 32;

/// What `POST .../runs` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartBody {
    /// The kind of operation: dotted words such as `backup_set.add_policies`.
    #[schema(value_type = forms::Kind)]
    kind: Kind,
    /// The principal that is told when the run is queued and when it has ended; nobody without.
    #[serde(default)]
    #[schema(value_type = Option<InitiatorBody>)]
    initiator: Option<Strict>,
    /// What it works on. The same work has the same context: from it the idempotency key is made.
    #[schema(value_type = forms::AnyObject)]
    context: Strict,
    /// JSON Pointers to arrays of the context whose order means nothing.
    #[serde(default)]
    #[schema(value_type = Vec<forms::Unordered>, max_items = 32)]
    unordered: Vec<String>,
    /// How many items it expects to touch.
    #[serde(default)]
    #[schema(value_type = Option<forms::ItemCount>)]
    items_total: Option<ItemCount>,
    /// To find it by: at most 32.
    #[serde(default)]
    #[schema(value_type = Option<forms::Labels>)]
    labels: Option<Strict>,
    /// For people.
    #[serde(default)]
    title: Option<String>,
    /// The caller's own name for this start. Under the same one it is the same start for as long as the ledger keeps
    /// the run, whatever has become of that. The header Idempotency-Key is its short form.
    #[serde(default, deserialize_with = "domain::json::object", rename = "ref")]
    #[schema(value_type = Option<RefBody>)]
    reference: Option<Reference>,
    /// The id of the run's first event, Queued.
    #[serde(default)]
    event_id: Option<Uuid>,
    /// When it was asked for; now, without.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    occurred_at: Option<Value>,
    /// Ties it to what else belongs together.
    #[serde(default)]
    #[schema(value_type = Option<forms::VisibleId>)]
    correlation_id: Option<CorrelationId>,
    /// The run that it is a part of.
    #[serde(default, deserialize_with = "domain::json::object")]
    #[schema(value_type = Option<LinkBody>)]
    parent: Option<LinkedRun>,
    /// The run whose work it tries once more.
    #[serde(default, deserialize_with = "domain::json::object")]
    #[schema(value_type = Option<LinkBody>)]
    retry_of: Option<LinkedRun>,
    /// The run with whose items it goes on.
    #[serde(default, deserialize_with = "domain::json::object")]
    #[schema(value_type = Option<LinkBody>)]
    resumes: Option<LinkedRun>,
    /// What has happened to the run already, in order, at most 1,000: appended with the start, or nothing of it is. Not
    /// appended where another start has made the run.
    #[serde(default)]
    #[schema(value_type = Option<Vec<forms::EventItem>>, max_items = 1000)]
    events: Option<Vec<Box<RawValue>>>,
}

/// A caller's own name for a start.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct RefBody {
    /// Within what the id is unique: a system's name, or a URI.
    #[schema(value_type = forms::ReferencePart)]
    source: String,
    /// Which one.
    #[schema(value_type = forms::ReferencePart)]
    id: String,
}

/// Another run of the same tenant.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct LinkBody {
    /// Which one.
    run_id: Uuid,
}

/// The principal that started a run.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct InitiatorBody {
    /// The principal that gets the notifications.
    #[schema(value_type = forms::VisibleId)]
    id: String,
    /// The name people know.
    name: Option<String>,
}

/// A start that may be asked for.
#[derive(Debug)]
pub struct Start {
    body: StartBody,
    initiator: Option<Initiator>,
    labels: Labels,
    title: Option<CleanText>,
    occurred_at: Option<DateTime<Utc>>,
    events: Vec<ProposedEvent>,
    changes: Changes,
}

impl Start {
    /// The wish, and what of it is kept otherwise than it was sent; of the context that is not known yet.
    pub fn request(
        self,
        tenant: TenantId,
        actor: PrincipalId,
        origin: Option<Origin>,
    ) -> (StartRequest, Changes) {
        let Self { body, initiator, labels, title, occurred_at, events, changes } = self;
        let StartBody { kind, context: Strict(context), unordered, items_total, .. } = body;
        let linked = |link: Option<LinkedRun>| link.map(|link| link.run_id);
        let request = StartRequest {
            tenant,
            actor,
            origin,
            reference: body.reference,
            event_id: body.event_id,
            occurred_at,
            correlation_id: body.correlation_id,
            kind,
            initiator,
            context,
            unordered,
            items_total,
            labels,
            title,
            parent: linked(body.parent),
            retry_of: linked(body.retry_of),
            resumes: linked(body.resumes),
            events,
        };
        (request, changes)
    }
}

impl StartBody {
    /// Reads what serde does not: names that must not look like secrets, and texts, with what became of them. `header`
    /// is the reference that the header Idempotency-Key is short for. The ledger's secret tells items apart whose names
    /// lose something.
    ///
    /// # Errors
    /// 422 naming the field.
    pub fn read(mut self, header: Option<Reference>, secret: &IdempotencySecret) -> Result<Start, Problem> {
        if self.reference.is_some() && header.is_some() {
            let detail = "the header Idempotency-Key is its short form: give one of the two";
            return Err(Problem::invalid("/ref", detail));
        }
        if let Some(Reference { source, id }) = &self.reference {
            id_of_ours(source.as_str(), "/ref/source")?;
            id_of_ours(id.as_str(), "/ref/id")?;
        }
        self.reference = self.reference.or(header);
        if self.event_id.is_some_and(|id| id.is_nil()) {
            return Err(Problem::invalid("/event_id", "the nil UUID names nothing; make a fresh one"));
        }
        if let Some(id) = &self.correlation_id {
            id_of_ours(id.as_str(), "/correlation_id")?;
        }
        let occurred_at = self.occurred_at.take();
        let occurred_at = occurred_at.map_or(Ok(None), |time| event::moment(&time, "/occurred_at".into()))?;
        if self.unordered.len() > MAX_UNORDERED {
            let detail = format!("at most {MAX_UNORDERED} arrays can be named");
            return Err(Problem::invalid("/unordered", detail));
        }
        let mut changes = Changes::default();
        let initiator =
            self.initiator.take().map(|Strict(sent)| initiator(&sent, &mut changes)).transpose()?;
        if let Some(kind) = secret_name(&self.context.0) {
            return Err(Problem::invalid("/context", looks_secret("the name of a member", kind)));
        }
        let labels = self.labels.take().map(|Strict(sent)| labels(&sent, &mut changes)).transpose()?;
        let title = self.title.take().map(Value::String);
        let clean: Option<CleanText> = title.as_ref().map(|sent| from_value(sent, "/title")).transpose()?;
        let clean = clean.filter(|title| !title.is_empty());
        if let Some(sent) = &title {
            compare(&mut changes, "/title", sent, &clean)?;
        }
        let events = events::read_all(&self.events.take().unwrap_or_default(), secret, &mut changes)?;
        if let Some(id) = self.event_id
            && let Some(index) = events.iter().position(|event| event.id == id)
        {
            let detail = "it is also the event_id of the start, which says something else";
            return Err(Problem::invalid(format!("/events/{index}/id"), detail));
        }
        let labels = labels.unwrap_or_default();
        Ok(Start { body: self, initiator, labels, title: clean, occurred_at, events, changes })
    }
}

fn initiator(sent: &Value, changes: &mut Changes) -> Result<Initiator, Problem> {
    if !sent.is_object() {
        let detail = "it must be an object with id and, if known, name";
        return Err(Problem::invalid("/initiator", detail));
    }
    let initiator: Initiator = from_value(sent, "/initiator")?;
    id_of_ours(initiator.id.as_str(), "/initiator/id")?;
    compare(changes, "/initiator", sent, &initiator)?;
    Ok(initiator)
}

fn labels(sent: &Value, changes: &mut Changes) -> Result<Labels, Problem> {
    if let Some(kind) = secret_name(sent) {
        return Err(Problem::invalid("/labels", looks_secret("the name of a label", kind)));
    }
    let labels: Labels = from_value(sent, "/labels")?;
    compare(changes, "/labels", sent, &labels)?;
    Ok(labels)
}

/// Notes what is kept otherwise than it was sent.
fn compare(changes: &mut Changes, at: &str, sent: &Value, kept: &impl Serialize) -> Result<(), Problem> {
    let kept = serde_json::to_value(kept).map_err(|error| Problem::internal(&error))?;
    changes.compare(at, sent, &kept);
    Ok(())
}

/// Ids are kept to the letter, so one that is a secret can't be let in; nor one that looks like another and
/// is not: what is sent to `ann` and to `ann` with a zero-width space behind it is not for the same person.
pub(crate) fn id_of_ours(id: &str, at: &str) -> Result<(), Problem> {
    if let Some(kind) = recognized_secret(id) {
        return Err(Problem::invalid(at, looks_secret("it", kind)));
    }
    match invisible(id) {
        Some(unseen) => Err(Problem::invalid(at, unseen.to_string())),
        None => Ok(()),
    }
}

fn looks_secret(what: &str, kind: &str) -> String {
    format!("{what} looks like a secret ({kind}), which would be kept for ever; use a name that is none")
}
