//! What this process may do. The hook runs with the engine's rights, which may be others.

use std::fs;
use std::io;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, rlim_t};

use super::release::version;
use super::{AS_ROOT, Finding, Group, unreadable};
use crate::hook::in_user_namespace;

const HERE: Group = Group::Privileges;

const STATUS: &str = "/proc/self/status";
const UID_MAP: &str = "/proc/self/uid_map";

/// Numbers of linux/capability.h.
const NET_ADMIN: u32 = 12;
const SYS_ADMIN: u32 = 21;
const SYS_RESOURCE: u32 = 24;
const BPF: u32 = 39;

/// What the hook needs and what for. CAP_BPF would do for loading, but not for the programs that
/// others loaded.
const NEEDED: [(u32, &str); 2] = [
    (NET_ADMIN, "CAP_NET_ADMIN (to list and attach programs)"),
    (SYS_ADMIN, "CAP_SYS_ADMIN (to open the programs of others)"),
];

/// Since this release programs count against their cgroup's memory.
const NO_MEMLOCK: (u32, u32) = (5, 11);

/// Room for thousands of programs: most take one page.
const ENOUGH: rlim_t = 64 << 20;

/// What the kernel decides a process's rights to bpf(2) by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rights {
    effective: u64,
    in_user_namespace: bool,
}

impl Rights {
    pub(super) const fn of(effective: u64, in_user_namespace: bool) -> Rights {
        Rights { effective, in_user_namespace }
    }

    pub(super) fn read() -> io::Result<Rights> {
        let status = fs::read_to_string(STATUS)?;
        let effective = effective(&status)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it has no CapEff"))?;
        Ok(Rights::of(effective, in_user_namespace()?))
    }

    fn has(self, capability: u32) -> bool {
        self.effective & (1 << capability) != 0
    }

    /// Whether the kernel has no reason of its own to refuse this process a program.
    pub(super) fn may_load(self) -> bool {
        let capable = self.has(SYS_ADMIN) || (self.has(BPF) && self.has(NET_ADMIN));
        capable && !self.in_user_namespace
    }
}

pub(super) fn findings() -> Vec<Finding> {
    let rights = Rights::read();
    let limit = getrlimit(Resource::RLIMIT_MEMLOCK).map_err(io::Error::from);
    let may_raise = rights.as_ref().is_ok_and(|rights| rights.has(SYS_RESOURCE));
    vec![
        capabilities(&rights),
        user_namespace(&in_user_namespace()),
        memlock(limit, version(), may_raise),
    ]
}

