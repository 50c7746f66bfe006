//! What exports take.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use domain::{Kind, RunId};
use reads::{LAST, Params, ReadError, ReadQuery};

use crate::extract::path_param;
use crate::problem::Problem;
use crate::state::ApiState;

/// How many older sizes may be asked for at once.
const MOST_SIZES: usize = 16;

/// The run in the path of an export. Unlike elsewhere it may be one of which nothing can be read: an auditor must
/// see that too.
#[derive(Debug, Clone, Copy)]
pub struct RunInExport(pub RunId);

impl FromRequestParts<ApiState> for RunInExport {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let text = path_param(parts, state, "run").await?;
        Ok(Self(text.parse().map_err(|_| ReadError::no_such_run(&text))?))
    }
}

/// What every export takes.
#[derive(Debug)]
pub struct Wishes {
    /// With the tenant's administration.
    pub administration: bool,
    /// Sizes of older checkpoints.
    pub old_sizes: Vec<u64>,
}

/// What the export of one run takes.
#[derive(Debug)]
pub struct RunQuery(pub Wishes);

/// What the export of a period takes.
#[derive(Debug)]
pub struct PopulationQuery {
    /// They were recorded at this moment or later.
    pub since: Option<DateTime<Utc>>,
    /// They were recorded before this moment.
    pub until: Option<DateTime<Utc>>,
    /// They are of this kind.
    pub kind: Option<Kind>,
    /// The rest.
    pub wishes: Wishes,
}

/// A checkpoint takes nothing of its own.
#[derive(Debug)]
pub struct CheckpointQuery;

fn wrong(parameter: &str, detail: impl Into<String>) -> ReadError {
    ReadError::Invalid { parameter: parameter.to_owned(), detail: detail.into() }
}

impl Wishes {
    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        let administration = params.parse_enum("administration", "true, false", |text| text.parse().ok())?;
        let sizes = params.all("old_size");
        if sizes.len() > MOST_SIZES {
            return Err(wrong(
                "old_size",
                format!("is given {} times; give it {MOST_SIZES} times at most", sizes.len()),
            ));
        }
        let old_sizes = sizes.iter().map(|text| {
            let size = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
            size.filter(|size| (1..=LAST).contains(size)).ok_or_else(|| {
                wrong(
                    "old_size",
                    format!("{text:?} is no size of a checkpoint: it is the second line of one"),
                )
            })
        });
        Ok(Self {
            administration: administration.unwrap_or(false),
            old_sizes: old_sizes.collect::<Result<_, _>>()?,
        })
    }
}

impl ReadQuery for RunQuery {
    const ALLOWED: &'static [&'static str] = &["administration", "old_size"];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        Ok(Self(Wishes::from_params(params)?))
    }
}

impl ReadQuery for PopulationQuery {
    const ALLOWED: &'static [&'static str] = &["since", "until", "kind", "administration", "old_size"];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        let (since, until) = (params.time("since")?, params.time("until")?);
        if since.zip(until).is_some_and(|(since, until)| since >= until) {
            return Err(wrong("until", "must be later than since: nothing lies between them"));
        }
        Ok(Self { since, until, kind: params.parsed("kind")?, wishes: Wishes::from_params(params)? })
    }
}

impl ReadQuery for CheckpointQuery {
    const ALLOWED: &'static [&'static str] = &[];

    fn from_params(_: &mut Params) -> Result<Self, ReadError> {
        Ok(Self)
    }
}
