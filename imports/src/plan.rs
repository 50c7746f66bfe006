//! A row becomes a run's events. Pure: the time is an argument.

mod about;
mod counted;
mod course;

use chrono::{DateTime, TimeDelta, Utc};
use commands::{ImportRequest, StartRequest};
use domain::reason::ReasonCode;
use domain::{
    Completed, EventBody, Failed, Failure, PrincipalId, ProposedEvent, Reference, ReferencePart, RunId,
    Started, TenantId,
};
use redaction::CleanText;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::mapping::{InvalidMapping, Mapping, Unfinished};
use crate::report::Finding;
use crate::row::Row;
use crate::status::{Is, Meaning, meaning, said};
use crate::times::Zone;
use course::Course;

/// What ids of imported rows are made within. Never changed: a second import would know none of the first.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b1f_0f5c_2d0e_5c3a_9d57_8e1f_4a9c_7b21);

/// What the mapping does not say.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose runs they become.
    pub tenant: TenantId,
    /// Who imports them.
    pub actor: PrincipalId,
    /// In the place of the mapping's.
    pub zone: Option<Zone>,
    /// In the place of the mapping's.
    pub unfinished: Option<Unfinished>,
    /// The ledger's time: what is a day ahead of it is a mistake.
    pub now: DateTime<Utc>,
}

/// Makes events of rows.
#[derive(Debug)]
pub struct Planner {
    mapping: Mapping,
    settings: Settings,
    source: ReferencePart,
    unfinished: Unfinished,
    zone: Option<Zone>,
    unknown: ReasonCode,
    stale: ReasonCode,
}

/// What a row becomes.
#[derive(Debug)]
pub enum Step {
    /// A run.
    Import(Box<Planned>),
    /// Nothing, for that reason: `unfinished`, or `skip` where the mapping says so.
    LeaveOut(&'static str),
    /// Nothing, since something is wrong with it. With its key, where it has one.
    Refuse(Option<String>, Finding),
}

/// A run that is to be.
#[derive(Debug)]
pub struct Planned {
    /// The row's key.
    pub key: String,
    /// The run.
    pub request: ImportRequest,
    /// What is to be known of it.
    pub notes: Vec<Finding>,
}

type Refused = (Option<String>, Finding);

impl Planner {
    /// A planner for that mapping.
    ///
    /// # Errors
    /// [`InvalidMapping`].
    pub fn new(mapping: Mapping, settings: Settings) -> Result<Self, InvalidMapping> {
        let source = mapping.source()?;
        let code =
            |code: &str| ReasonCode::parse(code).map_err(|error| InvalidMapping::new(error.to_string()));
        let unfinished = settings.unfinished.unwrap_or(mapping.unfinished);
        let zone = settings.zone.or(mapping.times.zone);
        let (unknown, stale) = (code("unknown")?, code("stale")?);
        Ok(Self { mapping, settings, source, unfinished, zone, unknown, stale })
    }

    /// Whose runs they become.
    pub(crate) fn tenant(&self) -> &TenantId {
        &self.settings.tenant
    }

    /// Within what the rows' keys are unique.
    pub(crate) fn source(&self) -> &str {
        self.source.as_str()
    }

    /// What a row becomes.
    #[must_use]
    pub fn plan(&self, row: &Row) -> Step {
        match self.try_plan(row) {
            Ok(step) => step,
            Err((key, finding)) => Step::Refuse(key, finding),
        }
    }

    fn try_plan(&self, row: &Row) -> Result<Step, Refused> {
        let reference = self.reference(row).map_err(|finding| (None, finding))?;
        let key = reference.id.as_str().to_owned();
        let refused = |finding| (Some(key.clone()), finding);
        let meaning = meaning(&self.mapping.case, &self.mapping.status, row);
        let meaning = meaning.map_err(|status| refused(no_meaning(status)))?;
        let goes_on = matches!(meaning.is, Is::Queued | Is::Running);
        if meaning.is == Is::Skip {
            return Ok(Step::LeaveOut("skip"));
        }
        if goes_on && self.unfinished == Unfinished::Skip {
            return Ok(Step::LeaveOut("unfinished"));
        }
        let mut notes = Vec::new();
        let course = self.course(row, meaning.is, &mut notes).map_err(refused)?;
        let mut start = self.about(row, &mut notes).map_err(refused)?;
        let ids = Ids::new(&self.settings.tenant, &reference);
        start.reference = Some(reference);
        start.event_id = Some(ids.event("queued"));
        start.occurred_at = Some(course.queued);
        start.events = self.events(row, &meaning, &course, &ids, &mut notes).map_err(refused)?;
        let events = start.events.iter_mut();
        events.for_each(|event| event.correlation_id.clone_from(&start.correlation_id));
        let run = ids.run(course.queued).map_err(refused)?;
        let request = ImportRequest { run, start };
        Ok(Step::Import(Box::new(Planned { key, request, notes })))
    }

