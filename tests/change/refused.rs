//! Bad input: a clear error, and nothing is changed.

use std::fs;
use std::os::fd::AsFd;

use devgate::guard_lock::GuardLock;
use devgate::run_dir::RunDir;

use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::command::devgate;
use super::common::enforce::prepared;
use super::common::public::Public;
use super::common::require;
use super::common::sleeper::Sleeper;
use super::stage::{FUSE, Stage};

/// BPF_F_ALLOW_MULTI.
const MULTI: u32 = 2;

#[test]
fn devices_and_paths() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    for (args, part) in [
        (&["/dev/no-such"][..], "host device /dev/no-such: No such file or directory"),
        (&["/etc/passwd"], "host device /etc/passwd: not a device node"),
        (&["/dev/fuse:rx"], "(an access consists of the letters \"rwm\"): No such file"),
        (&["c 4096:0"], "4096:0 is beyond every Linux device number"),
        (&["c 200:1"], "device c 200:1 has no name on this host: --path says where the node goes"),
        (&["c 10:*"], "c 10:* is more than one device, and no node is made for it: add --no-node"),
        (&["/dev/fuse", "--for", "10m"], "--for needs `devgate guard`"),
        // The container has the host's mounts.
        (&["/dev/fuse"], "node /dev/fuse: "),
    ] {
        let line = stage.fails(&[&["grant", "C"], args].concat());
        assert!(line.contains(part), "{args:?}: {line}");
    }
    assert!(!stage.allows(FUSE));
    for args in [
        &["grant", "C"][..],
        &["grant", "C", "fuse"],
        &["grant", "C", "/dev/fuse", "--path", "/etc/x"],
        &["grant", "C", "/dev/fuse", "--path", "/dev/../x"],
        &["grant", "C", "/dev/fuse", "/dev/kmsg", "--path", "/dev/x"],
        &["grant", "C", "/dev/fuse", "--for", "soon"],
        &["grant", "C", "/dev/fuse", "--for", "0s"],
        &["grant", "C", "/dev/fuse", "--for", "1m", "--keep"],
        &["update", "C"],
        &["update", "C", "--rules", "a", "--config", "b"],
    ] {
        let before = stage.everything();
        let run = stage.run(args);
        assert_eq!((run.code, run.text()), (Some(2), ""), "{args:?}: {run:?}");
        assert_eq!(stage.everything(), before);
    }
}

#[test]
fn containers() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let bare = TestCgroup::new();
    let inside = Sleeper::within(&bare);
    for (name, part) in [
        ("no-such", "no cgroup's name holds a container id that begins with \"no-such\""),
        ("/sys/fs/cgroup/no-such", "does not exist"),
        ("999999999", "process 999999999 does not exist"),
        (
            bare.text(),
            "has no record, so its policy is not known: if it is a container's, that started without",
        ),
        (&inside.pid().to_string(), "has no record"),
        ("../container", "does not exist"),
    ] {
        for command in ["grant", "revoke"] {
            let line = stage.fails(&[command, name, "c 10:229", "--no-node"]);
            assert!(line.contains(part), "{command} {name}: {line}");
        }
        let line = stage.fails(&["history", name]);
        assert!(line.contains(part), "history {name}: {line}");
    }
}

#[test]
fn a_container_that_has_stopped() {
    if !require::bpf() {
        return;
    }
    let mut stage = Stage::new();
    stage.end();
    let line = stage.fails(&["grant", "C", "c 10:229", "--no-node"]);
    assert!(line.contains(&format!("process {} has exited", stage.pid())), "{line}");
    // Others of its processes may go on, and what they may do can be narrowed.
    stage.runs(&["revoke", "C", "c 10:200"]);
    assert!(!stage.allows("c 10:200 r"));
    stage.cgroup.remove().expect("it is empty");
    for command in ["grant", "revoke"] {
        let line = stage.run(&[command, "C", "c 10:229", "--no-node"]).failure().to_owned();
        let expected =
            format!("container container has stopped: its cgroup {}", stage.cgroup.text());
        assert!(line.contains("container container has stopped"), "{line}, not {expected}");
    }
}

#[test]
fn a_damaged_or_newer_record() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let good = fs::read_to_string(stage.record_file()).expect("there is one");
    let newer = good.replace("\"version\":1", "\"version\":2");
    for (text, part) in [
        ("", "is damaged"),
        (&good[..100], "is damaged"),
        (&newer, "has version 2, and this devgate knows version 1 at most"),
    ] {
        fs::write(stage.record_file(), text).expect("it can be written");
        for command in ["grant", "revoke"] {
            let line = stage.fails(&[command, "C", "c 10:229", "--no-node"]);
            assert!(line.contains(part), "{line}");
        }
        // By its cgroup it can't be told whether this is the record.
        let line = stage.fails(&["revoke", stage.cgroup.text(), "c 10:229"]);
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn who_is_not_root() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let before = stage.everything();
    let public = Public::new();
    for args in [
        &["grant", "container", "/dev/fuse"][..],
        &["revoke", "container", "/dev/fuse"],
        &["update", "container", "--rules", "/dev/null"],
        &["grants"],
        &["history", "container"],
        &["forget", "container"],
    ] {
        let run = public.run(args, "");
        assert_eq!(run.failure(), "only root may read and change the policies of containers");
    }
    assert_eq!(stage.everything(), before);
}

/// The kernel allows what all programs allow.
#[test]
fn what_a_cgroup_above_denies_is_not_granted() {
    if !require::bpf() {
        return;
    }
    let above = TestCgroup::new();
    let stage = Stage::in_cgroup(above.child(), "container");
    let rules = prepared(&["allow a *:* rwm", "deny c 10:229 w"]);
    let program = Foreign::with("upstairs", rules.verified.program().insns());
    program.attach(above.open().as_fd(), MULTI);
    let id = above.ids()[0];
    let before = stage.everything();
    for args in [
        &["grant", "C", "/dev/fuse", "--no-node"][..],
        &["grant", "C", "/dev/fuse", "--no-node", "--dry-run"],
        &["grant", "C", "c 10:*", "--no-node"],
    ] {
        let run = stage.run(args);
        assert_eq!((run.code, run.text()), (Some(3), ""), "{run:?}");
        let expected = format!("container container: program {id} (upstairs) on {}", above.text());
        assert!(run.complaint().starts_with(&expected), "{run:?}");
        assert!(
            run.complaint().ends_with("as well, so it can't be granted; nothing was changed"),
            "{run:?}"
        );
        assert_eq!(stage.everything(), before, "{args:?}");
    }
    // What it allows is granted, and what it denies can be revoked.
    stage.runs(&["grant", "C", "/dev/fuse:r", "--no-node"]);
    assert!(stage.allows("c 10:229 r"));
    stage.runs(&["revoke", "C", "/dev/fuse"]);
}

#[test]
fn a_grant_that_ends_needs_a_guard() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let run = RunDir::open().expect("it is there");
    let guard = GuardLock::take(&run).expect("no guard runs");
    stage.runs(&["grant", "C", "/dev/fuse", "--no-node", "--for", "10m"]);
    let grant = &stage.record().grants[0];
    assert_eq!(grant.time.until(grant.expires.expect("it ends")).as_secs(), 600);
    drop(guard);
    stage.fails(&["grant", "C", "/dev/fuse", "--no-node", "--for", "10m"]);
}

#[test]
fn help_has_examples() {
    for command in ["grant", "revoke", "grants", "update", "history", "forget"] {
        let run = devgate(&[command, "--help"], "");
        assert!(run.success().contains("Example"), "{run:?}");
    }
}
