//! What engines call the cgroups of containers.

use std::path::Path;

use crate::cgroup::Cgroup;

/// A container's id has so many hexadecimal digits, whatever the engine.
const ID_LENGTH: usize = 64;

/// What is before and after the id in a directory's name: of each engine with systemd as cgroup
/// manager, and with cgroupfs. A pod's containers have the same names, in the pod's directory. The
/// cgroup of conmon, which runs beside a container, has more than the id there.
const NAMES: [(&str, &str); 11] = [
    // podman
    ("libpod-", ".scope"),
    ("libpod-", ""),
    // podman --cgroups=split, in a unit of systemd
    ("libpod-payload-", ".scope"),
    ("libpod-payload-", ""),
    // CRI-O
    ("crio-", ".scope"),
    ("crio-", ""),
    // containerd's CRI
    ("cri-containerd-", ".scope"),
    // Docker, and the kubelet's cri-dockerd
    ("docker-", ".scope"),
    // nerdctl
    ("nerdctl-", ".scope"),
    // buildah
    ("buildah-", ".scope"),
    // containerd's CRI, nerdctl and Docker (`docker/ID`)
    ("", ""),
];

/// crun, with systemd as cgroup manager, puts the container's processes in here, below its scope.
pub const CRUN_LEAF: &str = "container";

/// The id of the container that this cgroup is, by its path: for crun's cgroup inside of a scope,
/// by that of the scope.
pub fn container_id(cgroup: &Path) -> Option<&str> {
    let name = cgroup.file_name()?.to_str()?;
    if name != CRUN_LEAF {
        return id_in(name);
    }
    let scope = cgroup.parent()?.file_name()?.to_str()?;
    scope.ends_with(".scope").then(|| id_in(scope))?
}

/// The container's own cgroup inside of a unit that was made for it, as crun makes it.
pub fn cgroup_of_unit(unit: &Cgroup) -> Option<Cgroup> {
    let name = unit.path().file_name()?.to_str()?;
    let is_unit = name.ends_with(".scope") && id_in(name).is_some();
    is_unit.then(|| Cgroup::open(&unit.path().join(CRUN_LEAF)).ok())?
}

fn id_in(name: &str) -> Option<&str> {
    NAMES.iter().find_map(|(before, after)| {
        let id = name.strip_prefix(before)?.strip_suffix(after)?;
        is_id(id).then_some(id)
    })
}

fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "630b76a2f65f6c25b0cbad964daf7eba824e61e81c56104f970cdcd2b6b2ca74";
    const UID: &str = "1b3c4d5e_0000_4a2b_8c9d_0123456789ab";

    #[track_caller]
    fn assert_is_the_container(cgroups: &[&str]) {
        for cgroup in cgroups {
            let cgroup = cgroup.replace("ID", ID).replace("UID", UID);
            assert_eq!(container_id(Path::new(&cgroup)), Some(ID), "{cgroup}");
        }
    }

    #[test]
    fn podman() {
        assert_is_the_container(&[
            "/machine.slice/libpod-ID.scope",
            "/libpod_parent/libpod-ID",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
            "/system.slice/probe.service/libpod-payload-ID",
        ]);
    }

    #[test]
    fn cri_o() {
        assert_is_the_container(&[
            "/kubepods/besteffort/pod1b3c4d5e-0000-4a2b-8c9d-0123456789ab/crio-ID",
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podUID.slice/crio-ID.scope",
        ]);
    }

    #[test]
    fn containerd() {
        assert_is_the_container(&[
            "/kubepods/burstable/pod1b3c4d5e-0000-4a2b-8c9d-0123456789ab/ID",
            "/kubepods.slice/kubepods-podUID.slice/cri-containerd-ID.scope",
            "/system.slice/nerdctl-ID.scope",
        ]);
    }

    #[test]
    fn docker() {
        assert_is_the_container(&[
            "/docker/ID",
            "/system.slice/docker-ID.scope",
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID.slice/docker-ID.scope",
        ]);
    }

    /// Below any engine.
    #[test]
    fn crun() {
        assert_is_the_container(&[
            "/machine.slice/libpod-ID.scope/container",
            "/kubepods.slice/kubepods-podUID.slice/crio-ID.scope/container",
        ]);
    }

    #[test]
    fn what_is_no_container() {
        for name in [
            "libpod-conmon-ID.scope",
            "crio-conmon-ID.scope",
            "crio-conmon-ID",
            "session-1.scope",
            "kubepods.slice/kubepods-podUID.slice",
            "kubepods-podUID.slice/container",
            "docker",
            "libpod-ID.scope/init",
            "ID.scope",
            "IDff",
        ] {
            let name = name.replace("ID", ID).replace("UID", UID);
            assert_eq!(container_id(Path::new(&name)), None, "{name}");
        }
    }
}
