//! systemd as process 1 of namespaces of its own, on the files of this machine or of another Debian
//! below an overlay that goes with it, in a cgroup of the test's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::cgroup::TestCgroup;
use super::engine::{eventually, timed};
use super::require::{bpf, require};

const SYSTEMD: &str = "/lib/systemd/systemd";

/// Whether a test can boot it.
pub fn ready() -> bool {
    let there = Path::new(SYSTEMD).exists();
    bpf() && require(there, "systemd is missing; `make test-deps` installs it")
}

/// $1: the cgroup, as the namespaces see it; $2: a folder for the overlay; $3: systemd; $4: a
/// script for its root directory before it is that; $5: the root directory whose files it has.
const BOOT: &str = r#"
mount --make-rprivate /
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo $$ > "/sys/fs/cgroup$1/cgroup.procs"
exec unshare --mount --pid --fork --uts --ipc --net --cgroup --kill-child sh -ec '
mount -t tmpfs -o size=600m overlay "$1"
mkdir "$1/upper" "$1/work" "$1/root"
root=$1/root
mount -t overlay -o "lowerdir=$4,upperdir=$1/upper,workdir=$1/work" overlay "$root"
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
sh -ec "$3"
mkdir -p .old
pivot_root . .old
umount -l .old
exec env -i container=test PATH=/usr/sbin:/usr/bin "$2" --system --unit=units.target \
  systemd.show_status=0
' sh "$2" "$3" "$4" "$5"
"#;

/// systemd with its units.
pub struct Booted {
    child: Child,
    cgroup: TestCgroup,
    _files: tempfile::TempDir,
}

impl Booted {
    /// With these units, by name, and what a script makes of its root directory before it boots:
    /// the script is run there, where `.` is.
    pub fn new(services: &[(&str, String)], script: &str) -> Booted {
        Booted::of(Path::new("/"), services, script)
    }

    /// The same on the files below another root directory.
    pub fn of(root: &Path, services: &[(&str, String)], script: &str) -> Booted {
        let files = tempfile::tempdir().expect("a folder can be made");
        let (units, overlay) = (files.path().join("units"), files.path().join("overlay"));
        fs::create_dir(&units).expect("a folder can be made");
        fs::create_dir(&overlay).expect("a folder can be made");
        for (name, unit) in services {
            fs::write(units.join(format!("{name}.service")), unit).expect("a file can be made");
        }
        let wanted: Vec<String> =
            services.iter().map(|(name, _)| format!("{name}.service")).collect();
        let target = format!("[Unit]\nWants={}\nDefaultDependencies=no\n", wanted.join(" "));
        fs::write(units.join("units.target"), target).expect("a file can be made");
        let cgroup = TestCgroup::new();
        let name = Path::new("/").join(cgroup.path().file_name().expect("it has a name"));
        let child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-ec", BOOT, "sh"])
            .args([&name, &overlay, Path::new(SYSTEMD), Path::new(script), root])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("unshare can be run");
        Booted { child, cgroup, _files: files }
    }

    /// The cgroup of all its units, which is the root of its hierarchy.
    pub fn cgroup(&self) -> &Path {
        self.cgroup.path()
    }

    /// A command in its namespaces, and in the cgroup of one of its services.
    pub fn command(&self, service: &str, program: &str) -> Command {
        let init = fs::read_to_string(self.cgroup().join("init.scope/cgroup.procs"));
        let init = init.expect("systemd runs");
        let mut command = timed("sh");
        command.args(["-ec", r#"echo $$ > "$1/cgroup.procs"; shift; exec nsenter "$@""#, "sh"]);
        command.arg(self.unit(service)).args(["--target", init.trim()]);
        command.args(["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--root", "--wd"]);
        command.arg(program);
        command
    }

    /// Process 1, by its id on the host, once it is systemd.
    pub fn init(&self) -> Option<i32> {
        let procs = fs::read_to_string(self.cgroup.path().join("init.scope/cgroup.procs"));
        procs.ok()?.lines().next()?.parse().ok()
    }

    /// A unit's cgroup.
    pub fn unit(&self, name: &str) -> PathBuf {
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
