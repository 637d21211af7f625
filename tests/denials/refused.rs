//! Where nothing can be observed.

use crate::common::public::Public;
use crate::common::require;
use crate::world::{World, is_ready};

#[test]
fn a_user_without_rights_is_told() {
    if !require::bpf() {
        return;
    }
    let public = Public::new();
    for verb in ["start", "stop"] {
        let run = public.run(&["observe", verb], "");
        let why = run.failure();
        assert!(why.starts_with("observe needs root: /run/devgate "), "{why}");
        assert!(why.contains("Permission denied"), "{why}");
    }
}

#[test]
fn without_a_bpffs_that_can_be_written_nothing_is_observed() {
    if !is_ready() {
        return;
    }
    let world = World::new();
    world.sh("mount -o remount,bind,ro /sys/fs/bpf");
    let run = world.run("devgate observe start");
    assert!(run.failure().ends_with("Read-only file system (os error 30)"), "{run:?}");
    assert_eq!(world.run("devgate observe status").code, Some(3));
    world.sh("mount -t tmpfs none /sys/fs/bpf");
    let run = world.run("devgate observe start");
    assert!(run.failure().contains("is not on a bpffs"), "{run:?}");
    // A container starts all the same.
    world.sh("bundle c1 /machine/c1 true; run c1");
    let log = world.sh("cat /var/lib/devgate/log");
    assert!(log.contains("attached container=c1") && !log.contains("not counted"), "{log}");
    assert_eq!(world.sh("devgate observe stop"), "nothing was observed\n");
}

/// As ProtectKernelTunables= has it.
#[test]
fn a_bpffs_that_became_read_only_keeps_the_observer() {
    if !is_ready() {
        return;
    }
    let world = World::new();
    world.sh("devgate observe start; mount -o remount,bind,ro /sys/fs/bpf");
    let stop = world.run("devgate observe stop");
    assert!(stop.failure().ends_with("Read-only file system (os error 30)"), "{stop:?}");
    assert_eq!(world.run("devgate observe status").code, Some(0));
    world.sh("mount -o remount,bind,rw /sys/fs/bpf; devgate observe stop");
    world.assert_nothing_left();
}
