//! Without the rights that the hook has, the doctor says what it could not try.

use std::process::Command;

use super::common::command::run;
use super::common::public::Public;
use super::common::require;
use super::report::Report;

#[test]
fn nobody_is_told_to_be_root() {
    let run = Public::new().run(&["doctor", "--json", "kernel", "privileges"], "");
    let report = Report::of(&run);
    assert_eq!(report.level(), "degraded");
    report.expect("kernel/device-programs", "degraded", "not known: this process may load none");
    report.expect(
        "privileges/capabilities",
        "degraded",
        "this process lacks CAP_NET_ADMIN (to list and attach programs) and CAP_SYS_ADMIN",
    );
    let remedies = report.findings().filter_map(|finding| finding["remedy"].as_str());
    assert!(remedies.filter(|remedy| remedy.contains("as root")).count() >= 2);
}

/// Root without these capabilities may load nothing, so the same is true of it.
#[test]
fn root_is_what_it_may_do() {
    if !require::bpf() {
        return;
    }
    let bound = |set| format!("--bounding-set={set}");
    for (set, level, lacks) in [
        ("-all", "degraded", "this process lacks CAP_NET_ADMIN "),
        ("-all,+net_admin", "degraded", "this process lacks CAP_SYS_ADMIN "),
        ("-all,+net_admin,+bpf", "ok", "this process lacks CAP_SYS_ADMIN "),
        ("-all,+sys_admin", "ok", "this process lacks CAP_NET_ADMIN "),
    ] {
        let report = Report::behind(&["setpriv", &bound(set)], &["kernel", "privileges"]);
        assert_eq!(report.said("kernel/device-programs").0, level, "{set}");
        report.expect("privileges/capabilities", "degraded", lacks);
    }
    let both = bound("-all,+net_admin,+sys_admin");
    let report = Report::behind(&["setpriv", &both], &["privileges"]);
    report.expect("privileges/capabilities", "ok", "this process has ");
}

#[test]
fn a_user_namespace_is_not_the_kernels_fault() {
    let unshare = ["unshare", "--user", "--map-root-user"];
    let possible = run(Command::new("unshare").args(&unshare[1..]).arg("true"), "").code == Some(0);
    if !require::require(possible, "it needs user namespaces and unshare(1)") {
        return;
    }
    let report = Report::behind(&unshare, &["kernel", "privileges"]);
    report.expect("privileges/user-namespace", "degraded", "not the initial one");
    report.expect("kernel/device-programs", "degraded", "not known: ");
    assert_eq!(report.level(), "degraded");
    let outside = Report::here(&["privileges"]);
    let inside = std::fs::read_to_string("/proc/self/uid_map").expect("it can be read");
    let initial = inside.split_whitespace().eq(["0", "0", "4294967295"]);
    assert_eq!(outside.said("privileges/user-namespace").0 == "ok", initial);
}

#[test]
fn memlock_is_the_processs_own() {
    let report = Report::behind(&["prlimit", "--memlock=131072:131072"], &["privileges"]);
    let (_, found) = report.said("privileges/memlock");
    assert!(found.starts_with("128 KiB"), "{found}");
}
