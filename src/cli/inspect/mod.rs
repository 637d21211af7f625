//! `devgate inspect`.

pub mod json;
mod text;

use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use devgate::cgroup::Cgroup;
use devgate::decode::{DecodeError, Decoded};
use devgate::inspect::{Difference, Effective, Inspection, Links, differences, effective, inspect};
use nix::time::{ClockId, clock_gettime};

use super::args::Inspect;
use super::target::open_any;
use super::{Exit, spec};

/// All that is shown, in either form.
struct Report {
    inspection: Inspection,
    effective: Effective,
    differences: Result<Vec<Difference>, DecodeError>,
    boot: SystemTime,
    listings: Listings,
}

/// Whether programs' instructions are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listings {
    Shown,
    LeftOut,
}

pub fn run(args: &Inspect, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let report = Report::of(args, open(args)?)?;
    if args.rules {
        let rules = exact(report.effective)?.rules;
        serde_json::to_writer_pretty(&mut *out, &spec::devices(&rules)?)?;
        writeln!(out)?;
    } else if args.json {
        serde_json::to_writer(&mut *out, &json::report(&report)?)?;
        writeln!(out)?;
    } else {
        text::report(&report, out)?;
    }
    Ok(Exit::Success)
}

/// The effective policy, if it is all known: as a config, anything else would mislead.
fn exact(effective: Effective) -> anyhow::Result<Decoded> {
    let Effective { decoded, uncertain, unknown, retval, .. } = effective;
    if uncertain?.is_empty() {
        return Ok(decoded?);
    }
    let retval = retval.iter().map(|(id, _)| *id);
    let ids: BTreeSet<u32> = unknown.into_iter().chain(retval).map(|id| id.number()).collect();
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    anyhow::bail!(
        "the effective policy is unknown, because of program {}: `devgate inspect` without --rules \
         says why",
        ids.join(", ")
    )
}

fn open(args: &Inspect) -> anyhow::Result<Cgroup> {
    match (args.target.open()?, &args.what) {
        (Some(cgroup), _) => Ok(cgroup),
        (None, Some(what)) => open_any(what),
        (None, None) => anyhow::bail!("nothing to inspect was named"),
    }
}

impl Report {
    fn of(args: &Inspect, cgroup: Cgroup) -> anyhow::Result<Report> {
        let links = Links::read().context("the system's bpf_links can't be listed")?;
        let inspection = inspect(cgroup, &links)?;
        Ok(Report {
            effective: effective(&inspection),
            differences: differences(&inspection),
            inspection,
            boot: boot_time()?,
            listings: if args.asm { Listings::Shown } else { Listings::LeftOut },
        })
    }

    /// A load time since boot, as a date.
    fn date(&self, load_time: Duration) -> String {
        humantime::format_rfc3339_seconds(self.boot + load_time).to_string()
    }
}

fn boot_time() -> anyhow::Result<SystemTime> {
    let up = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?);
    Ok(SystemTime::now() - up)
}
