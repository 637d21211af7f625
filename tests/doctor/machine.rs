//! This machine's kernel: what is said of it is true, and asking leaves nothing behind.

use std::fs;
use std::os::fd::AsFd;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use super::common::bpf::{Foreign, any};
use super::common::cgroup::{TestCgroup, own};
use super::common::command::run;
use super::common::public::Public;
use super::common::require;
use super::report::Report;

const MULTI: u32 = 2;

fn file(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[test]
fn the_release_is_that_of_uname() {
    let uname = Command::new("uname").arg("-r").output().expect("uname can be run");
    let release = String::from_utf8(uname.stdout).expect("a release is text");
    let found = format!("Linux {}", release.trim());
    assert_eq!(Report::here(&["kernel"]).said("kernel/release"), ("ok", found.as_str()));
}

/// Each of them is done for real, to a cgroup of the test's own.
#[test]
fn features_are_what_really_happens() {
    if !require::bpf() {
        return;
    }
    let report = Report::here(&["kernel"]);
    let there = |check| report.said(check).1.ends_with("is supported");
    let cgroup = TestCgroup::new();
    let dir = cgroup.open();
    let (old, new) = (Foreign::allowing("old"), Foreign::allowing("new"));
    old.attach(dir.as_fd(), MULTI);
    assert_eq!(there("kernel/expected-revision"), cgroup.attached().revision.is_some());
    assert_eq!(there("kernel/replace"), new.replace(dir.as_fd(), &old).is_ok());
    let by_link = TestCgroup::new();
    let link = old.link(by_link.open().as_fd());
    assert_eq!(by_link.ids(), [old.id]);
    drop(link);
    report.expect("kernel/bpf-link", "ok", "bpf_link is supported");
    report.expect("kernel/pidfd-open", "ok", "pidfd_open(2) is supported");
    report.expect("kernel/device-programs", "ok", "one was compiled");
    let level = if new.is_jited() { "ok" } else { "degraded" };
    report.expect("kernel/jit", level, "programs are ");
}

/// In a network namespace of its own, net.core's settings can't be read; the program is there.
#[test]
fn the_jit_is_seen_without_its_setting() {
    if !require::bpf() {
        return;
    }
    let report = Report::behind(&["unshare", "--net"], &["kernel", "security"]);
    let jited = Foreign::allowing("x").is_jited();
    report.expect("kernel/jit", if jited { "ok" } else { "degraded" }, "programs are ");
    report.expect("security/jit-harden", "ok", "not known: /proc/sys/net/core/bpf_jit_harden");
}

#[test]
fn settings_are_those_of_proc_sys() {
    if !require::bpf() {
        return;
    }
    let report = Report::here(&["security"]);
    for (check, path, setting, risky) in [
        (
            "security/unprivileged-bpf",
            "/proc/sys/kernel/unprivileged_bpf_disabled",
            "kernel.unprivileged_bpf_disabled",
            "0",
        ),
        (
            "security/jit-harden",
            "/proc/sys/net/core/bpf_jit_harden",
            "net.core.bpf_jit_harden",
            "2",
        ),
    ] {
        let value = file(path).expect("root can read the setting");
        let level = if value == risky { "degraded" } else { "ok" };
        report.expect(check, level, &format!("{setting}={value}"));
    }
}

#[test]
fn what_securityfs_says() {
    if !require::bpf() {
        return;
    }
    let dir = "/sys/kernel/security";
    let mount = format!("mountpoint -q {dir} || mount -t securityfs x {dir}");
    let report = Report::after(&mount, &["security"]);
    let cat = |name: &str| {
        let script = format!("{mount}; cat /sys/kernel/security/{name}");
        run(Command::new("unshare").args(["--mount", "sh", "-e", "-c", &script]), "")
    };
    let modules = cat("lsm");
    assert_eq!(report.said("security/security-modules").1, modules.success().trim());
    let (_, lockdown) = report.said("security/lockdown");
    match cat("lockdown") {
        levels if levels.code == Some(0) => {
            let level = lockdown.split(',').next().expect("a word");
            assert!(levels.text().contains(&format!("[{level}]")), "{levels:?}: {lockdown}");
        }
        _ => assert!(lockdown.starts_with("not known"), "{lockdown}"),
    }
    // There is no securityfs here.
    let report = Report::after("mount -t tmpfs x /sys/kernel", &["security"]);
    for check in ["security/lockdown", "security/security-modules"] {
        report.expect(check, "ok", "not known: /sys/kernel/security/");
    }
}

#[test]
fn bpffs_is_where_it_is() {
    if !require::bpf() {
        return;
    }
    // Whatever the host has is out of the way.
    let bare = "while grep -q ' - bpf ' /proc/self/mountinfo; do umount -l -a -t bpf; done";
    let said = |mount: &str| {
        let report = Report::after(&format!("{bare}\n{mount}"), &["kernel"]);
        report.said("kernel/bpffs").1.to_owned()
    };
    assert!(said("").starts_with("not mounted on /sys/fs/bpf: no link can hold a policy"));
    assert_eq!(said("mount -t bpf x /sys/fs/bpf"), "mounted on /sys/fs/bpf");
    let elsewhere = said(r#"mount -t bpf x "$DIR""#);
    assert!(elsewhere.starts_with("not mounted on /sys/fs/bpf but on "), "{elsewhere}");
}

/// Nobody else on the machine has this id, so a program of it is the doctor's.
const UID: u32 = 54321;

#[test]
fn nothing_is_left_behind() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let above = || {
        let own = devgate::cgroup::Cgroup::open(&own().expect("cgroup2")).expect("it is there");
        devgate::kernel::query(own.as_fd()).expect("it can be listed")
    };
    let before = above();
    let public = Public::new();
    let mut command = Command::new("sh");
    command
        .args(["-e", "-c", r#"echo $$ > "$0"; exec "$@""#])
        .arg(cgroup.path().join("cgroup.procs"))
        .args(["setpriv", "--reuid", &UID.to_string(), "--clear-groups"])
        .args(["--inh-caps=+net_admin,+sys_admin", "--ambient-caps=+net_admin,+sys_admin"])
        .arg(public.devgate())
        .args(["doctor", "--json"]);
    let report = Report::of(&run(&mut command, ""));
    report.expect("kernel/device-programs", "ok", "one was compiled");

    assert_eq!(cgroup.attached().revision, TestCgroup::new().attached().revision);
    assert_eq!(cgroup.ids(), []);
    assert_eq!(above(), before);
    let stat = fs::read_to_string(cgroup.path().join("cgroup.stat")).expect("it can be read");
    for line in ["nr_descendants 0", "nr_dying_descendants 0"] {
        assert!(stat.lines().any(|other| other == line), "{stat}");
    }

    let control = Foreign::allowing("control");
    assert!(any(|program| program.id == control.id && program.uid == 0));
    for _ in 0..100 {
        if !any(|program| program.uid == UID) {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("a program of the doctor's is still loaded");
}
