//! Containers of runc, crun and podman: nodes in their /dev, and what their own system calls get.

use std::process::Command;

use super::common::command::{devgate, run};
use super::common::engine::runc::{Runc, Running, Runtime};
use super::common::engine::{DEVGATE, eventually, ready};

const EVERYTHING: &str =
    r#"{"linux": {"resources": {"devices": [{"allow": true, "access": "rwm"}]}}}"#;

const RULES: &str = r#"[{"allow": false, "access": "rwm"}]"#;

/// Opens /dev/fuse without making a file, and says what became of that.
pub const OPEN: &str = "(: < /dev/fuse) 2>&1 && echo opened";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Users {
    Hosts,
    /// Its root is user 100000 on the host.
    Mapped,
}

fn container(runtime: Runtime, users: Users) -> Runc {
    let mut runc = Runc::of(runtime, RULES);
    runc.set_hook(&["devgate", "hook"]);
    if users == Users::Mapped {
        runc.map_users();
    }
    runc
}

/// What is in its /dev, and what is mounted there.
fn files(container: &Running<'_>) -> String {
    container.shell_of_host(
        "busybox find /dev/ -xdev | busybox sort; busybox grep ' /dev' /proc/self/mounts",
    )
}

#[track_caller]
fn succeeds(args: &[&str]) -> String {
    devgate(args, "").success().to_owned()
}

#[test]
fn a_device_opens_once_it_is_granted_and_no_more_once_it_is_revoked() {
    for (runtime, program) in [(Runtime::Runc, "runc"), (Runtime::Crun, "crun")] {
        if !ready(program) {
            return;
        }
        for users in [Users::Hosts, Users::Mapped] {
            container(runtime, users).with_running(|container| {
                let case = format!("{program} {users:?}");
                let before = files(container);
                assert!(container.shell(OPEN).contains("no such file"), "{case}");
                let told = succeeds(&["grant", "container", "/dev/fuse"]);
                assert!(told.ends_with("node /dev/fuse made\n"), "{case}: {told}");
                assert_eq!(container.shell(OPEN), "opened", "{case}");
                let again = succeeds(&["grant", "container", "/dev/fuse:r"]);
                assert!(!again.contains("node"), "{case}: {again}");
                // Somebody keeps it open.
                container.shell(
                    "busybox sh -c 'exec 7<> /dev/fuse; exec busybox sleep 1000' >/dev/null 2>&1 &",
                );
                eventually("the device is open", || {
                    succeeds(&["revoke", "container", "/dev/fuse", "--dry-run"]);
                    container.shell("busybox ls -l /proc/*/fd/7 2>&1").contains("/dev/fuse")
                });
                let told = succeeds(&["revoke", "container", "/dev/fuse"]);
                assert!(told.contains("node /dev/fuse removed\n"), "{case}: {told}");
                assert!(told.contains("keeps /dev/fuse until it closes descriptor 7"), "{told}");
                assert_eq!(files(container), before, "{case}");
                let own = "busybox mknod /dev/own c 10 229 && (: < /dev/own) 2>&1";
                assert!(container.shell(own).contains("not permitted"), "{case}");
                container.shell("busybox killall sleep");
                // What is denied no more, nobody has to close.
                succeeds(&["revoke", "container", "/dev/null"]);
                let told = devgate(&["update", "container", "--config", "-"], EVERYTHING);
                assert!(!told.success().contains("keeps"), "{case}: {told:?}");
            });
        }
    }
}

#[test]
fn a_node_elsewhere_and_one_that_the_container_has() {
    if !ready("runc") {
        return;
    }
    container(Runtime::Runc, Users::Hosts).with_running(|container| {
        let before = files(container);
        succeeds(&["grant", "container", "c 10:229:rw", "--path", "/dev/bus/usb/001/004"]);
        assert_eq!(container.shell("(: < /dev/bus/usb/001/004) && echo opened"), "opened");
        succeeds(&["revoke", "container", "c 10:229"]);
        assert_eq!(files(container), before);
        // By its name on this host.
        assert!(succeeds(&["grant", "container", "c 10:229"]).contains("node /dev/fuse made"));
        // The container may take it away, and put something else there.
        container.shell_of_host("busybox umount /dev/fuse; busybox rm /dev/fuse");
        assert!(
            succeeds(&["revoke", "container", "c 10:229"]).contains("/dev/fuse is gone already")
        );
        container.shell("busybox mknod /dev/fuse c 10 229");
        let told = succeeds(&["grant", "container", "/dev/fuse"]);
        assert!(told.contains("node /dev/fuse is there already"), "{told}");
        assert_eq!(container.shell(OPEN), "opened");
        let told = succeeds(&["revoke", "container", "/dev/fuse"]);
        assert!(!told.contains("node"), "{told}");
        assert!(container.shell(OPEN).contains("not permitted"));
        container.shell("busybox rm /dev/fuse; echo mine > /dev/fuse");
        let line = devgate(&["grant", "container", "/dev/fuse"], "").failure().to_owned();
        assert!(line.contains("the container's /dev/fuse is there already: a file"), "{line}");
        assert_eq!(succeeds(&["grants"]), "nothing was granted or revoked\n");
    });
}

