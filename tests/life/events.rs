//! What happens to containers, each a row of the table, in this order.

use std::time::Duration;

use crate::common::engine::host::Debian;
use crate::engines::{Cgroups, Engine, Manager};
use crate::runtime::Runtime;

pub struct Event {
    pub name: &'static str,
    pub act: Act,
}

/// Who does what. CONTAINER stands for the container's id, SCOPE for its unit.
pub enum Act {
    /// Nothing: the container was started.
    Start,
    /// podman commands, one after another.
    Podman(&'static [&'static [&'static str]]),
    /// The same, which start the container anew.
    Anew(&'static [&'static [&'static str]]),
    /// The same with podman 5 only.
    Podman5(&'static [&'static [&'static str]]),
    /// The runtime's own `update -r -`, with these resources.
    Update(&'static str),
    /// Any program where the engine runs.
    Program(&'static [&'static str]),
    /// systemctl, once for all containers.
    Systemd(&'static [&'static str]),
    /// systemctl, for the container's unit.
    Scope(&'static [&'static str]),
    Freeze,
    /// CRI's UpdateContainerResources.
    CriUpdate,
    /// CRI's ExecSync.
    CriExec,
    /// A signal for the engine's daemon, which is started again.
    Daemon(&'static str),
    /// With CRIU.
    Restore,
}

pub const EVENTS: [Event; 22] = [
    Event { name: "start", act: Act::Start },
    Event {
        name: "`podman update` of cpu, memory, cpuset and blkio",
        act: Act::Podman(&[&[
            "update",
            "--cpus=0.5",
            "--memory=100m",
            "--cpuset-cpus=0",
            "--blkio-weight=100",
            "CONTAINER",
        ]]),
    },
    Event {
        name: "`podman update --device-read-bps`",
        act: Act::Podman(&[&["update", "--device-read-bps=/dev/null:1mb", "CONTAINER"]]),
    },
    Event {
        name: "`podman update --pids-limit`",
        act: Act::Podman5(&[&["update", "--pids-limit=100", "CONTAINER"]]),
    },
    Event {
        name: "`podman update --restart`",
        act: Act::Podman5(&[&["update", "--restart=on-failure", "CONTAINER"]]),
    },
    Event { name: "CRI UpdateContainerResources", act: Act::CriUpdate },
    Event {
        name: "the runtime's `update -r -` without devices",
        act: Act::Update(r#"{"cpu":{"shares":512}}"#),
    },
    Event {
        name: "the runtime's `update -r -` with devices",
        act: Act::Update(
            r#"{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":3,"access":"rw"},{"allow":true,"type":"c","major":510,"minor":7,"access":"rw"}]}"#,
        ),
    },
    Event {
        name: "pause, unpause",
        act: Act::Podman(&[&["pause", "CONTAINER"], &["unpause", "CONTAINER"]]),
    },
    Event { name: "exec", act: Act::Podman(&[&["exec", "CONTAINER", "/bin/busybox", "true"]]) },
    Event { name: "CRI ExecSync", act: Act::CriExec },
    Event { name: "freeze, thaw", act: Act::Freeze },
    Event { name: "`systemd-run --scope`", act: Act::Program(&["systemd-run", "--scope", "true"]) },
    Event { name: "`systemctl daemon-reload`", act: Act::Systemd(&["daemon-reload"]) },
    Event { name: "`systemctl daemon-reexec`", act: Act::Systemd(&["daemon-reexec"]) },
    Event {
        name: "CPUWeight= on the unit",
        act: Act::Scope(&["set-property", "--runtime", "SCOPE", "CPUWeight=50"]),
    },
    Event {
        name: "DeviceAllow= on the unit",
        act: Act::Scope(&["set-property", "--runtime", "SCOPE", "DeviceAllow=/dev/null rw"]),
    },
    Event { name: "restart of the engine", act: Act::Daemon("TERM") },
    Event { name: "kill -9 of the engine", act: Act::Daemon("KILL") },
    Event { name: "restart", act: Act::Anew(&[&["restart", "--time=0", "CONTAINER"]]) },
    Event {
        name: "stop, start",
        act: Act::Anew(&[&["stop", "--time=0", "CONTAINER"], &["start", "CONTAINER"]]),
    },
    Event { name: "checkpoint, restore", act: Act::Restore },
];

impl Act {
    /// Whether the engine makes a new config.json, and the hook runs again.
    pub fn starts_anew(&self) -> bool {
        matches!(self, Act::Anew(_))
    }

    /// For how long the guard may leave it as it is. A container that appears without a record
    /// is the hook's for 3 s.
    pub fn patience(&self) -> Duration {
        match self {
            Act::Restore => Duration::from_secs(8),
            _ => Duration::ZERO,
        }
    }

    /// Whether there is such a thing.
    pub fn is_for(&self, engine: &Engine) -> bool {
        let podman = engine.manager == Manager::Podman;
        match self {
            Act::Start | Act::Update(_) | Act::Freeze => true,
            Act::Podman(_) | Act::Anew(_) => podman,
            Act::Podman5(_) => podman && engine.debian == Debian::Trixie,
            Act::CriUpdate | Act::CriExec | Act::Daemon(_) => !podman,
            Act::Program(_) | Act::Systemd(_) | Act::Scope(_) => engine.cgroups == Cgroups::Systemd,
            // CRIU of Debian 12 does not run on kernels of today.
            Act::Restore => {
                podman && engine.debian == Debian::Trixie && engine.runtime == Runtime::Crun
            }
        }
    }
}
