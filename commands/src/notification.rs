//! Reading a notification, which is itself recorded in the log.

use domain::{Origin, PrincipalId, TenantId};
use eventlog::fact::Fact;
use eventlog::streams::{NotificationRead, notification_stream};
use eventlog::{AppendError, ExpectedRevision, LogError, Position};
use uuid::Uuid;

use super::Commands;
use super::error::CommandError;

impl Commands {
    /// Records that the recipient has read a notification. Reading it again changes nothing, unless it has
    /// told something new since: `told_at` is the position of what it tells. Answers the position at which
    /// the reading is recorded.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn read_notification(
        &self,
        tenant: TenantId,
        recipient: PrincipalId,
        notification: Uuid,
        told_at: Position,
        origin: Option<&Origin>,
    ) -> Result<Position, CommandError> {
        let stream = notification_stream(notification);
        let read = NotificationRead { notification_id: notification, tenant, recipient, read_at: self.now() };
        // Most are read once: no look before the first try.
        let mut expected = ExpectedRevision::NoStream;
        for _ in 0..self.tries {
            // The event's id is random, so nobody can use it up before. The expected revision lets it be recorded once.
            let facts = std::iter::once(Fact::NotificationRead(Uuid::new_v4(), &read, origin));
            match self.write(&stream, expected, facts).await? {
                Ok(appended) => return Ok(appended.position),
                Err(AppendError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let last = self.log.last_event(&stream).await?;
            let last = last.ok_or_else(|| LogError::Corrupt(format!("{stream} has events and has none")))?;
            if last.position > told_at {
                return Ok(last.position);
            }
            expected = ExpectedRevision::Exact(last.revision);
        }
        Err(CommandError::Contended)
    }
}
