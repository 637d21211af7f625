//! The Debian whose engines are run: this machine's own or the testbed's.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::super::require::{bpf, require};
use super::place::Place;
use super::{DEVGATE, isolated, ready, timed};

/// Whose engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Debian {
    /// This machine's.
    Own,
    /// Those of `target/testbed/trixie`.
    Trixie,
}

impl Debian {
    /// The runtime below its podman.
    pub fn runtime(self) -> &'static str {
        match self {
            Debian::Own => "runc",
            Debian::Trixie => "crun",
        }
    }

    /// Whether a test can run its podman.
    pub fn is_ready(self) -> bool {
        match self {
            Debian::Own => ready("podman") && ready("runc"),
            Debian::Trixie => {
                let why = "target/testbed/trixie is missing; `make test-deps` makes it";
                bpf() && require(trixie().is_dir(), why)
            }
        }
    }
}

/// Where the commands of one test's engine run.
pub enum Host {
    /// On this machine, each in a mount namespace of its own.
    Own,
    /// In one mount namespace for all, with a root of their own.
    Copy(Chroot),
}

impl Host {
    pub fn new(debian: Debian, place: &Place) -> Host {
        match debian {
            Debian::Own => Host::Own,
            Debian::Trixie => Host::copy(debian, place),
        }
    }

    /// One whose own folders can be written to, /etc say: that ends with it.
    pub fn copy(debian: Debian, place: &Place) -> Host {
        let root = match debian {
            Debian::Own => PathBuf::from("/"),
            Debian::Trixie => trixie(),
        };
        Host::Copy(Chroot::new(&root, place))
    }

    /// A command that sees cgroup2 at /sys/fs/cgroup, and the place's folder where it is.
    pub fn command(&self, program: &str) -> Command {
        match self {
            Host::Own => isolated(program),
            Host::Copy(chroot) => chroot.command(program),
        }
    }

    /// devgate, as the engine finds it.
    pub fn devgate(&self) -> &'static str {
        match self {
            Host::Own => DEVGATE,
            Host::Copy(_) => INSTALLED,
        }
    }
}

const INSTALLED: &str = "/usr/local/bin/devgate";

/// What is written goes to a tmpfs, which ends with the mount namespace. Of /sys and cgroups
/// there is only what is mounted here: the machine's own hierarchies stay out of sight. CRIU needs
/// the root of the mount namespace for its own.
const ENTER: &str = r#"
lower=$1 place=$2 devgate=$3
mkdir "$place/copy"
cd "$place/copy"
mount -t tmpfs tmpfs .
cd "$place/copy"
mkdir upper work root
mount -t overlay -o "lowerdir=$lower,upperdir=upper,workdir=work" overlay root
cd root
mount -t proc proc proc
mount --bind /sys sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --bind /sys/fs/bpf sys/fs/bpf
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir -p ".$place"
mount --bind "$place" ".$place"
install -m 0755 "$devgate" usr/local/bin/devgate
mkdir -p .old
pivot_root . .old
umount -l .old
exec sh -c 'echo ready; read -r line'
"#;

/// A mount namespace with a copy of a Debian for its root, for as long as its process runs.
pub struct Chroot {
    holder: Child,
}

impl Chroot {
    fn new(root: &Path, place: &Place) -> Chroot {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-ec", ENTER, "sh"]);
        command.arg(root).arg(place.dir()).arg(DEVGATE);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().expect("unshare can be started");
        let mut line = [0; 6];
        let stdout = holder.stdout.as_mut().expect("standard output is a pipe");
        stdout.read_exact(&mut line).expect("the copy's root is mounted");
        Chroot { holder }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = timed("nsenter");
        let target = self.holder.id().to_string();
        command.args(["--target", &target, "--mount", "--root", "--wd", program]);
        command
    }
}

impl Drop for Chroot {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// The root directory of `target/testbed/trixie`.
pub fn trixie() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "target/testbed/trixie"].iter().collect()
}
