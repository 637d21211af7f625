//! What an installer would do to files, and doing it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::unistd::{getegid, geteuid};
use tempfile::NamedTempFile;

use super::root::read;
use super::{InstallError, Root};

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
    path: PathBuf,
    /// Where the content is: for a link at `path`, behind it.
    content: PathBuf,
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
        let (content_at, path) = (root.at(path)?, root.place(path)?);
        let before = read(&content_at, LIMIT)?;
        let is_foreign = before.as_ref().is_some_and(|before| *before != content && !ours(before));
        if is_foreign && foreign == Foreign::Refuse {
            return Err(InstallError::Foreign { path });
        }
        Ok(Change { path, content: content_at, before, after: After::Own { content, mode } })
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
        let path = root.at(path)?;
        let after = after.map_or(After::Gone, |content| After::Edited { content, mode });
        Ok(Change { content: path.clone(), path, before, after })
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
        let (content, path) = (root.at(path)?, root.place(path)?);
        let before = read(&content, LIMIT)?.filter(|before| ours(before));
        let change = |before| Change { path, content, before: Some(before), after: After::Gone };
        Ok(before.map(change))
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
        fs::symlink_metadata(&self.path).is_ok_and(|found| {
            found.is_file() && found.mode() & 0o7777 == mode && found.uid() == geteuid().as_raw()
        })
    }

    fn apply(&self) -> Result<Step, InstallError> {
        let step = self.step();
        if step == Step::Unchanged {
            return Ok(step);
        }
        // Somebody else may have been at it since, for the same end or for another.
        let now = read(&self.content, LIMIT)?;
        if now != self.before && now.as_deref() != self.after() {
            return Err(InstallError::Changed { path: self.path.clone() });
        }
        if now.is_none() && self.after().is_none() {
            return Ok(step);
        }
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        let done = match &self.after {
            After::Gone => fs::remove_file(&self.path),
            After::Own { content, mode } => {
                replace(dir, &self.path, content, |file| set_mode(file, *mode))
            }
            After::Edited { content, mode } => {
                replace(dir, &self.path, content, |file| keep(file, &self.path, *mode))
            }
        };
        let done = done.and_then(|()| File::open(dir)?.sync_all());
        done.map(|()| step)
            .map_err(|source| InstallError::Write { path: self.path.clone(), source })
    }
}

/// A reader sees the old file or the new one, and after a power cut too.
fn replace(
    dir: &Path,
    path: &Path,
    content: &[u8],
    prepare: impl Fn(&File) -> io::Result<()>,
) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
    let mut file = NamedTempFile::new_in(dir)?;
    file.write_all(content)?;
    prepare(file.as_file())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}

/// Owner and mode of the file that is there, or this mode.
fn keep(file: &File, path: &Path, mode: u32) -> io::Result<()> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return set_mode(file, mode),
        Err(error) => return Err(error),
    };
    // Without CAP_CHOWN not even to give it to oneself.
    if (found.uid(), found.gid()) != (geteuid().as_raw(), getegid().as_raw()) {
        fchown(file, Some(found.uid()), Some(found.gid()))?;
    }
    set_mode(file, found.mode())
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
