//! Programs of one cgroup run in the order in which they were attached.

use devgate::kernel::query;
use devgate::observe::{Observer, Requests, Size, Task, WithEvents};
use std::os::fd::AsFd;

use crate::common::cgroup::TestCgroup;
use crate::common::opener::{Opener, serve_if_child};
use crate::common::require;
use crate::{counts, enforce, request};

/// As where a runtime puts a container right below the root, and attaches its program when the
/// cgroup is observed already.
#[test]
fn a_program_that_is_attached_later_is_seen_too() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let task = Task { requests: Requests::Denied, events: WithEvents::Yes, ..Task::default() };
    let mut observer =
        Observer::load(Task { size: Size::default(), ..task }).expect("the kernel takes observers");
    assert!(observer.observe(cgroup.open()).expect("it can be attached"));
    enforce(&cgroup, &["allow c 1:3 rwm"]);
    observer.keep_last().expect("it can be attached again");
    let mut opener = Opener::within(&cgroup, "order::a_program_that_is_attached_later_is_seen_too");
    opener.ask(&request("c 1:11 m"));
    opener.ask(&request("c 1:11 m"));
    let rows = observer.observations().read().unwrap();
    assert_eq!(counts(&rows), [("c 1:11 m".to_owned(), true, 2)]);

    // A second observer does not change the order, and none is attached twice.
    let mut second = Observer::load(task).expect("the kernel takes observers");
    assert!(second.observe(cgroup.open()).expect("it can be attached"));
    let before = query(cgroup.open().as_fd()).unwrap().ids;
    assert_eq!((before.len(), before[1]), (3, observer.program_id()));
    observer.keep_last().unwrap();
    second.keep_last().unwrap();
    assert!(!observer.observe(cgroup.open()).unwrap());
    assert_eq!(query(cgroup.open().as_fd()).unwrap().ids, before);
}
