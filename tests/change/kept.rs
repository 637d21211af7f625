//! What is kept over a restart of the container.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::common::command::devgate;
use super::common::engine::host::Debian;
use super::common::engine::podman::Podman;
use super::common::require;
use super::engines::OPEN;
use super::stage::{FUSE, Stage};

#[test]
fn what_is_kept_is_granted_again_until_it_is_revoked_or_forgotten() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    stage.runs(&["grant", "C", "/dev/fuse", "b 7:0", "--no-node", "--keep"]);
    stage.runs(&["grant", "C", "/dev/kmsg:w", "--no-node"]);
    stage.start();
    assert!(stage.allows(FUSE) && stage.allows("b 7:0 r") && !stage.allows("c 1:11 w"));
    let history = stage.runs(&["history", "C"]);
    assert!(history.contains("keep    + allow c 10:229 rw"), "{history}");
    assert!(stage.runs(&["grants"]).contains("yes"));
    stage.runs(&["revoke", "C", "b 7:0"]);
    stage.start();
    assert!(stage.allows(FUSE) && !stage.allows("b 7:0 r"));
    let told = stage.runs(&["forget", &stage.id[..5]]);
    assert_eq!(told, "- allow c 10:229 rw  /dev/fuse (container container)\n");
    assert!(stage.allows(FUSE), "it may go on until it ends");
    assert!(stage.runs(&["grants", "--json"]).contains(r#""keep":false"#));
    stage.start();
    assert!(!stage.allows(FUSE));
    let nothing = "nothing is kept for a container whose id begins with container\n";
    assert_eq!(stage.runs(&["forget", "C"]), nothing);
}

#[test]
fn what_is_kept_is_listed_while_the_container_does_not_run() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    stage.runs(&["grant", "C", "/dev/fuse", "--no-node", "--keep"]);
    fs::remove_file("/run/devgate/containers/container.json").expect("there is a record");
    let listed = stage.runs(&["grants"]);
    assert!(listed.contains("allow c 10:229 rw  /dev/fuse") && listed.contains("yes"), "{listed}");
}

/// A name may stand for another device after a boot, or for none.
#[test]
fn a_kept_device_is_looked_up_again() {
    if !require::bpf() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let link = dir.path().join("by-id");
    let name = link.to_str().expect("text");
    std::os::unix::fs::symlink("/dev/fuse", &link).expect("a link");
    let stage = Stage::new();
    stage.runs(&["grant", "C", name, "--no-node", "--keep"]);
    assert!(stage.allows(FUSE));
    fs::remove_file(&link).expect("it is ours");
    std::os::unix::fs::symlink("/dev/loop0", &link).expect("a link");
    stage.start();
    assert!(!stage.allows(FUSE) && stage.allows("b 7:0 rw"));
    fs::remove_file(&link).expect("it is ours");
    let run = devgate(&["hook"], stage.state());
    assert_eq!(run.code, Some(0), "{run:?}");
    let warning =
        format!("warning: kept grant {name}: does not apply: host device {name}: No such");
    assert!(run.stderr.contains(&warning), "{run:?}");
    assert!(!stage.allows("b 7:0 r"));
    // What can't be read is no reason to allow more, or to keep a container from starting.
    fs::write("/var/lib/devgate/kept/container.json", "{").expect("it can be written");
    let run = devgate(&["hook"], stage.state());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("kept grants do not apply: "), "{run:?}");
}

/// podman with its global options, without hooks.
fn podman_says(podman: &Podman, args: &[&str]) -> String {
    let words = podman.command_line();
    let words: Vec<&str> = words.iter().map(String::as_str).chain(args.iter().copied()).collect();
    let run = podman.run_on_host(words[0], &words[1..]);
    format!("{}{}", run.text(), run.stderr).trim().to_owned()
}

fn restart(users: &[&str]) {
    let podman = Podman::new(&[]);
    let rootfs = podman.path("rootfs");
    if !users.is_empty() {
        give_away(Path::new(&rootfs));
    }
    let parent = format!("--cgroup-parent={}", podman.cgroup_parent());
    let first = ["run", "--detach", "--name=kept", "--env=PATH=/bin", "--stop-timeout=0", &parent];
    let last = ["--rootfs", &rootfs, "busybox", "sleep", "1000"];
    podman.command_succeeds(&[&first, users, &last].concat());
    let id = podman_says(&podman, &["ps", "--quiet", "--no-trunc"]);
    let open = || podman_says(&podman, &["exec", "kept", "sh", "-c", OPEN]);
    assert!(open().contains("no such file"), "{}", open());
    let told = devgate(&["grant", &id[..12], "/dev/fuse", "--keep"], "");
    assert!(told.success().contains("node /dev/fuse made"), "{told:?}");
    assert_eq!(open(), "opened");
    podman.command_succeeds(&["restart", "--time=0", "kept"]);
    let runs = podman.hook_runs();
    assert_eq!(runs.len(), 2, "{runs:?}");
    assert_eq!(runs[1].warnings, [""; 0]);
    assert_eq!(open(), "opened", "{users:?}");
    let history = devgate(&["history", &id], "");
    assert!(history.success().contains("keep    + allow c 10:229 rw"), "{history:?}");
    let told = devgate(&["revoke", &id, "/dev/fuse"], "");
    assert!(told.success().contains("node /dev/fuse removed"), "{told:?}");
    assert!(open().contains("no such file"), "{}", open());
    podman.command_succeeds(&["restart", "--time=0", "kept"]);
    assert!(open().contains("no such file"), "{}", open());
}

/// Gives a root file system to the mapped root, as podman does with an image's.
fn give_away(rootfs: &Path) {
    let given = Command::new("chown").args(["--recursive", "100000:100000"]).arg(rootfs).status();
    assert!(given.is_ok_and(|status| status.success()), "it can be given away");
}

#[test]
fn podman_restarts_a_container_with_what_is_kept_and_its_node() {
    if Debian::Own.is_ready() {
        restart(&[]);
    }
}

#[test]
fn podman_restarts_a_container_with_mapped_users() {
    if Debian::Own.is_ready() {
        restart(&["--uidmap=0:100000:65536", "--gidmap=0:100000:65536"]);
    }
}
