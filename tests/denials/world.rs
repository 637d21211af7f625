//! A hierarchy of the test's own: what is below the root of its cgroup namespace is all there is to
//! observe. It has a bpffs and a /run/devgate of its own too.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::common::cgroup::TestCgroup;
use super::common::command::{Run, run};
use super::common::engine::{DEVGATE, eventually, ready, rootfs, timed};

/// $1: the cgroup; $2: what is done before its namespaces are ready.
const ENTER: &str = r#"
echo $$ > "$1/cgroup.procs"
exec unshare --mount --cgroup --propagation private sh -ec '
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir /sys/fs/cgroup/self
echo $$ > /sys/fs/cgroup/self/cgroup.procs
mount -t bpf bpf /sys/fs/bpf
mount -t tmpfs -o mode=755 run /run
mkdir -m 700 /run/devgate
mkdir -p /var/lib/devgate
mount -t tmpfs -o mode=755 devgate /var/lib/devgate
echo ready
read -r line || true
'
"#;

/// In each script: `devgate`; `bundle NAME CGROUP SCRIPT` makes a bundle whose hook is devgate, and
/// `run NAME` runs it to its end; `opens NAME N` opens it N times to read and to write.
const PRELUDE: &str = r#"
devgate() { "$DEVGATE" "$@"; }
bundle() {
  mkdir -p "$DIR/$1"
  hook='[{"path":"'$DEVGATE'","args":["devgate","hook","--log","/var/lib/devgate/log"]}]'
  jq --arg cgroup "$2" --arg script "$3" --argjson hook "$hook" --arg root "$DIR/rootfs" \
    '.root.path = $root | .linux.cgroupsPath = $cgroup
    | .process.args = ["/bin/sh", "-c", $script]
    | .hooks = {createRuntime: $hook, poststop: $hook}' "$TEMPLATE" > "$DIR/$1/config.json"
}
run() { runc --root "$DIR/state" run --bundle "$DIR/$1" "$1" > "$DIR/$1.out" 2>&1 || cat "$DIR/$1.out" >&2; }
"#;

/// What a container runs that asks for /dev/fuse: three times to read, twice to write.
pub const DENIED: &str = "mknod /fuse c 10 229; for i in 1 2 3; do (: < /fuse); done; \
     for i in 1 2; do (: > /fuse); done; (: < /dev/null); true";

pub struct World {
    // Dropped first: its processes are in the cgroup.
    holder: Child,
    cgroup: TestCgroup,
    files: tempfile::TempDir,
}

/// Whether a test can have one.
pub fn is_ready() -> bool {
    ready("runc") && ready("jq")
}

impl World {
    pub fn new() -> World {
        let cgroup = TestCgroup::new();
        let files = tempfile::tempdir().expect("a folder can be made");
        rootfs::make(&files.path().join("rootfs"));
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-ec", ENTER, "sh"]);
        let command = command.arg(cgroup.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().expect("unshare can be started");
        let mut line = [0; 6];
        let stdout = holder.stdout.as_mut().expect("standard output is a pipe");
        stdout.read_exact(&mut line).expect("the namespaces are made");
        World { holder, cgroup, files }
    }

    /// Runs a script in it.
    pub fn run(&self, script: &str) -> Run {
        run(&mut self.command(&format!("{PRELUDE}{script}")), "")
    }

    /// What a script prints that goes well.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        let run = self.run(script);
        assert_eq!(run.code, Some(0), "{script}: {run:?}");
        run.text().to_owned()
    }

    fn command(&self, script: &str) -> Command {
        let mut command = timed("sh");
        let own = r#"echo $$ > "$1/self/cgroup.procs"; shift; exec nsenter "$@""#;
        command.args(["-ec", own, "sh"]).arg(self.cgroup.path());
        command.args(["--target", &self.holder.id().to_string(), "--mount", "--cgroup"]);
        command.args(["sh", "-ec", script]);
        let template = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/bundle/config.json");
        command.env("DEVGATE", DEVGATE).env("DIR", self.files.path()).env("TEMPLATE", template);
        command
    }

    /// A cgroup of it, as this machine shows it.
    pub fn cgroup(&self, name: &str) -> PathBuf {
        self.cgroup.path().join(name)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// What `devgate denials` says.
    #[track_caller]
    pub fn denials(&self) -> Value {
        serde_json::from_str(&self.sh("devgate denials --json")).expect("JSON")
    }

    /// The same by container, device and access.
    #[track_caller]
    pub fn counts(&self) -> Vec<(String, String, u64)> {
        counts(&self.denials())
    }

    /// What `devgate observe status` says.
    #[track_caller]
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.sh("devgate observe status --json")).expect("JSON")
    }

    /// Nothing of an observer is left.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        let left = self.sh("find /sys/fs/bpf/devgate -mindepth 1 2> /dev/null || true; \
             find /run/devgate -name 'observe.json' -o -path '*/denials/*' -o -name '.*'");
        assert_eq!(left, "");
        // A link ends a moment after its last pin.
        eventually("no program is attached", || {
            self.sh("devgate ls").starts_with("no cgroup has a device program")
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
        remove_below(self.cgroup.path());
    }
}

fn remove_below(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&entry.path());
            eventually("a cgroup is empty", || {
                std::fs::remove_dir(entry.path()).is_ok() || !entry.path().exists()
            });
        }
    }
}

pub fn counts(denials: &Value) -> Vec<(String, String, u64)> {
    let rows = denials["denials"].as_array().expect("a list");
    let mut counts: Vec<_> = rows
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
            let container = text("container");
            let asked =
                format!("{} {}:{} {}", text("type"), row["major"], row["minor"], text("access"));
            (container, asked, row["count"].as_u64().expect("a number"))
        })
        .collect();
    counts.sort();
    counts
}
