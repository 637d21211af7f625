//! Maps that programs of ours count in.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;

use super::load::{c_path, object_name, raise_memlock};
use super::sys::map::{Cursor, Kind, MapFd};
use super::sys::ring::Ring;

/// Entries that are read at once, at first.
const BATCH: usize = 1024;

/// A hash map with keys of `K` bytes and values of `V`. Entries take memory when they are made.
#[derive(Debug)]
pub struct Map<const K: usize, const V: usize>(MapFd);

impl<const K: usize, const V: usize> Map<K, V> {
    /// A map with room for so many entries.
    ///
    /// # Errors
    /// EPERM without CAP_BPF, ENOMEM, E2BIG.
    pub fn create(name: &str, capacity: u32) -> nix::Result<Map<K, V>> {
        create(Kind::Hash { key: K, value: V }, capacity, name).map(Map)
    }

    /// The map that is pinned there.
    ///
    /// # Errors
    /// ENOENT if nothing is; EINVAL if it is something else, or a map with other sizes.
    pub fn pinned_at(path: &Path) -> nix::Result<Map<K, V>> {
        let map = MapFd::pinned_at(&c_path(path)?)?;
        match map.kind == (Kind::Hash { key: K, value: V }) {
            true => Ok(Map(map)),
            false => Err(Errno::EINVAL),
        }
    }

    /// Most entries that it takes.
    pub fn capacity(&self) -> u32 {
        self.0.capacity
    }

    /// The value of this key.
    ///
    /// # Errors
    /// The kernel would not tell.
    pub fn get(&self, key: &[u8; K]) -> nix::Result<Option<[u8; V]>> {
        match self.0.lookup(key) {
            Ok(value) => Ok(Some(value)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Gives the key this value, unless it has one: then that is `false`.
    ///
    /// # Errors
    /// E2BIG if it is full.
    pub fn add(&self, key: &[u8; K], value: &[u8; V]) -> nix::Result<bool> {
        match self.0.add(key, value) {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Removes the key; `false` if there was none.
    ///
    /// # Errors
    /// The kernel would not do it.
    pub fn remove(&self, key: &[u8; K]) -> nix::Result<bool> {
        match self.0.delete(key) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Gives each entry to `each`. One that is made or removed meanwhile may be among them or not;
    /// none is given twice.
    ///
    /// # Errors
    /// The kernel would not tell.
    pub fn each(&self, mut each: impl FnMut(&[u8; K], &[u8; V])) -> nix::Result<()> {
        let (mut keys, mut values) = (vec![[0; K]; BATCH], vec![[0; V]; BATCH]);
        let mut cursor = Some(Cursor::default());
        while let Some(from) = cursor {
            match self.0.batch(from, &mut keys, &mut values) {
                Ok((count, next)) => {
                    keys.iter().zip(&values).take(count).for_each(|(key, value)| each(key, value));
                    cursor = next;
                }
                // A bucket with more entries than there is room for.
                Err(Errno::ENOSPC) => {
                    keys.resize(2 * keys.len(), [0; K]);
                    values.resize(2 * values.len(), [0; V]);
                }
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Pins it, so that it lives on without a process or a program that holds it.
    ///
    /// # Errors
    /// EEXIST if there is something at the path, EPERM if that is not on a bpffs.
    pub fn pin(&self, path: &Path) -> nix::Result<()> {
        super::sys::link::obj_pin(self.0.as_fd(), &c_path(path)?)
    }
}

impl<const K: usize, const V: usize> AsFd for Map<K, V> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A ring buffer with its one reader.
#[derive(Debug)]
pub struct Events {
    map: MapFd,
    ring: Ring,
}

impl Events {
    /// A ring of so many bytes: a power of two, and whole pages.
    ///
    /// # Errors
    /// EPERM without CAP_BPF, EINVAL before Linux 5.8 or for another size, ENOMEM.
    pub fn create(name: &str, bytes: u32) -> nix::Result<Events> {
        let map = create(Kind::Ring, bytes, name)?;
        let ring = Ring::map(&map)?;
        Ok(Events { map, ring })
    }

    /// Gives each record that there is to `each`, and its room back to the kernel.
    pub fn drain(&mut self, each: impl FnMut(&[u8])) {
        self.ring.drain(each);
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}

/// Before Linux 5.11 maps count against RLIMIT_MEMLOCK, which says EPERM too.
fn create(kind: Kind, capacity: u32, name: &str) -> nix::Result<MapFd> {
    let name = object_name(name);
    match MapFd::create(kind, capacity, name) {
        Err(Errno::EPERM) if raise_memlock() => MapFd::create(kind, capacity, name),
        outcome => outcome,
    }
}
