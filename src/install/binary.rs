//! The file that an engine runs as root.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::plan::{Change, Foreign};
use super::{InstallError, Root, registrable};

/// What is wrong with a binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// There is none.
    Missing,
    /// It is no regular file.
    NotAFile,
    /// Its mode lets nobody execute it.
    NotExecutable,
    /// It, or a directory on the way to it, is not root's.
    Owner {
        /// Which of them.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// Its mode, or that of a directory on the way to it, lets others than root change it.
    Writable {
        /// Which of them.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It can't be looked at.
    Unknown(String),
}

impl Flaw {
    /// Whether an engine can run it all the same: it is unsafe rather than unusable.
    pub fn is_unsafe_only(&self) -> bool {
        matches!(self, Flaw::Owner { .. } | Flaw::Writable { .. })
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Missing => f.write_str("there is no such file"),
            Flaw::NotAFile => f.write_str("not a regular file"),
            Flaw::NotExecutable => f.write_str("not executable"),
            Flaw::Owner { path, uid } => {
                write!(f, "{} belongs to user {uid}, not to root", path.display())
            }
            Flaw::Writable { path, mode } => {
                write!(f, "{} can be changed by others (mode {mode:04o})", path.display())
            }
            Flaw::Unknown(problem) => f.write_str(problem),
        }
    }
}

/// The devgate that a registration names: an absolute path of the machine below a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary(PathBuf);

impl Binary {
    /// A path, whatever is there.
    ///
    /// # Errors
    /// It is not absolute, or not UTF-8.
    pub fn new(path: &Path) -> Result<Binary, InstallError> {
        registrable("the binary", path)?;
        Ok(Binary(path.to_owned()))
    }

    /// The path, as the engine sees it.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What is wrong with the file below the root: whoever can change it, or a directory on the
    /// way to it, runs as root in the next container's start.
    pub fn flaw(&self, root: &Root) -> Option<Flaw> {
        self.file_flaw(root).or_else(|| self.place_flaw(root))
    }

    fn file_flaw(&self, root: &Root) -> Option<Flaw> {
        let at = match root.at(&self.0) {
            Ok(at) => at,
            Err(error) => return Some(Flaw::Unknown(error.to_string())),
        };
        match fs::metadata(&at) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Flaw::Missing),
            Err(error) => Some(Flaw::Unknown(error.to_string())),
            Ok(metadata) if !metadata.is_file() => Some(Flaw::NotAFile),
            Ok(metadata) if metadata.mode() & 0o111 == 0 => Some(Flaw::NotExecutable),
            Ok(_) => open_to_others(root, &at),
        }
    }

    /// What is wrong with the directories that lead to it, as far as there are any.
    pub fn place_flaw(&self, root: &Root) -> Option<Flaw> {
        place_flaw(root, &self.0)
    }

    /// Whether both are the same file, by whatever name, below the root.
    pub fn is_same(&self, root: &Root, other: &Path) -> bool {
        self.0 == other || root.at(&self.0).is_ok_and(|at| root.at(other).is_ok_and(|o| o == at))
    }

    /// Puts this running program there.
    ///
    /// # Errors
    /// Something else is there.
    pub fn copy(&self, root: &Root, foreign: Foreign) -> Result<Change, InstallError> {
        let own = PathBuf::from("/proc/self/exe");
        let content = fs::read(&own)
            .map_err(|error| InstallError::Read { path: own, source: error.into() })?;
        Change::own(root, &self.0, (content, 0o755), is_devgate, foreign)
    }

    /// Takes it away, if it is devgate.
    ///
    /// # Errors
    /// It can't be read.
    pub fn remove(&self, root: &Root) -> Result<Option<Change>, InstallError> {
        Change::remove(root, &self.0, is_devgate)
    }
}

/// Every devgate has this in it.
const MARK: &[u8] = b"\0devgate: an OCI hook for a container's devices\0";

fn is_devgate(content: &[u8]) -> bool {
    content.windows(MARK.len()).any(|bytes| bytes == MARK)
}

/// Whether others than root could change the file at that machine's `path`, or what is there in
/// its place tomorrow.
pub fn exposed(root: &Root, path: &Path) -> Option<Flaw> {
    let at = root.at(path).ok()?;
    open_to_others(root, &at).or_else(|| place_flaw(root, path))
}

fn place_flaw(root: &Root, path: &Path) -> Option<Flaw> {
    match root.way_to(path) {
        Ok(passed) => passed.iter().find_map(|passed| open_to_others(root, passed)),
        Err(error) => Some(Flaw::Unknown(error.to_string())),
    }
}

const STICKY: u32 = 0o1000;

fn open_to_others(root: &Root, path: &Path) -> Option<Flaw> {
    let name = root.name_of(path);
    let metadata: Metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Flaw::Unknown(format!("{}: {error}", name.display()))),
    };
    if metadata.uid() != 0 {
        return Some(Flaw::Owner { path: name, uid: metadata.uid() });
    }
    let mode = metadata.mode() & 0o7777;
    // In a sticky directory nobody replaces what is root's, and a link's mode says nothing.
    let guarded = metadata.is_dir() && mode & STICKY != 0 || metadata.is_symlink();
    (mode & 0o022 != 0 && !guarded).then_some(Flaw::Writable { path: name, mode })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown};

    #[test]
    fn every_flaw_is_found() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path()).unwrap();
        let binary = Binary::new(Path::new("/opt/bin/devgate")).unwrap();
        assert_eq!(binary.flaw(&root), Some(Flaw::Missing));
        let at = root.path().join("opt/bin/devgate");
        let chmod = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        fs::create_dir_all(&at).unwrap();
        assert_eq!(binary.flaw(&root), Some(Flaw::NotAFile));
        fs::remove_dir(&at).unwrap();
        fs::write(&at, "").unwrap();
        chmod(&at, 0o644);
        assert_eq!(binary.flaw(&root), Some(Flaw::NotExecutable));
        chmod(&at, 0o775);
        let path = PathBuf::from("/opt/bin/devgate");
        assert_eq!(binary.flaw(&root), Some(Flaw::Writable { path, mode: 0o775 }));
        chmod(&at, 0o755);
        assert_eq!(binary.flaw(&root), None);
        let dir = at.parent().unwrap();
        chown(dir, Some(1000), None).unwrap();
        let path = PathBuf::from("/opt/bin");
        assert_eq!(binary.flaw(&root), Some(Flaw::Owner { path: path.clone(), uid: 1000 }));
        chown(dir, Some(0), None).unwrap();
        chmod(dir, 0o777);
        assert_eq!(binary.flaw(&root), Some(Flaw::Writable { path, mode: 0o777 }));
        chmod(dir, 0o1777);
        assert_eq!(binary.flaw(&root), None);
    }

    #[test]
    fn a_relative_path_is_none() {
        let error = Binary::new(Path::new("bin/devgate")).unwrap_err();
        assert_eq!(error.to_string(), "the binary bin/devgate is not an absolute path in UTF-8");
    }
}
