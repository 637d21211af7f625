//! Pods over CRI, as Kubernetes makes them.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;

use prost::Message;
use tonic::Status;

use crate::common::engine::answers::{READY, Steps, assert_answers, script};
use crate::common::engine::container::Gated;
use crate::common::engine::{CGROUP2, eventually};
use crate::cri::Client;
use crate::cri::messages::*;
use crate::daemon::Containerd;
use crate::image::{self, IMAGE};
use crate::kinds::{Asked, COMPLAINT, Kind};

/// The name of a pod's cgroup.
const POD: &str = "pod";

/// containerd, with the image and a connection.
pub struct Runtime {
    pub containerd: Containerd,
    client: Client,
}

impl Runtime {
    #[track_caller]
    pub fn new(containerd: Containerd) -> Runtime {
        let image = image::make(containerd.place().dir());
        containerd.import(&image);
        let client = Client::new(&containerd.socket());
        Runtime { containerd, client }
    }

    /// A pod, in the network of the node and therefore without CNI plugins.
    #[track_caller]
    pub fn start_pod(&self) -> Pod<'_> {
        self.start_pod_annotated(&[])
    }

    /// The same with these annotations.
    #[track_caller]
    pub fn start_pod_annotated(&self, annotations: &[(&str, &str)]) -> Pod<'_> {
        let place = self.containerd.place();
        let on_node = NamespaceOption { network: NamespaceMode::Node.into() };
        let annotations = annotations.iter().map(|&(key, value)| (key.into(), value.into()));
        let config = PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: POD.to_owned(),
                uid: "1".to_owned(),
                namespace: "default".to_owned(),
            }),
            log_directory: place.path("logs"),
            annotations: annotations.collect(),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: format!("{}/{POD}", place.cgroup_name()),
                security_context: Some(LinuxSandboxSecurityContext {
                    namespace_options: Some(on_node),
                    privileged: true,
                }),
            }),
        };
        let request = RunPodSandboxRequest { config: Some(config.clone()) };
        let SandboxId { pod_sandbox_id: id } = self.succeed("RunPodSandbox", request);
        Pod { runtime: self, config, id, attempts: Cell::new(0) }
    }

    #[track_caller]
    fn succeed<A: Message + Default + 'static>(
        &self,
        method: &str,
        request: impl Message + 'static,
    ) -> A {
        self.client.call(method, request).unwrap_or_else(|status| panic!("{method}: {status}"))
    }
}

/// A pod, with nothing but its sandbox at first.
pub struct Pod<'r> {
    runtime: &'r Runtime,
    config: PodSandboxConfig,
    id: String,
    attempts: Cell<u32>,
}

impl Pod<'_> {
    /// What a container is made from that asks for this and takes these steps.
    pub fn config(&self, asked: &Asked, steps: &Steps) -> ContainerConfig {
        let attempt = self.attempts.replace(self.attempts.get() + 1);
        let metadata = ContainerMetadata { name: "container".to_owned(), attempt };
        let mut config = ContainerConfig {
            metadata: Some(metadata),
            image: Some(ImageSpec { image: IMAGE.to_owned() }),
            command: vec!["sh".to_owned(), "-c".to_owned(), script(steps)],
            log_path: format!("{attempt}.log"),
            // Nobody ever closes it.
            stdin: true,
            ..ContainerConfig::default()
        };
        match asked {
            Asked::Nothing => {}
            Asked::Device(permissions) => config.devices.push(Device {
                container_path: "/dev/given".to_owned(),
                host_path: self.runtime.containerd.place().make_node(["c", "510", "7"]),
                permissions: (*permissions).to_owned(),
            }),
            Asked::Rules(_) => panic!("a pod can't ask for rules"),
            Asked::Everything => {
                let security_context =
                    LinuxContainerSecurityContext { privileged: true, ..Default::default() };
                config.linux =
                    Some(LinuxContainerConfig { security_context: Some(security_context) });
            }
        }
        config
    }

    /// A container of this kind runs under devgate's program alone, and goes.
    #[track_caller]
    pub fn expect(&self, kind: &Kind) -> Gated {
        self.expect_of(self.config(&kind.asked, kind.steps), kind)
    }

    /// The same with this configuration.
    #[track_caller]
    pub fn expect_of(&self, config: ContainerConfig, kind: &Kind) -> Gated {
        println!("{}", kind.name);
        let container = self.start(config).expect("the container starts");
        container.expect(kind.steps);
        let gated = self.runtime.containerd.expect_gated(&container.id, kind);
        assert_eq!(gated.cgroup, container.cgroup);
        container.remove();
        gated.assert_gone();
        gated
    }

    /// devgate refuses a container of this configuration, so it does not start.
    #[track_caller]
    pub fn expect_refused(&self, config: ContainerConfig) {
        let refused = self.start(config).err().expect("it does not start").to_string();
        assert!(refused.contains(COMPLAINT), "{refused}");
    }

    /// A running container.
    pub fn start(&self, config: ContainerConfig) -> Result<Container<'_>, Status> {
        let place = self.runtime.containerd.place();
        let log = place.dir().join("logs").join(&config.log_path);
        let request = CreateContainerRequest {
            pod_sandbox_id: self.id.clone(),
            config: Some(config),
            sandbox_config: Some(self.config.clone()),
        };
        let ContainerId { container_id: id } =
            self.runtime.client.call("CreateContainer", request)?;
        let cgroup = self.cgroup().join(&id);
        let container = Container { runtime: self.runtime, id: id.clone(), cgroup, log };
        let request = ContainerId { container_id: id };
        match self.runtime.client.call::<Nothing>("StartContainer", request) {
            Ok(Nothing {}) => Ok(container),
            Err(status) => {
                container.remove();
                Err(status)
            }
        }
    }

    /// Where this machine shows its cgroup.
    fn cgroup(&self) -> PathBuf {
        let place = self.runtime.containerd.place();
        place.cgroup_shown_at(&format!("{CGROUP2}{}/{POD}", place.cgroup_name()))
    }

    #[track_caller]
    pub fn remove(self) {
        for method in ["StopPodSandbox", "RemovePodSandbox"] {
            let id = SandboxId { pod_sandbox_id: self.id.clone() };
            let Nothing {} = self.runtime.succeed(method, id);
        }
        // As the kubelet does.
        fs::remove_dir(self.cgroup()).expect("the pod's cgroup is empty");
    }
}

/// A container of a pod.
pub struct Container<'r> {
    runtime: &'r Runtime,
    pub id: String,
    /// Where this machine shows it.
    pub cgroup: PathBuf,
    log: PathBuf,
}

impl Container<'_> {
    /// It takes these steps and gets these answers.
    #[track_caller]
    pub fn expect(&self, steps: &Steps) {
        self.wait();
        let printed = self.printed();
        assert_answers(printed.lines().take_while(|line| *line != READY), steps);
    }

    /// It has taken its steps.
    #[track_caller]
    pub fn wait(&self) {
        eventually("the container took its steps", || self.printed().contains(READY));
    }

    /// Without what the runtime writes before each line: time, stream, and whether it is one.
    fn printed(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines()
            .filter_map(|line| line.splitn(4, ' ').last())
            .map(|line| format!("{line}\n"))
            .collect()
    }

    #[track_caller]
    pub fn remove(self) {
        for method in ["StopContainer", "RemoveContainer"] {
            let id = ContainerId { container_id: self.id.clone() };
            let Nothing {} = self.runtime.succeed(method, id);
        }
    }
}
