//! Files that root alone could have written.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files::{DOCUMENT_LIMIT, Exposure, Last, ReadError, Tree};

/// Why a file is not believed.
#[derive(Debug, Error)]
pub enum TrustError {
    /// It can't be read.
    #[error("{} can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// Others could have written it.
    #[error("{} is not used: {exposure}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Who could.
        exposure: Exposure,
    },
}

impl TrustError {
    /// Whether there is no such file.
    pub(crate) fn is_missing(&self) -> bool {
        let TrustError::Read { source: ReadError::Io(error), .. } = self else { return false };
        error.kind() == std::io::ErrorKind::NotFound
    }
}

/// The bytes of a file that only root could change, or lead elsewhere.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TrustError> {
    let failed = |source| TrustError::Read { path: path.to_owned(), source };
    let tree = Tree::new(Path::new("/")).map_err(|error| failed(error.into()))?;
    let way = tree.follow(path, Last::Follow).map_err(|error| failed(error.into()))?;
    if let Some(exposure) = way.exposure(&[0]) {
        return Err(TrustError::Exposed { path: path.to_owned(), exposure });
    }
    let missing = || failed(ReadError::Io(std::io::ErrorKind::NotFound.into()));
    way.end().ok_or_else(missing)?.read(DOCUMENT_LIMIT).map_err(failed)
}
