//! podman's containers, with `podman update` below crun: it replaces the programs of a container's
//! cgroup, whatever it updates.

use devgate::cgroup::Cgroup;
use std::os::fd::AsFd;

use super::cli::Running;
use super::common::engine::eventually;
use super::common::engine::host::Debian;
use super::common::engine::podman::Podman;
use devgate::kernel::query;

#[test]
fn an_update_is_mended() {
    if !Debian::Trixie.is_ready() {
        return;
    }
    for hold in ["require", "no"] {
        let podman = Podman::of(Debian::Trixie, &["--hold", hold]);
        let mut session = podman.start(&["--rm", "--name=c1"], &[]);
        session.expect(&[]);
        let run = podman.hook_runs().pop().expect("the hook ran");
        let id = run.container.expect("the log has an id");
        let cgroup = podman.cgroup_shown_at(&run.cgroup.expect("the log has a cgroup"));
        let entries = || {
            let cgroup = Cgroup::open(&cgroup).expect("the container runs");
            query(cgroup.as_fd()).expect("they can be listed").ids
        };
        let before = entries();
        let mut guard = Running::of(&mut podman.devgate_command(&["guard", "--found", "none"]));
        for round in 0..2 {
            podman.command_succeeds(&["update", "--restart=no", "c1"]);
            let line = guard.line();
            assert!(line.contains(&format!(" devgate restored container={id} ")), "{line}");
            assert!(line.contains("(crun) is attached"), "{line}");
            let now = entries();
            assert_eq!(now.len(), before.len(), "{hold}, {round}: {now:?}");
            assert!(now.iter().all(|id| *id == now[0]), "{hold}, {round}: {now:?}");
            let config = podman.config_of(&id);
            let check = ["check", "--container", &id, "--diff", "--config", &config];
            let run = podman.devgate(&check);
            assert_eq!(run.text(), "no difference\n", "{run:?}");
        }
        drop(guard);
        session.finish();
        eventually("the container's cgroup is gone", || !cgroup.exists());
    }
}
