//! A container's cgroup in a world, put back before each run.

use std::ffi::CString;
use std::fs::{self, DirBuilder};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use devgate::cgroup::Cgroup;
use devgate::hold::PINS;
use devgate::kernel::{DetachError, ProgId, detach, query, query_effective};
use devgate::policy::{DefaultDevices, Policy};
use tempfile::TempDir;

use super::allowed::{Allowed, Known};
use super::common::bpf::{Foreign, pin};
use super::common::cgroup::TestCgroup;
use super::common::sleeper::Sleeper;
use super::worlds::{How, Programs};

/// The container's rules. It gets the base devices besides.
const RULES: [&str; 2] = ["deny a *:* rwm", "allow c 10:229 rw"];
const CONFIG: &str = r#"{"ociVersion":"1.2.0","linux":{"resources":{"devices":[
    {"allow":false,"access":"rwm"},
    {"allow":true,"type":"c","major":10,"minor":229,"access":"rw"}
]}}}"#;

/// What the kernel shows of the cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Attached to it, by id.
    pub own: Vec<ProgId>,
    /// In force for its processes.
    pub effective: Vec<ProgId>,
    /// What these allow together.
    pub allowed: Allowed,
}

pub struct Stage<'p> {
    // In the order in which they have to go.
    links: Vec<OwnedFd>,
    container: Sleeper,
    dir: Cgroup,
    cgroup: TestCgroup,
    _above: Option<TestCgroup>,
    bundle: TempDir,
    programs: &'p Programs,
    before: Vec<ProgId>,
    /// What the container's policy allows.
    pub policy: Allowed,
    pub known: Known,
    /// How many calls a run makes before main.
    pub start: usize,
}

impl<'p> Stage<'p> {
    pub fn new(programs: &'p Programs) -> Stage<'p> {
        let above = programs.above.as_ref().map(|(program, how)| {
            let above = TestCgroup::new();
            put(program, above.open().as_fd(), *how);
            above
        });
        let cgroup = above.as_ref().map_or_else(TestCgroup::new, TestCgroup::child);
        // A log's directory must be nobody else's to write to, nor any above it.
        let bundle = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        fs::write(bundle.path().join("config.json"), CONFIG).expect("a file");
        let rules = RULES.iter().map(|rule| rule.parse().expect("a rule")).collect();
        let mut stage = Stage {
            links: Vec::new(),
            container: Sleeper::within(&cgroup),
            dir: cgroup.open(),
            cgroup,
            _above: above,
            bundle,
            programs,
            before: Vec::new(),
            policy: Allowed::by_policy(&Policy::new(rules, DefaultDevices::Base)),
            known: Known::default(),
            start: 0,
        };
        stage.reset();
        stage
    }

    /// Makes the cgroup and the log what they were at first.
    pub fn reset(&mut self) {
        self.remove_log();
        let attached = self.see().own;
        let as_before = !self.before.is_empty() && attached == self.before;
        if as_before || attached.is_empty() && self.programs.stale.is_empty() {
            return;
        }
        self.links.clear();
        // There may be none.
        let _ = fs::remove_file(self.pin());
        attached.into_iter().for_each(|id| self.detach(id));
        for (program, how) in &self.programs.stale {
            match how {
                How::Held => self.hold(program),
                how => self.links.extend(put(program, self.dir.as_fd(), *how)),
            }
        }
        self.before = self.see().own;
        self.known.keep(&self.before);
    }

    /// Attaches it and has a pinned link hold it.
    fn hold(&self, program: &Foreign) {
        program.attach(self.dir.as_fd(), 2);
        let link = program.link(self.dir.as_fd());
        DirBuilder::new().mode(0o700).recursive(true).create(PINS).expect("a bpffs has folders");
        let path = CString::new(self.pin().into_os_string().into_vec()).expect("no NUL");
        pin(link.as_fd(), &path);
    }

    fn pin(&self) -> PathBuf {
        Path::new(PINS).join(self.dir.id().expect("a cgroup has an id").to_string())
    }

    pub fn remove_log(&self) {
        // There may be none.
        let _ = fs::remove_file(self.log());
    }

    /// A closed link holds its program for as long as another thread's child has a copy of it,
    /// which is until that child executes something.
    fn detach(&self, id: ProgId) {
        loop {
            match detach(self.dir.as_fd(), id) {
                Err(DetachError::Link { .. }) => thread::sleep(Duration::from_micros(100)),
                Ok(_) => break,
                Err(error) => panic!("program {id} can't be detached: {error}"),
            }
        }
    }

    /// What the kernel shows now, of programs that may be gone later.
    pub fn see(&mut self) -> Seen {
        let own = query(self.dir.as_fd()).expect("what is attached can be listed").ids;
        let effective = query_effective(self.dir.as_fd()).expect("what is in force can be listed");
        self.known.learn(&own);
        self.known.learn(&effective);
        let allowed = self.known.allowed(&effective);
        Seen { own, effective, allowed }
    }

    /// The ids of the stale programs, in their order.
    pub fn before(&self) -> &[ProgId] {
        &self.before
    }

    pub fn cgroup(&self) -> &TestCgroup {
        &self.cgroup
    }

    pub fn log(&self) -> PathBuf {
        self.bundle.path().join("log")
    }

    pub fn config(&self) -> PathBuf {
        self.bundle.path().join("config.json")
    }

    /// The container's state, as a runtime gives it to the hook.
    pub fn state(&self) -> String {
        let (pid, bundle) = (self.container.pid(), text(self.bundle.path()));
        let id = self.dir.id().expect("a cgroup has an id");
        format!(
            r#"{{"ociVersion":"1.2.0","id":"c{id}","status":"creating","pid":{pid},"bundle":"{bundle}"}}"#
        )
    }
}

impl Drop for Stage<'_> {
    /// A dead pin would be swept by another stage's run.
    fn drop(&mut self) {
        let _ = fs::remove_file(self.pin());
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

fn put(program: &Foreign, cgroup: std::os::fd::BorrowedFd<'_>, how: How) -> Option<OwnedFd> {
    match how {
        How::Exclusive => program.attach(cgroup, 0),
        How::Override => program.attach(cgroup, 1),
        How::Multi => program.attach(cgroup, 2),
        How::Link => return Some(program.link(cgroup)),
        How::Held => panic!("only the container's own program is held"),
    }
    None
}
