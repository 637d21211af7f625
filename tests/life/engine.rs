//! An engine that runs, with a container of each policy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use devgate::container::find_container;

use crate::common::engine::{eventually, podman::CONFIG, rootfs};
use crate::engines::{Cgroups, Engine, Manager};
use crate::machine::{INSTALLED, Machine};
use crate::pod::Pod;
use crate::policy::{POLICIES, Rules};
use crate::prober;
use crate::runtime::Runtime;

/// podman's hooks.
const HOOKS: &str = "/usr/share/containers/oci/hooks.d";

pub struct Running {
    pub engine: &'static Engine,
    // Dropped before the machine.
    pod: Option<Pod>,
    pub machine: Machine,
}

/// A container of the policy with this index.
#[derive(Clone, Debug)]
pub struct Container {
    pub policy: usize,
    pub id: String,
    /// A copy of its config.json as it was started: `podman update` writes another one.
    pub config: PathBuf,
}

/// Why a command failed.
#[derive(Debug)]
pub struct Refused(pub String);

impl Running {
    /// With devgate, with these options, for a hook of all containers.
    pub fn new(engine: &'static Engine, options: &[&str]) -> Running {
        let machine = match engine.cgroups {
            Cgroups::Cgroupfs => Machine::plain(engine.debian),
            Cgroups::Systemd => Machine::with_systemd(engine.debian),
        };
        let mut running = Running { engine, pod: None, machine };
        match engine.manager {
            Manager::Podman => running.set_up_podman(options),
            Manager::Containerd => running.pod = Some(running.set_up_pod()),
        }
        running
    }

    fn set_up_podman(&self, options: &[&str]) {
        rootfs::make(&self.machine.dir().join("rootfs"));
        let Engine { runtime, debian, .. } = self.engine;
        let dir = self.machine.dir().to_str().expect("the folder's path is text");
        let root = format!("--root {dir}/state");
        runtime
            .wrap(&self.machine, *debian, &root, |policy| matches!(policy.rules, Rules::Only(_)));
        let manager = match self.engine.cgroups {
            Cgroups::Cgroupfs => "cgroupfs",
            Cgroups::Systemd => "systemd",
        };
        let config = CONFIG.replace("@DIR@", dir).replace("@RUNTIME@", runtime.name());
        let config = config.replace("@MANAGER@", manager).replace("@NETNS@", "host");
        fs::write(self.config_file(), config).expect("a file can be made");
        self.machine.succeed(INSTALLED, &[&["install", "podman"], options].concat());
        // crun can't translate a deny rule for systemd, and refuses the container.
        if (*runtime, self.engine.cgroups) == (Runtime::Crun, Cgroups::Systemd) {
            runtime.edit_late(&self.machine, HOOKS);
        }
    }

    fn set_up_pod(&self) -> Pod {
        self.engine.runtime.wrap(&self.machine, self.engine.debian, "", |_| true);
        Pod::start(&self.machine, self.engine.runtime)
    }

    fn config_file(&self) -> PathBuf {
        self.machine.dir().join("containers.conf")
    }

