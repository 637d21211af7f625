//! The engines, each a column of the table.

use crate::common::engine::host::Debian;
use crate::runtime::Runtime;

/// Who asks the runtime for containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    Podman,
    /// By CRI, as Kubernetes does.
    Containerd,
}

/// Who makes the cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cgroups {
    Cgroupfs,
    Systemd,
}

#[derive(Debug)]
pub struct Engine {
    pub debian: Debian,
    pub manager: Manager,
    pub runtime: Runtime,
    pub cgroups: Cgroups,
    /// In the table's legend. The versions are those of the Debian.
    pub text: &'static str,
}

pub const ENGINES: [Engine; 10] = [
    Engine {
        debian: Debian::Own,
        manager: Manager::Podman,
        runtime: Runtime::Runc,
        cgroups: Cgroups::Cgroupfs,
        text: "podman 4.3.1, runc 1.1.5, cgroupfs",
    },
    Engine {
        debian: Debian::Own,
        manager: Manager::Podman,
        runtime: Runtime::Runc,
        cgroups: Cgroups::Systemd,
        text: "podman 4.3.1, runc 1.1.5, systemd 252",
    },
    Engine {
        debian: Debian::Own,
        manager: Manager::Podman,
        runtime: Runtime::Crun,
        cgroups: Cgroups::Cgroupfs,
        text: "podman 4.3.1, crun 1.8.1, cgroupfs",
    },
    Engine {
        debian: Debian::Own,
        manager: Manager::Podman,
        runtime: Runtime::Crun,
        cgroups: Cgroups::Systemd,
        text: "podman 4.3.1, crun 1.8.1, systemd 252",
    },
    Engine {
        debian: Debian::Trixie,
        manager: Manager::Podman,
        runtime: Runtime::Runc,
        cgroups: Cgroups::Cgroupfs,
        text: "podman 5.4.2, runc 1.1.15, cgroupfs",
    },
    Engine {
        debian: Debian::Trixie,
        manager: Manager::Podman,
        runtime: Runtime::Runc,
        cgroups: Cgroups::Systemd,
        text: "podman 5.4.2, runc 1.1.15, systemd 257",
    },
    Engine {
        debian: Debian::Trixie,
        manager: Manager::Podman,
        runtime: Runtime::Crun,
        cgroups: Cgroups::Cgroupfs,
        text: "podman 5.4.2, crun 1.21, cgroupfs",
    },
    Engine {
        debian: Debian::Trixie,
        manager: Manager::Podman,
        runtime: Runtime::Crun,
        cgroups: Cgroups::Systemd,
        text: "podman 5.4.2, crun 1.21, systemd 257",
    },
    Engine {
        debian: Debian::Own,
        manager: Manager::Containerd,
        runtime: Runtime::Runc,
        cgroups: Cgroups::Cgroupfs,
        text: "containerd 1.6.20 (CRI), runc 1.1.5, cgroupfs",
    },
    Engine {
        debian: Debian::Own,
        manager: Manager::Containerd,
        runtime: Runtime::Crun,
        cgroups: Cgroups::Cgroupfs,
        text: "containerd 1.6.20 (CRI), crun 1.8.1, cgroupfs",
    },
];
