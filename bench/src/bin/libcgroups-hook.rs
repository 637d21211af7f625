//! youki's `libcgroups` as a createRuntime hook.
//!
//! Without arguments it does what `libcgroups::v2::devices::Devices::apply_devices` does, step by
//! step with the crate's own functions: rules to its emulator, its default rules behind them,
//! its program, load, query, attach, detach of what was there. It is not called itself for one
//! reason: it raises RLIMIT_MEMLOCK to 128 MiB first and gives up if that fails, as it does
//! without CAP_SYS_RESOURCE, though Linux 5.11 and later don't count programs against it. That
//! step is left out here, in the crate's favour. The default rules, which the crate does not
//! export, are copied from its `common.rs`.
//!
//! `libcgroups-hook CONFIG` writes the program for that config.json to standard output instead.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use anyhow::Context;
use libcgroups::v2::devices::bpf::prog;
use libcgroups::v2::devices::emulator::Emulator;
use libcgroups::v2::devices::program::Program;
use libcgroups::v2::util::get_unified_mount_point;
use oci_spec::runtime::{
    LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType, Spec, State,
};

/// As the crate's is; with the NUL that it forgets.
const LICENSE: &str = "Apache\0";

fn main() -> anyhow::Result<()> {
    if let Some(config) = std::env::args_os().nth(1) {
        let program = program(&Spec::load(PathBuf::from(config))?)?;
        return Ok(io::stdout().write_all(program.bytecodes())?);
    }
    let state: State = serde_json::from_reader(io::stdin().lock())?;
    let spec = Spec::load(state.bundle().join("config.json"))?;
    let cgroup = cgroup_of(state.pid().context("no pid")?)?;
    replace(&cgroup, &program(&spec)?)
}

fn program(spec: &Spec) -> anyhow::Result<Program> {
    let mut emulator = Emulator::with_default_allow(false);
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
    if let Some(rules) = resources.and_then(|resources| resources.devices().as_ref()) {
        emulator.add_rules(rules);
    }
    emulator.add_rules(&default_rules()?);
    Ok(Program::from_rules(&emulator.rules, emulator.default_allow)?)
}

fn default_rules() -> anyhow::Result<Vec<LinuxDeviceCgroup>> {
    let nodes = [(1, 3), (1, 5), (1, 7), (5, 0), (1, 9), (1, 8)];
    let nodes = nodes.map(|(major, minor)| (LinuxDeviceType::C, Some(major), Some(minor), "rwm"));
    let others = [
        (LinuxDeviceType::C, None, None, "m"),
        (LinuxDeviceType::B, None, None, "m"),
        (LinuxDeviceType::C, Some(5), Some(1), "rwm"),
        (LinuxDeviceType::C, Some(136), None, "rwm"),
        (LinuxDeviceType::C, Some(5), Some(2), "rwm"),
        (LinuxDeviceType::C, Some(10), Some(200), "rwm"),
    ];
    nodes
        .into_iter()
        .chain(others)
        .map(|(typ, major, minor, access)| {
            let mut rule = LinuxDeviceCgroupBuilder::default().allow(true).typ(typ).access(access);
            if let Some(major) = major {
                rule = rule.major(major);
            }
            if let Some(minor) = minor {
                rule = rule.minor(minor);
            }
            Ok(rule.build()?)
        })
        .collect()
}

fn cgroup_of(pid: i32) -> anyhow::Result<PathBuf> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"));
    Ok(get_unified_mount_point()?.join(path.context("no cgroup2 cgroup")?))
}

fn replace(cgroup: &Path, program: &Program) -> anyhow::Result<()> {
    let loaded = prog::load(LICENSE, program.bytecodes())?;
    let dir = File::open(cgroup)?;
    let old = prog::query(dir.as_raw_fd())?;
    prog::attach(loaded, dir.as_raw_fd())?;
    for old in old {
        prog::detach2(old.fd, dir.as_raw_fd())?;
    }
    Ok(())
}