    /// podman, with its own stores and configuration.
    fn podman(&self) -> Command {
        let mut command = self.machine.command("podman");
        command.env("CONTAINERS_CONF", self.config_file()).arg("--storage-driver=vfs");
        for (option, dir) in [("--root", "storage"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.arg(option).arg(self.machine.dir().join(dir));
        }
        command
    }

    pub fn run_podman(&self, args: &[&str]) -> Result<String, Refused> {
        output(self.podman().args(args))
    }

    /// The runtime, as the engine calls it.
    pub fn runtime(&self) -> Command {
        let wrapper = self.machine.dir().join(self.engine.runtime.name());
        let mut command = self.machine.command(wrapper.to_str().expect("the path is text"));
        if self.engine.cgroups == Cgroups::Systemd {
            command.arg("--systemd-cgroup");
        }
        if self.engine.manager == Manager::Containerd {
            command.args(["--root", "/run/containerd/runc/k8s.io"]);
        }
        command
    }

    pub fn pod(&self) -> &Pod {
        self.pod.as_ref().expect("the engine has pods")
    }

    pub fn pod_mut(&mut self) -> (&mut Pod, &Machine) {
        (self.pod.as_mut().expect("the engine has pods"), &self.machine)
    }

    /// Starts a container of this policy, and waits until it answers.
    pub fn start(&self, policy: usize) -> Container {
        let script = prober::script(policy);
        let id = match &self.pod {
            Some(pod) => pod.start_container(policy, script),
            None => self.start_podman(policy, &script),
        };
        eventually("the container's process is in its cgroup", || {
            find_container(&self.machine.cgroup(), &id).is_ok()
        });
        let config = self.machine.dir().join(format!("{id}.json"));
        let container = Container { policy, id, config };
        self.started(&container);
        container
    }

    /// Takes a copy of the config.json of a container that was started.
    pub fn started(&self, container: &Container) {
        fs::copy(self.config(container), &container.config).expect("it can be copied");
    }

    fn start_podman(&self, policy: usize, script: &str) -> String {
        let parent = format!("--cgroup-parent={}", self.machine.cgroup_parent());
        let rootfs = format!("{}/rootfs", self.machine.dir().display());
        let first = ["run", "--detach", "--cap-add=mknod", "--env=PATH=/bin", "--stop-timeout=0"];
        let last = [parent.as_str(), "--rootfs", &rootfs, "sh", "-c", script];
        let id = self.run_podman(&[&first, POLICIES[policy].podman, &last].concat());
        id.unwrap_or_else(|error| panic!("podman run: {}", error.0)).trim().to_owned()
    }

    /// Its cgroup, as the test sees it.
    pub fn cgroup(&self, container: &Container) -> PathBuf {
        let found = find_container(&self.machine.cgroup(), &container.id);
        found.unwrap_or_else(|error| panic!("{error}")).path().to_owned()
    }

    /// The unit that was made for it.
    pub fn scope(&self, container: &Container) -> String {
        let cgroup = self.cgroup(container);
        let mut names = cgroup.ancestors().filter_map(Path::file_name);
        let scope = names.find(|name| name.to_string_lossy().ends_with(".scope"));
        scope.expect("it is in a scope").to_string_lossy().into_owned()
    }

    /// Its config.json, as the runtime has it.
    fn config(&self, container: &Container) -> PathBuf {
        let id = &container.id;
        self.machine.dir().join(match self.engine.manager {
            Manager::Podman => format!("storage/vfs-containers/{id}/userdata/config.json"),
            Manager::Containerd => {
                format!("state/io.containerd.runtime.v2.task/k8s.io/{id}/config.json")
            }
        })
    }

    /// What CRIU complained about.
    pub fn criu_log(&self, container: &Container) -> String {
        let log = self.config(container).with_file_name("restore.log");
        let log = fs::read_to_string(log).unwrap_or_default();
        let errors = log.lines().filter(|line| line.contains("Error") || line.contains("Warn"));
        errors.collect::<Vec<_>>().join("\n")
    }

    /// One round of the guard, which tells what it did.
    pub fn guard(&self) -> Result<String, Refused> {
        let state = self.machine.dir().join("state");
        let mut command = self.machine.command(INSTALLED);
        command.args(["guard", "--once", "--runtime-root"]).arg(state);
        let Output { status, stderr, .. } = command.output().expect("it can be started");
        let text = String::from_utf8_lossy(&stderr).trim().to_owned();
        if status.success() { Ok(text) } else { Err(Refused(text)) }
    }

    /// Its programs have the versions that the table says.
    pub fn check_versions(&self) {
        for part in self.engine.text.split(", ") {
            let mut words = part.split(' ');
            let (Some(program), Some(version)) = (words.next(), words.next()) else { continue };
            let program = if program == "systemd" { "systemctl" } else { program };
            let found = self.machine.succeed(program, &["--version"]);
            assert!(found.contains(version), "{part}, but it is {found}");
        }
    }

    /// Removes what a test has damaged, as far as the engine can.
    pub fn try_remove(&self, container: &Container) {
        match &self.pod {
            Some(pod) => pod.try_remove_container(&container.id),
            None => drop(self.run_podman(&["rm", "--force", "--time=0", &container.id])),
        }
    }

    pub fn remove(&self, container: &Container) {
        match &self.pod {
            Some(pod) => pod.remove_container(&container.id),
            None => {
                self.run_podman(&["rm", "--force", "--time=0", &container.id])
                    .unwrap_or_else(|error| panic!("podman rm: {}", error.0));
            }
        }
    }
}

/// Standard output of a command that went well.
pub fn output(command: &mut Command) -> Result<String, Refused> {
    let Output { status, stdout, stderr } = command.output().expect("it can be started");
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    match status.success() {
        true => Ok(text(&stdout)),
        false => Err(Refused(format!("{status}: {}", text(&stderr)))),
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.engine.manager == Manager::Podman {
            // There is nothing to remove after a test that went well.
            let _ = self.podman().args(["rm", "--all", "--force", "--time=0"]).output();
        }
    }
}
