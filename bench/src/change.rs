//! What holding a policy costs the hook, and what changing it costs: whole processes, from spawn to
//! exit.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, ensure};
use devgate::hold::PINS;
use devgate::recording::{PINS as RECORDINGS, Recorder};
use serde::Serialize;
use serde_json::json;

use crate::cgroup::Cgroup;
use crate::opener::Opener;
use crate::policy::Policy;
use crate::progress;
use crate::samples::{Samples, Summary};
use crate::spawn::run;
use crate::tools::{Tools, write_config};
use crate::world::World;

/// One command.
#[derive(Debug, Serialize)]
pub struct Change {
    /// The command.
    pub command: &'static str,
    /// Its time over that of the hook without a link, the median of the pairs.
    pub over_unheld: f64,
    /// Its time over that of the default hook, the median of the pairs.
    pub over_hook: f64,
    /// Microseconds from spawn to exit.
    pub us: Summary,
    /// Minor page faults, the median.
    pub faults: f64,
}

/// The hook without a link.
pub const UNHELD: &str = "hook --hold no";
/// The hook as it is by default; with an argument, as the other has one to parse.
pub const HOOK: &str = "hook --hold try";
/// A grant.
pub const GRANT: &str = "grant --no-node";
/// A revocation of what was granted.
pub const REVOKE: &str = "revoke --no-node";

/// The hook, recording from then on.
pub const RECORD: &str = "hook --record";

const ID: &str = "change";
/// After this nothing is done any more for what was taken off.
const SETTLED: Duration = Duration::from_millis(5);
const DEVICE: &str = "c 10:229:rw";

/// The commands, the hook without a link first.
const COMMANDS: [(&str, &[&str]); 5] = [
    (UNHELD, &["hook", "--hold", "no"]),
    (HOOK, &["hook", "--hold", "try"]),
    (GRANT, &["grant", "--no-node", ID, DEVICE]),
    (REVOKE, &["revoke", "--no-node", ID, DEVICE]),
    (RECORD, &["hook", "--record=bench"]),
];

struct Stage<'w> {
    world: &'w World,
    devgate: PathBuf,
    cgroup: Cgroup,
    pin: PathBuf,
    recording: PathBuf,
    state: PathBuf,
    _process: Opener,
}

/// Measures all commands in `rounds` rounds, each of which runs every command once.
pub fn measure(world: &World, tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Change>> {
    let bundle = write_config(world, "change-bundle", &Policy::podman())?;
    let stage = Stage::set(world, tools, &bundle)?;
    let mut times: Vec<Samples> = vec![Samples::default(); COMMANDS.len()];
    let mut faults = times.clone();
    // One round more, to warm up.
    for round in 0..=rounds {
        progress("hold and change", round, rounds);
        // What is granted and revoked is held by the hook before.
        let order = if round % 2 == 0 { [0, 4, 1, 2, 3] } else { [1, 2, 3, 4, 0] };
        for place in order {
            let taken = stage.run(place)?;
            if round > 0 {
                times[place].push_us(taken.time);
                faults[place].push(taken.faults as f64);
            }
        }
    }
    stage.clear()?;
    let all = COMMANDS.iter().zip(times.iter().zip(&faults));
    Ok(all
        .map(|((command, _), (taken, faults))| Change {
            command,
            over_unheld: taken.over(&times[0]),
            over_hook: taken.over(&times[1]),
            us: taken.summary(),
            faults: faults.median(),
        })
        .collect())
}

impl<'w> Stage<'w> {
    fn set(world: &'w World, tools: &Tools, bundle: &Path) -> anyhow::Result<Stage<'w>> {
        let cgroup = world.cgroup(ID)?;
        let process = Opener::start(&cgroup)?;
        let state = world.path("change.state");
        let document = json!({
            "ociVersion": "1.0.2-dev",
            "id": ID,
            "status": "creating",
            "pid": process.pid(),
            "bundle": bundle,
        });
        fs::write(&state, document.to_string())?;
        let id = cgroup.id()?.to_string();
        let (pin, recording) = (Path::new(PINS).join(&id), Path::new(RECORDINGS).join(&id));
        let devgate = tools.devgate.clone();
        Ok(Stage { world, devgate, cgroup, pin, recording, state, _process: process })
    }

    /// One command, and a look at what came of it, out of the time.
    fn run(&self, place: usize) -> anyhow::Result<crate::spawn::Run> {
        let (name, args) = COMMANDS[place];
        if args[0] == "hook" {
            self.clear()?;
        }
        let before = self.cgroup.programs()?;
        let command: Vec<&Path> =
            [self.devgate.as_path()].into_iter().chain(args.iter().map(Path::new)).collect();
        let taken = run(&command, &self.state, &self.world.path("log"))?.succeeded()?;
        let after = self.cgroup.programs()?;
        let held = if name == UNHELD { 1 } else { 2 };
        let is_new = after.iter().all(|id| !before.contains(id));
        ensure!(is_new && after.len() == held, "{name}: {before:?} became {after:?}");
        let records = self.recording.exists();
        ensure!(records == (name == RECORD), "{name}: {}", self.recording.display());
        Ok(taken)
    }

    /// As a cgroup is before its container's hook: no link, and no program but the runtime's,
    /// which is as good as any that devgate replaces.
    fn clear(&self) -> anyhow::Result<()> {
        let cgroup = devgate::cgroup::Cgroup::open(self.cgroup.path())?;
        Recorder::open()?.abandon(&cgroup)?;
        match fs::remove_file(&self.pin) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| self.pin.display().to_string());
            }
            _ => {}
        }
        // A link without a pin is taken off a little later.
        for _ in 0..1_000 {
            if self.cgroup.programs()?.len() <= 1 {
                // The kernel's work on a link goes on for a moment, and would be in the next time.
                sleep(SETTLED);
                return Ok(());
            }
            sleep(Duration::from_micros(100));
        }
        anyhow::bail!("the link stays attached to {ID}")
    }
}
