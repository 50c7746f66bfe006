//! What ids are called, taken to the log.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{ItemName, Named, Namespace, Origin, PrincipalId, TenantId};
use eventlog::fact::Fact;
use eventlog::streams::directory_stream;
use eventlog::{AppendError, ExpectedRevision, Position};
use redaction::CleanText;
use uuid::Uuid;

use super::Commands;
use super::error::CommandError;

/// Names that a producer gives to ids.
#[derive(Debug, Clone)]
pub struct NameRequest {
    /// Whose directory.
    pub tenant: TenantId,
    /// The caller's principal.
    pub actor: PrincipalId,
    /// What brings it.
    pub origin: Option<Origin>,
    /// The names, in order.
    pub names: Vec<NewName>,
}

/// What an id is called from some time on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewName {
    /// Within which the id stands for one thing.
    pub namespace: Namespace,
    /// Which thing.
    pub id: ItemName,
    /// What people call it; none where that is not to be known any more.
    pub name: Option<CleanText>,
    /// When it was called so; in whole microseconds.
    pub as_of: DateTime<Utc>,
}

impl Commands {
    /// Records what ids are called: one append for each namespace. Nothing is decided here: of all that is said of an
    /// id the newest counts, whatever the order in which it comes, so it does no harm to say it again. Gives the
    /// position of the last of them; none where there are none.
    ///
    /// # Errors
    /// [`CommandError`]. What of other namespaces was appended before stays, and may be said again.
    pub async fn name(&self, request: NameRequest) -> Result<Option<Position>, CommandError> {
        let NameRequest { tenant, actor, origin, names } = request;
        let recorded_at = self.now();
        let mut by_namespace: BTreeMap<Namespace, Vec<(Uuid, Named)>> = BTreeMap::new();
        for NewName { namespace, id, name, as_of } in names {
            let (tenant, actor) = (tenant.clone(), actor.clone());
            let named = Named { tenant, namespace: namespace.clone(), id, name, as_of, recorded_at, actor };
            by_namespace.entry(namespace).or_default().push((Uuid::new_v4(), named));
        }
        let mut last = None;
        for (namespace, names) in by_namespace {
            let stream = directory_stream(&tenant, &namespace);
            last = last.max(Some(self.append_names(&stream, &names, origin.as_ref()).await?));
        }
        Ok(last)
    }

    /// The ids are the same in each try: a try whose answer was lost is known by them.
    async fn append_names(
        &self,
        stream: &str,
        names: &[(Uuid, Named)],
        origin: Option<&Origin>,
    ) -> Result<Position, CommandError> {
        for _ in 0..self.tries {
            let last = self.log.last_event(stream).await?.map(|event| event.revision);
            let expected = last.map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
            let facts = names.iter().map(|(id, named)| Fact::Named(*id, named, origin));
            match self.write(stream, expected, facts).await? {
                Ok(appended) => return Ok(appended.position),
                Err(AppendError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(CommandError::Contended)
    }
}
