//! Containers by their ids.

use std::fs;
use std::os::fd::AsFd;
use std::path::PathBuf;

use serde_json::Value;

use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::command::{Run, devgate};
use super::common::require;
use super::common::sleeper::Sleeper;

const MULTI: u32 = 2;

/// A directory below a test's cgroup that goes before it.
struct Below(PathBuf);

impl Below {
    fn new(cgroup: &TestCgroup, name: &str) -> Below {
        let path = cgroup.path().join(name);
        fs::create_dir(&path).expect("a cgroup can be made");
        Below(path)
    }
}

impl Drop for Below {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).expect("the test's cgroup can be removed");
    }
}

/// 64 digits that no other test, and no container, has.
fn id(digit: char) -> String {
    format!("{:0>12}{}", std::process::id(), digit.to_string().repeat(52))
}

fn first_line(run: &Run) -> String {
    run.success().lines().next().unwrap_or_default().to_owned()
}

#[test]
fn the_beginning_of_an_id_is_enough() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let (a, b) = (id('a'), id('b'));
    let scope = Below::new(&cgroup, &format!("libpod-{a}.scope"));
    let _conmon = Below::new(&cgroup, &format!("libpod-conmon-{a}.scope"));
    let plain = Below::new(&cgroup, &b);
    let found = |what: &str| first_line(&devgate(&["inspect", "--container", what], ""));
    assert_eq!(found(&a[..13]), format!("cgroup {}", scope.0.display()));
    assert_eq!(found(&b), format!("cgroup {}", plain.0.display()));
    let bare = devgate(&["inspect", &a[..20]], "");
    assert_eq!(first_line(&bare), format!("cgroup {}", scope.0.display()));
    let ambiguous = devgate(&["inspect", "--container", &a[..12]], "");
    let complaint = ambiguous.complaint();
    let (scope, plain) = (scope.0.display().to_string(), plain.0.display().to_string());
    assert!(complaint.starts_with("several cgroups' names hold"), "{complaint}");
    assert!(complaint.contains(&scope) && complaint.contains(&plain), "{complaint}");
    let none = devgate(&["inspect", "--container", "nobody-has-this"], "");
    assert!(none.complaint().starts_with("no cgroup's name holds a container id"));
}

#[test]
fn cruns_own_cgroup_inside_the_scope_is_the_containers() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let id = id('c');
    let scope = Below::new(&cgroup, &format!("crio-{id}.scope"));
    let inner = scope.0.join("container");
    fs::create_dir(&inner).expect("a cgroup can be made");
    let line = first_line(&devgate(&["inspect", &id], ""));
    fs::remove_dir(&inner).expect("the cgroup can be removed");
    assert_eq!(line, format!("cgroup {}", inner.display()));
}

#[test]
fn a_bare_number_is_a_process_and_a_path_a_directory() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let sleeper = Sleeper::within(&cgroup);
    for what in [&sleeper.pid().to_string(), cgroup.text()] {
        assert_eq!(
            first_line(&devgate(&["inspect", what], "")),
            format!("cgroup {}", cgroup.text())
        );
    }
}

/// What each engine calls a container's cgroup, and the one that its processes are in.
const ENGINES: [(&str, &str); 9] = [
    ("podman", "machine.slice/libpod-ID.scope"),
    ("podman --cgroups=split", "app.service/libpod-payload-ID"),
    (
        "CRI-O",
        "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podUID.slice/crio-ID.scope",
    ),
    ("CRI-O with cgroupfs", "kubepods/besteffort/podUID/crio-ID"),
    ("containerd", "kubepods.slice/kubepods-podUID.slice/cri-containerd-ID.scope"),
    ("containerd with cgroupfs", "kubepods/burstable/podUID/ID"),
    ("Docker", "system.slice/docker-ID.scope"),
    ("Docker with cgroupfs", "docker/ID"),
    ("crun", "machine.slice/libpod-ID.scope/container"),
];

/// By `inspect`, `check` and `ls`.
#[test]
fn every_engines_containers_are_found() {
    if !require::bpf() {
        return;
    }
    for (engine, name) in ENGINES {
        let top = TestCgroup::new();
        let id = id('d');
        let name = name.replace("ID", &id).replace("UID", "1b3c4d5e_0000_4a2b_8c9d_0123456789ab");
        let mut below = Vec::new();
        let mut path = top.path().to_owned();
        for part in name.split('/') {
            path.push(part);
            fs::create_dir(&path).expect("a cgroup can be made");
            below.insert(0, Below(path.clone()));
        }
        let dir = fs::File::open(&path).expect("it can be opened");
        Foreign::allowing("x").attach(dir.as_fd(), MULTI);
        let inspected = first_line(&devgate(&["inspect", &id[..20]], ""));
        assert_eq!(inspected, format!("cgroup {}", path.display()), "{engine}");
        let checked = devgate(&["check", "--container", &id[..20], "c 1:3 r"], "");
        assert!(checked.success().starts_with("allow "), "{engine}: {checked:?}");
        let listed = devgate(&["ls", "--json", "--cgroup", top.text()], "");
        let listed: Value = serde_json::from_str(listed.success()).expect("JSON");
        assert_eq!(listed[0]["container"], id.as_str(), "{engine}");
    }
}
