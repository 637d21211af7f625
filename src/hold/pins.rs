//! The directory of pins.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::HoldError;
use crate::bpffs::{PinDir, PinDirError};
use crate::cgroup::Cgroup;
use crate::files::names_in;
use crate::kernel::{Link, Loaded, OpenLink, ProgId};

/// Where pins are.
pub const PINS: &str = "/sys/fs/bpf/devgate";

/// Looks at one pin while others keep changing it.
const ROUNDS: usize = 8;

/// A policy that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The pin of the link.
    pub pin: PathBuf,
    /// The program that the link held before; `None` if the link is new.
    pub before: Option<ProgId>,
}

/// A link that is pinned, and what it holds.
pub(super) type Pinned = (OpenLink, Link);

/// The directory of pins, on a bpffs, which only root can write to.
#[derive(Debug)]
pub struct Pins {
    pub(super) dir: PinDir,
}

impl Pins {
    /// The directory at `dir`, which is made if it is missing.
    ///
    /// # Errors
    /// It is not on a bpffs, or others could write to it.
    pub fn make(dir: &Path) -> Result<Pins, HoldError> {
        Ok(Pins { dir: PinDir::make(dir)? })
    }

    /// The directory at `dir`.
    ///
    /// # Errors
    /// As for [`Pins::make`]; [`PinDirError::Directory`] with ENOENT if it is missing.
    pub fn open(dir: &Path) -> Result<Pins, HoldError> {
        Ok(Pins { dir: PinDir::open(dir)? })
    }

    /// The directory at `dir`, if there is one.
    ///
    /// # Errors
    /// As for [`Pins::open`].
    pub fn existing(dir: &Path) -> Result<Option<Pins>, HoldError> {
        Ok(PinDir::existing(dir)?.map(|dir| Pins { dir }))
    }

    /// The pin of the cgroup with this id, whether it is there or not.
    pub fn path(&self, cgroup_id: u64) -> PathBuf {
        self.dir.path().join(cgroup_id.to_string())
    }

    /// The link of the cgroup with this id; `None` if there is none, or its cgroup is gone.
    ///
    /// # Errors
    /// There is a pin, and it is not a link of a device program.
    pub fn get(&self, cgroup_id: u64) -> Result<Option<Link>, HoldError> {
        let link = self.read(cgroup_id)?.map(|(_, link)| link);
        Ok(link.filter(|link| link.cgroup_id == cgroup_id))
    }

    /// Holds `program`, which is attached to the cgroup's own list already: the cgroup's link
    /// takes it in place of the one it has, or a link is made and pinned.
    ///
    /// # Errors
    /// The link holds what it held before, or there is none as before.
    pub fn hold(&self, cgroup: &Cgroup, program: &Loaded) -> Result<Hold, HoldError> {
        let id = cgroup.id()?;
        let path = self.path(id);
        for _ in 0..ROUNDS {
            if let Some((link, Link { program: before, .. })) = self.live(id, self.read(id)?)? {
                if before == program.id() {
                    return Ok(Hold { pin: path, before: Some(before) });
                }
                match link.update(program, before) {
                    Ok(()) => return Ok(Hold { pin: path, before: Some(before) }),
                    // It has another program by now, or its cgroup has no link any more.
                    Err(Errno::EPERM | Errno::ENOENT | Errno::ENOLINK) => continue,
                    Err(errno) => {
                        return Err(HoldError::Update { path, program: program.id(), errno });
                    }
                }
            }
            let link = OpenLink::create(cgroup.as_fd(), program)
                .map_err(|errno| HoldError::Link { program: program.id(), errno })?;
            match link.pin(&path) {
                Ok(()) => return Ok(Hold { pin: path, before: None }),
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(HoldError::Pin { path, errno }),
            }
        }
        Err(HoldError::Contended { path, rounds: ROUNDS })
    }

    /// Takes the link off the cgroup with this id and removes its pin. `false` if there was none.
    ///
    /// # Errors
    /// The pin is not a link to that cgroup, or cannot be removed.
    pub fn release(&self, cgroup_id: u64) -> Result<bool, HoldError> {
        match self.read(cgroup_id)? {
            Some((_, Link { cgroup_id: 0, .. })) => self.remove(cgroup_id),
            pinned => Ok(self.take_off(cgroup_id, pinned)?.is_some()),
        }
    }

    /// The same, with what the link was. One that ended is none.
    pub(super) fn take(&self, cgroup_id: u64) -> Result<Option<Link>, HoldError> {
        self.take_off(cgroup_id, self.read(cgroup_id)?)
    }

    fn take_off(&self, cgroup_id: u64, pinned: Option<Pinned>) -> Result<Option<Link>, HoldError> {
        let Some((link, described)) = self.live(cgroup_id, pinned)? else { return Ok(None) };
        match link.detach() {
            // Without the call, the link ends with its pin.
            Ok(()) | Err(Errno::EINVAL) => {
                self.remove(cgroup_id)?;
                Ok(Some(described))
            }
            Err(errno) => Err(HoldError::Detach { path: self.path(cgroup_id), errno }),
        }
    }

    pub(super) fn remove(&self, cgroup_id: u64) -> Result<bool, HoldError> {
        let path = self.path(cgroup_id);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(HoldError::Remove { path, source }),
        }
    }

    /// The cgroup ids that there are pins for. Other files are not ours to touch.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn ids(&self) -> Result<Vec<u64>, HoldError> {
        let path = || self.dir.path().to_owned();
        let failed = |source| PinDirError::Directory { path: path(), source };
        let mut ids = Vec::new();
        for name in names_in(self.dir.file()).map_err(failed)? {
            ids.extend(name.parse::<u64>().ok());
        }
        Ok(ids)
    }

    /// The cgroup's link, of what is pinned for it. One that ended makes room for another.
    fn live(&self, id: u64, pinned: Option<Pinned>) -> Result<Option<Pinned>, HoldError> {
        match pinned {
            Some((_, Link { cgroup_id: 0, .. })) => {
                self.remove(id)?;
                Ok(None)
            }
            Some((_, link)) if link.cgroup_id != id => Err(HoldError::OtherCgroup {
                path: self.path(id),
                expected: id,
                found: link.cgroup_id,
            }),
            pinned => Ok(pinned),
        }
    }

    pub(super) fn read(&self, id: u64) -> Result<Option<Pinned>, HoldError> {
        let path = self.path(id);
        match OpenLink::pinned_at(&path) {
            Ok(pinned) => Ok(Some(pinned)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(HoldError::Read { path, errno }),
        }
    }
}
