//! Reading a notification, which is itself recorded in the log.

use domain::{PrincipalId, TenantId};
use eventlog::streams::{NOTIFICATION_READ, NotificationRead, notification_stream};
use eventlog::{AppendError, ExpectedRevision, LogError, NewEvent, Position, StreamAppend};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Commands;
use super::error::CommandError;

/// Whether a notification is there for that recipient. Needs a transaction that names the tenant.
///
/// # Errors
/// The database's.
pub(super) async fn is_for(
    connection: &mut PgConnection,
    tenant: &TenantId,
    recipient: &PrincipalId,
    notification: Uuid,
) -> Result<bool, sqlx::Error> {
    let found = sqlx::query_scalar!(
        r#"SELECT true AS "found!" FROM projection.notifications
           WHERE notification_id = $1 AND tenant = $2 AND recipient = $3"#,
        notification,
        tenant.as_str(),
        recipient.as_str()
    );
    Ok(found.fetch_optional(connection).await?.is_some())
}

impl Commands {
    /// Records that the recipient has read a notification. Reading it again changes nothing. Answers the
    /// position at which it is recorded.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn read_notification(
        &self,
        tenant: TenantId,
        recipient: PrincipalId,
        notification: Uuid,
    ) -> Result<Position, CommandError> {
        let stream = notification_stream(notification);
        let read = NotificationRead { notification_id: notification, tenant, recipient, read_at: self.now() };
        let event = NewEvent {
            // The same for every try, so that a repeat is one.
            id: Uuid::new_v5(&notification, b"read"),
            event_type: NOTIFICATION_READ.to_owned(),
            data: serde_json::to_vec(&read).map_err(|error| CommandError::Internal(error.to_string()))?,
            metadata: b"{}".to_vec(),
        };
        let append = StreamAppend {
            stream: stream.clone(),
            expected: ExpectedRevision::NoStream,
            events: vec![event],
        };
        match self.log.append(vec![append]).await {
            Ok(appended) => appended
                .streams
                .first()
                .map(|place| place.position)
                .ok_or_else(|| CommandError::Internal("the log answered no position".into())),
            Err(AppendError::Conflict { .. }) => {
                let last = self.log.last_event(&stream).await?;
                let last =
                    last.ok_or_else(|| LogError::Corrupt(format!("{stream} has events and has none")))?;
                Ok(last.position)
            }
            Err(error) => Err(error.into()),
        }
    }
}
