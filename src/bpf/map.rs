//! Maps, as a program sees them.

/// What a map holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapShape {
    /// Values by keys (`BPF_MAP_TYPE_HASH`), each of so many bytes.
    Hash {
        /// Bytes of a key.
        key: u16,
        /// Bytes of a value.
        value: u16,
    },
    /// Records, one after the other (`BPF_MAP_TYPE_RINGBUF`).
    Ring,
}
