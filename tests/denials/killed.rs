//! `devgate observe start` and `stop`, killed at each of their steps.

use crate::common::engine::ready;
use crate::world::{World, is_ready};

/// The calls that change something, each of which is a step.
const CALLS: [&str; 7] = ["bpf", "mkdir", "rename", "unlink", "rmdir", "openat", "write"];

/// More than there are calls of one kind.
const MOST: u32 = 150;

/// Runs a command again and again, killed before the first, the second and so on of these calls, until
/// it comes to its end. `after` is a script that must go well each time.
fn kill(world: &World, before: &str, command: &str, after: &str) {
    world.sh(&format!(
        "
        for call in {calls}; do
          step=1
          while :; do
            {before}
            code=0
            strace -f -o /dev/null -e trace=$call -e inject=$call:signal=SIGKILL:when=$step \
              \"$DEVGATE\" {command} > $DIR/killed.out 2>&1 || code=$?
            {after}
            [ $code = 137 ] || break
            step=$((step + 1))
            [ $step -le {MOST} ] || exit 9
          done
          [ $code = 0 ] || {{ echo \"$call $step: exit $code\"; cat $DIR/killed.out; exit 8; }}
        done",
        calls = CALLS.join(" "),
    ));
}

#[test]
fn a_start_that_is_killed_is_repaired_by_the_next() {
    if !(is_ready() && ready("strace")) {
        return;
    }
    let world = World::new();
    world.sh("mkdir /sys/fs/cgroup/a /sys/fs/cgroup/b");
    let after = "devgate observe start > /dev/null; devgate observe status > /dev/null
        devgate observe stop > /dev/null; [ -z \"$(ls -A /sys/fs/bpf/devgate)\" ]";
    kill(&world, "", "observe start", after);
    world.assert_nothing_left();
}

#[test]
fn a_start_that_is_killed_is_removed_by_a_stop() {
    if !(is_ready() && ready("strace")) {
        return;
    }
    let world = World::new();
    let after = "devgate observe stop > /dev/null; \
        [ -z \"$(ls -A /sys/fs/bpf/devgate 2> /dev/null)\" ]";
    kill(&world, "", "observe start", after);
    world.assert_nothing_left();
}

#[test]
fn a_stop_that_is_killed_is_finished_by_the_next_stop_or_start() {
    if !(is_ready() && ready("strace")) {
        return;
    }
    let world = World::new();
    world.sh("mkdir /sys/fs/cgroup/a");
    let before = "devgate observe start > /dev/null";
    kill(&world, before, "observe stop", "devgate observe stop > /dev/null");
    world.assert_nothing_left();
    let after = "devgate observe start > /dev/null; devgate observe status > /dev/null";
    kill(&world, before, "observe stop", after);
    world.sh("devgate observe stop");
    world.assert_nothing_left();
}
