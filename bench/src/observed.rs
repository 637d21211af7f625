//! What an observer costs the process that opens devices, and what it makes of a process that asks
//! for more devices than there is room for.

use std::fs;
use std::os::fd::AsFd;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use devgate::observe::{Observer, Requests, Size, Task, WithEvents};
use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use serde::Serialize;

use crate::cgroup::Cgroup;
use crate::opener::{Opener, Order};
use crate::policy::Policy;
use crate::samples::{Samples, Summary, order};
use crate::tools::{Tools, write_config};
use crate::world::World;
use crate::{progress, sys};

/// One kind of open, in one kind of cgroup.
#[derive(Debug, Serialize)]
pub struct Open {
    /// What is opened.
    pub device: &'static str,
    /// Who observes.
    pub observer: &'static str,
    /// Its time over that without an observer, the median of the pairs.
    pub over_unobserved: f64,
    /// Nanoseconds of one open, and close if it was allowed.
    pub ns: Summary,
}

/// Without an observer.
pub const NOBODY: &str = "nobody";
/// As `devgate observe` and `record` do.
pub const COUNTS: &str = "counts";
/// As `devgate watch` does.
pub const EVENTS: &str = "counts, tells";
/// What `record` and `watch --all` put there: it counts what is allowed as well.
pub const ALL: &str = "counts all";

/// A device that the policy denies.
pub const DENIED: &str = "denied";
/// /dev/null.
pub const NULL: &str = "/dev/null";

/// How much is measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Effort {
    /// Rounds.
    pub rounds: usize,
    /// Opens of each kind in each round.
    pub opens: usize,
    /// Devices that one container asks for.
    pub devices: u32,
}

/// A container's cgroup with a policy, and maybe an observer on the one above it.
struct Place {
    name: &'static str,
    container: Cgroup,
    _observer: Option<Observer>,
}

impl Place {
    fn new(world: &World, name: &'static str, program: &[u8]) -> anyhow::Result<Place> {
        let dir = format!("open-{}", name.replace([' ', ','], "-"));
        let above = world.cgroup(&dir)?;
        let container = world.cgroup(&format!("{dir}/container"))?;
        container.put_only(sys::load(program)?.as_fd())?;
        let task = match name {
            NOBODY => return Ok(Place { name, container, _observer: None }),
            EVENTS => Task { events: WithEvents::Yes, ..Task::default() },
            ALL => Task { requests: Requests::All, ..Task::default() },
            _ => Task::default(),
        };
        let mut observer = Observer::load(task)?;
        observer.observe(devgate::cgroup::Cgroup::open(above.path())?)?;
        Ok(Place { name, container, _observer: Some(observer) })
    }
}

/// Measures opens of both kinds in all places, one process visiting them.
pub fn measure(world: &World, tools: &Tools, effort: Effort) -> anyhow::Result<Vec<Open>> {
    let program = program(world, tools)?;
    let names = [NOBODY, COUNTS, EVENTS, ALL];
    let places: Vec<Place> =
        names.iter().map(|name| Place::new(world, name, &program)).collect::<Result<_, _>>()?;
    let devices =
        [(DENIED, denied(world)?, Err(Errno::EPERM)), (NULL, PathBuf::from("/dev/null"), Ok(()))];
    let mut opener = Opener::start(&places[0].container)?;
    let mut samples = vec![vec![Samples::default(); places.len()]; devices.len()];
    for round in 0..effort.rounds {
        progress("opens, observed", round, effort.rounds);
        for place in order(places.len(), round) {
            places[place].container.admit(opener.pid())?;
            for (device, (name, path, expected)) in devices.iter().enumerate() {
                // What only the first requests cost is not in it.
                let _: nix::Result<()> = opener.open(path, effort.opens / 10)?;
                let opens = Order::Open { path: path.clone(), times: effort.opens };
                let answer = opener.timed(&opens)?;
                ensure!(answer.outcome == *expected, "{name}: {:?}", answer.outcome);
                let ns = answer.took.as_secs_f64() * 1e9 / effort.opens as f64;
                samples[device][place].push(ns);
            }
        }
    }
    let mut found = Vec::new();
    for ((device, ..), samples) in devices.iter().zip(&samples) {
        for (place, own) in places.iter().zip(samples) {
            found.push(Open {
                device,
                observer: place.name,
                over_unobserved: own.over(&samples[0]),
                ns: own.summary(),
            });
        }
    }
    Ok(found)
}

/// devgate's program for a plain container.
pub fn program(world: &World, tools: &Tools) -> anyhow::Result<Vec<u8>> {
    let bundle = write_config(world, "observed-bundle", &Policy::podman())?;
    tools.devgate_program(&bundle.join("config.json"))
}

