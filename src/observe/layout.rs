//! What the observer's maps hold, byte by byte, for the program and for its readers.

use std::time::Duration;

use super::{Observed, Requester, Seen};
use crate::bpf::MapShape;
use crate::device::{Access, DeviceType, Request};
use crate::policy::Verdict;

/// Bytes of a process's name (`TASK_COMM_LEN`), NUL included.
pub(super) const COMM: usize = 16;

/// A key of `requests`.
pub(super) mod key {
    pub const CGROUP: i16 = 0;
    /// As the context has it.
    pub const ACCESS_TYPE: i16 = 8;
    pub const MAJOR: i16 = 12;
    pub const MINOR: i16 = 16;
    pub const SEEN: i16 = 20;
    pub const BYTES: usize = 24;
}

/// A value of `requests`: a row.
pub(super) mod row {
    pub const COUNT: i16 = 0;
    /// Nanoseconds of CLOCK_MONOTONIC.
    pub const FIRST: i16 = 8;
    pub const LAST: i16 = 16;
    pub const PID: i16 = 24;
    /// The lower half of the id of the cgroup whose room it takes. The kernel numbers cgroups one
    /// after the other, so halves are alike after four billion directories and files of cgroups. The
    /// upper half would have the kernel take 192 bytes for each row in place of 128.
    pub const ROOM: i16 = 28;
    pub const COMMAND: i16 = 32;
    pub const BYTES: usize = 48;
}

/// A value of `rooms`, whose keys are ids of cgroups; 0 stands for those that found no room.
pub(super) mod room {
    /// Rows that were made.
    pub const ROWS: i16 = 0;
    /// Requests that found no row.
    pub const LOST: i16 = 8;
    pub const BYTES: usize = 16;
}

/// A record of the ring: a key, and what follows it.
pub(super) mod event {
    pub const TIME: i16 = 24;
    pub const COUNT: i16 = 32;
    pub const PID: i16 = 40;
    pub const PADDING: i16 = 44;
    pub const COMMAND: i16 = 48;
    pub const BYTES: usize = 64;
}

/// [`key::SEEN`].
pub(super) const ALLOWED: i32 = 0;
pub(super) const DENIED: i32 = 1;
pub(super) const UNTOLD: i32 = 2;

pub(super) type Key = [u8; key::BYTES];
pub(super) type Row = [u8; row::BYTES];
pub(super) type RoomKey = [u8; 8];
pub(super) type Room = [u8; room::BYTES];

/// The program's maps, in the order in which it refers to them.
pub(super) const REQUESTS: usize = 0;
pub(super) const ROOMS: usize = 1;
pub(super) const EVENTS: usize = 2;

pub(super) const SHAPES: [MapShape; 3] = [
    MapShape::Hash { key: key::BYTES as u16, value: row::BYTES as u16 },
    MapShape::Hash { key: size_of::<RoomKey>() as u16, value: room::BYTES as u16 },
    MapShape::Ring,
];

fn u32_at(bytes: &[u8], at: i16) -> u32 {
    let part = bytes.get(at as usize..).and_then(|rest| rest.first_chunk());
    u32::from_ne_bytes(part.copied().unwrap_or_default())
}

pub(super) fn u64_at(bytes: &[u8], at: i16) -> u64 {
    let part = bytes.get(at as usize..).and_then(|rest| rest.first_chunk());
    u64::from_ne_bytes(part.copied().unwrap_or_default())
}

fn time_at(bytes: &[u8], at: i16) -> Duration {
    Duration::from_nanos(u64_at(bytes, at))
}

fn requester(bytes: &[u8], pid: i16, command: i16) -> Option<Requester> {
    let pid = Some(u32_at(bytes, pid)).filter(|pid| *pid != 0)?;
    let comm = bytes.get(command as usize..)?.iter().take(COMM);
    let comm: Vec<u8> = comm.copied().take_while(|byte| *byte != 0).collect();
    Some(Requester { pid, command: String::from_utf8_lossy(&comm).into_owned() })
}

/// What a key says: cgroup, request, verdict. `None` if the kernel asked for what is not known.
pub(super) fn asked(key: &[u8]) -> Option<(u64, Request, Seen)> {
    let word = u32_at(key, key::ACCESS_TYPE);
    // `BPF_DEVCG_DEV_BLOCK` and `_CHAR`, and the accesses above them (linux/bpf.h).
    let device_type = match word & 0xffff {
        1 => DeviceType::Block,
        2 => DeviceType::Char,
        _ => return None,
    };
    let access = Access::from_kernel_bits(word >> 16)?;
    let request = Request {
        device_type,
        major: u32_at(key, key::MAJOR),
        minor: u32_at(key, key::MINOR),
        access,
    };
    let seen = match u32_at(key, key::SEEN) as i32 {
        ALLOWED => Seen::Verdict(Verdict::Allow),
        DENIED => Seen::Verdict(Verdict::Deny),
        _ => Seen::Untold,
    };
    Some((u64_at(key, key::CGROUP), request, seen))
}

/// A row with its key. `None` if it was made and nothing was counted yet.
pub(super) fn observed(key: &Key, row: &Row) -> Option<Observed> {
    let (cgroup_id, request, seen) = asked(key)?;
    let count = Some(u64_at(row, row::COUNT)).filter(|count| *count > 0)?;
    Some(Observed {
        cgroup_id,
        request,
        seen,
        count,
        first: time_at(row, row::FIRST),
        last: time_at(row, row::LAST),
        last_by: requester(row, row::PID, row::COMMAND),
    })
}

/// [`row::ROOM`].
pub(super) fn room_half(row: &Row) -> u32 {
    u32_at(row, row::ROOM)
}

/// An event: the row as it was then. `first` is the event's time, too.
pub(super) fn happened(record: &[u8]) -> Option<Observed> {
    if record.len() != event::BYTES {
        return None;
    }
    let (cgroup_id, request, seen) = asked(record)?;
    let time = time_at(record, event::TIME);
    Some(Observed {
        cgroup_id,
        request,
        seen,
        count: u64_at(record, event::COUNT),
        first: time,
        last: time,
        last_by: requester(record, event::PID, event::COMMAND),
    })
}
