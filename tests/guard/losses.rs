//! Each thing that can be lost or put in the way, and that it is mended: seen by a query, and by
//! the container's own opens.

use std::fs::{self, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use devgate::container::{Action, User};
use devgate::hold::PINS;
use devgate::kernel::{OpenLink, ProgId, detach};

use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::opener::serve_if_child;
use super::common::require;
use super::stage::{Container, found, guard, pins, records};

const TEST: &str = "losses::what_is_lost_is_put_back";
const NO_COPY: &str = "the policy's program is not in the cgroup's list";
const NO_LINK: &str = "the link is gone";
const MULTI: u32 = 2;

/// A program of devgate's that is another policy.
fn other() -> Foreign {
    let rules = super::common::enforce::prepared(&["allow c 1:3 rw"]);
    Foreign::with("devgate", rules.verified.program().insns())
}

/// How something is lost; what the guard says then.
pub type Loss = (&'static str, fn(&Container) -> Vec<String>);

/// The program in the cgroup's own list. That of the link may be another one, of the same policy.
fn copy(container: &Container) -> ProgId {
    let mut entries = container.entries();
    let link = pins().get(container.cgroup_id()).expect("the pin can be read");
    let held = link.and_then(|link| entries.iter().position(|id| *id == link.program));
    held.map(|held| entries.remove(held));
    entries[0]
}

fn detach_copy(container: &Container) -> Vec<String> {
    detach_program(container, copy(container))
}

fn detach_program(container: &Container, id: ProgId) -> Vec<String> {
    detach(container.cgroup.open().as_fd(), id).expect("the copy can be detached");
    vec![NO_COPY.to_owned()]
}

fn release_link(container: &Container) -> Vec<String> {
    pins().release(container.cgroup_id()).expect("the link can be taken off");
    vec![NO_LINK.to_owned()]
}

fn add(container: &Container, program: &Foreign, named: &str) -> String {
    program.attach(container.cgroup.open().as_fd(), MULTI);
    format!("program {} ({named}) is attached", program.id)
}

pub const LOSSES: &[Loss] = &[
    ("nothing", |_| Vec::new()),
    ("the copy", detach_copy),
    ("the link", release_link),
    ("both", |container| {
        release_link(container);
        detach_copy(container);
        vec![NO_LINK.to_owned(), NO_COPY.to_owned()]
    }),
    ("the copy, replaced as crun does", |container| {
        let copy = copy(container);
        let extra = add(container, &Foreign::denying("runtime"), "runtime");
        detach_program(container, copy);
        vec![NO_COPY.to_owned(), extra]
    }),
    ("nothing, but a program denies", |container| {
        vec![add(container, &Foreign::denying("sd_devices"), "systemd")]
    }),
    ("nothing, but a program allows", |container| {
        vec![add(container, &Foreign::allowing(""), "without a name")]
    }),
    ("nothing, but the list is full", |container| {
        (0..62).map(|_| add(container, &Foreign::denying("many"), "many")).collect()
    }),
    ("the policy, to another one of devgate's", |container| {
        let copy = copy(container);
        let extra = add(container, &other(), "devgate");
        detach_program(container, copy);
        vec![NO_COPY.to_owned(), extra]
    }),
];

#[test]
fn what_is_lost_is_put_back() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let mut container = Container::new("c1", TEST, &["--hold", "require"]);
    container.assert_held();
    let mut guard = guard();
    assert_eq!((guard.watched(), found(&mut guard)), (1, Vec::new()));
    for (what, lose) in LOSSES {
        let expected = lose(&container);
        assert_eq!(found(&mut guard), expected, "{what}");
        container.assert_held();
        assert!(guard.look().expect("it can look").is_empty(), "{what}: nothing is left to do");
        // A guard that starts anew finds nothing either.
        assert_eq!(found(&mut super::stage::guard()), [""; 0], "{what}");
    }
}

/// The list stays as it is for as long as somebody has the link open.
#[test]
fn a_pin_that_is_removed_is_missed() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "losses::a_pin_that_is_removed_is_missed";
    let mut container = Container::new("c1", test, &["--hold", "require"]);
    let mut guard = guard();
    assert_eq!(found(&mut guard), [""; 0]);
    let path = pins().path(container.cgroup_id());
    let (open, link) = OpenLink::pinned_at(&path).expect("the link can be opened");
    fs::remove_file(&path).expect("the pin can be removed");
    let entries = container.entries();
    assert_eq!(entries, [link.program, link.program]);
    // What somebody else's link holds can't be taken off, and is told once.
    let once_more = format!("program {} is the policy once more", link.program);
    assert_eq!(found(&mut guard), [NO_LINK, &once_more]);
    container.assert_opens();
    assert_eq!(container.entries().len(), 3);
    assert!(guard.look().expect("it can look").is_empty());
    drop(open);
    super::common::engine::eventually("the link ends", || container.entries().len() == 2);
    assert_eq!(found(&mut guard), [""; 0]);
    container.assert_held();
}

