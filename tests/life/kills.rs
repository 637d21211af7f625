//! What a container leaves behind when a process is killed that would have cleaned up after it:
//! its pin and its record. The next container's hook removes them.

use std::fs;
use std::path::Path;

use crate::common::engine::eventually;
use crate::engine::{Container, Running};
use crate::engines::{Cgroups, ENGINES, Engine, Manager};
use crate::ready;

/// Pins and records that are there.
const COUNT: &str =
    "ls /sys/fs/bpf/devgate | wc -l; ls /run/devgate/containers | grep -c json$ || true";

fn count(running: &Running) -> (usize, usize) {
    let text = running.machine.succeed("sh", &["-c", COUNT]);
    let mut numbers = text.lines().map(|line| line.trim().parse().expect("a number"));
    (numbers.next().expect("of pins"), numbers.next().expect("of records"))
}

fn engine(manager: Manager, text: &str) -> &'static Engine {
    let is_it = |engine: &&Engine| {
        engine.manager == manager
            && engine.cgroups == Cgroups::Cgroupfs
            && engine.text.contains(text)
    };
    ENGINES.iter().find(is_it).expect("there is such an engine")
}

/// Containers that come and go leave nothing, and take along what is left.
#[track_caller]
fn assert_taken_along(running: &Running, what: &str) {
    let before = count(running);
    println!(
        "{}, {what}: {} pins and {} records are left",
        running.engine.text, before.0, before.1
    );
    assert!(before.0 <= 1 && before.1 <= 1, "{what}: {before:?}");
    eventually("nothing is left", || {
        let next = running.start(0);
        running.remove(&next);
        count(running) == (0, 0)
    });
}

fn kill(process: &str) {
    let pid = nix::unistd::Pid::from_raw(process.parse().expect("a process id"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it can be killed");
}

/// Those of the cgroup with such a name.
fn processes(cgroup: &Path, name: &str) -> Vec<String> {
    let list = fs::read_to_string(cgroup.join("cgroup.procs")).expect("the cgroup can be read");
    let is_so = |process: &&str| {
        let comm = fs::read_to_string(format!("/proc/{process}/comm"));
        comm.is_ok_and(|comm| comm.starts_with(name))
    };
    list.lines().filter(is_so).map(str::to_owned).collect()
}

/// Ends the container's processes, and waits until its cgroup is gone.
fn end(running: &Running, container: &Container) {
    let cgroup = running.cgroup(container);
    fs::write(cgroup.join("cgroup.kill"), "1").expect("the container can be killed");
    running.try_remove(container);
    eventually("the container's cgroup is gone", || {
        // What nobody cleans up is empty.
        let _ = fs::remove_dir(&cgroup);
        !cgroup.exists()
    });
}

#[test]
fn the_next_hook_removes_what_a_killed_conmon_left() {
    if !ready() {
        return;
    }
    for text in ["runc 1.1.5", "crun 1.21"] {
        let running = Running::new(engine(Manager::Podman, text), &[]);
        let container = running.start(0);
        assert_eq!(count(&running), (1, 1));
        let cgroup = running.machine.cgroup().join(format!("libpod-conmon-{}", container.id));
        let conmon = processes(&cgroup, "conmon");
        assert_eq!(conmon.len(), 1, "{}", cgroup.display());
        conmon.iter().for_each(|process| kill(process));
        end(&running, &container);
        assert_taken_along(&running, "conmon was killed");
    }
}

#[test]
fn the_next_hook_removes_what_a_killed_shim_left() {
    if !ready() {
        return;
    }
    let running = Running::new(engine(Manager::Containerd, ""), &[]);
    let container = running.start(0);
    assert_eq!(count(&running), (1, 1));
    let shims = processes(&running.machine.cgroup().join("daemon"), "containerd-shim");
    assert!(!shims.is_empty());
    shims.iter().for_each(|process| kill(process));
    end(&running, &container);
    let before = count(&running);
    println!("the shim was killed: {} pins and {} records are left", before.0, before.1);
    assert!(before.0 <= 1 && before.1 <= 1, "{before:?}");
    drop(running);
}

#[test]
fn a_container_that_ends_while_its_engine_is_dead_leaves_nothing() {
    if !ready() {
        return;
    }
    let mut running = Running::new(engine(Manager::Containerd, ""), &[]);
    let container = running.start(0);
    let (pod, machine) = running.pod_mut();
    pod.kill(machine, "KILL");
    let cgroup = running.cgroup(&container);
    fs::write(cgroup.join("cgroup.kill"), "1").expect("the container can be killed");
    let (pod, machine) = running.pod_mut();
    pod.start_again(machine);
    end(&running, &container);
    assert_taken_along(&running, "the engine was killed");
}
