//! A container of the hook's, whose process opens what it is told to.

use std::path::Path;

use devgate::device::Request;
use devgate::policy::Verdict;
use serde_json::{Value, json};

use crate::common::cgroup::TestCgroup;
use crate::common::command::{Run, devgate};
use crate::common::opener::Opener;
use crate::workload::Shown;

const RULES: &str = r#"{"linux":{"resources":{"devices":[
    {"allow":false,"access":"rwm"},
    {"allow":true,"type":"c","major":10,"minor":229,"access":"rw"},
    {"allow":false,"type":"c","major":1,"minor":7,"access":"w"}]}}}"#;

/// Requests of all kinds, with what these rules and the base rules say.
pub const ASKED: [(&str, Verdict); 9] = [
    ("c 1:3 rw", Verdict::Allow),
    ("c 1:5 r", Verdict::Allow),
    ("c 1:7 rw", Verdict::Deny),
    ("c 1:7 r", Verdict::Allow),
    ("c 1:11 r", Verdict::Deny),
    ("c 10:229 w", Verdict::Allow),
    ("c 10:229 -", Verdict::Allow),
    ("b 7:0 r", Verdict::Deny),
    ("c 600:1 m", Verdict::Allow),
];

/// What it may be told to open; what is only made needs no node.
const NODES: [&str; 6] = ["c 1:3 m", "c 1:5 m", "c 1:7 m", "c 1:11 m", "c 10:229 m", "b 7:0 m"];

pub struct Container {
    pub opener: Opener,
    id: String,
    // Removed after the process, and before the one above it.
    pub cgroup: TestCgroup,
    _above: Option<TestCgroup>,
}

/// Where a container's cgroup is.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// With nothing but the root above it, where the test's own cgroup is the root.
    Top,
    /// In another one, as engines have it.
    Below,
}

impl Container {
    /// One without a hook. `test` is a test that begins with `serve_if_child`.
    pub fn new(id: &str, place: Place, test: &str) -> Container {
        let (above, cgroup) = match place {
            Place::Top => (None, TestCgroup::new()),
            Place::Below => {
                let above = TestCgroup::new();
                let cgroup = above.child();
                (Some(above), cgroup)
            }
        };
        let mut opener = Opener::within(&cgroup, test);
        NODES.iter().for_each(|node| opener.make_node(&request(node)));
        Container { opener, id: id.to_owned(), cgroup, _above: above }
    }

    /// The hook with these options.
    pub fn hook(&self, options: &[&str], annotations: &Value) -> Run {
        let pid = self.opener.pid();
        let state = json!({"id": self.id, "pid": pid, "annotations": annotations});
        devgate(&[&["hook"], options].concat(), state.to_string() + RULES)
    }

    pub fn ask(&mut self) -> Vec<Verdict> {
        ASKED.iter().map(|(text, _)| self.opener.verdict(&request(text))).collect()
    }

    /// It is killed and its cgroup goes; no hook runs.
    pub fn kill(self) {}

    pub fn cgroup_id(&self) -> u64 {
        self.cgroup.open().id().expect("a cgroup has an id")
    }
}

pub fn request(text: &str) -> Request {
    text.parse().expect("it is a request")
}

pub fn show(name: &str) -> Shown {
    Shown::of(&devgate(&["record", "show", name, "--format", "json"], ""))
}

/// The names in a directory, if it is there.
pub fn names_in(dir: &str) -> Vec<String> {
    let entries = std::fs::read_dir(Path::new(dir)).into_iter().flatten();
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.expect("an entry").file_name().into_string().expect("text")
    };
    entries.map(name).collect()
}

/// Nothing is left in the kernel or in /run of any recording.
#[track_caller]
pub fn assert_nothing_is_left() {
    assert_eq!(names_in("/sys/fs/bpf/devgate/record"), [""; 0]);
    assert_eq!(names_in("/run/devgate/recordings"), [""; 0]);
}
