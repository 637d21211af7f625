//! Cgroups for one test.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use devgate::cgroup::Cgroup;
use devgate::kernel::{AttachFlags, Attached, ProgId, query};

/// The cgroup2 directory of the test itself.
pub fn own() -> Option<PathBuf> {
    let cgroup = Cgroup::of_process(process::id().cast_signed()).ok()?;
    Some(cgroup.path().to_owned())
}

/// A cgroup that is removed when this is dropped. Processes in it have to be gone by then: their
/// guards are made after this one, and so dropped before it.
pub struct TestCgroup {
    path: PathBuf,
}

impl TestCgroup {
    /// A cgroup below the test's own.
    pub fn new() -> TestCgroup {
        TestCgroup::below(&own().expect("cgroup2 is mounted"))
    }

    pub fn child(&self) -> TestCgroup {
        TestCgroup::below(&self.path)
    }

    /// One that was made at this path.
    pub fn at(path: PathBuf) -> TestCgroup {
        TestCgroup { path }
    }

    fn below(parent: &Path) -> TestCgroup {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("devgate-test-{}-{next}", process::id()));
        fs::create_dir(&path).expect("a cgroup can be made");
        TestCgroup { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn text(&self) -> &str {
        self.path.to_str().expect("the path of a cgroup is text")
    }

    pub fn open(&self) -> Cgroup {
        Cgroup::open(&self.path).expect("the test's cgroup can be opened")
    }

    /// Moves a process into it.
    pub fn take(&self, pid: u32) {
        let file = self.path.join("cgroup.procs");
        fs::write(file, pid.to_string()).expect("the process can be moved");
    }

    pub fn attached(&self) -> Attached {
        query(self.open().as_fd()).expect("what is attached can be listed")
    }

    /// The ids of the programs attached to it: one that a link holds too is there once.
    pub fn ids(&self) -> Vec<ProgId> {
        let mut ids = Vec::new();
        self.attached().ids.into_iter().for_each(|id| {
            if !ids.contains(&id) {
                ids.push(id);
            }
        });
        ids
    }

    pub fn flags(&self) -> AttachFlags {
        self.attached().flags
    }

    /// Removes it before its time.
    pub fn remove(&self) -> io::Result<()> {
        // A process leaves its cgroup a little after it was waited for.
        for _ in 0..200 {
            match fs::remove_dir(&self.path) {
                Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                    sleep(Duration::from_millis(10));
                }
                outcome => return outcome,
            }
        }
        fs::remove_dir(&self.path)
    }
}

impl Drop for TestCgroup {
    fn drop(&mut self) {
        match self.remove() {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                eprintln!("{} is left: {error}", self.path.display());
            }
            _ => {}
        }
    }
}
