//! The file with the keys that sign, apart from the database.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use seal::note::{KeyKind, NoteError, Signature, SignedNote, SignerKey, VerifierKey};

use crate::error::SealError;
use crate::logs::random_salt;

/// The keys of a ledger: one a line, `#` begins a comment. All of them sign, so that readers who trust the one that is
/// going and readers who trust the one that comes are both served. All have the ledger's name. Of those that were retired
/// the public ones stay: what they have signed is still known by them.
#[derive(Debug, Clone)]
pub struct KeyFile {
    path: PathBuf,
    keys: Vec<SignerKey>,
    retired: Vec<VerifierKey>,
}

/// What is wrong with a key file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
    /// Others can read it.
    #[error("{0} can be read by others: `chmod 600` it, and think about who may have read it")]
    Open(PathBuf),
    /// A line is no key.
    #[error("{path}, line {line}: {source}")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        source: NoteError,
    },
    /// It holds no key of a log, or keys of several names.
    #[error("{0} must hold one or more keys of one name, as `runledger seal keygen` makes them")]
    Keys(PathBuf),
    /// No new key can be made.
    #[error(transparent)]
    Making(#[from] SealError),
    /// The name is no name of a key.
    #[error(transparent)]
    Name(#[from] NoteError),
}

impl KeyFile {
    /// Reads it.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |source| KeyFileError::File { path: path.to_owned(), source };
        let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Open(path.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let (mut keys, mut retired) = (Vec::new(), Vec::new());
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            let wrong = |source| KeyFileError::Line { path: path.to_owned(), line, source };
            match text {
                "" => {}
                _ if text.starts_with('#') => {}
                _ if text.starts_with(PRIVATE) => keys.push(text.parse::<SignerKey>().map_err(wrong)?),
                _ => retired.push(text.parse::<VerifierKey>().map_err(wrong)?),
            }
        }
        let keys = Self { path: path.to_owned(), keys, retired };
        let mut public = keys.keys.iter().map(SignerKey::verifier).chain(keys.retired.iter().cloned());
        let is_ours = |key: VerifierKey| key.kind() == KeyKind::Note && key.name() == keys.name();
        if keys.keys.is_empty() || !public.all(is_ours) {
            return Err(KeyFileError::Keys(path.to_owned()));
        }
        Ok(keys)
    }

    /// Makes a file with one new key. The name is the ledger's, such as `ledger.example.org`: it begins the names of all
    /// logs, and can't be changed later.
    ///
    /// # Errors
    /// [`KeyFileError`], also where the file is there.
    pub fn create(path: &Path, name: &str) -> Result<Self, KeyFileError> {
        let keys = Self { path: path.to_owned(), keys: vec![new_key(name)?], retired: Vec::new() };
        let failed = |source| KeyFileError::File { path: path.to_owned(), source };
        let mut options = File::options();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        file.write_all(keys.text().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(keys)
    }

    /// Puts a new key before the others, which go on signing until they are taken out by [`Self::retire`].
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn rotate(&mut self) -> Result<(), KeyFileError> {
        self.keys.insert(0, new_key(self.name())?);
        self.write()
    }

    /// Takes out all keys but the newest one, and leaves the public ones; says how many these are.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn retire(&mut self) -> Result<usize, KeyFileError> {
        let old = self.keys.split_off(1);
        self.retired.extend(old.iter().map(SignerKey::verifier));
        self.write()?;
        Ok(old.len())
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "# The keys that sign this ledger's history. Keep them secret, and keep a copy apart.\n",
        );
        for key in &self.keys {
            text.push_str(&key.reveal());
            text.push('\n');
        }
        if !self.retired.is_empty() {
            text.push_str("# Public keys of those that sign no more, by which their signatures are known.\n");
        }
        text.extend(self.retired.iter().map(|key| format!("{key}\n")));
        text
    }

    fn write(&self) -> Result<(), KeyFileError> {
        let failed = |source| KeyFileError::File { path: self.path.clone(), source };
        write_whole(&self.path, self.text().as_bytes(), 0o600).map_err(failed)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The ledger's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.keys.first().map_or("", SignerKey::name)
    }

    /// By which the newest key is known: the ledger's name and eight hex digits.
    #[must_use]
    pub fn newest_id(&self) -> String {
        let key = self.keys.first().map(|key| key.verifier().to_string()).unwrap_or_default();
        // No name has a plus, and the key behind the id may have some: it is base64.
        let name_and_id: Vec<&str> = key.splitn(3, '+').take(2).collect();
        name_and_id.join("+")
    }

    /// What readers check signatures with, under the name of a log.
    ///
    /// # Errors
    /// When the origin is no name of a key.
    pub fn verifiers(&self, origin: &str) -> Result<Vec<VerifierKey>, NoteError> {
        self.keys.iter().map(|key| Ok(key.named(origin)?.verifier())).collect()
    }

    /// The same, with the keys that sign no more: what they have signed is ours.
    ///
    /// # Errors
    /// When the origin is no name of a key.
    pub fn all_verifiers(&self, origin: &str) -> Result<Vec<VerifierKey>, NoteError> {
        let retired = self.retired.iter().map(|key| key.named(origin));
        self.verifiers(origin)?.into_iter().map(Ok).chain(retired).collect()
    }

    /// Makes sure that one of the keys has signed a note, under the name of a log; those that sign no more are ours too.
    ///
    /// # Errors
    /// When the origin is no name of a key, or no key of ours has signed it.
    pub(crate) fn must_have_signed(&self, origin: &str, note: &SignedNote) -> Result<(), NoteError> {
        note.verified_by(&self.all_verifiers(origin)?).map(drop)
    }

    /// The signatures of a note's text by all keys, under the name of a log.
    ///
    /// # Errors
    /// When the origin is no name of a key.
    pub fn sign(&self, origin: &str, text: &str) -> Result<Vec<Signature>, NoteError> {
        self.keys.iter().map(|key| Ok(key.named(origin)?.sign(text))).collect()
    }
}

/// How a line with a private key begins.
const PRIVATE: &str = "PRIVATE+KEY+";

fn new_key(name: &str) -> Result<SignerKey, KeyFileError> {
    Ok(SignerKey::new(name, KeyKind::Note, &random_salt()?)?)
}

/// Writes a file whole or not at all, durably, with that mode. Who has it open reads what it was.
///
/// # Errors
/// The system's.
pub fn write_whole(path: &Path, content: &[u8], mode: u32) -> std::io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let mut file = File::options().write(true).create(true).truncate(true).mode(mode).open(&fresh)?;
    // What was left of an earlier try could have another mode.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    // The new name is durable when its folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