/// A node that the policy denies. It has no driver.
pub fn denied(world: &World) -> anyhow::Result<PathBuf> {
    let path = world.path("observed-denied");
    if !path.exists() {
        let device = makedev(600, 1);
        mknod(&path, SFlag::S_IFCHR, Mode::S_IRUSR, device).context("a device node")?;
    }
    Ok(path)
}

/// What came of one container that asks for many devices, beside others.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Flood {
    /// Devices that it asks for.
    pub devices: u32,
    /// Rows that they were given.
    pub rows: usize,
    /// Requests without one.
    pub lost: u64,
    /// Bytes of the maps before the first request.
    pub bytes_before: u64,
    /// Bytes of the maps, then.
    pub bytes: u64,
    /// Bytes of the maps at most: full.
    pub most_bytes: u64,
    /// Requests of the other containers.
    pub others_asked: u64,
    /// Those that were counted.
    pub others_counted: u64,
}

impl Flood {
    /// Whether each request is a row's or lost, and none of the others' is.
    pub fn is_exact(&self) -> bool {
        self.rows as u64 + self.lost == u64::from(self.devices)
            && self.others_asked == self.others_counted
    }
}

/// Other containers, and how often each opens a denied device.
const OTHERS: usize = 20;
const EACH: usize = 1_000;

/// Has one container ask for so many devices while others open one.
pub fn flood(world: &World, tools: &Tools, effort: Effort) -> anyhow::Result<Flood> {
    progress("flood", 0, 1);
    let program = sys::load(&denying_mknod(world, tools)?)?;
    let above = world.cgroup("flood")?;
    let container = |name: &str| -> anyhow::Result<(Cgroup, Opener)> {
        let cgroup = world.cgroup(&format!("flood/{name}"))?;
        cgroup.put_only(program.as_fd())?;
        let opener = Opener::start(&cgroup)?;
        Ok((cgroup, opener))
    };
    let (greedy, mut asker) = container("greedy")?;
    let mut others = Vec::new();
    for number in 0..OTHERS {
        others.push(container(&format!("other-{number}"))?);
    }
    let size = Size::default();
    let (requests, events) = (Requests::All, WithEvents::Yes);
    let mut observer = Observer::load(Task { requests, size, events, ..Task::default() })?;
    observer.observe(devgate::cgroup::Cgroup::open(above.path())?)?;
    let bytes_before = map_bytes()?;
    let path = world.path("flood-node");
    asker.start_on(&Order::Make { path, major: 700, count: effort.devices })?;
    let node = denied(world)?;
    for (_, other) in &mut others {
        other.start_on(&Order::Open { path: node.clone(), times: EACH })?;
    }
    let asked = asker.finish()?;
    ensure!(asked.outcome == Err(Errno::EPERM), "it is to be denied: {:?}", asked.outcome);
    for (_, other) in &mut others {
        ensure!(other.finish()?.outcome == Err(Errno::EPERM), "it is to be denied");
    }
    let bytes = map_bytes()?;
    let of = |id: u64| -> anyhow::Result<Vec<_>> {
        let rows = observer.observations().read()?;
        Ok(rows.into_iter().filter(|row| row.cgroup_id == id).collect())
    };
    let lost = observer.observations().lost()?;
    let mut others_counted = 0;
    for (cgroup, _) in &others {
        let rows = of(cgroup.id()?)?;
        let denied = rows.iter().filter(|row| row.request.major == 600);
        others_counted += denied.map(|row| row.count).sum::<u64>();
    }
    let id = greedy.id()?;
    let rows = of(id)?.iter().filter(|row| row.request.major == 700).count();
    let fill = observer.observations().fill()?;
    let each = (bytes - bytes_before).div_ceil(u64::from(fill.rows + fill.rooms).max(1));
    Ok(Flood {
        devices: effort.devices,
        rows,
        lost: lost.iter().filter(|lost| lost.cgroup_id == Some(id)).map(|lost| lost.requests).sum(),
        bytes_before,
        bytes,
        most_bytes: bytes_before + each * u64::from(fill.most_rows + fill.most_rooms),
        others_asked: (OTHERS * EACH) as u64,
        others_counted,
    })
}

/// A policy that denies making nodes, too: so none is there in the end.
fn denying_mknod(world: &World, tools: &Tools) -> anyhow::Result<Vec<u8>> {
    let bundle = write_config(world, "flood-bundle", &Policy::everything(false))?;
    let config = bundle.join("config.json");
    let raw = ["compile", "--format", "raw", "--default-devices", "none", "--config"];
    tools.devgate_output(&raw, &config)
}

/// What all maps that this process holds take, as the kernel counts it.
fn map_bytes() -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        // The descriptor of the directory itself is gone.
        let Ok(text) = fs::read_to_string(entry?.path()) else { continue };
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
        if value("map_id:").is_some() {
            bytes += value("memlock:").unwrap_or("0").trim().parse::<u64>()?;
        }
    }
    Ok(bytes)
}
