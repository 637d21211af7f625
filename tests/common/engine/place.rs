//! A folder and a cgroup for the containers of one test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{panicking, sleep};
use std::time::Duration;
use std::{env, fs, io, process};

use devgate::cgroup::Cgroup;

use super::CGROUP2;
use super::rootfs::BUSYBOX;

/// A folder, and a cgroup right below the root one. When it is dropped the processes in that
/// cgroup are ended and both are removed, with all that is below them.
pub struct Place {
    name: String,
    dir: PathBuf,
    cgroup: PathBuf,
    files: AtomicU32,
}

impl Place {
    pub fn new() -> Place {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("devgate-test-{}-place-{next}", process::id());
        let dir = env::temp_dir().join(&name);
        let cgroup = root().join(&name);
        fs::create_dir(&dir).expect("a folder can be made");
        let place = Place { name, dir, cgroup, files: AtomicU32::new(0) };
        fs::create_dir(&place.cgroup).expect("a cgroup can be made");
        place
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A file or folder in its folder.
    pub fn path(&self, name: &str) -> String {
        let path = self.dir.join(name);
        path.into_os_string().into_string().expect("the folder's path is text")
    }

    /// A device node, for engines to find the numbers of.
    pub fn make_node(&self, numbers: [&str; 3]) -> String {
        let node = self.path(&numbers.join("-"));
        if !Path::new(&node).exists() {
            let made = Command::new(BUSYBOX).arg("mknod").arg(&node).args(numbers).status();
            assert!(made.is_ok_and(|status| status.success()), "a node can be made");
        }
        node
    }

    /// A file that no earlier call named.
    pub fn fresh_file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}-{}", self.files.fetch_add(1, Ordering::Relaxed)))
    }

    /// Its cgroup, as the engines call it.
    pub fn cgroup_name(&self) -> String {
        format!("/{}", self.name)
    }

    /// Its cgroup, as this machine shows it.
    pub fn cgroup(&self) -> &Path {
        &self.cgroup
    }

    /// Where this machine shows the cgroup that an engine's hook sees at `path`.
    #[track_caller]
    pub fn cgroup_shown_at(&self, path: &str) -> PathBuf {
        let below = Path::new(path).strip_prefix(format!("{CGROUP2}/{}", self.name));
        self.cgroup.join(below.unwrap_or_else(|_| panic!("{path} is not a cgroup of the test's")))
    }

    /// A cgroup right below its own.
    pub fn make_cgroup(&self, name: &str) -> PathBuf {
        let cgroup = self.cgroup.join(name);
        fs::create_dir(&cgroup).expect("a cgroup can be made");
        cgroup
    }

    /// The names of the cgroups right below its own.
    pub fn cgroups(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.cgroup).expect("the cgroup can be read");
        let entries = entries.map(|entry| entry.expect("the cgroup can be read"));
        entries
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    fn clear(&self) -> io::Result<()> {
        // Only what a failed test left behind is still there.
        fs::write(self.cgroup.join("cgroup.kill"), "1")?;
        let mut tries = 0..1000;
        // Processes leave a little after they ended.
        while let Err(error) = remove_cgroups(&self.cgroup) {
            tries.next().ok_or(error)?;
            sleep(Duration::from_millis(5));
        }
        // podman, called by conmon, may yet clean up after a container that failed to start. The
        // slash at the end is what other places do not have.
        while let Some(process) = process_that_names(&self.path(""))? {
            tries.next().ok_or_else(|| io::Error::other(format!("{process} goes on")))?;
            sleep(Duration::from_millis(5));
        }
        fs::remove_dir_all(&self.dir)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let cleared = self.clear();
        match cleared {
            Err(error) if panicking() => eprintln!("{} is left: {error}", self.name),
            cleared => cleared.expect("nothing of the test is left"),
        }
    }
}

/// The root cgroup, as this machine shows it.
fn root() -> PathBuf {
    let own = Cgroup::of_process(process::id().cast_signed());
    let mut cgroup = own.expect("the test has a cgroup2 cgroup");
    while let Some(parent) = cgroup.parent().expect("it has a root above it") {
        cgroup = parent;
    }
    cgroup.path().to_owned()
}

fn remove_cgroups(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_cgroups(&entry.path())?;
        }
    }
    fs::remove_dir(dir)
}

/// A process with this text in its command line, as /proc names it.
fn process_that_names(text: &str) -> io::Result<Option<String>> {
    for entry in fs::read_dir("/proc")? {
        let process = entry?.path();
        // Other files have none, and processes may be gone.
        let command_line = fs::read(process.join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command_line).contains(text) {
            return Ok(Some(process.display().to_string()));
        }
    }
    Ok(None)
}
