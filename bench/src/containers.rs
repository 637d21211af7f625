//! `runc run` of a container that does nothing, with and without the hook.

use std::path::Path;

use serde::Serialize;

use crate::policy::Policy;
use crate::progress;
use crate::runtime::{Runtime, bundle};
use crate::samples::{Samples, Summary, order};
use crate::spawn::run;
use crate::tools::{Tools, nothing};
use crate::world::World;

/// A container's whole life.
#[derive(Debug, Serialize)]
pub struct Container {
    /// Which hook it has.
    pub hook: &'static str,
    /// Its time over that without a hook, the median of the pairs.
    pub over_no_hook: f64,
    /// Microseconds.
    pub us: Summary,
}

/// Runs each container once in every round; without a hook, with one that does nothing, and
/// with devgate.
pub fn measure(world: &World, tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Container>> {
    let devices = &Policy::podman().config["linux"]["resources"]["devices"];
    let make = |name: &str, hook: Option<&Path>| bundle(world, name, &["true"], devices, hook);
    let containers = [
        ("none", make("run-none", None)?),
        ("one that does nothing", make("run-nothing", Some(&nothing(world)?))?),
        ("devgate", make("run-devgate", Some(&tools.devgate))?),
    ];
    let mut times = vec![Samples::default(); containers.len()];
    // One round more, to warm up.
    for round in 0..=rounds {
        progress("runc run", round, rounds);
        for place in order(containers.len(), round) {
            let took = run_once(world, &containers[place].1)?;
            if round > 0 {
                times[place].push_us(took);
            }
        }
    }
    let container = |(place, samples): (usize, &Samples)| Container {
        hook: containers[place].0,
        over_no_hook: samples.over(&times[0]),
        us: samples.summary(),
    };
    Ok(times.iter().enumerate().map(container).collect())
}

fn run_once(world: &World, bundle: &Path) -> anyhow::Result<std::time::Duration> {
    let root = world.path("runtime");
    let args = [
        Runtime::Runc.command(),
        Path::new("--root"),
        &root,
        Path::new("run"),
        Path::new("--bundle"),
        bundle,
        Path::new("container"),
    ];
    Ok(run(&args, Path::new("/dev/null"), &world.path("runtime.log"))?.succeeded()?.time)
}
