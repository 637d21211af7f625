//! `devgate demo`: the main job on an embedded container, without any engine.

mod child;
mod stage;

use std::io::{Cursor, Write};
use std::os::fd::AsFd;

use anyhow::{Context, bail};
use devgate::cgroup::Cgroup;
use devgate::container::RecordStore;
use devgate::device::{Access, DeviceType, Request};
use devgate::enforce::{EnforceOptions, enforce, prepare};
use devgate::hook::{self, ContainerRules, Enforced, Options};
use devgate::kernel::{DirectAttach, ProgId, query};
use devgate::oci::{HookInput, State, read_hook_input};
use devgate::policy::{DefaultDevices, Policy, Verdict};
use devgate::run_dir::RunDir;

use super::args::Demo;
use super::{Exit, describe, table};
use child::Device;
use stage::Stage;

/// What an engine would have written, but for the numbers that only a run knows.
const CONFIG: &str = include_str!("config.json");

/// Name, type, major, minor of the devices of the child's own /dev.
const DEVICES: [Device; 6] = [
    ("null", DeviceType::Char, 1, 3),
    ("zero", DeviceType::Char, 1, 5),
    ("kmsg", DeviceType::Char, 1, 11),
    ("fuse", DeviceType::Char, 10, 229),
    ("mem", DeviceType::Char, 1, 1),
    ("loop0", DeviceType::Block, 7, 0),
];

/// Device and access of each step; `m` makes another node, `-` is access(2) with F_OK.
const STEPS: [(&str, &str); 14] = [
    ("null", "r"),
    ("null", "w"),
    ("null", "rw"),
    ("zero", "r"),
    ("zero", "rw"),
    ("kmsg", "r"),
    ("kmsg", "w"),
    ("kmsg", "rw"),
    ("fuse", "rw"),
    ("mem", "r"),
    ("mem", "-"),
    ("mem", "m"),
    ("loop0", "r"),
    ("loop0", "m"),
];

pub fn run(demo: &Demo, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    if demo.child {
        return child::run(&DEVICES);
    }
    if !nix::unistd::geteuid().is_root() {
        return dry_run(out);
    }
    let mut stage = Stage::set_up().context("setting up the demo")?;
    let matched = play(&mut stage, out);
    stage.clear_up().context("cleaning up after the demo")?;
    RecordStore::records(&RunDir::open()?)?.remove(&id().parse()?)?;
    writeln!(out, "The cgroup, its program and the child are gone again.")?;
    Ok(if matched? { Exit::Success } else { Exit::Failure })
}

fn dry_run(out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let (_, rules) = input(1)?;
    let prepared = prepare(rules.policy().clone())?;
    writeln!(out, "Not root, so this is a dry run: nothing is loaded, attached or opened.\n")?;
    describe::policy(out, &prepared.policy)?;
    writeln!(out)?;
    describe::listing(out, prepared.verified.program())?;
    writeln!(out, "\nRun it as root to see the kernel decide.")?;
    Ok(Exit::Success)
}

/// The container's id: two demos may run at once.
fn id() -> String {
    format!("devgate-demo-{}", std::process::id())
}

/// Without a link: the demo is about what one program does to another.
fn options() -> EnforceOptions {
    EnforceOptions::directly(DirectAttach::default())
}

/// What the hook makes of its standard input: state and config.json.
fn input(pid: i32) -> anyhow::Result<(State, ContainerRules)> {
    let state = serde_json::json!({
        "ociVersion": "1.2.0", "id": id(), "status": "creating", "pid": pid,
        "bundle": "/nowhere",
    });
    let HookInput { state, config } = read_hook_input(Cursor::new(format!("{state}\n{CONFIG}")))?;
    Ok((state, ContainerRules::new(config.rules, DefaultDevices::Base)))
}

/// Whether the kernel decided every request as the policy does.
fn play(stage: &mut Stage, out: &mut Vec<u8>) -> anyhow::Result<bool> {
    let stale = attach_stale(stage.cgroup())?;
    let (state, rules) = input(stage.child_pid()?)?;
    let policy = rules.policy().clone();
    let options = Options { enforce: options(), ..Options::default() };
    let enforced = hook::run(&state, rules, options, None)?;
    let Enforced::Attached { cgroup, in_force, insns, .. } = enforced else {
        bail!("the hook takes root for rootless");
    };
    let outcome = in_force.outcome;
    let attached = query(stage.cgroup().as_fd())?.ids;
    writeln!(out, "cgroup    {}", cgroup.display())?;
    writeln!(out, "before    program {stale}, which allows everything: a stale one")?;
    writeln!(out, "hook      attached program {} ({insns} instructions)", outcome.id)?;
    writeln!(out, "          detached program {}", list(&outcome.detached))?;
    writeln!(out, "now       program {}\n", list(&attached))?;
    describe::policy(out, &policy)?;
    writeln!(out)?;
    let replaced = outcome.detached == [stale] && attached == [outcome.id];
    if !replaced {
        writeln!(out, "MISMATCH: the stale program was not replaced\n")?;
    }
    Ok(compare(stage, &policy, out)? && replaced)
}

/// Attaches a program that allows everything, as a runtime or another hook may have left it.
fn attach_stale(cgroup: &Cgroup) -> anyhow::Result<ProgId> {
    let all = vec!["allow a *:* rwm".parse()?];
    let prepared = prepare(Policy::new(all, DefaultDevices::None))?;
    Ok(enforce(cgroup, None, &prepared.verified, options())?.outcome.id)
}

/// Lets the child try each step, and sets the outcome beside what the policy says.
fn compare(stage: &mut Stage, policy: &Policy, out: &mut Vec<u8>) -> anyhow::Result<bool> {
    let mut rows = Vec::new();
    let mut matched = 0;
    for (device, access) in STEPS {
        let request = request(device, access)?;
        let says = policy.decide(&request).verdict;
        let answer = stage.ask(device, access)?;
        // The devices controller says EPERM; any other error comes from behind it.
        let kernel = if answer.ends_with("EPERM") { Verdict::Deny } else { Verdict::Allow };
        let mark = if kernel == says { "match" } else { "MISMATCH" };
        matched += usize::from(kernel == says);
        rows.push([
            format!("/dev/{device}"),
            request.to_string(),
            says.to_string(),
            kernel.to_string(),
            answer,
            mark.to_owned(),
        ]);
    }
    let header = ["DEVICE", "REQUEST", "POLICY", "KERNEL", "THE CALL'S ANSWER", ""];
    table::write(out, header, rows)?;
    writeln!(out, "\n{matched} of {} requests match.", STEPS.len())?;
    Ok(matched == STEPS.len())
}

fn request(device: &str, access: &str) -> anyhow::Result<Request> {
    let (_, device_type, major, minor) =
        *DEVICES.iter().find(|(name, ..)| *name == device).context("a step without a device")?;
    let access = if access == "-" { Access::NONE } else { access.parse()? };
    Ok(Request { device_type, major, minor, access })
}

fn list(ids: &[ProgId]) -> String {
    let texts: Vec<String> = ids.iter().map(ProgId::to_string).collect();
    texts.join(", ")
}
