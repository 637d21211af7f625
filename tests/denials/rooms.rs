//! Containers that run when the observer starts.

use super::common::require;
use super::world::World;

/// One that makes a cgroup for each request takes one room, as one that starts later does.
#[test]
fn a_container_that_ran_before_takes_one_room() {
    if !require::bpf() {
        return;
    }
    let world = World::new();
    world.sh("top=/sys/fs/cgroup/pods; mkdir $top
        for id in $(printf 'a%.0s' $(seq 64)) $(printf 'b%.0s' $(seq 64)); do
          mkdir $top/libpod-$id
          devgate apply --cgroup $top/libpod-$id --config \"$TEMPLATE\"
        done
        devgate observe start --containers 2
        ask() { sh -c 'echo $$ > $0/cgroup.procs; : < /dev/fuse' \"$1\" 2>/dev/null || true; }
        [ -e /dev/fuse ]
        a=$(cd $top && echo libpod-a*); b=$(cd $top && echo libpod-b*)
        for below in 1 2 3; do mkdir $top/$a/$below; ask $top/$a/$below; done
        ask $top/$b");
    let status = world.status();
    assert_eq!(status["lost"], 0, "{status}");
    let counts = world.counts();
    assert_eq!(counts.iter().map(|(.., count)| count).sum::<u64>(), 4, "{counts:?}");
    let of_b = counts.iter().filter(|(container, ..)| container.starts_with('b'));
    assert_eq!(of_b.map(|(.., count)| *count).collect::<Vec<_>>(), [1], "{counts:?}");
}
