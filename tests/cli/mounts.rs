//! Wherever cgroup2 is mounted, the hook finds a process's cgroup, or says why not. Each mount is
//! made in a mount namespace of its own.

use std::path::PathBuf;
use std::process::Command;

use super::CONFIG;
use super::common::cgroup::{TestCgroup, own};
use super::common::command::{Run, run};
use super::common::require;
use super::common::sleeper::Sleeper;

const CHILD: &str = env!("CARGO_BIN_EXE_devgate");

/// Runs a script in which `$GATE` is devgate, `$OWN` the cgroup2 directory of the test, `$DIR`
/// an empty folder, and every cgroup mount of the host can be unmounted by `$BARE`.
fn script(text: &str, input: &str) -> Run {
    let dir = tempfile::tempdir().expect("a folder");
    let own: PathBuf = own().expect("cgroup2");
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-e", "-c"])
        .arg(format!("mount --make-rprivate /\n{text}"))
        .env("GATE", CHILD)
        .env("OWN", own)
        .env("DIR", dir.path());
    run(&mut command, input)
}

/// The hook for a process in a cgroup, after `mounts`.
fn hook(mounts: &str) -> (Run, usize) {
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    let pid = container.pid();
    let input = format!(r#"{{"id":"c1","pid":{pid},"bundle":"/no/bundle"}}{CONFIG}"#);
    let run = script(&format!("{mounts}\nexec $GATE hook"), &input);
    (run, cgroup.ids().len())
}

fn works(mounts: &str) {
    let (run, programs) = hook(mounts);
    assert_eq!(run.success(), "", "{mounts}");
    assert_eq!(programs, 1, "{mounts}");
}

#[test]
fn where_systems_have_it() {
    if !require::bpf() {
        return;
    }
    works("umount -R /sys/fs/cgroup; mount -t cgroup2 x /sys/fs/cgroup");
    works(
        "umount -R /sys/fs/cgroup; mount -t tmpfs x /sys/fs/cgroup
         mkdir /sys/fs/cgroup/unified; mount -t cgroup2 x /sys/fs/cgroup/unified",
    );
}

#[test]
fn elsewhere() {
    if !require::bpf() {
        return;
    }
    works(r#"umount -R /sys/fs/cgroup; mount -t cgroup2 x "$DIR""#);
    works(r#"umount -R /sys/fs/cgroup; mkdir "$DIR/a b\\c"; mount -t cgroup2 x "$DIR/a b\\c""#);
}

#[test]
fn below_another_mount() {
    if !require::bpf() {
        return;
    }
    let hidden = "umount -R /sys/fs/cgroup; mount -t cgroup2 x /sys/fs/cgroup
        mount -t tmpfs x /sys/fs/cgroup";
    works(&format!(r#"{hidden}; mount -t cgroup2 x "$DIR""#));
    let (run, programs) = hook(hidden);
    let line = run.failure();
    assert!(line.starts_with("no cgroup2 mount shows cgroup /"), "{line}");
    assert_eq!(programs, 0);
}

#[test]
fn nowhere() {
    if !require::bpf() {
        return;
    }
    let (run, programs) = hook("umount -R /sys/fs/cgroup");
    let line = run.failure();
    assert!(line.starts_with("no cgroup2 mount shows cgroup /"), "{line}");
    assert_eq!(programs, 0);
}

/// A part of the hierarchy is enough if the container is in it.
#[test]
fn in_part() {
    if !require::bpf() {
        return;
    }
    let (top, other) = (TestCgroup::new(), TestCgroup::new());
    let leaf = top.child();
    let container = Sleeper::within(&leaf);
    let input = format!(r#"{{"id":"c1","pid":{}}}{CONFIG}"#, container.pid());
    let part = |dir: &TestCgroup| {
        let mounts = format!(r#"mount --bind {} "$DIR"; umount -R /sys/fs/cgroup"#, dir.text());
        script(&format!("{mounts}\nexec $GATE hook"), &input)
    };
    assert_eq!(part(&top).success(), "");
    assert_eq!(leaf.ids().len(), 1);
    let run = part(&other);
    assert!(run.failure().starts_with("no cgroup2 mount shows cgroup /"), "{run:?}");
}

/// The policy allows everything, so that a refusal that fails to come does no harm.
const ALLOW_ALL: &str = r#"{"linux":{"resources":{"devices":[{"allow":true,"access":"rwm"}]}}}"#;

/// devgate in a cgroup, told to work on that cgroup or the one above it (`$CG`).
fn is_refused(way: &str) {
    let top = TestCgroup::new();
    let leaf = top.child();
    for target in [&leaf, &top] {
        let (into, dir) = (leaf.text(), target.text());
        let text = format!("echo $$ > {into}/cgroup.procs; export CG={dir}\n{way}");
        let run = script(&text, ALLOW_ALL);
        assert_eq!(target.ids(), [], "{way} {dir}: {run:?}");
        assert!(run.failure().starts_with("refusing "), "{way} {dir}: {run:?}");
    }
}

#[test]
fn its_own_cgroup_is_refused_by_any_way() {
    if !require::bpf() {
        return;
    }
    is_refused("exec $GATE apply --config - --cgroup $CG");
    is_refused(r#"cd $CG; exec $GATE apply --config - --cgroup ."#);
    is_refused(r#"ln -s $CG "$DIR/link"; exec $GATE apply --config - --cgroup "$DIR/link""#);
    is_refused(r#"mount --bind $CG "$DIR"; exec $GATE apply --config - --cgroup "$DIR""#);
    is_refused(
        r#"mount --bind $CG "$DIR"; umount -R /sys/fs/cgroup
           exec $GATE apply --config - --cgroup "$DIR""#,
    );
}

#[test]
fn its_own_cgroup_is_refused_in_a_cgroup_namespace() {
    if !require::bpf() {
        return;
    }
    is_refused("exec unshare --cgroup $GATE apply --config - --cgroup $CG");
}

/// Seen from there, the host's mount begins at `/..`, which names no cgroup: what is below it can't
/// be found by name. A mount made there can.
#[test]
fn in_a_cgroup_namespace_its_own_mount_counts() {
    if !require::bpf() {
        return;
    }
    let top = TestCgroup::new();
    let leaf = top.child();
    let container = Sleeper::within(&leaf);
    let input = format!(r#"{{"id":"c1","pid":{}}}{CONFIG}"#, container.pid());
    let hook = |mount: &str| {
        let enter = format!("echo $$ > {}/cgroup.procs", top.text());
        script(&format!("{enter}\nexec unshare --cgroup sh -c '{mount} $GATE hook'"), &input)
    };
    let run = hook("");
    assert!(run.failure().starts_with("no cgroup2 mount shows cgroup /"), "{run:?}");
    assert_eq!(leaf.ids(), []);
    let run = hook(r#"umount -R /sys/fs/cgroup; mount -t cgroup2 x "$DIR";"#);
    assert_eq!(run.success(), "");
    assert_eq!(leaf.ids().len(), 1);
}
