//! `--hold` of the hook and of `apply`, and what other commands show of a policy that is held.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use devgate::hold::{PINS, Pins};
use devgate::kernel::{ProgId, detach};
use devgate::policy::Verdict;
use serde_json::Value;

use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::command::{Run, devgate, run};
use super::common::opener::{Opener, serve_if_child};
use super::common::require;
use super::common::sleeper::Sleeper;
use super::id;

const FUSE: &str = r#"{"linux":{"resources":{"devices":[{"allow":false,"access":"rwm"},
    {"allow":true,"type":"c","major":10,"minor":229,"access":"rw"}]}}}"#;
const NOTHING: &str = r#"{"linux":{"resources":{"devices":[]}}}"#;
const MULTI: u32 = 2;

fn apply(cgroup: &TestCgroup, config: &str, args: &[&str]) -> Run {
    devgate(&[&["apply", "--cgroup", cgroup.text(), "--config", "-"][..], args].concat(), config)
}

fn hook(container: &Sleeper, args: &[&str]) -> Run {
    let state = format!(r#"{{"id":"held","pid":{},"bundle":"/none"}}"#, container.pid());
    devgate(&[&["hook"][..], args].concat(), state + FUSE)
}

fn pin(cgroup: &TestCgroup) -> PathBuf {
    PathBuf::from(PINS).join(id(cgroup).to_string())
}

/// The one program, attached and linked.
#[track_caller]
fn held(cgroup: &TestCgroup) -> ProgId {
    let ids = cgroup.attached().ids;
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert_eq!(ids[0], ids[1]);
    ids[0]
}

/// The hook without a bpffs.
fn without_bpffs(container: &Sleeper, args: &[&str]) -> Run {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", r#"umount -l /sys/fs/bpf; exec "$@""#, "sh"]);
    command.arg(env!("CARGO_BIN_EXE_devgate")).arg("hook").args(args);
    let state = format!(r#"{{"id":"held","pid":{},"bundle":"/none"}}"#, container.pid());
    run(&mut command, state + FUSE)
}

#[test]
fn the_hook_holds_the_policy_unless_it_is_told_not_to() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    assert_eq!(hook(&container, &[]).success(), "");
    let first = held(&cgroup);
    assert!(pin(&cgroup).exists());
    // What an update by crun does.
    detach(cgroup.open().as_fd(), first).expect("the copy can be detached");
    let theirs = Foreign::allowing("crun");
    theirs.attach(cgroup.open().as_fd(), MULTI);
    assert!(cgroup.ids().contains(&first), "the link stays");
    assert_eq!(hook(&container, &["--hold", "require"]).success(), "");
    assert_ne!(held(&cgroup), first);
    assert_eq!(hook(&container, &["--hold", "no"]).success(), "");
    assert_eq!(cgroup.attached().ids.len(), 1);
    assert!(!pin(&cgroup).exists());
}

#[test]
fn where_there_can_be_no_link_it_warns_or_fails() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    let log = tempfile::tempdir().expect("a folder");
    let log = log.path().join("log");
    let log_text = log.to_str().expect("a path of text");
    let why = "/sys/fs/bpf is not on a bpffs, so nothing can be pinned there (mount -t bpf bpf \
               /sys/fs/bpf)";
    let tried = without_bpffs(&container, &["--log", log_text]);
    let warning = format!("no link holds the program, so other tools can detach it: {why}");
    assert_eq!((tried.code, tried.complaint()), (Some(0), &*format!("warning: {warning}")));
    let line = fs::read_to_string(&log).expect("a log");
    assert!(line.contains(&format!(" warning=\"{warning}\"")), "{line}");
    assert!(!line.contains(" pin="), "{line}");
    let before = cgroup.attached().ids;
    assert_eq!(before.len(), 1);
    let required = without_bpffs(&container, &["--hold", "require"]);
    assert_eq!(required.failure(), format!("cgroup {}: {why}", cgroup.text()));
    assert_eq!(cgroup.attached().ids, before);
    assert_eq!(without_bpffs(&container, &["--hold", "no"]).success(), "");
}

#[test]
fn apply_changes_what_a_link_holds() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let mut container = Opener::within(&cgroup, "commands::apply_changes_what_a_link_holds");
    let fuse = "c 10:229 rw".parse().expect("a request");
    container.make_node(&fuse);
    for (config, verdict) in
        [(NOTHING, Verdict::Deny), (FUSE, Verdict::Allow), (NOTHING, Verdict::Deny)]
    {
        let run = apply(&cgroup, config, &[]);
        let held_by = format!("held by link {}\n", pin(&cgroup).display());
        assert!(run.success().ends_with(&held_by) || run.success().contains(&held_by), "{run:?}");
        held(&cgroup);
        assert_eq!(container.verdict(&fuse), verdict);
    }
}

