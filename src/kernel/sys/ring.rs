//! The memory that a BPF_MAP_TYPE_RINGBUF shares with its reader (kernel/bpf/ringbuf.c,
//! `ringbuf_map_mmap_kern`): a page with the reader's position, which it may write; a page with
//! the kernel's; and the data, which is mapped twice in a row, so that a record is never in two
//! pieces.

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use nix::errno::Errno;

use super::map::{Kind, MapFd};

/// Bytes before a record: its length with two flags, and where its page is.
const HEADER: usize = 8;
/// The kernel writes the record still.
const BUSY: u32 = 1 << 31;
/// The record was given up.
const DISCARDED: u32 = 1 << 30;

/// A mapped part of a file.
#[derive(Debug)]
struct Mapping {
    start: NonNull<c_void>,
    length: usize,
}

impl Mapping {
    fn new(map: &MapFd, length: usize, offset: usize, access: i32) -> nix::Result<Mapping> {
        let offset = libc::off_t::try_from(offset).map_err(|_| Errno::EINVAL)?;
        let fd = map.as_fd().as_raw_fd();
        // SAFETY: the kernel chooses where a new mapping is, so it overlaps with nothing.
        let start = unsafe {
            libc::mmap(std::ptr::null_mut(), length, access, libc::MAP_SHARED, fd, offset)
        };
        if start == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        NonNull::new(start).map(|start| Mapping { start, length }).ok_or(Errno::ENOMEM)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it is the whole of a mapping, to which nobody has an address any more.
        unsafe { libc::munmap(self.start.as_ptr(), self.length) };
    }
}

/// A ring that is read. There must be one reader alone: the descriptor's owner.
#[derive(Debug)]
pub(in crate::kernel) struct Ring {
    /// The reader's position.
    consumer: Mapping,
    /// The kernel's position, and the data.
    producer: Mapping,
    page: usize,
    size: usize,
}

impl Ring {
    /// EINVAL if it is another kind of map.
    pub fn map(map: &MapFd) -> nix::Result<Ring> {
        if map.kind != Kind::Ring {
            return Err(Errno::EINVAL);
        }
        // SAFETY: sysconf takes no addresses.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) });
        let page = page.map_err(|_| Errno::EINVAL)?;
        let size = map.capacity as usize;
        let consumer = Mapping::new(map, page, 0, libc::PROT_READ | libc::PROT_WRITE)?;
        let producer = Mapping::new(map, page + 2 * size, page, libc::PROT_READ)?;
        Ok(Ring { consumer, producer, page, size })
    }

    fn position(of: &Mapping) -> &AtomicU64 {
        // SAFETY: a page begins with the position, an aligned u64 (unsigned long, on the 64-bit
        // machines that this is built for) that both sides use atomically.
        unsafe { of.start.cast::<AtomicU64>().as_ref() }
    }

    /// The length word of the record at this place of the data.
    fn header(&self, place: usize) -> &AtomicU32 {
        // SAFETY: the producer's mapping is a page and twice `size` bytes, and `place` is below
        // `size` and a multiple of 8.
        unsafe { self.producer.start.byte_add(self.page + place).cast::<AtomicU32>().as_ref() }
    }

    /// Gives all records that are there to `each`, and their room back to the kernel.
    pub fn drain(&mut self, mut each: impl FnMut(&[u8])) {
        let mut at = Ring::position(&self.consumer).load(Ordering::Relaxed);
        let end = Ring::position(&self.producer).load(Ordering::Acquire);
        while at < end {
            let place = at as usize & (self.size - 1) & !7;
            let word = self.header(place).load(Ordering::Acquire);
            if word & BUSY != 0 {
                break;
            }
            let length = (word & !DISCARDED) as usize;
            if word & DISCARDED == 0 && length <= self.size - HEADER {
                let data = self.page + place + HEADER;
                // SAFETY: the record is complete, and the kernel doesn't touch it before the
                // reader's position has passed it. It ends within the second copy of the data.
                let record = unsafe {
                    let start = self.producer.start.byte_add(data).cast::<u8>();
                    std::slice::from_raw_parts(start.as_ptr(), length)
                };
                each(record);
            }
            at += (HEADER + length).next_multiple_of(8) as u64;
            Ring::position(&self.consumer).store(at, Ordering::Release);
        }
    }
}
