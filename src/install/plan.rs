//! What an installer would do to files, and doing it.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode};
use nix::unistd::{UnlinkatFlags, getegid, geteuid, unlinkat};
use tempfile::NamedTempFile;

use super::{InstallError, Root};
use crate::files::{Last, Node, Place, Way};

/// What becomes of a file that is not devgate's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// It stays, and that is an error.
    Refuse,
    /// It is overwritten.
    Overwrite,
}

/// What becomes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is as it should be.
    Unchanged,
    /// It is made.
    Create,
    /// It is replaced.
    Replace,
    /// It is removed.
    Remove,
}

/// Most bytes of a file that is replaced: devgate itself, with all its symbols.
const LIMIT: u64 = 1 << 30;

#[derive(Clone, Debug)]
enum After {
    /// devgate's own, with this mode and nobody else's.
    Own {
        content: Vec<u8>,
        mode: u32,
    },
    /// Somebody's file with other content; if it is made, with this mode.
    Edited {
        content: Vec<u8>,
        mode: u32,
    },
    Gone,
}

/// One file's change.
#[derive(Clone, Debug)]
pub struct Change {
    root: Root,
    /// What that machine calls it.
    name: PathBuf,
    /// Whether a link there is meant, or what it leads to.
    last: Last,
    /// Where it is here, by the look that the plan was made of.
    path: PathBuf,
    before: Option<Vec<u8>>,
    after: After,
}

impl Change {
    /// devgate's own file at that machine's `path`. A link there gives way to it.
    ///
    /// # Errors
    /// Something is there that is not `ours`.
    pub fn own(
        root: &Root,
        path: &Path,
        (content, mode): (Vec<u8>, u32),
        ours: impl Fn(&[u8]) -> bool,
        foreign: Foreign,
    ) -> Result<Change, InstallError> {
        let before = content_of(root, path)?;
        let is_foreign = before.as_ref().is_some_and(|before| *before != content && !ours(before));
        let change = Change::new(root, path, Last::Keep, before, After::Own { content, mode })?;
        match is_foreign && foreign == Foreign::Refuse {
            true => Err(InstallError::Foreign { path: change.path }),
            false => Ok(change),
        }
    }

    /// Somebody's file at that machine's `path`, where links lead, that was read as `before` gets
    /// the content `after`, or goes. It keeps its owner and mode; if there is none it is made with
    /// `mode`.
    ///
    /// # Errors
    /// A link can't be followed.
    pub fn edit(
        root: &Root,
        path: &Path,
        before: Option<Vec<u8>>,
        after: Option<Vec<u8>>,
        mode: u32,
    ) -> Result<Change, InstallError> {
        let after = after.map_or(After::Gone, |content| After::Edited { content, mode });
        Change::new(root, path, Last::Follow, before, after)
    }

