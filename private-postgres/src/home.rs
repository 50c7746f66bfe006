//! Where the cluster lives: in the data folder, or elsewhere if the server's user can't get there.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::account::RunAs;
use crate::error::PostgresError;

/// The cluster's place in the data folder: the folder itself, or a link to it.
const NAME: &str = "postgres";

/// Where clusters go whose data folder is closed to the server's user.
const ELSEWHERE: &str = "/var/lib/runledger";

/// The port is only a part of the socket's name: the server does not listen on TCP.
pub(crate) const PORT: u16 = 5432;

/// A socket's path must fit the system's address type: 108 bytes on Linux, 104 on macOS, one of them for
/// the NUL at the end.
const LONGEST_SOCKET_PATH: usize = 103;

/// The folders of one private server. All belong to the user that it runs as.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    dir: PathBuf,
    socket_dir: PathBuf,
}

impl Home {
    /// Finds the folders, or makes them.
    ///
    /// `data_dir` must be canonical and locked by us.
    pub(crate) fn open(data_dir: &Path, run_as: &RunAs) -> Result<Self, PostgresError> {
        let dir = match fs::symlink_metadata(data_dir.join(NAME)) {
            Ok(_) => existing(data_dir, run_as)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fresh(data_dir, run_as, Path::new(ELSEWHERE))?
            }
            Err(error) => return Err(PostgresError::file("look at", &data_dir.join(NAME))(error)),
        };
        let socket_dir = socket_dir(&dir, data_dir, run_as)?;
        Ok(Self { dir, socket_dir })
    }

    /// The folder that holds all the others.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The cluster.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// The superuser's password.
    pub(crate) fn password(&self) -> PathBuf {
        self.dir.join("password")
    }

    /// Where the socket is.
    pub(crate) fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }
}

/// Makes the data folder, if it is missing, and gives its canonical path.
pub(crate) fn data_dir(path: &Path, run_as: &RunAs) -> Result<PathBuf, PostgresError> {
    // Another user has to pass through it to the cluster; what is secret in it has a mode of its own.
    let mode = if *run_as == RunAs::Ourselves { 0o700 } else { 0o711 };
    let create = || {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        make(path, mode)?;
        path.canonicalize()
    };
    create().map_err(PostgresError::file("create", path))
}

fn existing(data_dir: &Path, run_as: &RunAs) -> Result<PathBuf, PostgresError> {
    let link = data_dir.join(NAME);
    let dir = match link.canonicalize() {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(PostgresError::DanglingLink { link });
        }
        Err(error) => return Err(PostgresError::file("follow", &link)(error)),
    };
    let owner = fs::metadata(&dir).map_err(PostgresError::file("look at", &dir))?.uid();
    // Root's own folder, still empty: we were killed before we could hand it over.
    if owner != run_as.uid() && is_empty(&dir) {
        run_as.own(&dir).map_err(PostgresError::file("hand over", &dir))?;
    } else if owner != run_as.uid() {
        return Err(PostgresError::WrongOwner { dir, owner, user: run_as.name() });
    }
    match run_as.blocked_at(&dir).map_err(PostgresError::file("look at", &dir))? {
        Some(blocked_at) => Err(PostgresError::NotTraversable { dir, blocked_at, user: run_as.name() }),
        None => Ok(dir),
    }
}

fn fresh(data_dir: &Path, run_as: &RunAs, elsewhere: &Path) -> Result<PathBuf, PostgresError> {
    let link = data_dir.join(NAME);
    let Some(blocked_at) = run_as.blocked_at(data_dir).map_err(PostgresError::file("look at", data_dir))?
    else {
        make_private(&link, run_as)?;
        return Ok(link);
    };
    let dir = elsewhere.join(short_hash(data_dir));
    make(elsewhere, 0o755).map_err(PostgresError::file("create", elsewhere))?;
    if dir.exists() && !is_empty(&dir) {
        // The data folder was removed and made anew: the operator wants to start from nothing. The old
        // cluster is put aside all the same, for removing history is not for us.
        let aside = dir.with_extension(format!("old-{}", uuid::Uuid::new_v4().simple()));
        fs::rename(&dir, &aside).map_err(PostgresError::file("put aside", &dir))?;
        tracing::warn!(aside = %aside.display(), "the data folder is new; its earlier cluster was put aside");
    }
    make_private(&dir, run_as)?;
    symlink(&dir, &link).map_err(PostgresError::file("create", &link))?;
    tracing::info!(
        cluster = %dir.display(),
        user = run_as.name(),
        closed = %blocked_at.display(),
        "the server's user can't reach the data folder, so the cluster is kept elsewhere"
    );
    Ok(dir)
}

fn socket_dir(dir: &Path, data_dir: &Path, run_as: &RunAs) -> Result<PathBuf, PostgresError> {
    let inside = dir.join("socket");
    let name = format!(".s.PGSQL.{PORT}");
    if inside.join(&name).as_os_str().len() <= LONGEST_SOCKET_PATH {
        make_private(&inside, run_as)?;
        return Ok(inside);
    }
    let short = Path::new("/tmp").join(format!("runledger-{}", short_hash(data_dir)));
    make_private(&short, run_as)?;
    // Anybody can make a folder there: it must be the server's own and closed to all others.
    let meta = fs::symlink_metadata(&short).map_err(PostgresError::file("look at", &short))?;
    if !meta.is_dir() || meta.uid() != run_as.uid() || meta.mode() & 0o077 != 0 {
        return Err(PostgresError::ForeignSocketDir { dir: short });
    }
    Ok(short)
}

/// Makes a folder for the server's user alone. One that is there already keeps its mode.
fn make_private(dir: &Path, run_as: &RunAs) -> Result<(), PostgresError> {
    let make = || {
        make(dir, 0o700)?;
        // Also one that is there: we may have been killed before we could hand it over.
        let meta = fs::symlink_metadata(dir)?;
        if meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() {
            run_as.own(dir)
        } else {
            Ok(())
        }
    };
    make().map_err(PostgresError::file("create", dir))
}

/// Makes a folder with exactly this mode, whatever the umask; one that is there already is left as it is.
fn make(dir: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => fs::set_permissions(dir, fs::Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

fn short_hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    hex::encode(&digest[..8])
}
