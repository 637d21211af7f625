//! Opening a log. The hook runs as root, so a log is written only where nobody else could have put
//! another file, or a link, in its place.

use std::fs::File;
use std::io;
use std::path::{Path, absolute};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, mkdirat};
use nix::unistd::geteuid;

use super::super::rootless::in_user_namespace;
use super::LogError;
use crate::files::{Exposure, Last, Place, Tree, Way};

const DIR_MODE: Mode = Mode::from_bits_truncate(0o755);
const PRIVATE_DIR_MODE: Mode = Mode::from_bits_truncate(0o700);

/// crun runs hooks with no umask, and the log is not for everybody to write.
const LOG_MODE: Mode = Mode::from_bits_truncate(0o644);
const PRIVATE_LOG_MODE: Mode = Mode::from_bits_truncate(0o600);

/// The log that is registered. Its directory is made if need be.
pub(super) fn shared(path: &Path) -> Result<File, LogError> {
    let open = Opener::new(path)?;
    let way = open.way(path, Last::Keep)?;
    if way.missing_dirs() > 1 {
        return Err(open.failed(Errno::ENOENT));
    }
    Ok(open.append(way, LOG_MODE)?.0)
}

/// The log `name` right in `dir`, for root's eyes alone: a container chose the name.
pub(super) fn private(dir: &Path, name: &str) -> Result<File, LogError> {
    let path = dir.join(name);
    let open = Opener::new(&path)?;
    let at = open.way(dir, Last::Follow)?;
    if at.end().is_none() {
        open.safe(&at)?;
        let place = open.place(at)?;
        match mkdirat(place.dir(), place.name(), PRIVATE_DIR_MODE) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(open.failed(error)),
        }
    }
    let (file, stat) = open.append(open.way(&path, Last::Keep)?, PRIVATE_LOG_MODE)?;
    match stat.st_nlink == 1 {
        true => Ok(file),
        false => Err(open.failed(io::Error::other("not a regular file of this one name"))),
    }
}

/// How a log is opened, and what is said if it can't be.
struct Opener<'p> {
    path: &'p Path,
    tree: Tree,
    trusted: [u32; 3],
}

impl<'p> Opener<'p> {
    fn new(path: &'p Path) -> Result<Opener<'p>, LogError> {
        let failed = |source| LogError::Open { path: path.to_owned(), source };
        let tree = Tree::new(Path::new("/")).map_err(failed)?;
        let machine = tree.top().stat().st_uid;
        // A user namespace shows the machine's root as the user that stands for all unmapped ones.
        let root = if machine != 0 && in_user_namespace().map_err(failed)? { machine } else { 0 };
        Ok(Opener { path, tree, trusted: [0, root, geteuid().as_raw()] })
    }

    fn failed(&self, source: impl Into<io::Error>) -> LogError {
        LogError::Open { path: self.path.to_owned(), source: source.into() }
    }

    fn exposed(&self, exposure: Exposure) -> LogError {
        LogError::Exposed { path: self.path.to_owned(), exposure }
    }

    fn way(&self, path: &Path, last: Last) -> Result<Way, LogError> {
        let path = absolute(path).map_err(|error| self.failed(error))?;
        self.tree.follow(&path, last).map_err(|error| self.failed(error))
    }

    fn safe(&self, way: &Way) -> Result<(), LogError> {
        way.exposure_to_planting(&self.trusted).map_or(Ok(()), |found| Err(self.exposed(found)))
    }

    fn place(&self, way: Way) -> Result<Place, LogError> {
        way.place(DIR_MODE).map_err(|error| self.failed(error))
    }

    fn append(&self, way: Way, mode: Mode) -> Result<(File, FileStat), LogError> {
        self.safe(&way)?;
        // A device is not to be opened at all.
        match way.end() {
            Some(end) if end.is_dir() => return Err(self.failed(Errno::EISDIR)),
            Some(end) if end.is_link() => return Err(self.failed(Errno::ELOOP)),
            Some(end) if !end.is_file() => return Err(self.failed(not_a_file())),
            _ => {}
        }
        let place = self.place(way)?;
        let how = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_CLOEXEC;
        let how = how | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
        let file = openat(place.dir(), place.name(), how, mode);
        let file = File::from(file.map_err(|error| self.failed(error))?);
        let stat = fstat(&file).map_err(|error| self.failed(error))?;
        if stat.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFREG.bits() {
            return Err(self.failed(not_a_file()));
        }
        match Exposure::of(self.path, &stat, &self.trusted) {
            None => Ok((file, stat)),
            Some(exposure) => Err(self.exposed(exposure)),
        }
    }
}

fn not_a_file() -> io::Error {
    io::Error::other("not a regular file")
}
