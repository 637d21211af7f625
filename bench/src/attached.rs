//! What an attached program costs each open of a device, as the kernel counts it.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::PathBuf;

use anyhow::{bail, ensure};
use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use serde::Serialize;

use crate::opener::Opener;
use crate::policy::{Node, Policy};
use crate::programs::{Program, Programs, RETURN_1};
use crate::samples::{Samples, Summary, order};
use crate::world::World;
use crate::{progress, sys};

/// One policy's programs, side by side.
#[derive(Debug, Serialize)]
pub struct Attached {
    /// The policy.
    pub policy: &'static str,
    /// Programs by devices.
    pub cells: Vec<Cell>,
    /// Who has no program, and why.
    pub missing: Vec<(&'static str, String)>,
}

/// A program, and opens of one device.
#[derive(Debug, Serialize)]
pub struct Cell {
    /// Whose program.
    pub program: &'static str,
    /// The device.
    pub device: &'static str,
    /// Its time over devgate's, the median of the rounds.
    pub over_devgate: f64,
    /// Nanoseconds a run, one sample a round; the kernel's own timing is part of it.
    pub ns: Summary,
    /// Runs in all.
    pub runs: u64,
}

impl Attached {
    /// The cell of this program and device.
    pub fn get(&self, program: &str, device: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.program == program && cell.device == device)
    }
}

/// Rounds, and opens of each device with each program in a round.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Effort {
    /// Rounds.
    pub rounds: usize,
    /// Opens.
    pub opens: usize,
}

#[derive(Default)]
struct Counted {
    ns: Samples,
    runs: u64,
}

/// Measures all programs of the policy.
pub fn measure(
    world: &World,
    policy: &Policy,
    programs: &Programs,
    effort: Effort,
) -> anyhow::Result<Attached> {
    let cgroup = world.cgroup(&format!("attached-{}", policy.file_name()))?;
    let mut opener = Opener::start(&cgroup)?;
    let nodes = make_nodes(world, policy)?;
    let mut counted: BTreeMap<(usize, usize), Counted> = BTreeMap::new();
    let _stats = sys::enable_stats()?;
    for round in 0..effort.rounds {
        progress(&format!("attached program, {}", policy.name), round, effort.rounds);
        for place in order(programs.loaded.len(), round) {
            let program = &programs.loaded[place];
            cgroup.put_only(program.fd.as_fd())?;
            for (number, (node, path)) in nodes.iter().enumerate() {
                let before = sys::info(program.fd.as_fd())?;
                check(program, node, opener.open(path, effort.opens)?)?;
                let after = sys::info(program.fd.as_fd())?;
                let runs = after.run_cnt - before.run_cnt;
                ensure!(runs >= effort.opens as u64, "{} ran {runs} times", program.name);
                let cell = counted.entry((place, number)).or_default();
                cell.ns.push((after.run_time_ns - before.run_time_ns) as f64 / runs as f64);
                cell.runs += runs;
            }
        }
    }
    Ok(summarize(policy, programs, &nodes, &counted))
}

fn summarize(
    policy: &Policy,
    programs: &Programs,
    nodes: &[(Node, PathBuf)],
    counted: &BTreeMap<(usize, usize), Counted>,
) -> Attached {
    let devgate = programs.loaded.iter().position(|program| program.name == "devgate");
    let mut cells = Vec::new();
    for ((place, number), own) in counted {
        let base = devgate.and_then(|devgate| counted.get(&(devgate, *number)));
        cells.push(Cell {
            program: programs.loaded[*place].name,
            device: nodes[*number].0.name,
            over_devgate: base.map_or(f64::NAN, |base| own.ns.over(&base.ns)),
            ns: own.ns.summary(),
            runs: own.runs,
        });
    }
    Attached { policy: policy.name, cells, missing: programs.missing.clone() }
}

/// The nodes, in a directory of ours; most have no driver and open with ENXIO once the program
/// let them pass.
fn make_nodes(world: &World, policy: &Policy) -> anyhow::Result<Vec<(Node, PathBuf)>> {
    let mut made = Vec::new();
    for node in policy.nodes()? {
        // Drivers with fixed numbers are below; /dev/null and /dev/net/tun do no harm.
        let harmless = [(1, 3), (10, 200)].contains(&(node.major, node.minor));
        let unused = node.major >= 512 || (node.major == 10 && node.minor == 201);
        ensure!(harmless || unused, "opening c {}:{} may do harm", node.major, node.minor);
        let path = world.path(&format!("node-{}-{}", node.major, node.minor));
        let device = makedev(node.major.into(), node.minor.into());
        if !path.exists() {
            mknod(&path, SFlag::S_IFCHR, Mode::from_bits_truncate(0o600), device)?;
        }
        made.push((node, path));
    }
    Ok(made)
}

fn check(program: &Program, node: &Node, opened: Result<(), Errno>) -> anyhow::Result<()> {
    let allowed = node.allowed || program.name == RETURN_1;
    match (allowed, opened) {
        (true, Ok(()) | Err(Errno::ENXIO | Errno::ENODEV)) | (false, Err(Errno::EPERM)) => Ok(()),
        (_, opened) => {
            bail!("{}: {} ({}:{}): {opened:?}", program.name, node.name, node.major, node.minor)
        }
    }
}
