//! Reading what others have put there: not for ever, and not without end.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;
use thiserror::Error;

/// Most bytes of a document: a config.json of 100,000 rules has about 8 MiB.
pub const DOCUMENT_LIMIT: u64 = 16 << 20;

/// Why a file's bytes are not to be had.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Something else is in its place: a FIFO, say, that nobody writes to.
    #[error("not a regular file")]
    NotAFile,
    /// It has more bytes than are read.
    #[error("longer than {limit} bytes, the most that is read")]
    TooLong {
        /// The most that is read, in bytes.
        limit: u64,
    },
}

/// All bytes of a regular file.
///
/// # Errors
/// It has more than `limit` bytes, or is no regular file.
pub fn read_regular(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let file = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    match file.metadata()?.is_file() {
        true => read_bounded(file, limit),
        false => Err(ReadError::NotAFile),
    }
}

/// All of a reader's bytes.
///
/// # Errors
/// There are more than `limit`.
pub fn read_bounded(reader: impl Read, limit: u64) -> Result<Vec<u8>, ReadError> {
    // Most documents fit; larger ones grow from here.
    let mut bytes = Vec::with_capacity(1 << 14);
    let length = reader.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match length as u64 > limit {
        true => Err(ReadError::TooLong { limit }),
        false => Ok(bytes),
    }
}
