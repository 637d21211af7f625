//! Directories of devgate's own state, which nobody but root can read or change.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkdir};
use thiserror::Error;

/// Where state is that ends with the machine's run.
pub const RUN: &str = "/run/devgate";
/// Where state is that stays.
pub const LIB: &str = "/var/lib/devgate";

/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;

/// A directory that belongs to this process's user, root, and that nobody else can look into
/// (mode 0700).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir {
    path: PathBuf,
}

/// Why a directory can't hold state.
#[derive(Debug, Error)]
pub enum StateDirError {
    /// It can't be made.
    #[error("{} can't be made", path.display())]
    Make {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can't be opened. ELOOP or ENOTDIR: something else is in its place.
    #[error("{} can't be opened as a directory", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another user owns it, and could change what is in it.
    #[error("{} is owned by user {owner} (expected {expected})", path.display())]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Its owner's id.
        owner: u32,
        /// This process's user.
        expected: u32,
    },
    /// Others may look into it or write to it, and may have put files there.
    #[error("{} has mode {mode:04o} (expected 0700)", path.display())]
    Mode {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl StateDir {
    /// The directory at `path`, made if it is missing. The one that it is in must be there, and
    /// only root may be able to write to it, as to /run and /var/lib.
    ///
    /// # Errors
    /// It can't be made, is not a directory (nor is a link to one), or others may use it.
    pub fn open(path: &Path) -> Result<StateDir, StateDirError> {
        match mkdir(path, Mode::S_IRWXU) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => {
                return Err(StateDirError::Make { path: path.to_owned(), source: errno.into() });
            }
        }
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let open = |source| StateDirError::Open { path: path.to_owned(), source };
        let dir = File::options().read(true).custom_flags(flags.bits()).open(path).map_err(open)?;
        let metadata = dir.metadata().map_err(open)?;
        let expected = geteuid().as_raw();
        if metadata.uid() != expected {
            let path = path.to_owned();
            return Err(StateDirError::Owner { path, owner: metadata.uid(), expected });
        }
        let mode = metadata.mode() & 0o7777;
        if mode & OTHERS != 0 {
            return Err(StateDirError::Mode { path: path.to_owned(), mode });
        }
        Ok(StateDir { path: path.to_owned() })
    }

    /// A directory in it, made if it is missing.
    ///
    /// # Errors
    /// As for [`StateDir::open`].
    pub fn below(&self, name: &str) -> Result<StateDir, StateDirError> {
        StateDir::open(&self.path.join(name))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names in it that are text, in order.
    ///
    /// # Errors
    /// It can't be listed.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let names: io::Result<Vec<_>> =
            fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name())).collect();
        let mut names: Vec<String> =
            names?.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.sort_unstable();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn it_is_made_for_root_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("devgate");
        for _ in 0..2 {
            let below = StateDir::open(&path).unwrap().below("containers").unwrap();
            assert_eq!((mode(&path), mode(below.path())), (0o700, 0o700));
        }
        for open in [0o755, 0o777, 0o1777, 0o710] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let error = StateDir::open(&path).unwrap_err().to_string();
            assert!(error.ends_with(&format!("has mode {open:04o} (expected 0700)")), "{error}");
        }
    }

    #[test]
    fn what_is_not_our_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("real")).unwrap();
        symlink(at("real"), at("link")).unwrap();
        fs::write(at("file"), "").unwrap();
        for name in ["link", "file"] {
            let error = StateDir::open(&at(name)).unwrap_err();
            assert!(matches!(error, StateDirError::Open { .. }), "{error:?}");
        }
        let error = StateDir::open(&at("none/devgate")).unwrap_err();
        assert!(matches!(error, StateDirError::Make { .. }), "{error:?}");
    }

    #[test]
    fn another_users_directory_is_refused() {
        if !geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(dir.path(), Some(65534), None).unwrap();
        let error = StateDir::open(dir.path()).unwrap_err();
        assert!(error.to_string().ends_with("is owned by user 65534 (expected 0)"), "{error}");
    }
}