/// The set of effective capabilities (proc_pid_status(5)).
fn effective(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

fn capabilities(rights: &io::Result<Rights>) -> Finding {
    let check = "capabilities";
    let rights = match rights {
        Ok(rights) => rights,
        Err(error) => {
            return HERE.degraded(check, unreadable(STATUS, error), "mount proc on /proc");
        }
    };
    let missing: Vec<&str> = NEEDED
        .into_iter()
        .filter_map(|(capability, what_for)| (!rights.has(capability)).then_some(what_for))
        .collect();
    match missing.as_slice() {
        [] => HERE.ok(check, "this process has CAP_NET_ADMIN and CAP_SYS_ADMIN"),
        missing => {
            HERE.degraded(check, format!("this process lacks {}", missing.join(" and ")), AS_ROOT)
        }
    }
}

fn user_namespace(inside: &io::Result<bool>) -> Finding {
    let check = "user-namespace";
    match inside {
        Ok(false) => HERE.ok(check, "the initial one"),
        Ok(true) => HERE.degraded(
            check,
            "not the initial one: the kernel loads device programs for nobody in here, and the \
             hook warns and lets containers start without",
            "run containers as root, or the hook with --rootless fail",
        ),
        Err(error) => HERE.degraded(check, unreadable(UID_MAP, error), "mount proc on /proc"),
    }
}

/// `limit` is the soft and the hard one, in bytes.
fn memlock(
    limit: io::Result<(rlim_t, rlim_t)>,
    version: Option<(u32, u32)>,
    may_raise: bool,
) -> Finding {
    let check = "memlock";
    let remedy = "set LimitMEMLOCK=infinity in the engine's unit (ulimit -l unlimited in a shell)";
    match (limit, version) {
        (Err(error), _) => HERE.degraded(check, format!("not known: {error}"), remedy),
        (Ok((soft, _)), Some(version)) if version >= NO_MEMLOCK => {
            HERE.ok(check, format!("{}; this kernel counts no programs in it", bytes(soft)))
        }
        (Ok((soft, _)), _) if may_raise => {
            HERE.ok(check, format!("{}, which devgate may raise", bytes(soft)))
        }
        (Ok((_, hard)), _) if hard >= ENOUGH => HERE.ok(check, bytes(hard)),
        (Ok((_, hard)), _) => HERE.degraded(
            check,
            format!("{} for the programs of all containers (before Linux 5.11)", bytes(hard)),
            remedy,
        ),
    }
}

fn bytes(limit: rlim_t) -> String {
    match limit {
        RLIM_INFINITY => "unlimited".to_owned(),
        limit => format!("{} KiB", limit >> 10),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    const ALL: u64 = 0x1ff_ffff_ffff;

    #[test]
    fn capabilities_of_a_real_status() {
        let status =
            "Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t000001fffeffffff\nSeccomp:\t0\n";
        let found = Rights::of(effective(status).unwrap(), false);
        assert!(found.has(SYS_ADMIN) && found.has(BPF) && !found.has(SYS_RESOURCE));
        assert_eq!(effective("CapEff:\tx\n"), None);
        assert_eq!(effective(""), None);
    }

    #[test]
    fn what_is_missing_is_named() {
        let of = |set| capabilities(&Ok(Rights::of(set, false)));
        assert_eq!(of(ALL).level, Level::Ok);
        let none = of(0);
        assert_eq!(none.level, Level::Degraded);
        assert!(none.found.contains("CAP_NET_ADMIN") && none.found.contains("CAP_SYS_ADMIN"));
        let network = of(ALL & !(1 << SYS_ADMIN));
        assert_eq!(network.level, Level::Degraded);
        assert!(!network.found.contains("CAP_NET_ADMIN"), "{network:?}");
    }

    #[test]
    fn loading_takes_one_of_two_ways_and_the_initial_namespace() {
        for (set, may_load) in [
            (ALL, true),
            (1 << SYS_ADMIN, true),
            (1 << BPF | 1 << NET_ADMIN, true),
            (1 << BPF, false),
            (1 << NET_ADMIN, false),
            (0, false),
        ] {
            assert_eq!(Rights::of(set, false).may_load(), may_load, "{set:x}");
            assert!(!Rights::of(set, true).may_load());
        }
    }

    #[test]
    fn a_user_namespace_is_degraded() {
        assert_eq!(user_namespace(&Ok(false)).level, Level::Ok);
        assert_eq!(user_namespace(&Ok(true)).level, Level::Degraded);
        assert_eq!(user_namespace(&Err(io::Error::other("x"))).level, Level::Degraded);
    }

    #[test]
    fn memlock_matters_before_5_11_and_where_it_stays_small() {
        const SMALL: (rlim_t, rlim_t) = (64 << 10, 64 << 10);
        for (limit, version, may_raise, level) in [
            (SMALL, Some((6, 18)), false, Level::Ok),
            (SMALL, Some((5, 11)), false, Level::Ok),
            (SMALL, Some((5, 10)), false, Level::Degraded),
            (SMALL, None, false, Level::Degraded),
            (SMALL, Some((5, 10)), true, Level::Ok),
            ((64 << 10, ENOUGH), Some((5, 10)), false, Level::Ok),
            ((64 << 10, RLIM_INFINITY), Some((4, 18)), false, Level::Ok),
        ] {
            let found = memlock(Ok(limit), version, may_raise);
            assert_eq!(found.level, level, "{limit:?} {version:?} {may_raise}: {found:?}");
        }
        let found = memlock(Ok(SMALL), Some((5, 10)), false).found;
        assert!(found.starts_with("64 KiB "), "{found}");
    }
}