    /// The file at that machine's `path` is removed, if it is there and `ours`; of a link there,
    /// the link.
    ///
    /// # Errors
    /// It can't be read.
    pub fn remove(
        root: &Root,
        path: &Path,
        ours: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Change>, InstallError> {
        let before = content_of(root, path)?.filter(|before| ours(before));
        let change = |before| Change::new(root, path, Last::Keep, Some(before), After::Gone);
        before.map(change).transpose()
    }

    fn new(
        root: &Root,
        name: &Path,
        last: Last,
        before: Option<Vec<u8>>,
        after: After,
    ) -> Result<Change, InstallError> {
        let path = root.here(&root.follow(name, last)?);
        Ok(Change { root: root.clone(), name: name.to_owned(), last, path, before, after })
    }

    /// The file, here.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds now; none if it is not there.
    pub fn before(&self) -> Option<&[u8]> {
        self.before.as_deref()
    }

    /// What it is to hold; none if it is to go.
    pub fn after(&self) -> Option<&[u8]> {
        match &self.after {
            After::Own { content, .. } | After::Edited { content, .. } => Some(content),
            After::Gone => None,
        }
    }

    /// What becomes of it.
    pub fn step(&self) -> Step {
        match (self.before(), self.after()) {
            (_, None) => Step::Remove,
            (None, _) => Step::Create,
            (before, after) if before == after && self.is_kept_right() => Step::Unchanged,
            _ => Step::Replace,
        }
    }

    /// Whether mode and owner are as they should be, of a file that is there.
    fn is_kept_right(&self) -> bool {
        let After::Own { mode, .. } = self.after else { return true };
        let is_right = |node: &Node| {
            let found = node.stat();
            node.is_file() && found.st_mode & 0o7777 == mode && found.st_uid == geteuid().as_raw()
        };
        self.way().is_ok_and(|way| way.end().is_some_and(is_right))
    }

    fn way(&self) -> Result<Way, InstallError> {
        self.root.follow(&self.name, self.last)
    }

    fn apply(&self) -> Result<Step, InstallError> {
        let step = self.step();
        if step == Step::Unchanged {
            return Ok(step);
        }
        // Somebody else may have been at it since, for the same end or for another.
        let now = content_of(&self.root, &self.name)?;
        if now != self.before && now.as_deref() != self.after() {
            return Err(InstallError::Changed { path: self.path.clone() });
        }
        if now.is_none() && self.after().is_none() {
            return Ok(step);
        }
        let done = self.write(self.way()?);
        done.map(|()| step)
            .map_err(|source| InstallError::Write { path: self.path.clone(), source })
    }

    fn write(&self, way: Way) -> io::Result<()> {
        let found = way.end().map(|node| *node.stat());
        let place = way.place(Mode::from_bits_truncate(0o755))?;
        match &self.after {
            After::Gone => unlinkat(place.dir(), place.name(), UnlinkatFlags::NoRemoveDir)?,
            After::Own { content, mode } => {
                replace(&place, content, |file| set_mode(file, *mode))?;
            }
            After::Edited { content, mode } => {
                replace(&place, content, |file| keep(file, found, *mode))?;
            }
        }
        sync(&place)
    }
}

/// Most bytes of a file that is replaced are those of devgate itself.
fn content_of(root: &Root, path: &Path) -> Result<Option<Vec<u8>>, InstallError> {
    root.read_at(&root.follow(path, Last::Follow)?, LIMIT)
}

/// A reader sees the old file or the new one, and after a power cut too.
fn replace(
    place: &Place,
    content: &[u8],
    prepare: impl Fn(&File) -> io::Result<()>,
) -> io::Result<()> {
    // By the descriptor of the directory: its name may lead elsewhere meanwhile.
    let mut file = NamedTempFile::new_in(place.dir().magic_link())?;
    file.write_all(content)?;
    prepare(file.as_file())?;
    file.as_file().sync_all()?;
    let name = file.path().file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    renameat(place.dir(), name, place.dir(), place.name())?;
    // Its name is gone, so there is nothing to remove.
    let _ = file.into_temp_path().keep();
    Ok(())
}

fn sync(place: &Place) -> io::Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    File::from(openat(place.dir(), ".", flags, Mode::empty())?).sync_all()
}

fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}

/// Owner and mode of the file that was found, or this mode.
fn keep(file: &File, found: Option<FileStat>, mode: u32) -> io::Result<()> {
    let Some(found) = found else { return set_mode(file, mode) };
    // Without CAP_CHOWN not even to give it to oneself.
    if (found.st_uid, found.st_gid) != (geteuid().as_raw(), getegid().as_raw()) {
        fchown(file, Some(found.st_uid), Some(found.st_gid))?;
    }
    set_mode(file, found.st_mode & 0o7777)
}

/// The files that change, in order, and what the operator has to know or do besides.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The files.
    pub changes: Vec<Change>,
    /// What to know or to do.
    pub notes: Vec<String>,
}

impl Plan {
    /// This plan, and then that one. A file that both write is written once.
    pub fn and(&mut self, other: Plan) {
        for change in other.changes {
            self.changes.retain(|own| own.path != change.path);
            self.changes.push(change);
        }
        for note in other.notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    /// Whether the file that is here at `path` is removed.
    pub fn removes(&self, path: &Path) -> bool {
        self.changes.iter().any(|change| change.path == path && change.after().is_none())
    }

    /// Does it, and tells of each file when it is done.
    ///
    /// # Errors
    /// [`InstallError::Write`] and [`InstallError::Changed`]: what comes before that file in the
    /// plan is done.
    pub fn apply(&self, mut done: impl FnMut(&Change, Step)) -> Result<(), InstallError> {
        for change in &self.changes {
            done(change, change.apply()?);
        }
        Ok(())
    }
}
