//! Attaching in place of what is there, on real cgroups (DESIGN.md section 4).

mod ancestors;
mod concurrent;
mod faults;
mod gone;
mod held;
mod lock;
mod overridden;
mod refused;
mod replaced;
mod retval;

#[path = "../common/mod.rs"]
mod common;

/// Flags of BPF_PROG_ATTACH.
const EXCLUSIVE: u32 = 0;
const OVERRIDE: u32 = 1;
const MULTI: u32 = 2;

/// Programs of one cgroup that the kernel takes (`BPF_CGROUP_MAX_PROGS`).
const MOST: usize = 64;

/// `count` programs that allow everything, attached one after another.
fn foreign(
    cgroup: &common::cgroup::TestCgroup,
    count: usize,
    flags: u32,
) -> Vec<common::bpf::Foreign> {
    use std::os::fd::AsFd;
    let dir = cgroup.open();
    let one = |_| {
        let program = common::bpf::Foreign::allowing("somebody");
        program.attach(dir.as_fd(), flags);
        program
    };
    (0..count).map(one).collect()
}

fn ids(programs: &[common::bpf::Foreign]) -> Vec<devgate::kernel::ProgId> {
    programs.iter().map(|program| program.id).collect()
}
