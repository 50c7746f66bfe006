//! The key that cosigns, and the folder that belongs to it.

use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rand::rand_core::TryRngCore;
use rand::rngs::OsRng;
use seal::note::{KeyKind, NoteError, SignerKey, VerifierKey};

use crate::WitnessError;
use crate::memory;

/// Makes a witness: a new file with its key, that only its owner can read, and an empty folder for its memory. The name
/// is part of the key, such as `witness.example.com`.
///
/// # Errors
/// [`WitnessError`], also where file or folder are there already.
pub fn create(path: &Path, name: &str, folder: &Path) -> Result<VerifierKey, WitnessError> {
    let mut secret = [0; 32];
    OsRng.try_fill_bytes(&mut secret).map_err(|error| WitnessError::NoRandomness(error.to_string()))?;
    let wrong = |source| WitnessError::Key { path: path.display().to_string(), source };
    let key = SignerKey::new(name, KeyKind::Cosignature, &secret).map_err(wrong)?;
    DirBuilder::new().mode(0o700).create(folder).map_err(WitnessError::file(folder))?;
    let mut options = File::options();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(WitnessError::file(path))?;
    let text = format!("# The key of a witness. Keep it secret.\n{}\n", key.reveal());
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(WitnessError::file(path))?;
    memory::begin(folder, &key.verifier())?;
    Ok(key.verifier())
}

/// Reads a witness's key.
///
/// # Errors
/// [`WitnessError`].
pub fn read_key(path: &Path) -> Result<SignerKey, WitnessError> {
    let failed = || WitnessError::file(path);
    let mode = std::fs::metadata(path).map_err(failed())?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(WitnessError::Open(path.display().to_string()));
    }
    let text = std::fs::read_to_string(path).map_err(failed())?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let wrong = |source| WitnessError::Key { path: path.display().to_string(), source };
    let key: SignerKey = match (lines.next(), lines.next()) {
        (Some(line), None) => line.parse().map_err(wrong)?,
        _ => return Err(wrong(NoteError::NoKey("it has not one line"))),
    };
    match key.verifier().kind() {
        KeyKind::Cosignature => Ok(key),
        KeyKind::Note => Err(wrong(NoteError::NoKey("it is a log's key, not a witness's"))),
    }
}
