//! Files of state, one per container, or of another thing that has a name: `ID.json` in a directory
//! of root's own. A file is replaced in one step and never half-written, and who changes one holds
//! its lock from reading to writing.

mod error;
mod form;
mod locked;

pub use error::StoreError;
pub use form::{Stored, Version};
pub use locked::Locked;

use std::fs;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use super::lock::{Lock, LockError};
use nix::fcntl::AT_FDCWD;

use crate::files::{Last, Node, ReadError};
use crate::run_dir::RunDir;
use form::parse;

/// Most bytes of a file: a config's rules may have 16 MiB, and they are written out in full.
const LIMIT: u64 = 64 << 20;

const SUFFIX: &str = ".json";
const LOCK_SUFFIX: &str = ".lock";
/// No id starts with a dot.
const TEMPORARY: &str = ".new-";

/// The id of a container, and what is written of it or why that can't be read.
pub type Listed<T> = (<T as Stored>::Id, Result<T, StoreError>);

/// The files of one kind.
#[derive(Debug)]
pub struct Store<T> {
    dir: RunDir,
    kind: PhantomData<fn() -> T>,
}

impl<T: Stored> Store<T> {
    /// The files in this directory.
    pub fn new(dir: RunDir) -> Store<T> {
        Store { dir, kind: PhantomData }
    }

    /// The directory that the files are in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The container whose file has this name; `None` if it is another file.
    pub fn id_of(name: &str) -> Option<T::Id> {
        name.strip_suffix(SUFFIX)?.parse().ok()
    }

    /// Where the file of a container is, whether there is one or not.
    pub fn path(&self, id: &T::Id) -> PathBuf {
        self.dir.path().join(format!("{id}{SUFFIX}"))
    }

    /// What is written of a container; `None` if nothing is. No lock is needed: a file is whole.
    ///
    /// # Errors
    /// It can't be read, is damaged, or a newer devgate wrote it.
    pub fn get(&self, id: &T::Id) -> Result<Option<T>, StoreError> {
        let path = self.path(id);
        // A link in its place is none.
        let node = Node::at(AT_FDCWD, &path, Last::Keep).map_err(ReadError::from);
        let bytes = match node.and_then(|node| node.read(LIMIT)) {
            Ok(bytes) => bytes,
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(source) => return Err(StoreError::Read { path, source }),
        };
        let value: T = parse(&bytes, &path)?;
        match value.id() == id {
            true => Ok(Some(value)),
            false => {
                let problem = format!("id: it is of {} {}", T::WHAT, value.id());
                Err(StoreError::Damaged { path, problem })
            }
        }
    }

    /// The containers of which something is written, by their ids.
    ///
    /// # Errors
    /// The directory can't be listed.
    pub fn ids(&self) -> Result<Vec<T::Id>, StoreError> {
        self.ids_with(SUFFIX)
    }

    /// The containers that somebody locks or locked, and whose lock was not removed.
    pub(super) fn lock_ids(&self) -> Result<Vec<T::Id>, StoreError> {
        self.ids_with(LOCK_SUFFIX)
    }

