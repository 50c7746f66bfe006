//! Appends that wait until what they appended is sealed: `?wait=sealed`.
//!
//! What can be refused is refused before anything is appended. From then on the answer is that of the append, whatever comes
//! of the waiting.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::{RunId, TenantId};
use exports::{ExportError, NotSealed};
use reads::freshness::WaitingSlot;
use reads::{BasePath, Params, ReadError};
use seal::receipt::Receipt;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;
use uuid::Uuid;

use super::receipts::ReceiptForm;
use crate::outside::Outside;
use crate::permit::AdmissionPermit;
use crate::problem::Problem;
use crate::problem_code::ProblemCode;
use crate::received::Share;
use crate::request::{PreconditionsMet, too_many_waiting};
use crate::state::ApiState;

/// How long an append waits where nobody says.
const USUAL: Duration = Duration::from_secs(20);

/// What came of waiting until events are sealed.
#[derive(Debug, Serialize, ToSchema)]
pub struct SealAnswer {
    /// Whether they are. Where not, they are recorded all the same.
    sealed: bool,
    /// Where the receipt of each event is, in their order, now or later.
    receipt_links: Vec<String>,
    /// The receipts, in the same order; none where they are not sealed yet.
    #[schema(value_type = Vec<ReceiptForm>)]
    receipts: Vec<Receipt>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// An append whose preconditions hold, as [`PreconditionsMet`] has it, and whether it asks to wait, and until when.
#[derive(Debug)]
pub struct UntilSealed {
    until: Option<Instant>,
    base: BasePath,
    permit: Option<AdmissionPermit>,
    body: Option<Share>,
}

impl FromRequestParts<ApiState> for UntilSealed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        PreconditionsMet::from_request_parts(parts, state).await?;
        let mut params = Params::of_these(parts.uri.query(), |name| matches!(name, "wait" | "timeout"))?;
        let wait = params.parse_enum("wait", "sealed", |text| (text == "sealed").then_some(()))?;
        let most = state.config.max_seal_wait();
        let timeout = params.number("timeout", 1, most.as_secs())?;
        if timeout.is_some() && wait.is_none() {
            let detail = "is for appends that wait: give wait=sealed with it".to_owned();
            return Err(ReadError::Invalid { parameter: "timeout".to_owned(), detail }.into());
        }
        let timeout = timeout.map_or(USUAL.min(most), Duration::from_secs);
        Ok(Self {
            until: wait.map(|()| Instant::now() + timeout),
            base: Outside::of_parts(parts).base,
            permit: parts.extensions.get().cloned(),
            body: parts.extensions.get().cloned(),
        })
    }
}

/// A request that waits once it has appended. It has its place among those that wait already.
#[derive(Debug)]
pub struct Waiting<'s> {
    until: Instant,
    base: BasePath,
    permit: Option<AdmissionPermit>,
    body: Option<Share>,
    _slot: WaitingSlot<'s>,
}

impl UntilSealed {
    /// Makes sure that there is something to wait for, before anything is appended.
    ///
    /// # Errors
    /// 409 `sealing_off` where the ledger seals nothing; 429 or 503 `too_many_waiting` where as many wait as may.
    pub async fn begin(self, state: &ApiState, token_id: Uuid) -> Result<Option<Waiting<'_>>, Problem> {
        let Some(until) = self.until else { return Ok(None) };
        if !state.exports.sealing().is_on().await.map_err(|error| Problem::of_database(&error))? {
            let detail = "This ledger seals nothing now: it has no key to seal with, or what seals has stopped. Nothing was appended: \
                          append without wait=sealed, or ask its operator.";
            return Err(Problem::new(ProblemCode::SealingOff, detail));
        }
        let slot = state.freshness.wait_slot(token_id).map_err(too_many_waiting)?;
        let Self { base, permit, body, .. } = self;
        Ok(Some(Waiting { until, base, permit, body, _slot: slot }))
    }
}

impl Waiting<'_> {
    /// The receipts of events that were appended, once they are sealed; nothing where nobody waits for them. Never an error:
    /// they are recorded.
    pub async fn receipts(
        waiting: Option<Self>,
        state: &ApiState,
        (tenant, run): (&TenantId, RunId),
        revisions: &[u64],
    ) -> Option<SealAnswer> {
        let waiting = waiting?;
        let link = |revision: &u64| {
            waiting.base.to(&format!("/v1/tenants/{tenant}/runs/{run}/events/{revision}/receipt"))
        };
        let receipt_links = revisions.iter().map(link).collect();
        Some(match waiting.wait(state, tenant, run, revisions).await {
            Ok(receipts) => SealAnswer { sealed: true, receipt_links, receipts, detail: None },
            Err(detail) => {
                SealAnswer { sealed: false, receipt_links, receipts: Vec::new(), detail: Some(detail) }
            }
        })
    }

    async fn wait(
        self,
        state: &ApiState,
        tenant: &TenantId,
        run: RunId,
        revisions: &[u64],
    ) -> Result<Vec<Receipt>, String> {
        // Seen before it is asked for the first time, so that nothing comes between.
        let mut sealed = state.exports.sealing().of(tenant);
        let asked = async || state.exports.receipts(tenant, run, revisions).await;
        let stop = state.live.stop();
        let mut answer = timeout_at(self.until, asked()).await;
        // From here on it takes no room from requests that work.
        if let Some(permit) = &self.permit {
            permit.leave();
        }
        if let Some(body) = &self.body {
            body.give_back();
        }
        loop {
            match answer {
                Ok(Ok(given)) => return Ok(given.into_iter().map(|given| given.receipt).collect()),
                // The tenant's first event, or one of a run that the seal does not know yet.
                Ok(Err(ExportError::NotSealed(_) | ExportError::NoSuchRun(_))) => {}
                Ok(Err(ExportError::Database(error))) => {
                    tracing::warn!(%error, "no receipt yet");
                }
                Ok(Err(error)) => {
                    tracing::error!(%error, "no receipt");
                    let why = match error {
                        ExportError::Differs { .. } => format!("{error}."),
                        _ => "The ledger failed; its log says how.".to_owned(),
                    };
                    return Err(format!("The events are recorded. There is no receipt: {why}"));
                }
                Err(_) => return Err(not_yet("in this time")),
            }
            tokio::select! {
                () = stop.cancelled() => return Err(not_yet("and this server stops")),
                changed = timeout_at(self.until, sealed.changed()) => match changed {
                    Ok(Ok(())) => answer = timeout_at(self.until, asked()).await,
                    Ok(Err(_)) => return Err(not_yet("and this server stops")),
                    Err(_) => return Err(not_yet("in this time")),
                },
            }
        }
    }
}

fn not_yet(why: &str) -> String {
    let usually = NotSealed::Event;
    format!(
        "The events are recorded, and were not sealed {why}: {usually}. Ask for their receipts later, by receipt_links."
    )
}
