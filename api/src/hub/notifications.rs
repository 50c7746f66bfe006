//! `GET /t/{tenant}/notifications`: what the visitor was told.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use serde::Deserialize;
use uuid::Uuid;

use super::frame::{Frame, Here};
use super::refusal::{Refusal, html, see_other};
use super::visitor::{Visit, Visitor};
use super::words::{self, Moment};
use crate::commands;
use crate::problem::Problem;
use crate::reads::notifications::{NotificationView, NotificationsQuery, Transition, page_of_notifications};
use crate::state::ApiState;

#[derive(Template)]
#[template(path = "notifications.html")]
struct NotificationsPage {
    frame: Frame,
    notes: Vec<Note>,
    only_unread: bool,
    fault: Option<String>,
    base: String,
    next_page: Option<String>,
    first_page: Option<String>,
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
    at: Moment,
}

/// What the button "Mark as read" sends.
#[derive(Deserialize)]
pub(super) struct MarkRead {
    #[serde(default)]
    csrf: String,
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
            let notes = page.notifications.into_iter().map(|view| Note::new(view, now)).collect();
            (notes, page.next_cursor, None)
        }
        Err(problem) => (Vec::new(), None, Some(problem.detail.to_string())),
    };
    let base = format!("/t/{}/notifications", visit.visitor.caller.tenant);
    let only_unread = visit.pairs.iter().any(|(name, value)| name == "unread" && value == "true");
    let kept = |cursor: Option<&str>| {
        let unread = only_unread.then_some(("unread", "true"));
        format!("{base}{}", words::query(unread.into_iter().chain(cursor.map(|cursor| ("cursor", cursor)))))
    };
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = NotificationsPage {
        frame,
        notes,
        only_unread,
        fault,
        next_page: next_cursor.map(|cursor| kept(Some(&cursor))),
        first_page: visit.pairs.iter().any(|(name, _)| name == "cursor").then(|| kept(None)),
        base,
    };
    Ok((status, html(&page)?).into_response())
}

/// `POST /t/{tenant}/notifications/{id}/read`.
pub(super) async fn mark_read(
    State(state): State<ApiState>,
    visitor: Visitor,
    Path((tenant, id)): Path<(String, String)>,
    Form(form): Form<MarkRead>,
) -> Result<Response, Refusal> {
    visitor.must_mean_it(&form.csrf)?;
    let id = id.parse().map_err(|_| Problem::not_found("There is no such notification."))?;
    let position = commands::mark_read(&state, visitor.caller, id).await?;
    Ok(see_other(&format!("/t/{tenant}/notifications?after={}", position.0)))
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
            at: Moment::new(view.created_at, now),
        }
    }
}
