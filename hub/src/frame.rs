//! What all pages of a tenant have around them.

use access::LookupError;
use api::ApiState;
use api::problem::Problem;
use chrono::{DateTime, Utc};
use reads::BasePath;
use reads::{TenantRead, notifications};

use super::assets;
use super::visitor::Visitor;
use super::words::{self, DisplayTime};

/// A page that lags behind by more than this says so.
const NOTABLE_LAG_SECONDS: f64 = 3.0;

/// Where in the hub a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Here {
    Runs,
    Run,
    Notifications,
    Administration,
}

/// What all pages of a tenant have around them.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) here: Here,
    /// Under which path the visitor sees the server.
    pub(super) base: BasePath,
    pub(super) tenant: String,
    pub(super) principal: String,
    pub(super) role: String,
    /// Whether the visitor may see what was administered.
    pub(super) oversees: bool,
    /// The session's word against forgery, for forms; none where there is no session to end.
    pub(super) csrf: Option<String>,
    /// How many notifications are unread, where there are any.
    pub(super) unread: Option<String>,
    pub(super) position: u64,
    pub(super) epoch: u64,
    pub(super) moment: DisplayTime,
    /// How far the page lags behind, where it does.
    pub(super) lag: Option<String>,
    pub(super) style: String,
    pub(super) script: String,
    pub(super) icon: String,
}

impl Frame {
    /// The frame of a page that is made from this view at this moment.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn new(
        state: &ApiState,
        visitor: &Visitor,
        read: &mut TenantRead,
        now: DateTime<Utc>,
        (here, title): (Here, String),
    ) -> Result<Self, Problem> {
        let (caller, base) = (&visitor.caller, visitor.outside.base.clone());
        let unread = notifications::unread(read, caller).await?;
        let most = notifications::COUNTED.unsigned_abs();
        let lag = state.freshness.lag_of(read.position);
        Ok(Self {
            title,
            here,
            tenant: caller.tenant.to_string(),
            principal: caller.principal.to_string(),
            role: caller.role.to_string(),
            oversees: caller.role.may_oversee(),
            csrf: visitor
                .session
                .as_ref()
                .map(access::SessionSecret::csrf)
                .transpose()
                .map_err(LookupError::from)?,
            unread: match unread {
                0 => None,
                n if n > most => Some(format!("{}+", words::number(most))),
                n => Some(words::number(n)),
            },
            position: read.position.0,
            epoch: state.freshness.ledger().epoch,
            moment: DisplayTime::new(now, now),
            lag: (lag.seconds > NOTABLE_LAG_SECONDS).then(|| {
                format!(
                    "This page is {} behind: {} not shown yet.",
                    words::span(chrono::TimeDelta::milliseconds((lag.seconds * 1000.0) as i64)),
                    match lag.events {
                        1 => "1 event is".to_owned(),
                        n => format!("{} events are", words::number(n)),
                    }
                )
            }),
            style: base.to(assets::style()),
            script: base.to(assets::script()),
            icon: base.to(assets::icon()),
            base,
        })
    }
}
