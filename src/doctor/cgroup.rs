//! Where cgroup2 is mounted, and whether the hook finds a process in it.

use std::io;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

use super::{Finding, Group, chain, unreadable};
use crate::cgroup::{Cgroup, CgroupError};
use crate::mounts::{self, Mount};

const HERE: Group = Group::Cgroup;

/// Engines take what is mounted here for the host's hierarchy: cgroup2, or directories of v1
/// controllers.
const ENGINES_LOOK_AT: &str = "/sys/fs/cgroup";

const UNIFIED: &str = "boot with systemd.unified_cgroup_hierarchy=1";

pub(super) fn findings() -> Vec<Finding> {
    let own = Cgroup::of_process(nix::unistd::getpid().as_raw());
    vec![
        hierarchy(&mounts::of_type("cgroup2").map(visible), &mounts::of_type("cgroup")),
        lookup(own.as_ref().map(Cgroup::path)),
    ]
}

/// The places where cgroup2 is seen: another mount may lie on top.
fn visible(mounts: Vec<Mount>) -> Vec<PathBuf> {
    let points = mounts.into_iter().map(|mount| mount.point);
    let is_cgroup2 = |path: &PathBuf| {
        statfs(path).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC)
    };
    points.filter(is_cgroup2).collect()
}

fn hierarchy(v2: &io::Result<Vec<PathBuf>>, v1: &io::Result<Vec<Mount>>) -> Finding {
    let check = "hierarchy";
    let (v2, v1) = match (v2, v1) {
        (Ok(v2), Ok(v1)) => (v2.as_slice(), v1.as_slice()),
        (Err(error), _) | (_, Err(error)) => {
            let found = unreadable("/proc/self/mountinfo", error);
            return HERE.broken(check, found, "mount proc on /proc");
        }
    };
    match (v2, v1) {
        (v2, _) if v2.iter().any(|point| point == Path::new(ENGINES_LOOK_AT)) => {
            HERE.ok(check, format!("unified: cgroup2 is mounted on {ENGINES_LOOK_AT}"))
        }
        ([point, ..], [_, ..]) => HERE.degraded(
            check,
            format!(
                "hybrid: cgroup2 is mounted on {} beside v1 controllers; engines limit devices \
                 with v1's, and where they give a container no cgroup2 cgroup the hook fails",
                point.display()
            ),
            UNIFIED,
        ),
        ([point, ..], []) => HERE.degraded(
            check,
            format!(
                "cgroup2 is mounted on {}, and engines look for it on {ENGINES_LOOK_AT}",
                point.display()
            ),
            format!("mount -t cgroup2 cgroup2 {ENGINES_LOOK_AT}"),
        ),
        ([], [_, ..]) => HERE.broken(check, "v1 alone: cgroup2 is not mounted", UNIFIED),
        ([], []) => HERE.broken(
            check,
            "no cgroup file system is mounted",
            format!("mount -t cgroup2 cgroup2 {ENGINES_LOOK_AT}"),
        ),
    }
}

/// The way that the hook goes for a container's process, gone for this one.
fn lookup(own: Result<&Path, &CgroupError>) -> Finding {
    let check = "lookup";
    match own {
        Ok(path) => HERE.ok(check, format!("this process was found in {}", path.display())),
        Err(error) => HERE.broken(
            check,
            format!("this process has no cgroup2 directory: {}", chain(error)),
            "mount cgroup2 where this process sees it, in its own cgroup namespace",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn judged(v2: &[&str], v1: &[&str]) -> Finding {
        let mount = |point: &&str| Mount { id: 1, root: "/".into(), point: point.into() };
        let v2 = v2.iter().map(PathBuf::from).collect();
        hierarchy(&Ok(v2), &Ok(v1.iter().map(mount).collect()))
    }

    #[test]
    fn modes() {
        const DEVICES: &str = "/sys/fs/cgroup/devices";
        for (v2, v1, level, mode) in [
            (&["/sys/fs/cgroup"][..], &[][..], Level::Ok, "unified"),
            // A v1 hierarchy for somebody's own use changes nothing for engines.
            (&["/x", "/sys/fs/cgroup"], &["/opt/net_cls"], Level::Ok, "unified"),
            (&["/sys/fs/cgroup/unified"], &[DEVICES], Level::Degraded, "hybrid"),
            (&["/mnt"], &[], Level::Degraded, "cgroup2 is mounted on /mnt"),
            (&[], &[DEVICES], Level::Broken, "v1 alone"),
            (&[], &[], Level::Broken, "no cgroup"),
        ] {
            let found = judged(v2, v1);
            assert_eq!(found.level, level, "{found:?}");
            assert!(found.found.starts_with(mode), "{found:?}");
        }
    }

    #[test]
    fn without_mountinfo_the_hook_fails_too() {
        let error = || io::Error::from(nix::errno::Errno::ENOENT);
        assert_eq!(hierarchy(&Err(error()), &Ok(Vec::new())).level, Level::Broken);
        assert_eq!(hierarchy(&Ok(Vec::new()), &Err(error())).level, Level::Broken);
    }

    #[test]
    fn what_the_hook_would_say_is_said() {
        let error = CgroupError::NotMounted { cgroup: "/x".into() };
        let found = lookup(Err(&error));
        assert_eq!(found.level, Level::Broken);
        assert!(found.found.ends_with("no cgroup2 mount shows cgroup /x"), "{found:?}");
        assert_eq!(lookup(Ok(Path::new("/x"))).level, Level::Ok);
    }
}
