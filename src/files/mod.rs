//! Files that others may have put there: reading stops, and no path leads elsewhere.

mod node;
mod trust;
mod walk;

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;

use nix::fcntl::AT_FDCWD;
use rustix::fs::Dir;
use thiserror::Error;

pub use node::Node;
pub use trust::Exposure;
pub use walk::{Last, Place, Tree, Way};

/// Most bytes of a document: a config.json of 100,000 rules has about 8 MiB.
pub const DOCUMENT_LIMIT: u64 = 16 << 20;

/// Whether a text from outside can name a file without harm: letters, digits and `._-`, the first
/// a letter or a digit. Neither a terminal nor a shell takes that for more than it is.
pub fn is_plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain)
}

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

/// All bytes of a regular file. Nothing else is opened: to open a device can have an effect.
///
/// # Errors
/// It has more than `limit` bytes, or is no regular file.
pub fn read_regular(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    Node::at(AT_FDCWD, path, Last::Follow)?.read(limit)
}

/// The names in an open directory that are text, in the directory's order. The standard library
/// panics where closedir(3) fails; this does not.
///
/// # Errors
/// It can't be read.
pub fn names_in(dir: impl AsFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_str().ok();
        names.extend(name.filter(|name| !matches!(*name, "." | "..")).map(str::to_owned));
    }
    Ok(names)
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
