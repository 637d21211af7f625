//! What else has a say about BPF programs.

use std::io;

use super::{AS_ROOT, Finding, Group, line, unreadable};

const HERE: Group = Group::Security;

const UNPRIVILEGED: &str = "/proc/sys/kernel/unprivileged_bpf_disabled";
const HARDEN: &str = "/proc/sys/net/core/bpf_jit_harden";
const LOCKDOWN: &str = "/sys/kernel/security/lockdown";
const LSM: &str = "/sys/kernel/security/lsm";

pub(super) fn findings() -> Vec<Finding> {
    vec![
        unprivileged(&line(UNPRIVILEGED)),
        harden(&line(HARDEN)),
        lockdown(&line(LOCKDOWN)),
        modules(&line(LSM)),
    ]
}

/// Documented in the kernel's admin-guide/sysctl/kernel.rst.
fn unprivileged(setting: &io::Result<String>) -> Finding {
    let check = "unprivileged-bpf";
    let found = |value: &str| format!("kernel.unprivileged_bpf_disabled={value}");
    match setting.as_deref() {
        Ok("0") => HERE.degraded(
            check,
            format!("{}: any user may load programs (of other types)", found("0")),
            "sysctl -w kernel.unprivileged_bpf_disabled=2, and a file in /etc/sysctl.d",
        ),
        Ok(value) => HERE.ok(check, found(value)),
        Err(error) => HERE.degraded(check, unreadable(UNPRIVILEGED, error), AS_ROOT),
    }
}

/// Documented in the kernel's admin-guide/sysctl/net.rst.
fn harden(setting: &io::Result<String>) -> Finding {
    let check = "jit-harden";
    match setting.as_deref() {
        Ok("2") => HERE.degraded(
            check,
            "net.core.bpf_jit_harden=2: root's programs are rewritten too, so that they run slower \
             and devgate can't decode them",
            "sysctl -w net.core.bpf_jit_harden=1, which still hardens those of other users",
        ),
        Ok(value) => HERE.ok(check, format!("net.core.bpf_jit_harden={value}")),
        Err(error) => HERE.ok(check, unreadable(HARDEN, error)),
    }
}

/// No level but ok: lockdown keeps programs from reading and writing memory by helpers that device
/// programs don't have (the kernel's security/security.c, `lockdown_reasons`).
fn lockdown(levels: &io::Result<String>) -> Finding {
    let found = match levels.as_deref().map(|levels| (selected(levels), levels)) {
        Ok((Some("none"), _)) => "none".to_owned(),
        Ok((Some(level), _)) => format!("{level}, which leaves device programs alone"),
        Ok((None, levels)) => format!("not known: {LOCKDOWN} says {levels:?}"),
        Err(error) => unreadable(LOCKDOWN, error),
    };
    HERE.ok("lockdown", found)
}

/// The word in brackets.
fn selected(levels: &str) -> Option<&str> {
    let (_, rest) = levels.split_once('[')?;
    Some(rest.split_once(']')?.0)
}

/// No level but ok: what a module forbids is found by trying.
fn modules(list: &io::Result<String>) -> Finding {
    let found = match list {
        Ok(list) => list.clone(),
        Err(error) => unreadable(LSM, error),
    };
    HERE.ok("security-modules", found)
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn text(value: &str) -> io::Result<String> {
        Ok(value.to_owned())
    }

    fn missing() -> io::Result<String> {
        Err(nix::errno::Errno::ENOENT.into())
    }

    #[test]
    fn unprivileged_programs_are_a_risk() {
        assert_eq!(unprivileged(&text("0")).level, Level::Degraded);
        assert_eq!(unprivileged(&text("1")).level, Level::Ok);
        assert_eq!(unprivileged(&text("2")).level, Level::Ok);
        assert_eq!(unprivileged(&missing()).level, Level::Degraded);
    }

    #[test]
    fn hardening_of_roots_programs_hides_them() {
        assert_eq!(harden(&text("0")).level, Level::Ok);
        assert_eq!(harden(&text("1")).level, Level::Ok);
        assert_eq!(harden(&text("2")).level, Level::Degraded);
        let unknown = harden(&missing());
        assert_eq!((unknown.level, &unknown.found[..9]), (Level::Ok, "not known"));
    }

    #[test]
    fn lockdown_is_the_word_in_brackets() {
        for (levels, found) in [
            ("[none] integrity confidentiality", "none"),
            ("none [integrity] confidentiality", "integrity, which leaves device programs alone"),
            (
                "none integrity [confidentiality]",
                "confidentiality, which leaves device programs alone",
            ),
            ("", "not known: /sys/kernel/security/lockdown says \"\""),
        ] {
            assert_eq!(lockdown(&text(levels)).found, found);
        }
        assert!(lockdown(&missing()).found.starts_with("not known"));
    }

    #[test]
    fn modules_are_listed_or_not_known() {
        assert_eq!(modules(&text("capability,yama")).found, "capability,yama");
        assert!(modules(&missing()).found.starts_with("not known"));
    }
}
