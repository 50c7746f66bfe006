//! As whom the server runs. Postgres refuses to run as root.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::PostgresError;

/// Accounts that may own the server when we are root, best first.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];

/// What a program needs of our environment. The rest stays here: `PG*` variables would change what the
/// server does, and others hold secrets.
const KEPT_VARIABLES: [&str; 5] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZDIR", "TMPDIR"];

/// As whom the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RunAs {
    /// As the user that started us.
    Ourselves,
    /// We are root and step down to this account.
    Other { name: String, uid: u32, gid: u32 },
}

impl RunAs {
    /// Chooses the account.
    ///
    /// # Errors
    /// [`PostgresError::NoAccount`] when we are root and there is no other.
    pub(crate) fn choose() -> Result<Self, PostgresError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Ourselves);
        }
        let path = Path::new("/etc/passwd");
        let passwd = fs::read_to_string(path).map_err(PostgresError::file("read", path))?;
        ACCOUNTS.iter().find_map(|name| account(&passwd, name)).ok_or(PostgresError::NoAccount)
    }

    /// The user's id.
    pub(crate) fn uid(&self) -> u32 {
        match self {
            Self::Ourselves => rustix::process::geteuid().as_raw(),
            Self::Other { uid, .. } => *uid,
        }
    }

    /// The user's name, for messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Ourselves => format!("with id {}", self.uid()),
            Self::Other { name, .. } => name.clone(),
        }
    }

    /// A command that runs as this user, with a clean environment.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // Our own working folder may be closed to the other user.
        command.env_clear().env("LC_ALL", "C").current_dir("/");
        command.envs(KEPT_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        if let Self::Other { uid, gid, .. } = self {
            // The standard library also drops the supplementary groups when root sets a user.
            command.uid(*uid).gid(*gid);
        }
        command
    }

    /// Hands a file or folder of ours over to the user.
    pub(crate) fn own(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other { uid, gid, .. } => chown(path, Some(*uid), Some(*gid)),
        }
    }

    /// The first folder on the way into `dir`, itself included, that the user can't pass.
    ///
    /// `dir` must be absolute and free of links.
    pub(crate) fn blocked_at(&self, dir: &Path) -> io::Result<Option<PathBuf>> {
        let Self::Other { uid, gid, .. } = self else { return Ok(None) };
        let mut way: Vec<&Path> = dir.ancestors().collect();
        way.reverse();
        for folder in way {
            let meta = fs::metadata(folder)?;
            let pass = if meta.uid() == *uid {
                0o100
            } else if meta.gid() == *gid {
                0o010
            } else {
                0o001
            };
            if meta.mode() & pass == 0 {
                return Ok(Some(folder.to_owned()));
            }
        }
        Ok(None)
    }
}

fn account(passwd: &str, wanted: &str) -> Option<RunAs> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| *name == wanted)?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        // An account with root's id would be refused just the same.
        (uid != 0).then(|| RunAs::Other { name: name.to_owned(), uid, gid })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn finds_an_account_by_its_whole_name() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\npostgres2:x:7:7::/:/bin/sh\npostgres:x:101:103:Pg:/var:/bin/sh\n";
        let expected = RunAs::Other { name: "postgres".into(), uid: 101, gid: 103 };
        assert_eq!(account(passwd, "postgres"), Some(expected));
        assert_eq!(account(passwd, "nobody"), None);
        assert_eq!(account("postgres:x:0:0::/:/bin/sh\n", "postgres"), None);
    }

    #[test]
    fn names_the_folder_that_is_closed() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let closed = root.join("closed");
        fs::create_dir_all(closed.join("inner")).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        let stranger = RunAs::Other { name: "stranger".into(), uid: 4_000_001, gid: 4_000_001 };
        assert_eq!(stranger.blocked_at(&closed.join("inner")).unwrap(), Some(closed.clone()));
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(stranger.blocked_at(&closed.join("inner")).unwrap(), None);
    }
}