    fn ids_with(&self, suffix: &str) -> Result<Vec<T::Id>, StoreError> {
        let list = |source| StoreError::List { path: self.dir.path().to_owned(), source };
        let names = self.dir.names().map_err(list)?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(suffix)?.parse().ok()).collect())
    }

    /// Every container of which something is written, with that or why it can't be read.
    ///
    /// # Errors
    /// The directory can't be listed.
    pub fn list(&self) -> Result<Vec<Listed<T>>, StoreError> {
        let read = |id: T::Id| {
            // One that is removed meanwhile is left out.
            let value = self.get(&id).transpose()?;
            Some((id, value))
        };
        Ok(self.ids()?.into_iter().filter_map(read).collect())
    }

    /// Locks a container, waiting for up to 10 s, and reads what is written of it.
    ///
    /// # Errors
    /// As for [`Store::get`], and there is no lock to be had.
    pub fn lock(&self, id: &T::Id) -> Result<Locked<'_, T>, StoreError> {
        let lock = self.take_lock(id, Lock::wait)?;
        let value = self.get(id)?;
        Ok(Locked { store: self, id: id.clone(), value, lock: Some(lock) })
    }

    /// The same without waiting; `None` if another process holds the lock.
    ///
    /// # Errors
    /// As for [`Store::lock`].
    pub fn try_lock(&self, id: &T::Id) -> Result<Option<Locked<'_, T>>, StoreError> {
        let lock = match self.take_lock(id, Lock::now) {
            Err(StoreError::Locked { .. }) => return Ok(None),
            lock => lock?,
        };
        let value = self.get(id)?;
        Ok(Some(Locked { store: self, id: id.clone(), value, lock: Some(lock) }))
    }

    /// Changes what is written of a container. Nothing is written if `change` fails.
    ///
    /// # Errors
    /// [`StoreError::Missing`], as for [`Store::lock`], it can't be written, or what `change` says.
    pub fn edit<R, E: From<StoreError>>(
        &self,
        id: &T::Id,
        change: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut locked = self.lock(id)?;
        let mut value = locked.take().ok_or_else(|| self.missing(id))?;
        let outcome = change(&mut value)?;
        locked.put(value)?;
        Ok(outcome)
    }

    /// The error for a container of which nothing is written.
    pub fn missing(&self, id: &T::Id) -> StoreError {
        StoreError::Missing { what: T::WHAT, id: id.to_string(), path: self.path(id) }
    }

    /// Removes what is written of a container, damaged or not; says whether there was anything.
    ///
    /// # Errors
    /// There is no lock to be had, or it can't be removed.
    pub fn remove(&self, id: &T::Id) -> Result<bool, StoreError> {
        let lock = self.take_lock(id, Lock::wait)?;
        let removed = self.remove_locked(id);
        let unlocked = lock.remove().map_err(|source| self.remove_error(id, source));
        removed.and_then(|removed| unlocked.map(|()| removed))
    }

    /// Removes it if nobody holds its lock and `condition` holds then; says whether.
    pub(super) fn remove_if(
        &self,
        id: &T::Id,
        condition: impl FnOnce(Option<T>) -> bool,
    ) -> Result<bool, StoreError> {
        let lock = match self.take_lock(id, Lock::now) {
            Err(StoreError::Locked { .. }) => return Ok(false),
            lock => lock?,
        };
        let value = self.get(id)?;
        let existed = value.is_some();
        if !condition(value) {
            return Ok(false);
        }
        self.remove_locked(id)?;
        lock.remove().map_err(|source| self.remove_error(id, source))?;
        Ok(existed)
    }

    fn remove_locked(&self, id: &T::Id) -> Result<bool, StoreError> {
        match fs::remove_file(self.path(id)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(self.remove_error(id, source)),
        }
    }

    fn remove_error(&self, id: &T::Id, source: io::Error) -> StoreError {
        StoreError::Remove { path: self.path(id), source }
    }

    fn take_lock(
        &self,
        id: &T::Id,
        take: impl FnOnce(&Path) -> Result<Lock, LockError>,
    ) -> Result<Lock, StoreError> {
        let path = self.dir.path().join(format!("{id}{LOCK_SUFFIX}"));
        take(&path).map_err(|error| match error {
            LockError::Held => StoreError::Locked { what: T::WHAT, id: id.to_string(), path },
            LockError::Io(source) => StoreError::Lock { path, source },
        })
    }

    /// Writes of what nobody else writes of, so without a lock.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, value: &T) -> Result<(), StoreError> {
        let path = self.path(value.id());
        let written = |source| StoreError::Write { path: path.clone(), source };
        let mut bytes = serde_json::to_vec(value).map_err(|error| written(error.into()))?;
        bytes.push(b'\n');
        if bytes.len() as u64 > LIMIT {
            return Err(StoreError::TooLong { path, length: bytes.len() });
        }
        // A temporary file has mode 0600.
        let file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(self.dir.path());
        let mut file = file.map_err(written)?;
        file.write_all(&bytes).map_err(written)?;
        // Below /var/lib it outlasts a loss of power; below /run this costs nothing.
        file.as_file().sync_all().map_err(written)?;
        file.persist(&path).map_err(|error| written(error.error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
