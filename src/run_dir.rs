//! devgate's own directory for what must not outlive a boot: `/run/devgate`.
//!
//! Nobody but root may list or write it, so no local user can plant a file there or hold a lock
//! of devgate's.

use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, openat};
use nix::sys::stat::Mode;
use thiserror::Error;

use crate::files::names_in;

/// Where it is. /run is empty after a boot (file-hierarchy(7)).
pub const RUN_DIR: &str = "/run/devgate";

/// Its mode.
const MODE: u32 = 0o700;

/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;

/// Why the directory can't be used.
#[derive(Debug, Error)]
pub enum RunDirError {
    /// There is none, and it can't be made: /run is missing or read-only, for example.
    #[error("{} can't be made", path.display())]
    Make {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is there and can't be opened. A link or a file has its place, for example.
    #[error("{} can't be opened as a directory", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else owns it.
    #[error("{} is owned by user {uid} and must be owned by root", path.display())]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Who owns it.
        uid: u32,
    },
    /// Others may read or write it.
    #[error("{} has mode {mode:04o} and must have mode 0700", path.display())]
    Mode {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file in it can't be opened.
    #[error("{} can't be opened", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The open directory.
#[derive(Debug)]
pub struct RunDir {
    dir: File,
    path: PathBuf,
}

impl RunDir {
    /// Opens `/run/devgate`, and makes it (mode 0700) if there is none.
    ///
    /// # Errors
    /// It can't be made or opened, or others than root may use it.
    pub fn open() -> Result<RunDir, RunDirError> {
        RunDir::at(Path::new(RUN_DIR))
    }

    /// The same at another path, for what must outlive a boot or for a test. Only root may be able
    /// to write to the directory that it is in.
    ///
    /// # Errors
    /// As for [`RunDir::open`].
    pub fn at(path: &Path) -> Result<RunDir, RunDirError> {
        let dir = match open_dir(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make(path)?;
                open_dir(path)
            }
            outcome => outcome,
        };
        RunDir::judge(path, dir)
    }

    fn judge(path: &Path, dir: io::Result<File>) -> Result<RunDir, RunDirError> {
        let path = path.to_owned();
        let found = dir.and_then(|dir| Ok((dir.metadata()?, dir)));
        let (found, dir) = match found {
            Ok(found) => found,
            Err(source) => return Err(RunDirError::Open { path, source }),
        };
        match (found.uid(), found.mode() & 0o7777) {
            (0, mode) if mode & OTHERS == 0 => Ok(RunDir { dir, path }),
            (0, mode) => Err(RunDirError::Mode { path, mode }),
            (uid, _) => Err(RunDirError::Owner { path, uid }),
        }
    }

    /// The directory at this path, if there is one; nothing is made.
    ///
    /// # Errors
    /// It can't be opened, or others than root may use it.
    pub fn existing(path: &Path) -> Result<Option<RunDir>, RunDirError> {
        match open_dir(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            outcome => RunDir::judge(path, outcome).map(Some),
        }
    }

    /// A directory right in it, made in the same way if there is none.
    ///
    /// # Errors
    /// As for [`RunDir::open`].
    pub fn below(&self, name: &str) -> Result<RunDir, RunDirError> {
        RunDir::at(&self.path.join(name))
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
        let mut names = names_in(&self.dir)?;
        names.sort_unstable();
        Ok(names)
    }

    /// The file `name` right in the directory, to read and write; it is made (mode 0600) if there
    /// is none. A link is refused.
    ///
    /// # Errors
    /// [`RunDirError::File`].
    pub fn file(&self, name: &str) -> Result<File, RunDirError> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match openat(&self.dir, name, flags | OFlag::O_NONBLOCK, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(file) => Ok(File::from(file)),
            Err(errno) => {
                Err(RunDirError::File { path: self.path.join(name), source: errno.into() })
            }
        }
    }
}

/// Locks a file of the directory for this descriptor alone, until it is closed; `false` if somebody
/// else has the lock. An open file description lock (fcntl_locking(2)) ends with the process,
/// however it ends.
///
/// # Errors
/// The kernel would not lock it.
pub fn try_lock(file: &File) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&WHOLE)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// A lock to write on a whole file. The process id must be 0 for this kind of lock.
pub(crate) const WHOLE: libc::flock = libc::flock {
    l_type: libc::F_WRLCK as libc::c_short,
    l_whence: libc::SEEK_SET as libc::c_short,
    l_start: 0,
    l_len: 0,
    l_pid: 0,
};

fn open_dir(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    File::options().read(true).custom_flags(flags.bits()).open(path)
}

fn make(path: &Path) -> Result<(), RunDirError> {
    match DirBuilder::new().mode(MODE).create(path) {
        Err(source) if source.kind() != ErrorKind::AlreadyExists => {
            Err(RunDirError::Make { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;
    use crate::errors::chain;
    use std::fs;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("devgate");
        (above, path)
    }

    fn refusal(path: &Path) -> String {
        chain(&RunDir::at(path).unwrap_err())
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn it_is_made_for_root_alone_and_used_again() {
        let (_above, path) = place();
        for _ in 0..2 {
            let file = RunDir::at(&path).unwrap().file("x").unwrap();
            assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
            assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o700);
            let below = RunDir::at(&path).unwrap().below("y").unwrap();
            assert_eq!(below.path().metadata().unwrap().mode() & 0o7777, 0o700);
            assert_eq!(RunDir::at(&path).unwrap().names().unwrap(), ["x", "y"]);
        }
    }

    #[test]
    fn others_may_not_use_it() {
        for mode in [0o755, 0o777, 0o1777, 0o770, 0o701] {
            let (_above, path) = place();
            fs::create_dir(&path).unwrap();
            set_mode(&path, mode);
            let expected = format!("has mode {mode:04o} and must have mode 0700");
            assert!(refusal(&path).ends_with(&expected), "{}", refusal(&path));
        }
        let (_above, path) = place();
        fs::create_dir(&path).unwrap();
        set_mode(&path, 0o700);
        chown(&path, Some(65534), None).unwrap();
        assert!(refusal(&path).ends_with("is owned by user 65534 and must be owned by root"));
    }

    #[test]
    fn a_link_a_file_and_a_missing_parent() {
        let (above, path) = place();
        symlink(above.path(), &path).unwrap();
        assert!(refusal(&path).contains("can't be opened as a directory"), "{}", refusal(&path));
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert!(refusal(&path).contains("can't be opened as a directory"), "{}", refusal(&path));
        let missing = above.path().join("none/devgate");
        assert!(refusal(&missing).contains("can't be made"), "{}", refusal(&missing));
    }

    #[test]
    fn a_link_in_it_is_refused() {
        let (above, path) = place();
        let dir = RunDir::at(&path).unwrap();
        symlink(above.path().join("elsewhere"), path.join("x")).unwrap();
        let error = dir.file("x").unwrap_err().to_string();
        assert!(error.contains("devgate/x can't be opened"), "{error}");
        assert!(!above.path().join("elsewhere").exists());
    }
}
