//! Notifications: the initiator is told, once when the run is queued and once when it has ended. A real end
//! after a presumed one is told anew, in the same notification. Pure.

use chrono::{DateTime, Utc};
use domain::{EndedAs, PrincipalId, Run, RunId, Status};
use uuid::Uuid;

/// The run was queued.
const QUEUED: &str = "queued";
/// The run has ended.
const ENDED: &str = "ended";

/// The id of a notification: a UUIDv5 (RFC 9562) of `{transition}:{recipient}` in the run's namespace,
/// so that a rebuild of the tables gives the same ids. `transition` is `queued` or `ended`.
pub(crate) fn notification_id(run: RunId, transition: &str, recipient: &PrincipalId) -> Uuid {
    Uuid::new_v5(&run.uuid(), format!("{transition}:{recipient}").as_bytes())
}

/// A notification, without what the run's row knows already.
pub(crate) struct Notification {
    pub id: Uuid,
    pub recipient: PrincipalId,
    pub transition: &'static str,
    pub status: Status,
    pub ended_as: Option<EndedAs>,
    pub presumed: bool,
    pub superseded: bool,
    pub reason_code: Option<String>,
    pub message: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// The notification that a change of status, or of its being presumed, brings about, if any. `run` is the
/// run after the change.
pub(crate) fn notification_for(
    id: RunId,
    run: &Run,
    initiator: Option<&PrincipalId>,
) -> Option<Notification> {
    let recipient = initiator.filter(|initiator| !initiator.is_system())?;
    let status = run.status?;
    let transition = match status {
        Status::Queued => QUEUED,
        Status::Running => return None,
        Status::Succeeded | Status::PartiallySucceeded | Status::Failed => ENDED,
    };
    Some(Notification {
        id: notification_id(id, transition, recipient),
        recipient: recipient.clone(),
        transition,
        status,
        ended_as: run.ended_as,
        presumed: run.presumed,
        superseded: run.superseded,
        reason_code: run.reason_code.as_ref().map(|code| code.as_str().to_owned()),
        message: run.message.as_ref().map(|message| message.as_str().to_owned()),
        created_at: run.last_event_at?,
    })
}
