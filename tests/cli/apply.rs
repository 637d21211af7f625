//! `devgate apply` and `devgate detach`.

use std::os::fd::AsFd;

use super::CONFIG;
use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::command::{Run, command, devgate};
use super::common::require;

fn apply(cgroup: &TestCgroup, args: &[&str]) -> Run {
    devgate(
        &[&["apply", "--hold", "no", "--cgroup", cgroup.text(), "--config", "-"][..], args]
            .concat(),
        CONFIG,
    )
}

fn detach(cgroup: &TestCgroup, id: &str) -> Run {
    devgate(&["detach", "--cgroup", cgroup.text(), "--id", id], "")
}

fn the_only(cgroup: &TestCgroup) -> String {
    let [id] = cgroup.ids()[..] else { panic!("{:?} are attached", cgroup.ids()) };
    id.to_string()
}

#[test]
fn it_says_what_it_attached_and_detached() {
    if !require::bpf() {
        return;
    }
    let raw = devgate(&["compile", "--config", "-", "--format", "raw"], CONFIG);
    let instructions = raw.stdout.len() / 8;
    let cgroup = TestCgroup::new();
    let run = apply(&cgroup, &[]);
    let first = the_only(&cgroup);
    assert_eq!(run.success(), format!("attached program {first} ({instructions} instructions)\n"));
    let run = apply(&cgroup, &[]);
    let second = the_only(&cgroup);
    assert_eq!(
        run.success(),
        format!(
            "attached program {second} ({instructions} instructions)\ndetached program {first}\n"
        )
    );
}

#[test]
fn what_it_did_is_told_although_standard_output_is_full() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    apply(&cgroup, &[]);
    let first = the_only(&cgroup);
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let complaint = |args: &[&str]| {
        let output = command(args).stdout(full()).output().expect("it can be run");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).expect("messages are text")
    };
    let config = super::common::files::sample("podman4-plain", "config.json");
    let config = config.to_str().expect("a path of text");
    let applied =
        complaint(&["apply", "--hold", "no", "--cgroup", cgroup.text(), "--config", config]);
    let second = the_only(&cgroup);
    let full = "devgate: standard output: No space left on device (os error 28); this was done";
    let expected = format!("{full}: attached program {second} (");
    assert!(applied.starts_with(&expected), "{applied}");
    assert!(applied.ends_with(&format!("; detached program {first}\n")), "{applied}");
    let detached = complaint(&["detach", "--cgroup", cgroup.text(), "--id", &second]);
    assert_eq!(detached, format!("{full}: detached program {second}\n"));
}

#[test]
fn stale_modes() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let foreign = Foreign::allowing("somebody");
    foreign.attach(cgroup.open().as_fd(), 2);
    apply(&cgroup, &["--stale", "none"]).success();
    assert_eq!(cgroup.ids().len(), 2);
    apply(&cgroup, &["--stale", "own"]).success();
    let ids = cgroup.ids();
    assert!(ids.len() == 2 && ids.contains(&foreign.id), "{ids:?}");
    apply(&cgroup, &["--stale", "all"]).success();
    assert!(!cgroup.ids().contains(&foreign.id));
    the_only(&cgroup);
}

#[test]
fn a_program_held_by_a_link_is_warned_about() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let held = Foreign::allowing("held");
    let _link = held.link(cgroup.open().as_fd());
    let run = apply(&cgroup, &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let id = held.id;
    assert_eq!(
        run.complaint(),
        format!("warning: program {id} stays attached: it is held by a bpf_link")
    );
    assert_eq!(cgroup.ids().len(), 2);
    let detached = detach(&cgroup, &id.to_string());
    let dir = cgroup.text();
    assert_eq!(
        detached.failure(),
        format!(
            "cgroup {dir}: program {id} is held by a bpf_link, which only its owner can detach"
        )
    );
    assert_eq!(cgroup.ids().len(), 2);
}

#[test]
fn a_bad_config_changes_nothing() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    apply(&cgroup, &[]).success();
    let before = cgroup.ids();
    let args = ["apply", "--cgroup", cgroup.text(), "--config", "-"];
    let run = devgate(&args, r#"{"linux":{"resources":{"devices":[{"allow":"yes"}]}}}"#);
    assert_eq!(
        run.failure(),
        "config.json (standard input): linux.resources.devices[0].allow: invalid type: string \
         \"yes\", expected a boolean"
    );
    assert_eq!(cgroup.ids(), before);
}

#[test]
fn detaching_twice_is_no_error() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    apply(&cgroup, &[]).success();
    let id = the_only(&cgroup);
    assert_eq!(detach(&cgroup, &id).success(), format!("detached program {id}\n"));
    assert_eq!(cgroup.ids(), []);
    let again = format!("program {id} is not attached (any more)\n");
    assert_eq!(detach(&cgroup, &id).success(), again);
}

#[test]
fn detach_leaves_the_others() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let programs = [(); 3].map(|()| Foreign::allowing("somebody"));
    programs.iter().for_each(|program| program.attach(cgroup.open().as_fd(), 2));
    detach(&cgroup, &programs[1].id.to_string()).success();
    assert_eq!(cgroup.ids(), [programs[0].id, programs[2].id]);
}