    /// All that happened after it was queued.
    fn events(
        &self,
        row: &Row,
        meaning: &Meaning,
        course: &Course,
        ids: &Ids,
        notes: &mut Vec<Finding>,
    ) -> Result<Vec<ProposedEvent>, Finding> {
        let mut events = Vec::new();
        let at = |id: Uuid, time: DateTime<Utc>, body: EventBody| ProposedEvent {
            id,
            occurred_at: Some(time),
            correlation_id: None,
            causation_id: None,
            body,
        };
        if let Some(time) = course.started {
            let worker = self.clean("worker", self.mapping.worker.as_ref(), row, notes);
            let started = Started { worker, heartbeat_seconds: None };
            events.push(at(ids.event("started"), time, EventBody::Started(started)));
        }
        let counted = self.counted(row)?;
        let time = course.ended.or(course.started).unwrap_or(course.queued);
        if course.started.is_some() {
            let items = self.items(row, &counted, notes)?;
            // By what it says, and not by its place: a row that was kept may have others before it later.
            let named = items.into_iter().map(|body| at(ids.event(&said_of_item(&body)), time, body));
            events.extend(named);
        }
        let Some(ended) = course.ended else { return Ok(events) };
        let end = match meaning.is {
            Is::Succeeded | Is::PartiallySucceeded => {
                counted.must_fit(meaning.is, notes)?;
                EventBody::Completed(Completed { message: None, tally: counted.tally })
            }
            Is::Aborted => EventBody::Aborted(self.failure(row, meaning, &counted.words, notes)),
            Is::Failed => EventBody::Failed(self.failure(row, meaning, &counted.words, notes).into()),
            Is::Queued | Is::Running | Is::Skip => EventBody::Failed(Failed {
                reason_code: self.stale.clone(),
                message: CleanText::new("It was not done in the source when it was imported."),
                presumed: false,
            }),
        };
        events.push(at(ids.event("ended"), ended, end));
        Ok(events)
    }

    fn failure(&self, row: &Row, meaning: &Meaning, counts: &str, notes: &mut Vec<Finding>) -> Failure {
        let reason = meaning.reason.clone().or_else(|| self.mapping.reason.clone());
        let message = self.clean_message(row, notes).unwrap_or_else(|| {
            let said = said(row, &self.mapping.status).unwrap_or_else(|| "failed".to_owned());
            CleanText::new(&format!("The source says {said:?} and not why{counts}."))
        });
        Failure { reason_code: reason.unwrap_or_else(|| self.unknown.clone()), message }
    }

    /// By what name the row is known.
    fn reference(&self, row: &Row) -> Result<Reference, Finding> {
        let columns = &self.mapping.reference.key.0;
        let parts =
            columns.iter().map(|column| row.get(column).map(|value| crate::row::text(&value)).ok_or(column));
        let parts = parts.collect::<Result<Vec<_>, _>>().map_err(|column| {
            Finding::new("no_key", format!("{column} is not set, and is a part of the key"))
        })?;
        let key = parts.join("/");
        let wrong = |why: String| Finding::new("bad_key", format!("{key:?} can't be a key: {why}"));
        if let Some(invisible) = domain::invisible(&key) {
            return Err(wrong(invisible.to_string()));
        }
        if redaction::recognized_secret(&key).is_some() {
            return Err(Finding::new("bad_key", "the key looks like a secret, and everybody would see it"));
        }
        let id = key.parse().map_err(|error: domain::InvalidId| wrong(error.to_string()))?;
        Ok(Reference { source: self.source.clone(), id })
    }
}

fn no_meaning(status: Option<String>) -> Finding {
    match status {
        Some(status) => Finding::new(
            "unmapped_status",
            format!("the status {status:?} has no meaning: give it one in [status.values]"),
        ),
        None => Finding::new("no_status", "no status is set: say what that means with `unset` in [status]"),
    }
}

/// The ids that follow from what a row is called.
struct Ids(Uuid);

impl Ids {
    fn new(tenant: &TenantId, reference: &Reference) -> Self {
        // In an array, so that no two names run together into one.
        let name = serde_json::json!([tenant.as_str(), reference.source.as_str(), reference.id.as_str()]);
        Self(Uuid::new_v5(&NAMESPACE, name.to_string().as_bytes()))
    }

    fn event(&self, what: &str) -> Uuid {
        Uuid::new_v5(&self.0, what.as_bytes())
    }

    /// Of the time at which it was queued, as all runs' are: lists are searched by it.
    fn run(&self, queued: DateTime<Utc>) -> Result<RunId, Finding> {
        let mut random = [0; 10];
        random.copy_from_slice(&Sha256::digest(self.0)[..10]);
        let millis = u64::try_from(queued.timestamp_millis()).unwrap_or(0);
        let id = Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        RunId::new(id).map_err(|error| Finding::new("refused", error.to_string()))
    }
}

/// What an item's event is known by within its run.
fn said_of_item(body: &EventBody) -> String {
    let item = match body {
        EventBody::ItemSucceeded(it) => &it.item,
        EventBody::ItemFailed(it) => &it.item,
        EventBody::ItemSkipped(it) => &it.item,
        _ => return body.type_name().to_owned(),
    };
    format!("{} {}", body.type_name(), item.as_str())
}

/// How far ahead of the ledger's clock a time may be, see [`domain::CLOCKS_APART`].
const AHEAD: TimeDelta = domain::CLOCKS_APART;

impl Planner {
    fn start(&self, kind: domain::Kind, context: serde_json::Value) -> StartRequest {
        StartRequest::new(self.settings.tenant.clone(), self.settings.actor.clone(), kind, context)
    }
}
