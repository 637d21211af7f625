//! A container that asks for more than there is room for.

use devgate::denials::{Wanted, report, start, status, stop};

use crate::common::cgroup::TestCgroup;
use crate::common::enforce::prepared;
use crate::common::opener::{Opener, serve_if_child};
use crate::common::own::isolate;
use crate::common::require;
use devgate::device::Request;
use devgate::kernel::{DirectAttach, load};
use std::os::fd::AsFd;

fn request(text: &str) -> Request {
    text.parse().expect("it is a request")
}

/// Everything is denied there.
fn container(top: &TestCgroup) -> TestCgroup {
    let container = top.child();
    let program = load(&prepared(&[]).verified).expect("the program can be loaded");
    let cgroup = container.open();
    let attachment = DirectAttach::default().attach(cgroup.as_fd(), &program, &|| Ok(None));
    attachment.expect("the program can be attached").keep();
    container
}

#[test]
fn ten_thousand_devices_of_one_container_cost_others_nothing() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    isolate();
    let test = "full::ten_thousand_devices_of_one_container_cost_others_nothing";
    let top = TestCgroup::new();
    let (greedy, modest) = (container(&top), container(&top));
    let cgroups = vec![top.path().to_owned()];
    let wanted = Wanted { cgroups, rows: Some(256), containers: Some(8) };
    start(&wanted).expect("it can be observed");
    let mut one = Opener::within(&modest, test);
    let mut other = Opener::within(&greedy, test);
    for minor in 0..10_000 {
        other.ask(&request(&format!("c 240:{minor} m")));
        if minor % 100 == 0 {
            one.ask(&request("c 10:229 m"));
            one.ask(&request(&format!("b 8:{minor} m")));
        }
    }
    let report = report().unwrap().expect("it is observed");
    let of = |cgroup: &TestCgroup| {
        let id = cgroup.open().id().expect("it has an id");
        report.containers.iter().find(|denied| denied.cgroup_id == id).expect("it was denied")
    };
    // What the child itself asks for when it starts may take a row or two.
    let (full, exact) = (of(&greedy), of(&modest));
    let counted = full.denials.iter().map(|denial| denial.count).sum::<u64>();
    assert_eq!(counted + full.lost, 10_000);
    assert!((250..=256).contains(&full.denials.len()), "{}", full.denials.len());
    assert_eq!((exact.lost, exact.denials.len()), (0, 101));
    let fuse = exact.denials.iter().find(|denial| denial.request == request("c 10:229 m"));
    assert_eq!(fuse.map(|denial| denial.count), Some(100));
    assert_eq!(report.lost_without_room, 0);
    let status = status().unwrap().expect("it is observed");
    assert!(status.fill.rows <= 2 * 256 && status.lost == full.lost, "{status:?}");
    // The rooms of ended containers are for others.
    drop((one, other));
    assert!(stop().unwrap());
}
