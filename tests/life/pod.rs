//! containerd and one pod.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;

use prost::Message;

use crate::common::engine::eventually;
use crate::cri::Client;
use crate::cri::messages::*;
use crate::engine::Refused;
use crate::image::{self, IMAGE};
use crate::machine::{INSTALLED, Machine};
use crate::runtime::Runtime;

const CONFIG: &str = include_str!("../containerd/configs/one.toml");

/// In a cgroup of its own, with its shims. Prints its process id.
const START: &str = r#"
cgroup=/sys/fs/cgroup$1/daemon
mkdir -p "$cgroup"
echo $$ >"$cgroup/cgroup.procs"
containerd --log-level warn --config "$2/config.toml" >>"$2/log" 2>&1 </dev/null &
echo $!
"#;

pub struct Pod {
    daemon: String,
    socket: PathBuf,
    client: Client,
    config: PodSandboxConfig,
    id: String,
    attempts: Cell<u32>,
}

impl Pod {
    /// In the network of the node and therefore without CNI plugins.
    pub fn start(machine: &Machine, runtime: Runtime) -> Pod {
        let dir = machine.dir().to_str().expect("the folder's path is text");
        let file = format!("{dir}/config.toml");
        let wrapper = format!("{dir}/{}", runtime.name());
        let config = CONFIG.replace("@DIR@/runc", &wrapper).replace("@DIR@", dir);
        fs::write(&file, config).expect("a file can be made");
        machine.succeed(
            INSTALLED,
            &["install", "containerd", "--force", "--apply", "--config", &file],
        );
        let daemon = start(machine);
        let socket = machine.dir().join("containerd.sock");
        let client = Client::new(&socket);
        let image = image::make(machine.dir());
        let address = format!("--address={}", socket.display());
        let image = image.to_str().expect("the path is text");
        let import = ["--namespace=k8s.io", "image", "import", "--snapshotter=native", image];
        machine.succeed("ctr", &[&[address.as_str()], &import[..]].concat());
        let on_node = NamespaceOption { network: NamespaceMode::Node.into() };
        let config = PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: "pod".to_owned(),
                uid: "1".to_owned(),
                namespace: "default".to_owned(),
            }),
            log_directory: format!("{dir}/logs"),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: format!("{}/pod", machine.cgroup_parent()),
                security_context: Some(LinuxSandboxSecurityContext {
                    namespace_options: Some(on_node),
                    privileged: true,
                }),
            }),
            ..PodSandboxConfig::default()
        };
        let id = sandbox(&client, &config);
        Pod { daemon, socket, client, config, id, attempts: Cell::new(0) }
    }

    /// Goes on with another pod, where the first can't be used any more.
    pub fn renew(&mut self) {
        self.config.metadata.as_mut().expect("it has a name").name = "another".to_owned();
        self.id = sandbox(&self.client, &self.config);
    }

    pub fn start_container(&self, policy: usize, script: String) -> String {
        let attempt = self.attempts.replace(self.attempts.get() + 1);
        let security_context =
            LinuxContainerSecurityContext { privileged: policy == 2, ..Default::default() };
        let config = ContainerConfig {
            metadata: Some(ContainerMetadata { name: "container".to_owned(), attempt }),
            image: Some(ImageSpec { image: IMAGE.to_owned() }),
            command: vec!["sh".to_owned(), "-c".to_owned(), script],
            log_path: format!("{attempt}.log"),
            linux: Some(LinuxContainerConfig { security_context: Some(security_context) }),
            ..ContainerConfig::default()
        };
        let request = CreateContainerRequest {
            pod_sandbox_id: self.id.clone(),
            config: Some(config),
            sandbox_config: Some(self.config.clone()),
        };
        let ContainerId { container_id: id } = succeed(&self.client, "CreateContainer", request);
        let Nothing {} =
            succeed(&self.client, "StartContainer", ContainerId { container_id: id.clone() });
        id
    }

    pub fn remove_container(&self, id: &str) {
        for method in ["StopContainer", "RemoveContainer"] {
            let Nothing {} =
                succeed(&self.client, method, ContainerId { container_id: id.to_owned() });
        }
    }

    pub fn try_remove_container(&self, id: &str) {
        for method in ["StopContainer", "RemoveContainer"] {
            let _ = self.call(method, ContainerId { container_id: id.to_owned() });
        }
    }

    /// What the kubelet's CPU manager does, and more.
    pub fn update(&self, id: &str) -> Result<(), Refused> {
        let resources = LinuxContainerResources {
            cpu_shares: 512,
            memory_limit_in_bytes: 100 << 20,
            cpuset_cpus: "0".to_owned(),
        };
        let request =
            UpdateContainerResourcesRequest { container_id: id.to_owned(), linux: Some(resources) };
        self.call("UpdateContainerResources", request)
    }

    pub fn exec(&self, id: &str) -> Result<(), Refused> {
        let command = ["/bin/busybox", "true"].map(str::to_owned).to_vec();
        let request = ExecSyncRequest { container_id: id.to_owned(), command };
        self.call("ExecSync", request)
    }

    fn call(&self, method: &str, request: impl Message + 'static) -> Result<(), Refused> {
        let answer = self.client.call::<Nothing>(method, request);
        answer.map(|_| ()).map_err(|status| Refused(format!("{method}: {status}")))
    }

    /// Ends the daemon with this signal.
    pub fn kill(&self, machine: &Machine, signal: &str) {
        machine.succeed("kill", &[&format!("-{signal}"), &self.daemon]);
        let process = PathBuf::from(format!("/proc/{}", self.daemon));
        eventually("the daemon has ended", || !process.exists());
    }

    /// Starts the daemon after it has ended.
    pub fn start_again(&mut self, machine: &Machine) {
        self.daemon = start(machine);
        self.client = Client::new(&self.socket);
    }
}

fn start(machine: &Machine) -> String {
    let dir = machine.dir().to_str().expect("the folder's path is text");
    let pid = machine.succeed("sh", &["-ec", START, "sh", &machine.cgroup_parent(), dir]);
    pid.trim().to_owned()
}

fn sandbox(client: &Client, config: &PodSandboxConfig) -> String {
    let request = RunPodSandboxRequest { config: Some(config.clone()) };
    let SandboxId { pod_sandbox_id: id } = succeed(client, "RunPodSandbox", request);
    id
}

#[track_caller]
fn succeed<A: Message + Default + 'static>(
    client: &Client,
    method: &str,
    request: impl Message + 'static,
) -> A {
    client.call(method, request).unwrap_or_else(|status| panic!("{method}: {status}"))
}
