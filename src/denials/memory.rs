//! How much memory of the kernel's the observer's maps take.

use crate::observe::Fill;

/// What the kernel takes for a row: 48 bytes of its own (`struct htab_elem`), 24 of the key and 48 of
/// the value; and since Linux 6.1 a pointer. That is an object of 128 bytes.
const ROW: u64 = 128;
/// For a room: 48, 8 and 16 bytes, and the pointer.
const ROOM: u64 = 96;
/// `struct bucket`. There are as many as entries, rounded up to a power of two.
const BUCKET: u64 = 16;

/// Bytes of the kernel's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Now.
    pub now: u64,
    /// When each row and each room is taken.
    pub full: u64,
}

impl Memory {
    /// Of maps that are this full.
    pub fn of(fill: &Fill) -> Memory {
        let buckets = |entries: u32| u64::from(entries).next_power_of_two() * BUCKET;
        let fixed = buckets(fill.most_rows) + buckets(fill.most_rooms + 1);
        let entries = |rows: u32, rooms: u32| u64::from(rows) * ROW + u64::from(rooms) * ROOM;
        Memory {
            now: fixed + entries(fill.rows, fill.rooms + 1),
            full: fixed + entries(fill.most_rows, fill.most_rooms + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_takes_8_mib_empty_and_72_full() {
        let fill = Fill { rows: 0, most_rows: 256 * 2048, rooms: 0, most_rooms: 2048 };
        let Memory { now, full } = Memory::of(&fill);
        assert_eq!((now >> 20, full >> 20), (8, 72));
    }
}