/// Where links can't be pinned there can be none: the guard says so once.
#[test]
fn a_link_that_cannot_be_made_is_told_once() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "losses::a_link_that_cannot_be_made_is_told_once";
    let mut container = Container::new("c1", test, &["--hold", "try"]);
    let mut guard = guard();
    assert_eq!(found(&mut guard), [""; 0]);
    // Others can write to the directory of pins.
    fs::set_permissions(PINS, Permissions::from_mode(0o777)).expect("its mode can be set");
    let path = Path::new(PINS).join(container.cgroup_id().to_string());
    fs::remove_file(path).expect("the pin can be removed");
    super::common::engine::eventually("the link ends", || container.entries().len() == 1);
    let events = guard.look().expect("it can look");
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event.found, [NO_LINK]);
    let [warning] = &event.warnings[..] else { panic!("{event:?}") };
    assert!(warning.starts_with("no link holds the program"), "{warning}");
    for _ in 0..3 {
        assert!(guard.look().expect("it can look").is_empty());
    }
    container.assert_opens();
}

/// A change ended between the copy and the link: the record decides.
#[test]
fn a_change_that_ended_half_way_is_finished() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "losses::a_change_that_ended_half_way_is_finished";
    let mut container = Container::new("c1", test, &["--hold", "require"]);
    let mut guard = guard();
    assert_eq!(found(&mut guard), [""; 0]);
    // The record has the new rules, and the cgroup the old programs.
    let user = User { uid: 0, name: None };
    let rule = "allow c 1:11 r".parse().expect("a rule");
    let before = container.entries()[0];
    records()
        .edit::<_, devgate::container::StoreError>(&container.id(), |record| {
            record.change(Action::Update, user, |record| record.rules.push(rule));
            Ok(())
        })
        .expect("the record can be changed");
    let extra = format!("program {before} (devgate) is attached");
    let holds = format!("the link holds program {before}, another policy");
    assert_eq!(found(&mut guard), [&holds, NO_COPY, &extra]);
    let request = super::stage::parse("c 1:11 r");
    assert_eq!(container.opener.verdict(&request), devgate::policy::Verdict::Allow);
    assert_eq!(container.entries().len(), 2);
}

#[test]
fn without_a_link_there_is_none_afterwards() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "losses::without_a_link_there_is_none_afterwards";
    let mut container = Container::new("c1", test, &["--hold", "no"]);
    let mut guard = guard();
    assert_eq!(found(&mut guard), [""; 0]);
    detach_copy(&container);
    assert_eq!(container.entries(), []);
    assert_eq!(found(&mut guard), [NO_COPY]);
    assert_eq!(container.entries().len(), 1);
    assert!(pins().get(container.cgroup_id()).expect("it can be read").is_none());
    container.assert_opens();
}

#[test]
fn what_the_record_lets_stay_stays() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    for (stale, stays) in [("own", true), ("none", true), ("all", false)] {
        let test = "losses::what_the_record_lets_stay_stays";
        let container = Container::new(stale, test, &["--stale", stale]);
        let mut guard = guard();
        assert_eq!(found(&mut guard), [""; 0]);
        let foreign = Foreign::denying("audit");
        let extra = add(&container, &foreign, "audit");
        let expected = if stays { vec![] } else { vec![extra] };
        assert_eq!(found(&mut guard), expected, "{stale}");
        assert_eq!(container.entries().contains(&foreign.id), stays, "{stale}");
    }
}

/// A cgroup above has other containers, too.
#[test]
fn programs_of_shared_cgroups_above_are_left() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let above = TestCgroup::new();
    let shared = Foreign::allowing("shared");
    shared.attach(above.open().as_fd(), MULTI);
    let test = "losses::programs_of_shared_cgroups_above_are_left";
    let mut container = Container::within(above.child(), "c1", test, &["--hold", "require"]);
    let mut guard = guard();
    assert_eq!(found(&mut guard), [""; 0]);
    let denying = Foreign::denying("shared");
    denying.attach(above.open().as_fd(), MULTI);
    detach_copy(&container);
    assert_eq!(found(&mut guard), [NO_COPY]);
    assert_eq!(above.ids(), [shared.id, denying.id]);
    detach(above.open().as_fd(), denying.id).expect("it can be detached");
    container.assert_held();
    drop(container);
}

/// What can't be taken off is tried once, until the list changes.
#[test]
fn a_program_that_somebody_elses_link_holds_is_told_once() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "losses::a_program_that_somebody_elses_link_holds_is_told_once";
    let container = Container::new("c1", test, &["--hold", "require"]);
    let mut guard = guard();
    assert_eq!(found(&mut guard), [""; 0]);
    let foreign = Foreign::allowing("theirs");
    let link = foreign.link(container.cgroup.open().as_fd());
    let extra = format!("program {} (theirs) is attached", foreign.id);
    assert_eq!(found(&mut guard), [extra]);
    assert!(guard.look().expect("it can look").is_empty());
    drop(link);
}
