//! What is installed on the machine below a root.

use std::env;
use std::path::{Path, PathBuf};

use super::Root;

/// Below all of these a machine may have an engine's program.
const PROGRAM_DIRS: [&str; 7] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/bin"];

/// The first program of this name on the machine; on this one PATH counts too.
pub fn find_program(root: &Root, name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").filter(|_| root.is_here()).unwrap_or_default();
    let dirs = env::split_paths(&path).chain(PROGRAM_DIRS.map(PathBuf::from));
    let mut programs = dirs.filter(|dir| dir.is_absolute()).map(|dir| dir.join(name));
    programs.find(|program| root.is_file(program))
}

/// The plugin is started by the engine: its file's name is an index and this name.
pub(super) fn hook_injector(root: &Root) -> Option<PathBuf> {
    let dir = Path::new("/opt/nri/plugins");
    let plugins = root.names(dir).ok()?;
    let plugin = plugins.iter().find(|name| name.to_string_lossy().ends_with("hook-injector"))?;
    Some(dir.join(plugin))
}
