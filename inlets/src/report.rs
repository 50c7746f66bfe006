//! What an emitter said, in our words.

use chrono::{DateTime, Utc};
use domain::json::Strict;
use domain::key::check_context;
use domain::wire::{self, WireError};
use domain::{CorrelationId, EventBody, Initiator, ItemCount, Labels, LinkedRun, Queued};
use redaction::{CleanText, redact_json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// What an emitter said of one run. There is no secret in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The id of the event to be: the same where the same is said twice.
    pub event_id: Uuid,
    /// Which run.
    pub run: RunName,
    /// What is put into order together: the runs of a job whose pings do not say of which run they are, or one run.
    pub lane: String,
    /// When it happened, by the emitter's clock, where it says so.
    #[serde(default)]
    pub at: Option<DateTime<Utc>>,
    /// What happened.
    pub said: Said,
    /// Whether a run may begin with it.
    pub begins: bool,
    /// What is said of the run itself.
    pub about: About,
}

/// Which run a report is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunName {
    /// The one that the emitter calls so.
    Named(String),
    /// A new one.
    New,
    /// The newest one of its lane that is open.
    Newest,
}

impl Report {
    /// The name of its run, where it is known before the order is.
    #[must_use]
    pub fn named(&self) -> Option<String> {
        match &self.run {
            RunName::Named(name) => Some(name.clone()),
            RunName::New => Some(self.event_id.to_string()),
            RunName::Newest => None,
        }
    }

    /// The name of the run that its run is a part of.
    #[must_use]
    pub fn part_of(&self) -> Option<&String> {
        // One that says so of itself would be found waiting for itself.
        self.about.part_of.as_ref().filter(|name| self.named().as_ref() != Some(*name))
    }

    /// The same, if its context keeps the rules that a start's has; why not, otherwise.
    pub(crate) fn checked(self) -> Result<Self, String> {
        match &self.about.context {
            Value::Null => Ok(self),
            context => match check_context(context) {
                Ok(()) => Ok(self),
                Err(error) => Err(format!("Its context: {error}.")),
            },
        }
    }
}

/// What happened to the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Said {
    /// It waits for a worker.
    Queued,
    /// This; never `Queued`.
    Event(EventBody),
}

/// A [`Said`] as JSON.
#[derive(Clone, Serialize, Deserialize)]
struct Written {
    event: String,
    #[serde(deserialize_with = "domain::json::value")]
    data: Value,
}

impl From<Said> for Written {
    fn from(said: Said) -> Self {
        match said {
            Said::Queued => Self { event: "Queued".to_owned(), data: Value::Null },
            Said::Event(body) => Self {
                event: body.type_name().to_owned(),
                // No event's fields keep it from being JSON.
                data: serde_json::to_value(&body).unwrap_or_default(),
            },
        }
    }
}

impl TryFrom<Written> for Said {
    type Error = WireError;

    fn try_from(Written { event, data }: Written) -> Result<Self, WireError> {
        match event.as_str() {
            "Queued" => Ok(Self::Queued),
            event => wire::decode_body(event, data.to_string().as_bytes()).map(Self::Event),
        }
    }
}

impl Said {
    /// Whether it is that the run was started.
    #[must_use]
    pub fn starts(&self) -> bool {
        matches!(self, Self::Queued | Self::Event(EventBody::Started(_)))
    }

    /// Its place in a run's life: what has the same can come in any order.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Event(EventBody::Started(_)) => 1,
            Self::Event(body) if body.is_terminal() => 3,
            Self::Event(_) => 2,
        }
    }
}

/// What is said of the run itself, should it begin with this.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// For people.
    #[serde(default)]
    pub title: Option<CleanText>,
    /// What it works on: a JSON object.
    #[serde(default, deserialize_with = "domain::json::value")]
    pub context: Value,
    /// To find it by.
    #[serde(default)]
    pub labels: Labels,
    /// How many items it expects to touch.
    #[serde(default)]
    pub items_total: Option<ItemCount>,
    /// The principal that is told about it.
    #[serde(default)]
    pub initiator: Option<Initiator>,
    /// Ties its events together across systems.
    #[serde(default)]
    pub correlation_id: Option<CorrelationId>,
    /// What the emitter calls the run that it is a part of.
    #[serde(default)]
    pub part_of: Option<String>,
    /// That run, once it is known.
    #[serde(skip)]
    pub parent: Option<LinkedRun>,
}

impl About {
    /// With that context, without its secrets.
    pub(crate) fn new(title: &str, mut context: Value, labels: &[(&str, &str)]) -> Self {
        redact_json(&mut context);
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), CleanText::new(value)));
        Self {
            title: Some(CleanText::new(title)).filter(|title| !title.is_empty()),
            context,
            // The names are our own, and few.
            labels: Labels::try_from(labels.collect::<std::collections::BTreeMap<_, _>>())
                .unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Tied to what else has that id, where it can be one.
    pub(crate) fn tied(self, id: &str) -> Self {
        let visible = domain::invisible(id).is_none() && redaction::recognized_secret(id).is_none();
        Self { correlation_id: id.parse().ok().filter(|_| visible), ..self }
    }

    /// The run's first event.
    pub(crate) fn queued(&self, kind: &domain::Kind) -> EventBody {
        let context = if self.context.is_null() { serde_json::json!({}) } else { self.context.clone() };
        EventBody::Queued(Box::new(Queued {
            kind: kind.clone(),
            initiator: self.initiator.clone(),
            context,
            idempotency_key: None,
            items_total: self.items_total,
            labels: self.labels.clone(),
            title: self.title.clone(),
            reference: None,
            parent: self.parent,
            retry_of: None,
            resumes: None,
        }))
    }
}

/// How much of something that is set aside is kept, in bytes. Of more only the beginning is, as a text.
const MOST_KEPT: usize = 64 * 1024;

/// What came in and can't become an event of a run: it is kept as it is, and its owner is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Aside {
    /// The same where the same comes twice.
    pub event_id: Uuid,
    /// Why not, in words.
    pub why: CleanText,
    /// What came in, without its secrets.
    pub content: Value,
}

impl Aside {
    pub(crate) fn new(event_id: Uuid, why: impl AsRef<str>, mut content: Value) -> Self {
        redact_json(&mut content);
        let whole = content.to_string();
        if whole.len() > MOST_KEPT {
            let end = (0..=MOST_KEPT).rev().find(|end| whole.is_char_boundary(*end)).unwrap_or(0);
            content = Value::String(format!("{}…", &whole[..end]));
        }
        Self { event_id, why: CleanText::new(why.as_ref()), content }
    }
}

/// What came in, to be kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// As a report.
    Report(Box<Report>),
    /// As it is.
    Aside(Box<Aside>),
}

/// Reads a report as it is kept.
pub(crate) fn read(json: &str) -> Result<Report, serde_json::Error> {
    serde_json::from_str(json)
}

/// Reads what is kept of something else.
pub(crate) fn read_any(json: &str) -> Value {
    serde_json::from_str::<Strict>(json).map(|Strict(value)| value).unwrap_or_default()
}
