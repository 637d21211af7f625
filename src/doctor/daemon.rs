//! Daemons that run since before their configuration was written.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

use crate::files::Last;
use crate::install::Root;

/// The first of these files that was written after a daemon of this name had started, on the
/// machine below the root; none if no such daemon is seen.
pub(super) fn written_since_start<'f>(
    root: &Root,
    name: &str,
    files: &'f [PathBuf],
) -> Option<&'f Path> {
    let start = start(root, name)?;
    let written = |file: &PathBuf| modified(root, file);
    let late = |file: &&PathBuf| written(file).is_some_and(|written| written > start);
    files.iter().find(late).map(PathBuf::as_path)
}

fn modified(root: &Root, file: &Path) -> Option<SystemTime> {
    let way = root.follow(file, Last::Follow).ok()?;
    let stat = way.end()?.stat();
    let seconds = Duration::from_secs(u64::try_from(stat.st_mtime).ok()?);
    let part = Duration::from_nanos(u64::try_from(stat.st_mtime_nsec).ok()?);
    SystemTime::UNIX_EPOCH.checked_add(seconds)?.checked_add(part)
}

/// When the daemon started, the latest if there are several.
fn start(root: &Root, name: &str) -> Option<SystemTime> {
    let processes = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
    let daemons = processes.filter(|process| is_called(process, name) && is_of(process, root));
    daemons.filter_map(|process| started(&process)).max()
}

fn is_called(process: &Path, name: &str) -> bool {
    fs::read_to_string(process.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
}

/// Whether a process has that machine's `/` for its own.
fn is_of(process: &Path, root: &Root) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    let own = identity(&process.join("root"));
    own.is_some() && own == identity(root.path())
}

fn started(process: &Path) -> Option<SystemTime> {
    let ticks = start_ticks(&fs::read_to_string(process.join("stat")).ok()?)?;
    let ticks_a_second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
    // The tick is counted as over: what was written in it may have been read.
    let milliseconds = ticks.checked_add(1)?.checked_mul(1000)?.checked_div(ticks_a_second)?;
    let since_boot = Duration::from_millis(milliseconds);
    let now = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?);
    SystemTime::now().checked_sub(now.saturating_sub(since_boot))
}

/// Field 22 of /proc/PID/stat (proc_pid_stat(5)), in clock ticks since boot. The second field, the
/// name in parentheses, may hold anything.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_behind_a_name_of_any_kind() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 2 3";
        assert_eq!(start_ticks(stat), Some(4711));
        assert_eq!(start_ticks("7"), None);
    }

    #[test]
    fn this_process_started_a_short_while_ago() {
        let start = started(Path::new("/proc/self")).unwrap();
        let age = start.elapsed().unwrap();
        assert!(age < Duration::from_secs(600), "{age:?}");
    }
}
