//! The kernel's release, and what its bpf(2) can do.

use std::io;
use std::path::Path;

use nix::errno::Errno;

use super::privileges::Rights;
use super::release::OSRELEASE;
use super::{AS_ROOT, Finding, Group, Level, chain, line, unreadable};
use crate::enforce::{EnforceError, prepare};
use crate::hook::HookError;
use crate::kernel::{Feature, LoadError, Loaded, Support, is_jited, load};
use crate::mounts::{self, Mount};
use crate::policy::{DefaultDevices, Policy};

const HERE: Group = Group::Kernel;

const JIT_ENABLE: &str = "/proc/sys/net/core/bpf_jit_enable";

/// Where systemd mounts bpffs, and everybody looks for it.
const BPFFS: &str = "/sys/fs/bpf";

/// A feature with what devgate does without it.
struct Wanted {
    feature: Feature,
    check: &'static str,
    /// What the kernel's documentation calls it.
    name: &'static str,
    /// Where the release tells.
    since: Option<&'static str>,
    level_without: Level,
    without: &'static str,
}

const WANTED: [Wanted; 4] = [
    Wanted {
        feature: Feature::PidfdOpen,
        check: "pidfd-open",
        name: "pidfd_open(2)",
        since: Some("Linux 5.3"),
        level_without: Level::Broken,
        without: "the hook can't pin the container's process, and fails",
    },
    Wanted {
        feature: Feature::Replace,
        check: "replace",
        name: "BPF_F_REPLACE",
        since: Some("Linux 5.6"),
        level_without: Level::Degraded,
        without: "the new program is attached first and the stale ones are detached after it",
    },
    Wanted {
        feature: Feature::ExpectedRevision,
        check: "expected-revision",
        name: "expected_revision",
        since: None,
        level_without: Level::Ok,
        without: "what others attach meanwhile is found by looking once more",
    },
    Wanted {
        feature: Feature::Link,
        check: "bpf-link",
        name: "bpf_link",
        since: Some("Linux 5.7"),
        level_without: Level::Ok,
        without: "devgate needs none",
    },
];

pub(super) fn findings() -> Vec<Finding> {
    let loaded = load_one();
    let rights = Rights::read().ok();
    let jited = loaded.as_ref().ok().and_then(|program| is_jited(program).ok());
    let mut findings = vec![
        release(&line(OSRELEASE)),
        device_programs(loaded.as_ref().err(), rights),
        jit(jited, &line(JIT_ENABLE)),
    ];
    findings.extend(WANTED.iter().map(|wanted| wanted.judge(wanted.feature.probe())));
    findings.push(bpffs(&mounts::of_type("bpf")));
    findings
}

/// A container's program without rules of its own, all the way into the kernel. It is attached to
/// nothing, and goes when it is dropped.
fn load_one() -> Result<Loaded, HookError> {
    let prepared = prepare(Policy::new(Vec::new(), DefaultDevices::Base))?;
    Ok(load(&prepared.verified).map_err(EnforceError::from)?)
}

/// Told, and not judged: what the kernel can do is tried.
fn release(text: &io::Result<String>) -> Finding {
    match text {
        Ok(release) => HERE.ok("release", format!("Linux {release}")),
        Err(error) => HERE.degraded("release", unreadable(OSRELEASE, error), "mount proc on /proc"),
    }
}

fn device_programs(failure: Option<&HookError>, rights: Option<Rights>) -> Finding {
    let check = "device-programs";
    let Some(error) = failure else {
        return HERE.ok(check, "one was compiled, proven and loaded");
    };
    match error {
        HookError::Enforce(EnforceError::Load(LoadError::Permission(_))) => match rights {
            Some(rights) if rights.may_load() => HERE.broken(
                check,
                "this process has the capabilities, and the kernel lets it load none (EPERM)",
                "look for who forbids it: seccomp, a security module, or RLIMIT_MEMLOCK before \
                 Linux 5.11",
            ),
            _ => HERE.degraded(check, "not known: this process may load none (EPERM)", AS_ROOT),
        },
        HookError::Enforce(EnforceError::Load(LoadError::Rejected {
            errno: errno @ (Errno::EINVAL | Errno::ENOSYS),
            ..
        })) => HERE.broken(
            check,
            format!("the kernel knows none ({errno})"),
            "boot a kernel with CONFIG_BPF_SYSCALL=y and CONFIG_CGROUP_BPF=y",
        ),
        error => HERE.broken(check, chain(error), "report this with the kernel's release"),
    }
}

/// What became of the loaded program tells; the setting does where none could be loaded.
fn jit(jited: Option<bool>, setting: &io::Result<String>) -> Finding {
    let check = "jit";
    let remedy = "sysctl -w net.core.bpf_jit_enable=1";
    match (jited, setting) {
        (Some(true), _) => HERE.ok(check, "programs are compiled to machine code"),
        (Some(false), _) => HERE.degraded(
            check,
            "programs are interpreted, so each device access is slower",
            remedy,
        ),
        (None, Ok(value)) if value == "0" => {
            HERE.degraded(check, "net.core.bpf_jit_enable=0: programs are interpreted", remedy)
        }
        (None, Ok(value)) => HERE.ok(check, format!("net.core.bpf_jit_enable={value}")),
        (None, Err(error)) => HERE.degraded(check, unreadable(JIT_ENABLE, error), AS_ROOT),
    }
}

