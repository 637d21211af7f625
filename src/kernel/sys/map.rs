//! bpf(2) on maps.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::attr::{MapBatch, MapCreate, MapElem, MapInfo};
use super::{bpf, info_by_fd, kind_of, number, obj_get, owned};

const MAP_CREATE: libc::c_long = 0;
const MAP_LOOKUP_ELEM: libc::c_long = 1;
const MAP_UPDATE_ELEM: libc::c_long = 2;
const MAP_DELETE_ELEM: libc::c_long = 3;
const MAP_LOOKUP_BATCH: libc::c_long = 24;

const TYPE_HASH: u32 = 1;
const TYPE_RINGBUF: u32 = 27;

const BPF_NOEXIST: u64 = 1;

/// Entries take memory when they are made, not all at once.
const BPF_F_NO_PREALLOC: u32 = 1;

/// What an open map is. Its kind and sizes never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernel) enum Kind {
    /// BPF_MAP_TYPE_HASH, with bytes of a key and of a value.
    Hash { key: usize, value: usize },
    /// BPF_MAP_TYPE_RINGBUF.
    Ring,
}

/// An open map.
#[derive(Debug)]
pub(in crate::kernel) struct MapFd {
    fd: OwnedFd,
    pub kind: Kind,
    /// Most entries; for a ring, bytes.
    pub capacity: u32,
}

impl AsFd for MapFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Where a walk over a map goes on.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::kernel) struct Cursor(Option<u32>);

impl MapFd {
    /// BPF_MAP_CREATE.
    pub fn create(kind: Kind, capacity: u32, name: [u8; 16]) -> nix::Result<MapFd> {
        let attr = match kind {
            Kind::Hash { key, value } => MapCreate {
                map_type: TYPE_HASH,
                key_size: u32::try_from(key).map_err(|_| Errno::EINVAL)?,
                value_size: u32::try_from(value).map_err(|_| Errno::EINVAL)?,
                map_flags: BPF_F_NO_PREALLOC,
                ..MapCreate::default()
            },
            Kind::Ring => MapCreate { map_type: TYPE_RINGBUF, ..MapCreate::default() },
        };
        let mut attr = MapCreate { max_entries: capacity, map_name: name, ..attr };
        // SAFETY: the layout is asserted in a test, the attr has no addresses, and the result is a
        // new descriptor.
        let fd = unsafe { owned(bpf(MAP_CREATE, &mut attr)?) }?;
        Ok(MapFd { fd, kind, capacity })
    }

    /// The map that is pinned at this path; EINVAL if that is something else.
    pub fn pinned_at(path: &CStr) -> nix::Result<MapFd> {
        MapFd::of(obj_get(path)?)
    }

    /// EINVAL if it is not a map, or one of another type.
    fn of(fd: OwnedFd) -> nix::Result<MapFd> {
        if kind_of(fd.as_fd()).as_deref() != Some("bpf-map") {
            return Err(Errno::EINVAL);
        }
        let mut info = MapInfo::default();
        // SAFETY: the layout is asserted in a test, and this part has no addresses.
        unsafe { info_by_fd(fd.as_fd(), &mut info)? };
        let kind = match info.map_type {
            TYPE_HASH => {
                Kind::Hash { key: info.key_size as usize, value: info.value_size as usize }
            }
            TYPE_RINGBUF => Kind::Ring,
            _ => return Err(Errno::EINVAL),
        };
        Ok(MapFd { fd, kind, capacity: info.max_entries })
    }

    fn must_be(&self, key: usize, value: usize) -> nix::Result<()> {
        match self.kind == (Kind::Hash { key, value }) {
            true => Ok(()),
            false => Err(Errno::EINVAL),
        }
    }

    /// BPF_MAP_LOOKUP_ELEM: ENOENT if there is no such key.
    pub fn lookup<const K: usize, const V: usize>(&self, key: &[u8; K]) -> nix::Result<[u8; V]> {
        self.must_be(K, V)?;
        let mut value = [0; V];
        let mut attr = MapElem {
            map_fd: number(self.as_fd()),
            key: key.as_ptr() as u64,
            value: value.as_mut_ptr() as u64,
            ..MapElem::default()
        };
        // SAFETY: the layout is asserted in a test. The kernel reads a key and writes a value of
        // the sizes that were just compared.
        unsafe { bpf(MAP_LOOKUP_ELEM, &mut attr)? };
        Ok(value)
    }

    /// BPF_MAP_UPDATE_ELEM with BPF_NOEXIST: EEXIST if there is such a key.
    pub fn add<const K: usize, const V: usize>(
        &self,
        key: &[u8; K],
        value: &[u8; V],
    ) -> nix::Result<()> {
        self.must_be(K, V)?;
        let mut attr = MapElem {
            map_fd: number(self.as_fd()),
            key: key.as_ptr() as u64,
            value: value.as_ptr() as u64,
            flags: BPF_NOEXIST,
            ..MapElem::default()
        };
        // SAFETY: the layout is asserted in a test. The kernel reads a key and a value of the
        // sizes that were just compared.
        unsafe { bpf(MAP_UPDATE_ELEM, &mut attr) }.map(drop)
    }

    /// BPF_MAP_DELETE_ELEM: ENOENT if there is no such key.
    pub fn delete<const K: usize>(&self, key: &[u8; K]) -> nix::Result<()> {
        let Kind::Hash { value, .. } = self.kind else { return Err(Errno::EINVAL) };
        self.must_be(K, value)?;
        let mut attr = MapElem {
            map_fd: number(self.as_fd()),
            key: key.as_ptr() as u64,
            ..MapElem::default()
        };
        // SAFETY: the layout is asserted in a test. The kernel reads a key of the size that was
        // just compared.
        unsafe { bpf(MAP_DELETE_ELEM, &mut attr) }.map(drop)
    }

    /// BPF_MAP_LOOKUP_BATCH: fills the first places of `keys` and `values` with entries from the
    /// cursor on. How many, and where it goes on, if it does. ENOSPC if there is not room enough
    /// for one bucket of the map's.
    pub fn batch<const K: usize, const V: usize>(
        &self,
        cursor: Cursor,
        keys: &mut [[u8; K]],
        values: &mut [[u8; V]],
    ) -> nix::Result<(usize, Option<Cursor>)> {
        self.must_be(K, V)?;
        let room = keys.len().min(values.len());
        let (mut from, mut to) = (cursor.0.unwrap_or_default(), 0u32);
        let mut attr = MapBatch {
            in_batch: if cursor.0.is_some() { std::ptr::from_mut(&mut from) as u64 } else { 0 },
            out_batch: std::ptr::from_mut(&mut to) as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: u32::try_from(room).unwrap_or(u32::MAX),
            map_fd: number(self.as_fd()),
            ..MapBatch::default()
        };
        // SAFETY: the layout is asserted in a test. The kernel writes `count` keys and values at
        // most, of the sizes that were just compared, to memory that is exclusively borrowed; a
        // hash map's cursors are u32.
        match unsafe { bpf(MAP_LOOKUP_BATCH, &mut attr) } {
            Ok(_) => Ok((attr.count as usize, Some(Cursor(Some(to))))),
            Err(Errno::ENOENT) => Ok((attr.count as usize, None)),
            Err(errno) => Err(errno),
        }
    }
}
