//! What is installed on the machine below a root.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use super::{InstallError, Root};

/// Below all of these a machine may have an engine's program.
const PROGRAM_DIRS: [&str; 7] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/bin"];

/// The first program of this name on the machine; on this one PATH counts too.
pub fn find_program(root: &Root, name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").filter(|_| root.is_here()).unwrap_or_default();
    let dirs = env::split_paths(&path).chain(PROGRAM_DIRS.map(PathBuf::from));
    let mut programs = dirs.filter(|dir| dir.is_absolute()).map(|dir| dir.join(name));
    programs.find(|program| root.at(program).is_ok_and(|at| at.is_file()))
}

/// The plugin is started by the engine: its file's name is an index and this name.
pub(super) fn hook_injector(root: &Root) -> Option<PathBuf> {
    let dir = Path::new("/opt/nri/plugins");
    let plugins = names(&root.at(dir).ok()?).ok()?;
    let plugin = plugins.iter().find(|name| name.to_string_lossy().ends_with("hook-injector"))?;
    Some(dir.join(plugin))
}

/// The names in a directory; none if there is no such directory.
///
/// # Errors
/// It is there and can't be read.
pub(super) fn names(dir: &Path) -> Result<Vec<OsString>, InstallError> {
    let read =
        fs::read_dir(dir).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => {
            read.map_err(|error| InstallError::Read { path: dir.to_owned(), source: error.into() })
        }
    }
}
