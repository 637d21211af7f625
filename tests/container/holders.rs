//! Who still has a device open.

use devgate::cgroup::Cgroup;
use devgate::container::{DeviceNumbers, Hold, Holder, holders};
use devgate::device::DeviceType;

use crate::common::engine::{eventually, ready};
use crate::gated::{Hosted, Kind, fuse, runc};

const FUSE: DeviceNumbers = DeviceNumbers { device_type: DeviceType::Char, major: 10, minor: 229 };

fn of_fuse(cgroup: &std::path::Path) -> Vec<Holder> {
    let cgroup = Cgroup::open(cgroup).expect("the container has a cgroup");
    holders(&cgroup, |device| *device == FUSE).expect("its processes can be read")
}

#[test]
fn a_process_that_has_the_device_open_is_found() {
    if !ready("runc") {
        return;
    }
    for kind in Kind::ALL {
        runc(kind).with_running(|container| {
            let node = container.make(&fuse(), "/dev/fuse");
            assert_eq!(of_fuse(&container.cgroup), []);
            container.shell(
                "busybox sh -c 'exec 7<> /dev/fuse; exec busybox sleep 1000' >/dev/null 2>&1 &",
            );
            eventually("the device is open", || !of_fuse(&container.cgroup).is_empty());
            // A node that is gone stays open.
            container.remove(&node);
            eventually("busybox runs sleep", || {
                of_fuse(&container.cgroup).iter().all(|holder| holder.command != "sh")
            });
            let found = of_fuse(&container.cgroup);
            let [Holder { pid, command, hold: Hold::Descriptor(7), device: FUSE }] = &found[..]
            else {
                panic!("{kind:?}: {found:?}");
            };
            assert_eq!(command, "busybox");
            let other = Cgroup::open(&container.cgroup).expect("the container has a cgroup");
            let others = |device: &DeviceNumbers| *device != FUSE;
            let fuse = |holder: &Holder| holder.device == FUSE;
            assert!(!holders(&other, others).unwrap().iter().any(fuse));
            let pid = nix::unistd::Pid::from_raw(*pid);
            nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).expect("it is there");
            eventually("it is gone", || of_fuse(&container.cgroup).is_empty());
        });
    }
}
