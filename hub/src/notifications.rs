//! `GET /t/{tenant}/notifications`: what the visitor was told.

use api::ApiState;
use api::endpoints;
use api::observe::ThisRequest;
use api::outside::Outside;
use api::problem::Problem;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use domain::TenantId;
use eventlog::Position;
use futures::{StreamExt, TryStreamExt, stream};
use reads::Params;
use reads::notifications::{NotificationView, NotificationsQuery, Transition, page_of_notifications};
use uuid::Uuid;

use super::form::Fields;
use super::frame::{Frame, Here};
use super::links::Links;
use super::refusal::{Refusal, html, see_other};
use super::texts;
use super::visitor::{Visit, Visitor};
use super::words::{self, DisplayTime};

/// As many as a page has at most are marked as read by one button.
const MOST_AT_ONCE: usize = 200;

/// So many of them side by side: the log takes in together what comes together, and others want connections.
const AT_ONCE: usize = 8;

#[derive(Template)]
#[template(path = "notifications.html")]
struct NotificationsPage {
    frame: Frame,
    notes: Vec<Note>,
    only_unread: bool,
    fault: Option<String>,
    base: String,
    /// What of the address is kept when something on it is marked as read.
    here: String,
    next_page: Option<String>,
    first_page: Option<String>,
}

impl NotificationsPage {
    /// How many on the page are unread.
    fn unread(&self) -> usize {
        self.notes.iter().filter(|note| note.unread).count()
    }
}

/// A notification.
struct Note {
    id: Uuid,
    unread: bool,
    class: &'static str,
    what: &'static str,
    presumed: bool,
    superseded: bool,
    title: String,
    kind: String,
    href: String,
    reason_code: Option<String>,
    message: Option<String>,
    at: DisplayTime,
}

fn notification(id: &str) -> Result<Uuid, Problem> {
    id.parse().map_err(|_| Problem::not_found("There is no such notification."))
}

/// Where a tenant's page of notifications is.
fn of_tenant(outside: &Outside, tenant: &TenantId) -> String {
    outside.base.to(&format!("/t/{tenant}/notifications"))
}

/// `GET /t/{tenant}/notifications`.
pub(super) async fn page(
    State(state): State<ApiState>,
    visit: Visit<NotificationsQuery>,
) -> Result<Response, Refusal> {
    let now = Utc::now();
    let mut read = visit.begin(&state).await?;
    let about = (Here::Notifications, "Notifications".to_owned());
    let frame = Frame::new(&state, &visit.visitor, &mut read, now, about).await?;
    let (notes, next_cursor, fault) = match &visit.query {
        Ok(query) => {
            let page = page_of_notifications(&mut read, &visit.visitor.caller, query).await?;
            let page = page.under(&visit.visitor.outside.base);
            let notes = page.notifications.into_iter().map(|view| Note::new(view, now)).collect();
            (notes, page.next_cursor, None)
        }
        Err(problem) => (Vec::new(), None, Some(problem.detail.to_string())),
    };
    let base = of_tenant(&visit.visitor.outside, &visit.visitor.caller.tenant);
    let links = Links::new(&base, &visit.pairs);
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let here = visit.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let page = NotificationsPage {
        frame,
        notes,
        only_unread: links.value("unread") == Some("true"),
        fault,
        here: words::query(here),
        next_page: next_cursor.map(|cursor| links.with(&[], &[("cursor", &cursor)])),
        first_page: links.is_later_page().then(|| links.with(&[], &[])),
        base: base.clone(),
    };
    Ok((status, html(&page)?).into_response())
}

/// `POST /t/{tenant}/notifications/{id}/read`.
pub(super) async fn mark_read(
    State(state): State<ApiState>,
    visitor: Visitor,
    Path((_, id)): Path<(String, String)>,
    this: ThisRequest,
    uri: Uri,
    form: Fields,
) -> Result<Response, Refusal> {
    visitor.check_csrf(form.text("csrf"))?;
    let (id, page) = (notification(&id)?, of_tenant(&visitor.outside, &visitor.caller.tenant));
    let position = endpoints::mark_read(&state, visitor.caller, id, this).await?;
    // In a list of what is unread it is no more: then to the list.
    let gone = uri.query().is_some_and(|query| query.contains("unread=true"));
    let place = if gone { "#list".to_owned() } else { format!("#note-{id}") };
    back(&page, &uri, Some(position), &place)
}

/// `POST /t/{tenant}/notifications/read`: all those on a page.
pub(super) async fn mark_all_read(
    State(state): State<ApiState>,
    visitor: Visitor,
    this: ThisRequest,
    uri: Uri,
    form: Fields,
) -> Result<Response, Refusal> {
    visitor.check_csrf(form.text("csrf"))?;
    let ids = form.all("notification").map(notification).collect::<Result<Vec<_>, _>>()?;
    if ids.len() > MOST_AT_ONCE {
        return Err(Problem::invalid(
            "notification",
            format!("at most {MOST_AT_ONCE} can be marked at once"),
        )
        .into());
    }
    let read =
        ids.into_iter().map(|id| endpoints::mark_read(&state, visitor.caller.clone(), id, this.clone()));
    let positions: Vec<_> = stream::iter(read).buffer_unordered(AT_ONCE).try_collect().await?;
    back(&of_tenant(&visitor.outside, &visitor.caller.tenant), &uri, positions.into_iter().max(), "#list")
}

/// The page from which something was marked as read, once it shows that.
fn back(page: &str, uri: &Uri, position: Option<Position>, place: &str) -> Result<Response, Refusal> {
    let params = Params::of(uri.query())?;
    let after = position.map(|position| ("after", position.0.to_string()));
    let kept =
        params.pairs().iter().filter(|(name, _)| ["unread", "cursor", "limit"].contains(&name.as_str()));
    let kept = kept.map(|(name, value)| (name.as_str(), value.as_str()));
    let after = after.iter().map(|(name, value)| (*name, value.as_str()));
    Ok(see_other(&format!("{page}{}{place}", words::query(kept.chain(after)))))
}

impl Note {
    fn new(view: NotificationView, now: chrono::DateTime<Utc>) -> Self {
        Self {
            id: view.notification_id,
            unread: view.read_at.is_none(),
            class: view.status.as_str(),
            what: match view.transition {
                Transition::Queued => "Queued",
                Transition::Ended => words::status(view.status),
            },
            presumed: view.presumed,
            superseded: view.superseded,
            title: view.title.unwrap_or_else(|| view.kind.clone()),
            kind: view.kind,
            href: view.links.view,
            reason_code: view.reason_code,
            message: view.message,
            at: DisplayTime::new(view.created_at, now),
        }
    }
}
