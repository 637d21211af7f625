//! podman's containers, with users of the host and mapped ones.

use std::fs;
use std::path::Path;
use std::process::Command;

use devgate::cgroup::Cgroup;
use devgate::container::pid_in;
use devgate::container::{Init, Made, Removed, make, remove};

use crate::common::engine::host::Debian;
use crate::common::engine::podman::Podman;
use crate::gated::{fuse, path};

/// A program that opens what its argument names, in the cgroup and with the files of a process.
const OPEN: &str = r#"
echo $$ > "$2/cgroup.procs"
exec nsenter --target "$1" --mount --root --wd -- /bin/sh -c ': <> /dev/fuse && echo opened'
"#;

fn open_inside(cgroup: &Path, pid: i32) -> String {
    let mut command = Command::new("sh");
    command.args(["-ec", OPEN, "sh", &pid.to_string()]).arg(cgroup).env("PATH", "/usr/bin:/bin");
    let output = command.output().expect("sh can be started");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned()
}

/// Gives a root file system to the mapped root, as podman does with an image's.
fn give_away(rootfs: &Path) {
    let given = Command::new("chown").args(["--recursive", "100000:100000"]).arg(rootfs).status();
    assert!(given.is_ok_and(|status| status.success()), "it can be given away");
}

#[test]
fn podmans_containers_get_a_node_with_and_without_mapped_users() {
    if !Debian::Own.is_ready() {
        return;
    }
    for options in [&[][..], &["--uidmap=0:100000:65536", "--gidmap=0:100000:65536"][..]] {
        let podman = Podman::without_hook();
        if !options.is_empty() {
            give_away(Path::new(&podman.path("rootfs")));
        }
        let rule = ["--device-cgroup-rule=c 10:229 rw"];
        podman.look_ungated(&[options, &rule].concat(), |cgroup| {
            let pid = pid_in(cgroup).expect("it runs");
            let init = Init::pin(pid).expect("it runs");
            let files = || fs::read_dir(format!("/proc/{pid}/root/dev")).expect("a /dev").count();
            let before = files();
            let Ok(Made::New(node)) = make(&init, &fuse(), &path("/dev/fuse")) else {
                panic!("{options:?}: it can be made");
            };
            let metadata = fs::metadata(format!("/proc/{pid}/root/dev/fuse")).expect("it is there");
            use std::os::unix::fs::MetadataExt;
            let root = if options.is_empty() { 0 } else { 100_000 };
            assert_eq!((metadata.uid(), metadata.gid(), metadata.mode()), (root, root, 0o020_666));
            // podman 4.3 drops the rule where users are mapped.
            if options.is_empty() {
                assert_eq!(open_inside(cgroup, pid), "opened");
            }
            assert_eq!(remove(&init, &node).expect("it can be removed"), Removed::Removed);
            assert_eq!(files(), before);
            assert!(Cgroup::open(cgroup).is_ok());
        });
    }
}