impl Wanted {
    fn judge(&self, support: Support) -> Finding {
        let Wanted { name, since, without, .. } = self;
        let found = match support {
            Support::Present => format!("{name} is supported"),
            Support::Absent => match since {
                Some(since) => format!("no {name} (there since {since}): {without}"),
                None => format!("no {name}: {without}"),
            },
            Support::Unknown(errno) => {
                format!("not known: asked for {name}, the kernel says {errno}")
            }
        };
        let remedy = match since {
            Some(since) => format!("boot {since} or later"),
            None => format!("boot a kernel with {name}"),
        };
        match (support, self.level_without) {
            (Support::Present, _) | (Support::Absent, Level::Ok | Level::Registered) => {
                HERE.ok(self.check, found)
            }
            (Support::Absent, Level::Degraded) => HERE.degraded(self.check, found, remedy),
            (Support::Absent, Level::Broken) => HERE.broken(self.check, found, remedy),
            (Support::Unknown(_), _) => HERE.degraded(self.check, found, AS_ROOT),
        }
    }
}

/// Without it the policy is attached, and no link holds it.
fn bpffs(mounts: &io::Result<Vec<Mount>>) -> Finding {
    let mounts = match mounts {
        Ok(mounts) => mounts,
        Err(error) => return HERE.ok("bpffs", unreadable("/proc/self/mountinfo", error)),
    };
    if mounts.iter().any(|mount| mount.point == Path::new(BPFFS)) {
        return HERE.ok("bpffs", format!("mounted on {BPFFS}"));
    }
    let elsewhere = mounts.first().map(|mount| format!(" but on {}", mount.point.display()));
    let elsewhere = elsewhere.unwrap_or_default();
    let found = format!(
        "not mounted on {BPFFS}{elsewhere}: no link can hold a policy, so other tools can detach it, \
         and --hold require stops every container"
    );
    HERE.degraded("bpffs", found, format!("mount -t bpf bpf {BPFFS}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> io::Result<String> {
        Ok(value.to_owned())
    }

    fn missing<T>() -> io::Result<T> {
        Err(Errno::ENOENT.into())
    }

    fn failed(error: LoadError) -> HookError {
        HookError::Enforce(EnforceError::Load(error))
    }

    #[test]
    fn the_release_is_only_told() {
        assert_eq!(release(&text("5.4.0-x")), HERE.ok("release", "Linux 5.4.0-x"));
        assert_eq!(release(&missing()).level, Level::Degraded);
    }

    /// EPERM is the machine's fault only if this process has the right.
    #[test]
    fn who_is_to_blame_for_eperm() {
        let error = failed(LoadError::Permission(Errno::EPERM));
        let level = |rights| device_programs(Some(&error), rights).level;
        assert_eq!(level(None), Level::Degraded);
        assert_eq!(level(Some(Rights::of(0, false))), Level::Degraded);
        assert_eq!(level(Some(Rights::of(u64::MAX, true))), Level::Degraded);
        assert_eq!(level(Some(Rights::of(u64::MAX, false))), Level::Broken);
    }

    #[test]
    fn a_kernel_without_device_programs() {
        for errno in [Errno::EINVAL, Errno::ENOSYS] {
            let error = failed(LoadError::Rejected { errno, log: "nothing".to_owned() });
            let finding = device_programs(Some(&error), None);
            assert_eq!(finding.level, Level::Broken);
            assert!(finding.remedy.is_some_and(|remedy| remedy.contains("CONFIG_CGROUP_BPF")));
        }
        let odd = failed(LoadError::Rejected { errno: Errno::EACCES, log: "odd".to_owned() });
        let finding = device_programs(Some(&odd), None);
        assert_eq!((finding.level, finding.found.contains("odd")), (Level::Broken, true));
    }

    #[test]
    fn the_programs_own_code_tells_more_than_the_setting() {
        let level = |jited, setting| jit(jited, &setting).level;
        assert_eq!(level(Some(true), text("0")), Level::Ok);
        assert_eq!(level(Some(false), text("1")), Level::Degraded);
        assert_eq!(level(None, text("1")), Level::Ok);
        assert_eq!(level(None, text("2")), Level::Ok);
        assert_eq!(level(None, text("0")), Level::Degraded);
        assert_eq!(level(None, missing()), Level::Degraded);
    }

    #[test]
    fn older_kernels_lack_what_is_newer() {
        let levels = |support| WANTED.map(|wanted| wanted.judge(support).level);
        assert_eq!(levels(Support::Present), [Level::Ok; 4]);
        assert_eq!(levels(Support::Absent), [Level::Broken, Level::Degraded, Level::Ok, Level::Ok]);
        assert_eq!(levels(Support::Unknown(Errno::EPERM)), [Level::Degraded; 4]);
    }

    /// Some stable kernels have it that are older than the release it came with.
    #[test]
    fn expected_revision_is_told_without_a_release() {
        let wanted = WANTED.iter().find(|wanted| wanted.feature == Feature::ExpectedRevision);
        let found = wanted.unwrap().judge(Support::Absent).found;
        assert_eq!(
            found,
            "no expected_revision: what others attach meanwhile is found by looking once more"
        );
    }

    #[test]
    fn bpffs_is_told_by_where_it_is() {
        let at = |point: &str| Mount { id: 1, root: "/".into(), point: point.into() };
        let found = |mounts| bpffs(&Ok(mounts)).found;
        assert_eq!(found(vec![at("/x"), at(BPFFS)]), "mounted on /sys/fs/bpf");
        assert!(found(vec![at("/x")]).starts_with("not mounted on /sys/fs/bpf but on /x: no link"));
        assert!(found(vec![]).starts_with("not mounted on /sys/fs/bpf: no link"));
        assert_eq!(bpffs(&Ok(vec![])).level, Level::Degraded);
        assert!(bpffs(&missing()).found.starts_with("not known"));
    }
}
