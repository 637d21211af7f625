//! Real denials, counted by a real observer.

use std::fs;
use std::path::Path;

use devgate::kernel::Stale;
use devgate::observe::{OBSERVE, Observer, Task};

use super::common::cgroup::TestCgroup;
use super::common::command::devgate;
use super::common::enforce::put;
use super::common::opener::{Opener, serve_if_child};
use super::common::public::Public;
use super::common::require;
use super::{Server, value};

const STATE: &str = "/run/devgate/metrics.json";

/// What the workload may do: nothing but make nodes, and use /dev/null.
pub const RULES: [&str; 2] = ["allow c *:* m", "allow c 1:3 rw"];

/// A cgroup that is observed, with a container in it, whose policy is [`RULES`]. Pins are the test's
/// own.
pub struct Scene {
    pub workload: Opener,
    pub container: TestCgroup,
    pub id: String,
    _top: TestCgroup,
}

impl Scene {
    /// `test` is the name of a test that begins with [`serve_if_child`].
    pub fn new(test: &str) -> Scene {
        let top = TestCgroup::new();
        let digit = std::process::id() % 16;
        let id = format!("{digit:x}").repeat(64);
        let path = top.path().join(format!("libpod-{id}"));
        fs::create_dir(&path).expect("a cgroup can be made");
        let container = TestCgroup::at(path);
        put(&container, &RULES, Stale::All);
        let observer = Observer::load(Task::default());
        let mut observer = observer.expect("the kernel takes observers");
        assert!(observer.observe(top.open()).expect("it can be attached"));
        observer.pin(Path::new(OBSERVE)).expect("it can be pinned");
        let mut workload = Opener::within(&container, test);
        for device in ["c 10:229 rw", "c 1:11 r", "c 1:5 r", "c 1:3 rw"] {
            workload.make_node(&device.parse().expect("a request"));
        }
        Scene { workload, container, id, _top: top }
    }

    /// Asks for it so many times, and is denied each time.
    #[track_caller]
    pub fn denied(&mut self, request: &str, times: u32) {
        for _ in 0..times {
            assert_eq!(self.workload.ask(&request.parse().expect("a request")), "EPERM");
        }
    }

    fn series(&self, device: &str, access: &str) -> String {
        let id = &self.id;
        format!(
            "devgate_denials_total{{container=\"{id}\",cgroup=\"\",device=\"{device}\",access=\"{access}\"}}"
        )
    }
}

const OTHER: &str =
    "devgate_denials_total{container=\"other\",cgroup=\"\",device=\"other\",access=\"other\"}";
const ALL: &str = "devgate_denied_requests_total";

#[test]
fn each_denial_is_counted_once() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let mut scene = Scene::new("denials::each_denial_is_counted_once");
    scene.denied("c 10:229 rw", 3);
    scene.denied("c 1:11 r", 2);
    assert_eq!(scene.workload.ask(&"c 1:3 rw".parse().expect("a request")), "ok");
    let text = devgate(&["metrics"], "").success().to_owned();
    assert_eq!(value(&text, &scene.series("c 10:229", "rw")), 3);
    assert_eq!(value(&text, &scene.series("c 1:11", "r")), 2);
    assert_eq!((value(&text, OTHER), value(&text, ALL)), (0, 5));
    assert_eq!(value(&text, "devgate_observing"), 1);
    assert_eq!(value(&text, "devgate_observed_cgroups"), 1);
    assert_eq!(value(&text, "devgate_observer_info{method=\"told\"}"), 1);
    assert_eq!(value(&text, "devgate_lost_requests_total{room=\"container\"}"), 0);
    assert!(value(&text, "devgate_containers{program=\"devgate\"}") >= 1);
    assert!(!text.contains("device=\"c 1:3\""), "what is allowed is no denial");
    assert!(!Path::new(STATE).exists(), "printing changes nothing");
    // A program that was left: the runtime's own, say.
    let before = value(&text, "devgate_stale_programs");
    put(&scene.container, &["allow a *:* rwm"], Stale::None);
    let text = devgate(&["metrics"], "").success().to_owned();
    assert!(value(&text, "devgate_stale_programs") > before);
    assert!(text.contains("devgate_observer_start_time_seconds "));
    // As the README says.
    let is_fixed =
        |line: &&str| !line.starts_with('#') && !line.starts_with("devgate_denials_total");
    assert_eq!(text.lines().filter(is_fixed).count(), 105);
}

