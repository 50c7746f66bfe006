//! Files that hold secrets.

use std::path::Path;

use sealer::write_whole;

use crate::error::Error;

/// Writes a file that only its owner can read, whole or not at all.
///
/// # Errors
/// [`Error::File`].
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), Error> {
    write_whole(path, content, 0o600).map_err(Error::file(path))
}
