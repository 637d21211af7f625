//! `devgate hook --record`: what is recorded, and that it changes no verdict.

use devgate::policy::Verdict;
use serde_json::json;

use crate::common::command::devgate;
use crate::common::opener::serve_if_child;
use crate::common::require;
use crate::stage::{ASKED, Container, Place, assert_nothing_is_left, show};

#[test]
fn verdicts_are_the_same_and_all_are_recorded() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "hook::verdicts_are_the_same_and_all_are_recorded";
    let expected: Vec<Verdict> = ASKED.iter().map(|(_, verdict)| *verdict).collect();
    for place in [Place::Below, Place::Top] {
        println!("{place:?}");
        let mut plain = Container::new("plain", place, test);
        plain.hook(&[], &json!({})).success();
        assert_eq!(plain.ask(), expected);

        let name = format!("verdicts-{place:?}");
        let mut recorded = Container::new("recorded", place, test);
        recorded.hook(&[&format!("--record={name}")], &json!({})).success();
        assert_eq!(recorded.ask(), expected);
        assert_eq!(recorded.ask(), expected);
        // While it runs, and when it has ended.
        assert_recorded(&name, "ongoing");
        recorded.kill();
        assert_recorded(&name, "ended");
    }
    assert_nothing_is_left();
}

#[track_caller]
fn assert_recorded(name: &str, progress: &str) {
    let shown = show(name);
    assert_eq!(shown.runs()[0]["progress"], progress);
    for (request, verdict) in ASKED {
        for (answer, word) in [(Verdict::Allow, "allow"), (Verdict::Deny, "deny")] {
            let count = if answer == verdict { 2 } else { 0 };
            assert_eq!(shown.count(request, word), count, "{request} {word}");
        }
    }
}

#[test]
fn the_next_container_adds_to_the_recording() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "hook::the_next_container_adds_to_the_recording";
    for (id, runs) in [("one", 1), ("two", 2), ("three", 3)] {
        let mut container = Container::new(id, Place::Below, test);
        // The container's own wish goes first.
        let annotations = json!({"io.devgate.record": "web"});
        container.hook(&["--record"], &annotations).success();
        container.opener.verdict(&"c 1:5 r".parse().expect("a request"));
        container.kill();
        let shown = show("web");
        assert_eq!((shown.runs().len(), shown.count("c 1:5 r", "allow")), (runs, runs as u64));
        assert_eq!(shown.runs()[runs - 1]["container"], id);
    }
    let list = devgate(&["record", "list"], "");
    assert_eq!(list.success().lines().count(), 2, "{list:?}");
    assert_nothing_is_left();
}

#[test]
fn a_name_that_leads_elsewhere_stops_the_container() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "hook::a_name_that_leads_elsewhere_stops_the_container";
    let container = Container::new("c1", Place::Below, test);
    for name in ["../x", "/etc/passwd", ".x", "a b", "a\u{1b}[2J", ""] {
        let run = container.hook(&[], &json!({"io.devgate.record": name}));
        let why = "annotation io.devgate.record: ";
        assert!(run.failure().starts_with(why), "{run:?}");
        assert_eq!(container.cgroup.ids(), []);
    }
    // As an id can be no recording's name.
    let odd = Container::new("a+b", Place::Below, test);
    let run = odd.hook(&["--record"], &json!({}));
    let why = "the container's id can't name its recording: name one: \"a+b\" is not a \
               recording's name";
    assert!(run.failure().starts_with(why), "{run:?}");
    odd.hook(&["--record=a-b"], &json!({})).success();
}

#[test]
fn without_a_bpffs_the_container_does_not_start_and_nothing_changes() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "hook::without_a_bpffs_the_container_does_not_start_and_nothing_changes";
    let container = Container::new("c1", Place::Below, test);
    nix::mount::umount("/sys/fs/bpf").expect("it is the test's own");
    let run = container.hook(&["--record", "--hold", "no"], &json!({}));
    assert!(run.failure().contains("is not on a bpffs"), "{run:?}");
    assert_eq!(container.cgroup.ids(), []);
    assert_nothing_is_left();
    container.hook(&["--hold", "no"], &json!({})).success();
}
