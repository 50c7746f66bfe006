//! What a witness remembers: of each log the checkpoint that it cosigned last, in a file of its own. The file is named by
//! the SHA-256 of the log's origin, so that no origin names a file elsewhere.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use seal::Hash;
use seal::checkpoint::Checkpoint;
use seal::note::{SignedNote, VerifierKey};

use crate::{Last, WitnessError};

/// Which witness the folder belongs to; also what is locked.
const OWNER: &str = "witness";

/// How many submissions, of different logs, are worked on at once at most.
const ROOMS: usize = 64;

/// The memory of one witness.
#[derive(Debug)]
pub(crate) struct Memory {
    folder: PathBuf,
    /// Each log belongs to one of them.
    rooms: Vec<Mutex<()>>,
    /// Locked as long as it is open.
    _owner: File,
}

/// Makes a folder that was empty the memory of a witness.
pub(crate) fn begin(folder: &Path, witness: &VerifierKey) -> Result<(), WitnessError> {
    write_whole(&folder.join(OWNER), &format!("{witness}\n")).map_err(WitnessError::file(folder))
}

impl Memory {
    pub fn open(folder: &Path, witness: &VerifierKey) -> Result<Self, WitnessError> {
        let path = folder.join(OWNER);
        let shown = folder.display().to_string();
        let owner = match File::open(&path) {
            Ok(owner) => owner,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(WitnessError::OtherMemory(shown));
            }
            Err(error) => return Err(WitnessError::file(&path)(error)),
        };
        match owner.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(WitnessError::Locked(shown)),
            Err(TryLockError::Error(error)) => return Err(WitnessError::file(&path)(error)),
        }
        let named = std::fs::read_to_string(&path).map_err(WitnessError::file(&path))?;
        if named.trim() != witness.to_string() {
            return Err(WitnessError::OtherMemory(shown));
        }
        let rooms = (0..ROOMS).map(|_| Mutex::new(())).collect();
        Ok(Self { folder: folder.to_owned(), rooms, _owner: owner })
    }

    /// What is remembered of a log, for one caller at a time.
    pub fn of(&self, origin: &str) -> Room<'_> {
        let hash = Hash::of(&[origin.as_bytes()]);
        // Nothing in memory can be half done: all is in the file.
        let room = &self.rooms[usize::from(hash.0[0]) % ROOMS];
        let alone = room.lock().unwrap_or_else(PoisonError::into_inner);
        Room { path: self.folder.join(hex(&hash)), _alone: alone }
    }

    pub fn newest(&self, origin_hash: &str) -> Result<Option<String>, WitnessError> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if origin_hash.len() != 64 || !origin_hash.bytes().all(is_hex) {
            return Ok(None);
        }
        read(&self.folder.join(origin_hash))
    }
}

/// One log's file.
pub(crate) struct Room<'m> {
    path: PathBuf,
    _alone: MutexGuard<'m, ()>,
}

impl Room<'_> {
    pub fn read(&self, origin: &str, witness: &VerifierKey) -> Result<Option<Last>, WitnessError> {
        let Some(text) = read(&self.path)? else { return Ok(None) };
        let damaged = |what: String| WitnessError::Damaged { path: self.path.display().to_string(), what };
        let note: SignedNote =
            text.parse().map_err(|error: seal::note::NoteError| damaged(error.to_string()))?;
        let checkpoint = Checkpoint::of_any_log(&note.text).map_err(|error| damaged(error.to_string()))?;
        let by = note.verified_by([witness]).map_err(|error| damaged(error.to_string()))?;
        let time = by.first().and_then(|(_, time)| *time).unwrap_or(0);
        if checkpoint.origin != origin {
            return Err(damaged(format!("it is of the log {}", checkpoint.origin)));
        }
        Ok(Some(Last { checkpoint, note, time }))
    }

    pub fn write(&self, note: &SignedNote) -> Result<(), WitnessError> {
        write_whole(&self.path, &note.to_string()).map_err(WitnessError::file(&self.path))
    }
}

fn read(path: &Path) -> Result<Option<String>, WitnessError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(WitnessError::file(path)(error)),
    }
}

fn hex(hash: &Hash) -> String {
    hash.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a file whole or not at all, durably: it is there after a power cut when this returns.
fn write_whole(path: &Path, content: &str) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    // The new name is durable when its folder is.
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
