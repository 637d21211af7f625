//! systemd's program for units with a DevicePolicy.
//!
//! systemd runs as process 1 of namespaces of its own, on this machine's files below an overlay
//! that goes with it, in a cgroup of the test's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::common::cgroup::TestCgroup;
use super::common::command::devgate;
use super::common::engine::eventually;
use super::common::require;
use super::probe::Probe;

const SYSTEMD: &str = "/lib/systemd/systemd";

/// Unit, its policy, its DeviceAllow lines, and whether systemd makes a program for it.
const UNITS: [(&str, &str, &[&str], bool); 4] = [
    ("strict", "strict", &["/dev/null rw", "/dev/zero r", "char-pts rw"], true),
    ("closed", "closed", &["/dev/fuse rw", "char-pts rw", "block-loop r"], true),
    ("allowed", "auto", &["/dev/kmsg r"], true),
    ("auto", "auto", &[], false),
];

/// $1: the cgroup, as the namespaces see it; $2: a folder for the overlay; $3: systemd.
const BOOT: &str = r#"
mount --make-rprivate /
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo $$ > "/sys/fs/cgroup$1/cgroup.procs"
exec unshare --mount --pid --fork --uts --ipc --net --cgroup --kill-child sh -ec '
mount -t tmpfs -o size=200m overlay "$1"
mkdir "$1/upper" "$1/work" "$1/root"
root=$1/root
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t bpf bpf "$root/sys/fs/bpf"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty fuse kmsg; do
  [ -e "/dev/$device" ] || continue
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs run "$root/run"
mkdir -p "$root/run/systemd/system"
cp "$1/../units/"* "$root/run/systemd/system"
mount -t tmpfs tmp "$root/tmp"
cd "$root"
mkdir -p .old
pivot_root . .old
umount -l .old
exec env -i container=test PATH=/usr/sbin:/usr/bin "$2" --system --unit=units.target \
  systemd.show_status=0
' sh "$2" "$3"
"#;

/// systemd with the units running.
struct Booted {
    child: Child,
    cgroup: TestCgroup,
    _files: tempfile::TempDir,
}

impl Booted {
    fn new() -> Booted {
        let files = tempfile::tempdir().expect("a folder can be made");
        let (units, overlay) = (files.path().join("units"), files.path().join("overlay"));
        fs::create_dir(&units).expect("a folder can be made");
        fs::create_dir(&overlay).expect("a folder can be made");
        for (name, policy, allowed, _) in UNITS {
            let lines: String =
                allowed.iter().map(|line| format!("DeviceAllow={line}\n")).collect();
            let unit = format!(
                "[Unit]\nDefaultDependencies=no\n[Service]\nDevicePolicy={policy}\n{lines}\
                 ExecStart=/bin/sleep 600\n"
            );
            fs::write(units.join(format!("{name}.service")), unit).expect("a file can be made");
        }
        let wanted: Vec<String> =
            UNITS.iter().map(|(name, ..)| format!("{name}.service")).collect();
        let target = format!("[Unit]\nWants={}\nDefaultDependencies=no\n", wanted.join(" "));
        fs::write(units.join("units.target"), target).expect("a file can be made");
        let cgroup = TestCgroup::new();
        let name = Path::new("/").join(cgroup.path().file_name().expect("it has a name"));
        let child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-ec", BOOT, "sh"])
            .args([&name, &overlay, Path::new(SYSTEMD)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("unshare can be run");
        Booted { child, cgroup, _files: files }
    }

    fn unit(&self, name: &str) -> PathBuf {
        self.cgroup.path().join("system.slice").join(format!("{name}.service"))
    }
}

impl Drop for Booted {
    /// Process 1 takes all others of its namespace along.
    fn drop(&mut self) {
        let _ = fs::write(self.cgroup.path().join("cgroup.kill"), "1");
        let _ = self.child.kill();
        let _ = self.child.wait();
        remove_below(self.cgroup.path());
    }
}

fn remove_below(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&entry.path());
            eventually("a cgroup is empty", || {
                fs::remove_dir(entry.path()).is_ok() || !entry.path().exists()
            });
        }
    }
}

#[test]
fn its_programs_are_what_they_are_decoded_to() {
    let there = Path::new(SYSTEMD).exists();
    if !require::bpf() || !require::require(there, "systemd is missing; `make test-deps`") {
        return;
    }
    let booted = Booted::new();
    for (name, _, _, _) in UNITS {
        let procs = booted.unit(name).join("cgroup.procs");
        eventually("the unit runs", || {
            fs::read_to_string(&procs).is_ok_and(|pids| !pids.is_empty())
        });
    }
    for (name, _, _, has_program) in UNITS {
        let cgroup = booted.unit(name);
        let run = devgate(&["inspect", "--json", cgroup.to_str().expect("text")], "");
        let report: Value = serde_json::from_str(run.success()).expect("one JSON object");
        let programs = report["programs"].as_array().expect("an array");
        let generators: Vec<&Value> =
            programs.iter().map(|program| &program["generator"]).collect();
        let expected: &[&str] = if has_program { &["systemd"] } else { &[] };
        assert_eq!(generators, expected, "{name}");
        let counts = Probe::new().assert_right_about(&cgroup);
        println!("{name}: {counts:?}");
    }
}
