//! Documents, where they come from, and what can be wrong with them.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files::{self, DOCUMENT_LIMIT, ReadError};

/// Which document, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// The state on standard input.
    State,
    /// A config.json behind the state on standard input, or on standard input alone.
    ConfigOnStdin,
    /// Rules alone on standard input.
    RulesOnStdin,
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Document::State => f.write_str("state (standard input)"),
            Document::ConfigOnStdin => f.write_str("config.json (standard input)"),
            Document::RulesOnStdin => f.write_str("rules (standard input)"),
            Document::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What is wrong with a document.
#[derive(Debug, Error)]
pub enum OciError {
    /// It can't be read.
    #[error("{document}: can't be read")]
    Read {
        /// The document.
        document: Document,
        /// Why.
        source: io::Error,
    },
    /// Something that is no regular file is in its place.
    #[error("{document}: is not a regular file")]
    NotAFile {
        /// The document.
        document: Document,
    },
    /// It has more bytes than are read.
    #[error("{document}: longer than {} bytes, the most that is read", DOCUMENT_LIMIT)]
    TooLong {
        /// The document.
        document: Document,
    },
    /// It is empty.
    #[error("{document}: empty, expected JSON")]
    Empty {
        /// The document.
        document: Document,
    },
    /// It is no JSON.
    #[error("{document}: line {line}, column {column}: {problem}")]
    Syntax {
        /// The document.
        document: Document,
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
        /// What the parser says.
        problem: String,
    },
    /// A value that is not as it has to be.
    #[error("{document}: {path}: {problem}")]
    Value {
        /// The document.
        document: Document,
        /// JSON path, like `linux.resources.devices[3].major`.
        path: String,
        /// What it is and what was expected.
        problem: String,
    },
}

/// All of a reader's bytes, or an error if there are too many.
pub(super) fn read_bounded(reader: impl Read, document: &Document) -> Result<Vec<u8>, OciError> {
    files::read_bounded(reader, DOCUMENT_LIMIT).map_err(|error| document.unread(error))
}

/// All of a regular file's bytes: a FIFO, say, would let a hook wait for ever.
pub(super) fn read_regular_file(path: &Path) -> Result<(Vec<u8>, Document), OciError> {
    let document = Document::File(path.to_owned());
    match files::read_regular(path, DOCUMENT_LIMIT) {
        Ok(bytes) => Ok((bytes, document)),
        Err(error) => Err(document.unread(error)),
    }
}

impl Document {
    fn unread(&self, error: ReadError) -> OciError {
        let document = self.clone();
        match error {
            ReadError::Io(source) => OciError::Read { document, source },
            ReadError::NotAFile => OciError::NotAFile { document },
            ReadError::TooLong { .. } => OciError::TooLong { document },
        }
    }
}
