//! Observers on real cgroups: what they count, whose room it takes, and that they change nothing.

mod counts;
mod order;
mod pins;
mod rooms;
mod shown;

#[path = "../common/mod.rs"]
mod common;

use std::os::fd::AsFd;

use devgate::device::Request;
use devgate::kernel::{DirectAttach, load};
use devgate::observe::{Method, Observed, Observer, Requests, Seen, Size, Task, WithEvents};
use devgate::policy::Verdict;

use common::cgroup::TestCgroup;
use common::enforce::prepared;

/// A cgroup that is observed, with a container's below it, where these rules are in force.
struct Scene {
    container: TestCgroup,
    top: TestCgroup,
}

impl Scene {
    fn new(rules: &[&str]) -> Scene {
        let top = TestCgroup::new();
        let container = top.child();
        enforce(&container, rules);
        Scene { container, top }
    }

    fn id(&self) -> u64 {
        id(&self.container)
    }

    /// The observer goes: the kernel takes links off a moment after their last owner is gone.
    #[track_caller]
    fn assert_ends(&self) {
        for _ in 0..100 {
            if self.top.ids().is_empty() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("it is attached still");
    }

    fn observer(&self, size: Size) -> Observer {
        let events = WithEvents::Yes;
        let task = Task { requests: Requests::All, size, events, ..Task::default() };
        let mut observer = Observer::load(task).expect("the kernel takes observers");
        assert_eq!(observer.method(), Method::Told, "this kernel tells the verdict");
        assert!(observer.observe(self.top.open()).expect("it can be attached"));
        observer
    }
}

fn enforce(cgroup: &TestCgroup, rules: &[&str]) {
    let program = load(&prepared(rules).verified).expect("the program can be loaded");
    let cgroup = cgroup.open();
    let nothing_above = || Ok(None);
    let attachment = DirectAttach::default().attach(cgroup.as_fd(), &program, &nothing_above);
    attachment.expect("the program can be attached").keep();
}

fn id(cgroup: &TestCgroup) -> u64 {
    cgroup.open().id().expect("a cgroup has an id")
}

fn request(text: &str) -> Request {
    text.parse().expect("it is a request")
}

/// Count by request and verdict, in order.
fn counts(rows: &[Observed]) -> Vec<(String, bool, u64)> {
    let mut counts: Vec<_> = rows
        .iter()
        .map(|row| {
            let denied = row.seen == Seen::Verdict(Verdict::Deny);
            (row.request.to_string(), denied, row.count)
        })
        .collect();
    counts.sort();
    counts
}
