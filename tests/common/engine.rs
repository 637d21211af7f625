//! Real engines, with devgate as a hook: a place for a container, the engines, the answers that
//! a container's own system calls get.

pub mod answers;
pub mod container;
pub mod host;
pub mod place;
pub mod podman;
pub mod rootfs;
pub mod runc;
pub mod session;
pub mod watch;

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::require::{bpf, require};

/// The devgate that the engines run.
pub const DEVGATE: &str = env!("CARGO_BIN_EXE_devgate");

/// Where the engines, and the hooks that they run, see cgroup2.
pub const CGROUP2: &str = "/sys/fs/cgroup";

/// For how long one command may run. None takes a second unless something is broken.
const SECONDS: &str = "60";

/// Engines work with cgroup v2 only where that is all there is at /sys/fs/cgroup, so each of
/// their commands gets a mount namespace in which it is, whatever the machine has there.
const IN_OWN_NAMESPACE: &str = r#"
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec "$@"
"#;

/// Whether a test can run this engine.
pub fn ready(engine: &str) -> bool {
    let missing = [engine, rootfs::BUSYBOX].into_iter().find(|program| find(program).is_none());
    let why = missing.map(|program| format!("{program} is missing; `make test-deps` installs it"));
    bpf() && require(why.is_none(), why.as_deref().unwrap_or_default())
}

/// Where PATH has this program.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// A command in a mount namespace of its own.
pub fn isolated(program: &str) -> Command {
    let mut command = timed("unshare");
    command.args(["--mount", "--propagation", "private"]);
    command.args(["sh", "-ec", IN_OWN_NAMESPACE, "sh", program]);
    command
}

/// A command that is ended when it takes too long.
pub fn timed(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-k", "5", SECONDS, program]);
    command
}

/// Waits until `done`: the kernel frees programs and cgroups a little after their last use.
#[track_caller]
pub fn eventually(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < end, "not within 10 s: {what}");
        sleep(Duration::from_millis(5));
    }
}
