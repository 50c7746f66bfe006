//! One process at a time on a data folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::PostgresError;

const LOCK_FILE: &str = "postgres.lock";

/// The lock on a data folder. The kernel frees it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DataLock {
    file: File,
}

impl DataLock {
    /// Takes the lock and writes down our process id for the process that comes second.
    ///
    /// # Errors
    /// [`PostgresError::Locked`] when another process, or another handle of this one, has it.
    pub(crate) fn take(data_dir: &Path) -> Result<Self, PostgresError> {
        let path = data_dir.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(PostgresError::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The id is a help only: without it the message is just shorter.
                let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(PostgresError::Locked { data_dir: data_dir.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(PostgresError::file("lock", &path)(error)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(PostgresError::file("write", &path))?;
        Ok(Self { file })
    }
}

impl Drop for DataLock {
    /// Frees the lock by name. Closing the file would leave it to a process that was forked meanwhile and has not begun
    /// its program yet: it has the file as well, for a moment.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "the lock on the data folder goes with the process");
        }
    }
}
