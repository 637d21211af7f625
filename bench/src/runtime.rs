//! The installed runtimes, and a bundle for them to run.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cgroup::Cgroup;
use crate::policy::Policy;
use crate::spawn::run;
use crate::sys;
use crate::world::World;

const BUSYBOX: &str = "/bin/busybox";

/// A runtime that may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// runc.
    Runc,
    /// crun.
    Crun,
}

impl Runtime {
    /// Its command.
    pub fn command(self) -> &'static Path {
        Path::new(match self {
            Runtime::Runc => "runc",
            Runtime::Crun => "crun",
        })
    }
}

/// A bundle whose container runs `command` of busybox in the cgroup `name`.
pub fn bundle(
    world: &World,
    name: &str,
    command: &[&str],
    devices: &Value,
    hook: Option<&Path>,
) -> anyhow::Result<PathBuf> {
    let bundle = world.directory(name)?;
    let bin = world.directory(&format!("{name}/rootfs/bin"))?;
    for empty in ["proc", "dev"] {
        world.directory(&format!("{name}/rootfs/{empty}"))?;
    }
    fs::copy(BUSYBOX, bin.join("busybox"))?;
    let args = [&[BUSYBOX], command].concat();
    let namespaces = ["pid", "ipc", "uts", "mount"].map(|name| json!({"type": name}));
    let mut config = json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": args,
            "env": ["PATH=/bin"],
            "cwd": "/",
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs"},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
        ],
        "linux": {
            "cgroupsPath": world.cgroups_path(name),
            "resources": {"devices": devices},
            "namespaces": namespaces,
        },
    });
    if let Some(path) = hook {
        config["hooks"] = json!({"createRuntime": [{"path": path, "args": ["hook", "hook"]}]});
    }
    fs::write(bundle.join("config.json"), config.to_string())?;
    Ok(bundle)
}

/// The program that the runtime attaches to a container with this policy. The container is
/// ended; the descriptor keeps the program.
pub fn program_of(world: &World, runtime: Runtime, policy: &Policy) -> anyhow::Result<OwnedFd> {
    let devices = &policy.config["linux"]["resources"]["devices"];
    let command = runtime.command();
    let name = format!("{}-{}", command.display(), policy.file_name());
    let bundle = bundle(world, &name, &["sleep", "1000"], devices, None)?;
    let root = world.path("runtime");
    let log = world.path("runtime.log");
    let with = |args: &[&Path]| {
        let command = [&[command, Path::new("--root"), &root], args].concat();
        run(&command, Path::new("/dev/null"), &log)?.succeeded()
    };
    let [id, detached] = [Path::new(&name), Path::new("--detach")];
    with(&[Path::new("run"), detached, Path::new("--bundle"), &bundle, id])?;
    let program = Cgroup::open(world.cgroup_path(&name))
        .and_then(|cgroup| Ok(sys::open(cgroup.only_program()?)?));
    with(&[Path::new("delete"), Path::new("--force"), id])?;
    program
}