/// It could keep its access if that failed on account of the node.
#[test]
fn a_container_in_the_way_of_its_node_loses_the_device_all_the_same() {
    if !ready("runc") {
        return;
    }
    container(Runtime::Runc, Users::Hosts).with_running(|container| {
        succeeds(&["grant", "container", "/dev/fuse", "--path", "/dev/a/fuse"]);
        container.shell("busybox mv /dev/a /dev/b; busybox ln -s b /dev/a");
        let told = devgate(&["revoke", "container", "/dev/fuse"], "");
        assert_eq!(told.code, Some(0), "{told:?}");
        let warning = "warning: node /dev/a/fuse can't be removed, and opens nothing";
        assert!(told.stderr.contains(warning), "{told:?}");
        assert!(container.shell("(: < /dev/b/fuse) 2>&1").contains("not permitted"));
        assert_eq!(succeeds(&["grants"]), "nothing was granted or revoked\n");
        // The next change tries it again, and one that grants the device has the node.
        container.shell("busybox rm /dev/a; busybox mv /dev/b /dev/a");
        let told = succeeds(&["grant", "container", "/dev/fuse", "--path", "/dev/a/fuse"]);
        assert!(told.contains("node /dev/a/fuse is there already"), "{told}");
        assert!(!told.contains("removed") && !told.contains("- allow"), "{told}");
        assert_eq!(container.shell("(: < /dev/a/fuse) && echo opened"), "opened");
        container.shell("busybox mv /dev/a /dev/b; busybox ln -s b /dev/a");
        let told = devgate(&["revoke", "container", "/dev/fuse"], "");
        assert!(told.code == Some(0) && told.stderr.contains(warning), "{told:?}");
        container.shell("busybox rm /dev/a; busybox mv /dev/b /dev/a");
        let told = succeeds(&["revoke", "container", "c 1:9:m"]);
        assert!(told.contains("node /dev/a/fuse removed"), "{told}");
        assert!(container.shell("busybox ls /dev/a 2>&1").contains("No such file"));
    });
}

#[test]
fn a_node_that_fails_leaves_everything_as_it_was() {
    if !ready("runc") {
        return;
    }
    container(Runtime::Runc, Users::Mapped).with_running(|container| {
        let before = files(container);
        let record = || std::fs::read("/run/devgate/containers/container.json").expect("a record");
        let recorded = record();
        for call in [
            "mknodat",
            "fchownat",
            "fsopen",
            "fsmount",
            "open_tree",
            "setns",
            "move_mount",
            "/^rename",
        ] {
            let inject = format!("inject={call}:error=ENOMEM:when=1");
            let mut strace = Command::new("strace");
            strace.args(["-qq", "-f", "-o", "/dev/null", "-e", &inject, DEVGATE]);
            let failed = run(strace.args(["grant", "container", "/dev/fuse"]), "");
            assert_eq!((failed.code, failed.text()), (Some(1), ""), "{call}: {failed:?}");
            assert!(failed.stderr.contains("Cannot allocate memory"), "{call}: {failed:?}");
            assert_eq!(files(container), before, "{call}");
            assert_eq!(record(), recorded, "{call}");
            assert!(container.shell(OPEN).contains("no such file"), "{call}");
        }
        for call in ["move_mount", "/^rename", "exit_group"] {
            let inject = format!("inject={call}:signal=KILL:when=1");
            let mut strace = Command::new("strace");
            strace.args(["-qq", "-f", "-o", "/dev/null", "-e", &inject, DEVGATE]);
            let killed = run(strace.args(["grant", "container", "/dev/fuse"]), "");
            assert_eq!(killed.code, None, "{call}: {killed:?}");
            // A file without a node is the container's to see, and opens nothing.
            container.shell_of_host("[ -f /dev/fuse ] && busybox rm /dev/fuse");
            let next = devgate(&["grant", "container", "/dev/fuse"], "");
            assert_eq!(next.code, Some(0), "{call}: {next:?}");
            assert_eq!(container.shell(OPEN), "opened", "{call}");
            succeeds(&["revoke", "container", "/dev/fuse"]);
            assert!(!container.shell(OPEN).contains("opened"), "{call}");
            container.shell_of_host("busybox umount /dev/fuse; busybox rm -f /dev/fuse");
        }
    });
}