/// A link whose program stays the old one must not be taken for a success.
#[test]
fn a_link_that_does_not_take_the_new_program_undoes_everything() {
    if !require::bpf()
        || !require::require(Command::new("strace").arg("-V").output().is_ok(), "it needs strace")
    {
        return;
    }
    let cgroup = TestCgroup::new();
    apply(&cgroup, FUSE, &[]).success();
    let mut undone = 0;
    for call in 1..30 {
        apply(&cgroup, FUSE, &[]).success();
        let before = held(&cgroup);
        let mut strace = Command::new("strace");
        let inject = format!("inject=bpf:error=ENOMEM:when={call}");
        strace.args(["-qq", "-f", "-o", "/dev/null", "-e", &inject]);
        strace.arg(env!("CARGO_BIN_EXE_devgate"));
        let run = run(strace.args(["apply", "--cgroup", cgroup.text(), "--config", "-"]), FUSE);
        let pins = Pins::open(Path::new(PINS)).expect("the directory can be opened");
        let link = pins.get(id(&cgroup)).expect("the pin can be read").expect("there is a link");
        if run.code == Some(0) {
            // A copy of before that could not be opened may be left, with a warning.
            assert_ne!(link.program, before, "{run:?}");
            assert!(run.text().contains(&format!("attached program {} ", link.program)));
        } else {
            assert!(run.stderr.contains("ENOMEM"), "{run:?}");
            assert_eq!((held(&cgroup), link.program), (before, before), "{run:?}");
            undone += usize::from(run.stderr.contains("cannot be changed to program"));
        }
    }
    assert!(undone > 0, "the link's update was never reached");
}

#[test]
fn inspect_and_ls_show_one_program_held_by_a_link() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    apply(&cgroup, FUSE, &[]).success();
    let program = held(&cgroup);
    let text = devgate(&["inspect", cgroup.text()], "");
    let rows: Vec<&str> =
        text.success().lines().filter(|line| line.starts_with(&program.to_string())).collect();
    let [row] = rows[..] else { panic!("{text:?}") };
    assert!(row.contains("by link ") && row.ends_with(&pin(&cgroup).display().to_string()));
    assert!(text.success().contains(&format!("effective: what program {program} allows")));
    let ls = devgate(&["ls", "--cgroup", cgroup.text()], "");
    assert!(ls.success().contains(&format!("{program} devgate, held by link")), "{ls:?}");
    assert!(!ls.success().contains("several"), "{ls:?}");
    let json = |listed: bool| {
        let run = devgate(&["inspect", "--json", cgroup.text()], "");
        let report: Value = serde_json::from_str(run.success()).expect("JSON");
        let [only] = &report["programs"].as_array().expect("a list")[..] else {
            panic!("{report}")
        };
        assert_eq!((&only["id"], &only["listed"]), (&program.number().into(), &listed.into()));
        assert_eq!(only["link"]["pin"], pin(&cgroup).display().to_string());
    };
    json(true);
    detach(cgroup.open().as_fd(), program).expect("the copy can be detached");
    json(false);
    let alone = devgate(&["inspect", cgroup.text()], "");
    assert!(alone.success().contains(", alone\n"), "{alone:?}");
}

#[test]
fn detach_removes_the_link_too() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    apply(&cgroup, FUSE, &[]).success();
    let program = held(&cgroup);
    let run = devgate(&["detach", "--cgroup", cgroup.text(), "--id", &program.to_string()], "");
    let expected = format!(
        "removed link {} of program {program}\ndetached program {program}\n",
        pin(&cgroup).display()
    );
    assert_eq!(run.success(), expected);
    assert_eq!(cgroup.attached().ids, []);
}

/// A cgroup has one policy, and so one container has its record.
#[test]
fn the_second_container_in_a_cgroup_gets_no_record() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    assert_eq!(hook(&container, &[]).success(), "");
    let state = format!(r#"{{"id":"other","pid":{},"bundle":"/none"}}"#, container.pid());
    let second = devgate(&["hook"], state + FUSE);
    let expected = format!(
        "warning: the container has no record, so it can't be changed while it runs: container held \
         has a record and runs in the same cgroup {}",
        cgroup.text()
    );
    assert_eq!((second.code, second.complaint()), (Some(0), &*expected));
    held(&cgroup);
}

#[test]
fn a_damaged_record_gives_way_when_its_container_starts() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    assert_eq!(hook(&container, &[]).success(), "");
    let record = "/run/devgate/containers/held.json";
    let good = fs::read_to_string(record).expect("there is a record");
    fs::write(record, "{").expect("it can be damaged");
    assert_eq!(hook(&container, &[]).success(), "");
    assert_eq!(fs::read_to_string(record).expect("there is a record"), good);
}
