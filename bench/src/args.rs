//! The arguments.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::{attached, crowd, guard, observed};

/// Measures devgate beside its peers.
#[derive(Debug, Parser)]
#[command(name = "devgate-bench", args_conflicts_with_subcommands = true)]
pub struct Args {
    /// devgate's release binary [default: beside this one]
    #[arg(long, value_name = "FILE")]
    pub devgate: Option<PathBuf>,
    /// The wrapper of youki's libcgroups [default: beside this one]
    #[arg(long, value_name = "FILE")]
    pub libcgroups: Option<PathBuf>,
    /// Where the JSON goes
    #[arg(long, value_name = "FILE", default_value = "target/bench.json")]
    pub json: PathBuf,
    /// Only these sections, as 1,8 [default: all]
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pub sections: Vec<u8>,
    /// Few runs, to try the bench itself: its figures mean nothing
    #[arg(long)]
    pub quick: bool,
    /// What the bench starts itself as.
    #[command(subcommand)]
    pub role: Option<Role>,
}

/// Processes of the bench besides itself.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Opens devices.
    #[command(hide = true)]
    Opener,
    /// Cleans up.
    #[command(hide = true)]
    Janitor {
        /// The cgroup to remove.
        cgroup: PathBuf,
        /// The directory to remove.
        dir: PathBuf,
    },
}

/// How often everything is done.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Effort {
    /// Rounds of hooks.
    pub hook: usize,
    /// Rounds of hooks of which one takes a fraction of a second.
    pub slow_hook: usize,
    /// Runs of a hook that fails.
    pub failing_hook: usize,
    /// Rounds of hooks with 10,000 rules.
    pub large_hook: usize,
    /// Opens.
    pub attached: attached::Effort,
    /// Loads of each program.
    pub load: usize,
    /// Compilations.
    pub compile: usize,
    /// Compilations of 10,000 rules.
    pub large_compile: usize,
    /// Rounds of containers.
    pub container: usize,
    /// The guard.
    pub guard: guard::Effort,
    /// Observers.
    pub observed: observed::Effort,
    /// Many containers.
    pub crowd: crowd::Effort,
}

impl Args {
    /// Whether a section is asked for.
    pub fn wants(&self, section: u8) -> bool {
        self.sections.is_empty() || self.sections.contains(&section)
    }

    /// How often everything is done.
    pub fn effort(&self) -> Effort {
        let opens = |rounds, opens| attached::Effort { rounds, opens };
        match self.quick {
            true => Effort {
                hook: 5,
                slow_hook: 2,
                failing_hook: 1,
                large_hook: 2,
                attached: opens(2, 1_000),
                load: 3,
                compile: 3,
                large_compile: 1,
                container: 2,
                guard: guard::Effort { containers: 20, seconds: 2 },
                observed: observed::Effort { rounds: 20, opens: 1_000, devices: 10_000 },
                crowd: crowd::Effort { containers: 20, denials: 100, ticks: 20 },
            },
            false => Effort {
                hook: 300,
                slow_hook: 60,
                failing_hook: 5,
                large_hook: 200,
                attached: opens(20, 10_000),
                load: 60,
                compile: 200,
                large_compile: 40,
                container: 60,
                guard: guard::Effort { containers: 1_000, seconds: 20 },
                observed: observed::Effort { rounds: 300, opens: 2_000, devices: 10_000 },
                crowd: crowd::Effort { containers: 1_000, denials: 100, ticks: 100 },
            },
        }
    }
}
