//! What a container leaves behind when a process is killed that would have cleaned up after it: its
//! pin and its record.

use std::fs;
use std::path::Path;

use crate::common::engine::eventually;
use crate::engine::{Container, Running};
use crate::engines::{Cgroups, ENGINES, Engine, Manager};
use crate::machine::INSTALLED;
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

/// The hook of the next container removes the pin that is left, and `devgate gc` the record.
#[track_caller]
fn assert_taken_along(running: &Running, what: &str) {
    let (pins, records) = count(running);
    println!("{}, {what}: {pins} pins and {records} records are left", running.engine.text);
    assert!(pins <= 1 && records <= 1, "{what}: {pins} pins, {records} records");
    eventually("no pin is left", || {
        let next = running.start(0);
        running.remove(&next);
        count(running).0 == 0
    });
    running.machine.succeed(INSTALLED, &["gc"]);
    assert_eq!(count(running), (0, 0), "{what}");
}

fn kill(process: &str) {
    let pid = nix::unistd::Pid::from_raw(process.parse().expect("a process id"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it can be killed");
}

/// Those with such a name, and this in their command line.
fn processes(name: &str, argument: &str) -> Vec<String> {
    let read = |process: &str, file: &str| {
        let bytes = fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let entries = fs::read_dir("/proc").expect("it can be read").flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_so = |process: &String| {
        read(process, "comm").starts_with(name) && read(process, "cmdline").contains(argument)
    };
    names.filter(is_so).collect()
}

/// Ends the processes of the container in this cgroup, and waits until that is gone.
fn end(running: &Running, container: &Container, cgroup: &Path) {
    // They may have ended already.
    let _ = fs::write(cgroup.join("cgroup.kill"), "1");
    running.try_remove(container);
    eventually("the container's cgroup is gone", || {
        // What nobody cleans up is empty.
        let _ = fs::remove_dir(cgroup);
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
        let cgroup = running.cgroup(&container);
        let conmon = processes("conmon", &container.id);
        assert_eq!(conmon.len(), 1);
        conmon.iter().for_each(|process| kill(process));
        end(&running, &container, &cgroup);
        assert_taken_along(&running, "conmon was killed");
    }
}

#[test]
fn the_next_hook_removes_what_a_killed_shim_left() {
    if !ready() {
        return;
    }
    let mut running = Running::new(engine(Manager::Containerd, ""), &[]);
    let container = running.start(0);
    assert_eq!(count(&running), (1, 1));
    let cgroup = running.cgroup(&container);
    let shims = processes("containerd-shim", running.machine.dir().to_str().expect("text"));
    assert!(!shims.is_empty());
    shims.iter().for_each(|process| kill(process));
    end(&running, &container, &cgroup);
    running.pod_mut().0.renew();
    assert_taken_along(&running, "the shim was killed");
}

#[test]
fn a_container_that_ends_while_its_engine_is_dead_leaves_nothing() {
    if !ready() {
        return;
    }
    let mut running = Running::new(engine(Manager::Containerd, ""), &[]);
    let container = running.start(0);
    let cgroup = running.cgroup(&container);
    let (pod, machine) = running.pod_mut();
    pod.kill(machine, "KILL");
    fs::write(cgroup.join("cgroup.kill"), "1").expect("the container can be killed");
    let (pod, machine) = running.pod_mut();
    pod.start_again(machine);
    end(&running, &container, &cgroup);
    assert_taken_along(&running, "the engine was killed");
}
