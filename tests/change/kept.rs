//! What is kept over a restart of the container.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

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

/// What is kept may be of more devices than what is revoked.
#[test]
fn a_part_of_what_is_kept_stays_revoked() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    stage.runs(&["grant", "C", "c 10:*:rw", "--no-node", "--keep"]);
    stage.runs(&["revoke", "C", "/dev/fuse"]);
    for _ in 0..2 {
        assert!(!stage.allows("c 10:229 r") && !stage.allows("c 10:229 w"));
        assert!(stage.allows("c 10:232 rw"));
        assert_eq!(stage.grants(), ["allow c 10:* rw", "deny c 10:229 rw"]);
        let listed = stage.runs(&["grants"]);
        assert_eq!(listed.matches("yes").count(), 2, "{listed}");
        stage.start();
    }
    // For this run alone.
    stage.runs(&["grant", "C", "c 10:*:rw", "--no-node"]);
    assert!(stage.allows("c 10:229 rw"));
    assert!(stage.runs(&["grants"]).contains("deny c 10:229 rw"));
    stage.start();
    assert!(!stage.allows("c 10:229 r"));
    stage.runs(&["grant", "C", "c 10:229:r", "--no-node", "--keep"]);
    stage.start();
    assert!(stage.allows("c 10:229 r") && !stage.allows("c 10:229 w"));
    stage.runs(&["revoke", "C", "c 10:*"]);
    assert_eq!(stage.everything().2, None);
}

/// A denied device is denied by its numbers and by its name.
#[test]
fn what_is_revoked_stays_so_when_its_name_is_another_devices() {
    if !require::bpf() {
        return;
    }
    let (_dir, name) = link_to("/dev/fuse");
    let stage = Stage::new();
    stage.runs(&["grant", "C", "c 10:*:rw", "--no-node", "--keep"]);
    stage.runs(&["revoke", "C", &name]);
    lead(&name, "/dev/net/tun");
    stage.start();
    assert!(!stage.allows("c 10:229 r") && !stage.allows("c 10:200 r"));
    fs::remove_file(&name).expect("it is ours");
    stage.start();
    assert!(!stage.allows("c 10:229 r") && stage.allows("c 10:200 r"));
}

#[test]
fn a_name_revokes_what_was_granted_by_it() {
    if !require::bpf() {
        return;
    }
    let (_dir, name) = link_to("/dev/fuse");
    let stage = Stage::new();
    for path in [Some("/dev/loop0"), None] {
        lead(&name, "/dev/fuse");
        stage.runs(&["grant", "C", &name, "--no-node", "--keep"]);
        match path {
            Some(path) => lead(&name, path),
            None => fs::remove_file(&name).expect("it is ours"),
        }
        let told = stage.runs(&["revoke", "C", &name]);
        assert!(told.contains("- allow c 10:229 rw"), "{path:?}: {told}");
        assert!(!stage.allows("c 10:229 r"), "{path:?}");
        assert_eq!(stage.everything().2, None, "{path:?}");
    }
    // It was granted no more.
    let line = stage.fails(&["revoke", "C", &name]);
    assert!(line.contains(&format!("host device {name}: No such file")), "{line}");
}

/// At the next start that name would be granted for it.
#[test]
fn a_device_is_revoked_with_the_kept_names_that_lead_to_it_now() {
    if !require::bpf() {
        return;
    }
    let (_dir, name) = link_to("/dev/fuse");
    let stage = Stage::new();
    stage.runs(&["grant", "C", &name, "--no-node", "--keep"]);
    lead(&name, "/dev/loop0");
    stage.runs(&["revoke", "C", "/dev/loop0"]);
    stage.start();
    assert!(!stage.allows("b 7:0 r"));
}

#[test]
fn a_grant_that_is_not_kept_leaves_what_is() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    stage.runs(&["grant", "C", "/dev/fuse:r", "--no-node", "--keep"]);
    for access in ["r", "rw"] {
        stage.runs(&["grant", "C", &format!("/dev/fuse:{access}"), "--no-node"]);
        let listed = stage.runs(&["grants"]);
        let kept = listed.lines().find(|line| line.ends_with("yes"));
        assert!(kept.is_some_and(|line| line.contains("allow c 10:229 r ")), "{listed}");
    }
    assert_eq!(stage.grants(), ["allow c 10:229 r", "allow c 10:229 rw"]);
    stage.start();
    assert!(stage.allows("c 10:229 r") && !stage.allows("c 10:229 w"));
}

/// A link to a device, in a folder of its own.
fn link_to(device: &str) -> (TempDir, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let name = dir.path().join("by-id").to_str().expect("text").to_owned();
    lead(&name, device);
    (dir, name)
}

/// Makes the link one to this device.
fn lead(name: &str, device: &str) {
    let _ = fs::remove_file(name);
    std::os::unix::fs::symlink(device, name).expect("a link");
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
