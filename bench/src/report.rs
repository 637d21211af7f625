//! All that was measured, as the JSON has it.

use std::time::SystemTime;

use anyhow::Context;
use serde::Serialize;

use crate::args::Effort;
use crate::attached::Attached;
use crate::change::Change;
use crate::containers::Container;
use crate::counts::Count;
use crate::crowd::Crowd;
use crate::goals::{Goal, judge};
use crate::guard::Guard;
use crate::hooks::Hooks;
use crate::loads::{Compiled, Load};
use crate::observed::{Flood, Open};

/// The whole report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// When, in UTC.
    pub date: String,
    /// The kernel's release.
    pub kernel: String,
    /// The processor.
    pub processor: String,
    /// Processors.
    pub processors: usize,
    /// Processes that wanted to run when it began, by the load average of the last minute.
    pub load_average: f64,
    /// How often everything was done.
    pub effort: Effort,
    /// Goals and whether they are met.
    pub goals: Vec<Goal>,
    /// 1. The whole hook.
    pub hooks: Vec<Hooks>,
    /// 2. The attached program.
    pub attached: Vec<Attached>,
    /// 3. Loading.
    pub loads: Vec<Load>,
    /// 3. Compiling and proving.
    pub compiled: Vec<Compiled>,
    /// 4. Containers.
    pub containers: Vec<Container>,
    /// 5. Counts.
    pub counts: Vec<Count>,
    /// 6. Holding and changing.
    pub changes: Vec<Change>,
    /// 7. The guard.
    pub guard: Option<Guard>,
    /// 8. Opens below an observer.
    pub opens: Vec<Open>,
    /// 8. More devices than there is room for.
    pub flood: Option<Flood>,
    /// 8. Many containers.
    pub crowd: Option<Crowd>,
}

impl Report {
    /// An empty report of now and here.
    pub fn new(effort: Effort) -> anyhow::Result<Report> {
        let read = |path: &str| std::fs::read_to_string(path).context(path.to_owned());
        let cpuinfo = read("/proc/cpuinfo")?;
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
        let loadavg = read("/proc/loadavg")?;
        Ok(Report {
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            processor: model.unwrap_or("unknown").trim_start_matches([' ', '\t', ':']).to_owned(),
            processors: std::thread::available_parallelism()?.get(),
            load_average: loadavg.split(' ').next().unwrap_or_default().parse()?,
            effort,
            goals: Vec::new(),
            hooks: Vec::new(),
            attached: Vec::new(),
            loads: Vec::new(),
            compiled: Vec::new(),
            containers: Vec::new(),
            counts: Vec::new(),
            changes: Vec::new(),
            guard: None,
            opens: Vec::new(),
            flood: None,
            crowd: None,
        })
    }

    /// Holds what was measured against the goals.
    pub fn judge(&mut self) {
        self.goals = judge(self);
    }
}
