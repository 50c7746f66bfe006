//! Who has taken what out of the ledger.

use std::fmt::Display;

use crate::prepare::Export;
use crate::texts::selection;

/// Notes in the program's log that an export is made, before its first byte is given away. The one place that every export
/// passes.
pub fn record_export(export: &Export, by: impl Display) {
    let (origin, size) = export.checkpoint();
    tracing::info!(
        tenant = %export.tenant, %by, what = selection(&export.manifest.selection), administration = export.manifest.administration,
        origin, size, "history is exported"
    );
}
