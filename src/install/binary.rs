//! The file that an engine runs as root.

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::plan::{Change, Foreign};
use super::{InstallError, Root, registrable};
use crate::files::{Exposure, Last, Way};

/// An engine runs the program as root: nobody else may change it.
const ROOT: [u32; 1] = [0];

/// What is wrong with a binary.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Flaw {
    /// There is none.
    #[error("there is no such file")]
    Missing,
    /// It is no regular file.
    #[error("not a regular file")]
    NotAFile,
    /// Its mode lets nobody execute it.
    #[error("not executable")]
    NotExecutable,
    /// Others than root can change it, or put another one in its place.
    #[error(transparent)]
    Exposed(Exposure),
    /// It can't be looked at.
    #[error("{0}")]
    Unknown(String),
}

impl Flaw {
    /// Whether an engine can run it all the same: it is unsafe rather than unusable.
    pub fn is_unsafe_only(&self) -> bool {
        matches!(self, Flaw::Exposed(_))
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
        let way = match self.way(root) {
            Ok(way) => way,
            Err(flaw) => return Some(flaw),
        };
        let Some(node) = way.end() else { return Some(Flaw::Missing) };
        if !node.is_file() {
            return Some(Flaw::NotAFile);
        }
        if node.stat().st_mode & 0o111 == 0 {
            return Some(Flaw::NotExecutable);
        }
        way.exposure(&ROOT).map(Flaw::Exposed)
    }

    /// What is wrong with the directories that lead to it, as far as there are any.
    pub fn place_flaw(&self, root: &Root) -> Option<Flaw> {
        match self.way(root) {
            Ok(way) => way.exposure_of_place(&ROOT).map(Flaw::Exposed),
            Err(flaw) => Some(flaw),
        }
    }

    fn way(&self, root: &Root) -> Result<Way, Flaw> {
        root.follow(&self.0, Last::Follow).map_err(|error| Flaw::Unknown(error.to_string()))
    }

    /// Whether both are the same file, by whatever name, below the root.
    pub fn is_same(&self, root: &Root, other: &Path) -> bool {
        root.is_same(&self.0, other)
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
pub fn exposed(root: &Root, path: &Path) -> Option<Exposure> {
    root.follow(path, Last::Follow).ok()?.exposure(&ROOT)
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
        let writable = |path, mode| Flaw::Exposed(Exposure::Writable { path, mode });
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
        assert_eq!(binary.flaw(&root), Some(writable(path, 0o775)));
        chmod(&at, 0o755);
        assert_eq!(binary.flaw(&root), None);
        let dir = at.parent().unwrap();
        chown(dir, Some(1000), None).unwrap();
        let path = PathBuf::from("/opt/bin");
        assert_eq!(
            binary.flaw(&root),
            Some(Flaw::Exposed(Exposure::Owner { path: path.clone(), uid: 1000 }))
        );
        chown(dir, Some(0), None).unwrap();
        chmod(dir, 0o777);
        assert_eq!(binary.flaw(&root), Some(writable(path, 0o777)));
        chmod(dir, 0o1777);
        assert_eq!(binary.flaw(&root), None);
    }

    #[test]
    fn a_relative_path_is_none() {
        let error = Binary::new(Path::new("bin/devgate")).unwrap_err();
        assert_eq!(error.to_string(), "the binary bin/devgate is not an absolute path in UTF-8");
    }
}
