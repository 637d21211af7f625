//! Which of a cgroup's ancestors is the unit that was made for a container, by its name.

use std::path::Path;

/// The kinds of unit that a runtime asks systemd for.
const KINDS: [&str; 2] = [".scope", ".service"];

/// The unit's cgroup, which is `cgroup` or one above it, and the unit's name. Runtimes name a
/// container's unit by its id, with the engine's name and a dash before it.
pub(super) fn unit_at_or_above<'a>(cgroup: &'a Path, id: &str) -> Option<(&'a Path, &'a str)> {
    cgroup.ancestors().find_map(|place| {
        let name = place.file_name()?.to_str()?;
        is_made_for(name, id).then_some((place, name))
    })
}

/// Whether it is the name of such a unit.
pub(super) fn is_unit(name: &str) -> bool {
    KINDS.iter().any(|kind| name.ends_with(kind))
}

/// Whether a unit of this name was made for the container with this id. The id must be all of the
/// name, or what follows a dash: `docker-abc.scope` is not the unit of container `ab` or `bc`.
fn is_made_for(unit: &str, id: &str) -> bool {
    let Some(name) = KINDS.iter().find_map(|kind| unit.strip_suffix(kind)) else { return false };
    let prefix = name.strip_suffix(id).filter(|_| !id.is_empty());
    prefix.is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "630b76a2f65f6c25b0cbad964daf7eba824e61e81c56104f970cdcd2b6b2ca74";

    #[test]
    fn units_of_engines_are_found() {
        for (cgroup, unit) in [
            ("/machine.slice/libpod-ID.scope", "libpod-ID.scope"),
            ("/machine.slice/libpod-ID.scope/container", "libpod-ID.scope"),
            ("/machine.slice/libpod-ID.scope/container/init.scope", "libpod-ID.scope"),
            ("/kubepods.slice/kubepods-podUID.slice/crio-ID.scope", "crio-ID.scope"),
            ("/kubepods.slice/cri-containerd-ID.scope", "cri-containerd-ID.scope"),
            ("/system.slice/docker-ID.scope", "docker-ID.scope"),
            ("/system.slice/ID.scope", "ID.scope"),
            ("/system.slice/container-ID.service/libpod-payload-ID", "container-ID.service"),
        ] {
            let (cgroup, unit) = (cgroup.replace("ID", ID), unit.replace("ID", ID));
            let found = unit_at_or_above(Path::new(&cgroup), ID);
            let (place, name) = found.unwrap_or_else(|| panic!("{cgroup}"));
            assert_eq!(name, unit);
            assert!(place.ends_with(&unit), "{}", place.display());
        }
    }

    #[test]
    fn other_units_are_not_taken_for_the_containers() {
        for (cgroup, id) in [
            ("/docker-abc.scope", "ab"),
            ("/docker-abc.scope", "bc"),
            ("/docker-abc.scope", "abcd"),
            ("/docker-abc.scope", ""),
            ("/system.slice/docker-.scope", ""),
            ("/machine.slice/machine-abc.slice", "abc"),
            ("/machine.slice/machine-abc.slice/abc", "abc"),
            ("/user.slice/user-1000.slice/session-1.scope/n1", "n1"),
            ("/system.slice/podman.service/libpod-payload-abc", "abc"),
            ("/libpod_parent/libpod-abc", "abc"),
            ("/docker/abc", "abc"),
            ("/abc.mount", "abc"),
            ("/", "abc"),
        ] {
            assert_eq!(unit_at_or_above(Path::new(cgroup), id), None, "{cgroup}, {id:?}");
        }
    }
}
