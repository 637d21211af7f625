//! What the container runs: this program, which waits.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::{env, fs};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The line that it prints once it runs.
pub(super) const READY: &str = "ready";

/// It ends by itself, should nobody be left who ends it.
const LONGEST_MS: u16 = 60_000;

/// Where it is in the container.
const PROGRAM: &str = "/devgate";

/// Says that it runs, and waits until standard input is closed, for a minute at most.
///
/// # Errors
/// Standard input and output can't be used.
pub fn wait() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{READY}")?;
    out.flush()?;
    let stdin = io::stdin();
    let mut readable = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    while poll(&mut readable, PollTimeout::from(LONGEST_MS))? > 0 {
        if stdin.lock().read(&mut [0; 64])? == 0 {
            break;
        }
    }
    Ok(())
}

/// The files that a container needs to run it, and the command.
pub(super) struct Probe {
    /// Each with its path in the container.
    pub(super) files: Vec<(PathBuf, PathBuf)>,
    pub(super) command: Vec<String>,
}

impl Probe {
    /// A static program needs itself alone; of another one also what is mapped with it.
    ///
    /// # Errors
    /// /proc can't be read.
    pub(super) fn new() -> io::Result<Probe> {
        let program = env::current_exe()?;
        let libraries = mapped(&fs::read_to_string("/proc/self/maps")?, &program);
        let mut command = loader(&libraries);
        command.extend([PROGRAM, "doctor", "--probe"].map(str::to_owned));
        let mut files = vec![(program, PathBuf::from(PROGRAM))];
        files.extend(libraries.into_iter().map(|library| (library.clone(), library)));
        Ok(Probe { files, command })
    }
}

/// The other files in a process's memory (proc_pid_maps(5)).
fn mapped(maps: &str, program: &Path) -> BTreeSet<PathBuf> {
    let paths = maps.lines().filter_map(|line| Some(&line[line.find(" /")? + 1..]));
    let paths = paths.filter(|path| path.contains(".so")).map(PathBuf::from);
    paths.filter(|path| path != program).collect()
}

/// Runs a program with the libraries where they are (ld.so(8)).
fn loader(libraries: &BTreeSet<PathBuf>) -> Vec<String> {
    let is_loader = |library: &&PathBuf| {
        library.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld"))
    };
    let Some(loader) = libraries.iter().find(is_loader) else { return Vec::new() };
    let dirs: BTreeSet<&Path> = libraries.iter().filter_map(|library| library.parent()).collect();
    let dirs: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
    vec![loader.display().to_string(), "--library-path".to_owned(), dirs.join(":")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_libraries_brings_them() {
        let maps = "55d0-55d1 r-xp 0000 fe:00 1    /usr/bin/devgate\n\
                    7f00-7f01 r-xp 0000 fe:00 2    /usr/lib/x86_64-linux-gnu/libc.so.6\n\
                    7f01-7f02 r--p 0000 fe:00 2    /usr/lib/x86_64-linux-gnu/libc.so.6\n\
                    7f02-7f03 r-xp 0000 fe:00 3    /usr/lib64/ld-linux-x86-64.so.2\n\
                    7ffc-7ffd rw-p 0000 00:00 0    [stack]\n";
        let libraries = mapped(maps, Path::new("/usr/bin/devgate"));
        assert_eq!(libraries.len(), 2);
        assert_eq!(
            loader(&libraries),
            [
                "/usr/lib64/ld-linux-x86-64.so.2",
                "--library-path",
                "/usr/lib/x86_64-linux-gnu:/usr/lib64"
            ]
        );
        assert!(loader(&mapped("", Path::new("/usr/bin/devgate"))).is_empty());
    }
}
