//! Holding a policy by a pinned link, on real cgroups and a bpffs of the test's own.

mod commands;
mod directory;
mod links;
mod sweep;

#[path = "../common/mod.rs"]
mod common;

use std::os::fd::AsFd;

use devgate::hold::Pins;
use devgate::kernel::{DirectAttach, Loaded, ProgId, load};

use common::bpffs::BpfFs;
use common::cgroup::TestCgroup;
use common::enforce::prepared;

/// The directory of pins on a bpffs.
fn pins(bpffs: &BpfFs) -> Pins {
    Pins::make(&bpffs.path().join("devgate")).expect("the directory can be made")
}

/// A program of these rules, loaded and attached nowhere.
fn loaded(rules: &[&str]) -> Loaded {
    load(&prepared(rules).verified).expect("the program can be loaded")
}

/// Attaches it to the cgroup's own list, in place of every other.
fn attach(cgroup: &TestCgroup, program: &Loaded) {
    let cgroup = cgroup.open();
    let nothing_above = || Ok(None);
    let attachment = DirectAttach::default().attach(cgroup.as_fd(), program, &nothing_above);
    attachment.expect("the program can be attached").keep();
}

fn id(cgroup: &TestCgroup) -> u64 {
    cgroup.open().id().expect("a cgroup has an id")
}

fn sorted(mut ids: Vec<ProgId>) -> Vec<ProgId> {
    ids.sort_unstable();
    ids
}