/// The exporter is restarted, the top changes, and what happens meanwhile is not lost.
#[test]
fn counters_go_on_across_restarts_and_changes_of_the_top() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let mut scene = Scene::new("denials::counters_go_on_across_restarts_and_changes_of_the_top");
    let (fuse, kmsg) = (scene.series("c 10:229", "rw"), scene.series("c 1:11", "r"));
    scene.denied("c 10:229 rw", 5);
    scene.denied("c 1:11 r", 3);
    let server = Server::start(&["--top", "1"]);
    let text = server.metrics();
    assert_eq!((value(&text, &fuse), value(&text, OTHER), value(&text, ALL)), (5, 3, 8));
    assert!(!text.contains(&kmsg));
    drop(server);
    scene.denied("c 1:11 r", 8);
    // More than twice as many: it comes up, and what it had stays where it was counted.
    let text = Server::start(&["--top", "1"]).metrics();
    assert_eq!((value(&text, &kmsg), value(&text, OTHER), value(&text, ALL)), (0, 11, 16));
    assert!(!text.contains(&fuse));
    scene.denied("c 1:11 r", 2);
    scene.denied("c 10:229 rw", 1);
    // Now both have room. The first goes on where it was.
    let text = Server::start(&[]).metrics();
    assert_eq!((value(&text, &kmsg), value(&text, &fuse)), (2, 5));
    assert_eq!((value(&text, OTHER), value(&text, ALL)), (12, 19));
    scene.denied("c 10:229 rw", 1);
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("devgate.prom");
    devgate(&["metrics", "--textfile", file.to_str().expect("text")], "").success();
    let text = fs::read_to_string(file).expect("it is there");
    assert_eq!((value(&text, &fuse), value(&text, ALL)), (6, 20));
}

/// It comes, is denied and goes between two looks, and the hook at poststop keeps what it was denied.
#[test]
fn what_is_denied_right_before_the_end_is_counted_once() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let mut scene = Scene::new("denials::what_is_denied_right_before_the_end_is_counted_once");
    scene.denied("c 10:229 rw", 5);
    let server = Server::start(&[]);
    assert_eq!(value(&server.metrics(), ALL), 5);
    scene.denied("c 10:229 rw", 2);
    scene.denied("c 1:11 r", 4);
    drop(server);
    let fuse = scene.series("c 10:229", "rw");
    let Scene { workload, container, id, _top: top } = scene;
    drop(workload);
    container.remove().expect("nobody is in it");
    let stopped =
        format!(r#"{{"ociVersion":"1.2.0","id":"{id}","status":"stopped","bundle":"/x"}}"#);
    devgate(&["hook"], stopped).success();
    for _ in 0..2 {
        let text = Server::start(&[]).metrics();
        assert_eq!((value(&text, ALL), value(&text, OTHER)), (11, 6), "{text}");
        assert!(!text.contains(&fuse));
    }
    drop(top);
}

/// A number that can't be had is not 0: alerts would take it for the observer's or the guard's end.
#[test]
fn what_cant_be_told_is_absent() {
    if !require::bpf() {
        return;
    }
    serve_if_child();
    let scene = Scene::new("denials::what_cant_be_told_is_absent");
    let run = Public::new().run(&["metrics"], "");
    assert_eq!(run.code, Some(1), "{run:?}");
    let text = run.text();
    assert!(text.contains("devgate_collector_success{collector=\"denials\"} 0\n"), "{text}");
    for name in ["observing", "guard_running"] {
        assert!(!text.contains(&format!("\ndevgate_{name}")), "{name}: {text}");
    }
    drop(scene);
}

#[test]
fn where_nothing_is_observed_the_series_are_absent() {
    if !require::bpf() {
        return;
    }
    let text = devgate(&["metrics"], "").success().to_owned();
    assert_eq!(value(&text, "devgate_observing"), 0);
    for name in ["denials", "denied_requests", "lost_requests", "observer"] {
        assert!(!text.contains(&format!("\ndevgate_{name}")), "{name}");
    }
}
