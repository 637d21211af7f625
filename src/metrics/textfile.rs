//! A file for node_exporter's textfile collector.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The collector runs as a user of its own.
const MODE: u32 = 0o644;

/// What the names of files that the collector reads end with.
const ENDING: &str = "prom";

/// Why the file is not written. The one of before is there still.
#[derive(Debug, Error)]
pub enum TextfileError {
    /// node_exporter would not read it.
    #[error("{} must end with .prom, or node_exporter does not read it", .0.display())]
    Name(PathBuf),
    /// It can't be written.
    #[error("{} can't be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Puts the text in the place of the file, in one step: whoever reads it sees the old file or the
/// new one. Its mode is 0644.
///
/// # Errors
/// Its name does not end with `.prom`, or its directory can't be written to.
pub fn write(path: &Path, text: &str) -> Result<(), TextfileError> {
    if path.extension().is_none_or(|ending| ending != ENDING) {
        return Err(TextfileError::Name(path.to_owned()));
    }
    put(path, text).map_err(|source| TextfileError::Write { path: path.to_owned(), source })
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    // Its name has no ending, so that the collector passes it over.
    let file =
        tempfile::Builder::new().prefix(".devgate-").tempfile_in(dir.unwrap_or(".".as_ref()));
    let mut file = file?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(Permissions::from_mode(MODE))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_file_is_replaced_as_a_whole_and_readable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("devgate.prom");
        for text in ["a 1\n", "b 2\n"] {
            write(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o644);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_file_that_nobody_would_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["devgate", "devgate.txt", ".prom"] {
            let error = write(&dir.path().join(name), "").unwrap_err().to_string();
            assert!(error.ends_with("must end with .prom, or node_exporter does not read it"));
        }
        let error = write(&dir.path().join("none/x.prom"), "").unwrap_err().to_string();
        assert!(error.ends_with("none/x.prom can't be written"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
