//! Who has taken what out of the ledger.

use access::AccessError;
use access::administration::record;
use domain::admin::{AdminActor, AdminBody, Exported};
use redaction::CleanText;

use crate::error::ExportError;
use crate::prepare::{Export, Exporter};
use crate::texts::selection;

impl Exporter {
    /// Writes into the history of the tenant's administration that an export is made, before its first byte is given
    /// away. The one place that every export passes.
    ///
    /// # Errors
    /// The database's; then nothing may be given away.
    pub async fn record(&self, export: &Export, by: &AdminActor) -> Result<(), ExportError> {
        let manifest = &export.manifest;
        let (origin, size) = export.checkpoint();
        let mut what = format!("{}, as of {size} entries of {origin}", selection(&manifest.selection));
        let administration = export.sealed.heads.administration.filter(|_| manifest.administration);
        if administration.is_some() {
            what.push_str(", and the administration");
        }
        // Which runs are told whole is found while the file is made.
        let events = export.runs.iter().map(|run| run.count).sum::<u64>()
            + administration.map_or(0, |head| head.count);
        let event = AdminBody::Exported(Exported { what: CleanText::new(&what), events, digest: None });
        record(self.pool(), &export.tenant, &event, by).await.map_err(|error| match error {
            AccessError::Database(error) => error.into(),
            other => ExportError::Damaged(other.to_string()),
        })
    }
}
