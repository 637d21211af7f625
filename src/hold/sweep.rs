//! Dead pins: those whose cgroup is gone. The kernel has ended their links, which hold nothing any
//! more but some kilobytes of memory.

use std::fs::File;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use rustix::fs::{RawDir, SeekFrom, seek};

use super::{HoldError, Pins};
use crate::bpffs::PinDirError;

/// Bytes that are read of the directory at once: those of about fifty entries.
const PIECE: usize = 2048;

/// The place in the directory where a short sweep begins is below 2 to the power of this. The
/// kernel counts its way to a place, which takes it some 10 us for a thousand entries.
const FARTHEST: u64 = 12;

/// A short sweep ends after this many live pins: a look at one takes 5 us, and a container waits.
const MOST_LIVE: usize = 8;

/// What a short sweep came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Pins looked at.
    pub seen: usize,
    /// Pins removed.
    pub removed: usize,
}

impl Pins {
    /// Whether the pin of this name has a link that ended. What is not a link is not dead.
    ///
    /// # Errors
    /// It can't be read.
    pub fn is_dead(&self, cgroup_id: u64) -> Result<bool, HoldError> {
        match self.read(cgroup_id) {
            Ok(pinned) => Ok(pinned.is_some_and(|(_, link)| link.cgroup_id == 0)),
            Err(HoldError::Read { errno: Errno::EINVAL, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes the pin of this name if it is dead; says whether. The kernel never uses a cgroup's
    /// id twice, so a dead pin stays dead.
    ///
    /// # Errors
    /// It can't be read or removed.
    pub fn remove_dead(&self, cgroup_id: u64) -> Result<bool, HoldError> {
        Ok(self.is_dead(cgroup_id)? && self.remove(cgroup_id)?)
    }

    /// Removes dead pins for as long as `limit`, and at most one more. However many pins there
    /// are, a few entries of the directory are read, from a place that `seed` chooses, and a few
    /// live pins are looked at.
    ///
    /// # Errors
    /// The directory can't be read, or a pin can't be read or removed.
    pub fn sweep_some(&self, limit: Duration, seed: u64) -> Result<Swept, HoldError> {
        let start = Instant::now();
        let mut swept = Swept::default();
        for id in self.some_ids(seed)? {
            if start.elapsed() >= limit || swept.seen - swept.removed >= MOST_LIVE {
                break;
            }
            swept.seen += 1;
            swept.removed += usize::from(self.remove_dead(id)?);
        }
        Ok(swept)
    }

    /// The ids of some pins, if there are any. A directory of bpffs has its entries at 0, 1, 2 and
    /// so on, the latest first (dcache_dir_lseek in fs/libfs.c).
    fn some_ids(&self, seed: u64) -> Result<Vec<u64>, HoldError> {
        let failed = |errno: rustix::io::Errno| PinDirError::Directory {
            path: self.dir.path().to_owned(),
            source: errno.into(),
        };
        // How many entries there are is not known. So small places are as likely as large ones,
        // and half way to one that is too large there may be something.
        let mut place = (seed / (FARTHEST + 1)) % (1 << (seed % (FARTHEST + 1)));
        loop {
            let ids = ids_at(self.dir.file(), place).map_err(failed)?;
            if !ids.is_empty() || place == 0 {
                return Ok(ids);
            }
            place /= 2;
        }
    }
}

/// The ids in the piece of the directory that begins at a place.
fn ids_at(dir: &File, place: u64) -> rustix::io::Result<Vec<u64>> {
    seek(dir, SeekFrom::Start(place))?;
    let mut piece = [MaybeUninit::uninit(); PIECE];
    let mut entries = RawDir::new(dir, &mut piece);
    let mut ids = Vec::new();
    while let Some(entry) = entries.next() {
        ids.extend(entry?.file_name().to_str().ok().and_then(|name| name.parse::<u64>().ok()));
        // Another one would take another piece.
        if entries.is_buffer_empty() {
            break;
        }
    }
    Ok(ids)
}
