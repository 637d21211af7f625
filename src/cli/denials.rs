//! `devgate denials`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use devgate::cgroup::Cgroup;
use devgate::denials::{Certainty, Denial, Denied, Report, report};
use devgate::errors::chain;
use devgate::observe::Method;
use devgate::watch::find;
use serde::Serialize;

use super::granted::seconds;
use super::names::Names;
use super::{Exit, complain, describe, observe, table, who_lacks_rights};

pub const HELP: &str = "\
Counts are exact. Of containers that ended, the last 1,000 are kept that were denied something.
With --json: an object with `since`, `method`, `denials` (an object each), `lost` (requests of a
container that found no room) and `lost_without_room`.

Exit codes: 0, also if nothing was denied; 1 nothing is observed, the container is not known, or it
can't be told.

Examples:
  devgate observe start
  devgate denials
  devgate denials 630b76a2f65f --json";

#[derive(Debug, ClapArgs)]
pub struct Denials {
    /// Only this container: the beginning of its id, its name, or a cgroup2 directory that it is in
    #[arg(value_name = "CONTAINER")]
    pub container: Option<String>,
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Output<'r> {
    since: String,
    method: &'static str,
    denials: Vec<Row<'r>>,
    lost: Vec<Lost<'r>>,
    lost_without_room: u64,
}

/// Which container.
#[derive(Serialize)]
struct Whose<'r> {
    container: Option<&'r str>,
    name: Option<&'r str>,
    namespace: Option<&'r str>,
    pod: Option<&'r str>,
    cgroup: Option<String>,
    ended: Option<String>,
}

#[derive(Serialize)]
struct Row<'r> {
    #[serde(flatten)]
    whose: Whose<'r>,
    #[serde(rename = "type")]
    device_type: char,
    major: u32,
    minor: u32,
    device: Option<String>,
    access: String,
    verdict: &'static str,
    certainty: Certainty,
    count: u64,
    first: String,
    last: String,
    command: Option<&'r str>,
    pid: Option<u32>,
    program: Option<u32>,
    program_cgroup: Option<String>,
    rule: Option<&'r str>,
}

#[derive(Serialize)]
struct Lost<'r> {
    #[serde(flatten)]
    whose: Whose<'r>,
    requests: u64,
}

pub fn run(args: &Denials, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let report = report().map_err(anyhow::Error::from);
    let report = report.map_err(who_lacks_rights("denials needs root"))?;
    let Some(mut report) = report else {
        bail!("nothing is observed, so no denials were counted (devgate observe start)");
    };
    if let Some(wanted) = &args.container {
        let below = directory(wanted);
        report.containers.retain(|denied| is_wanted(denied, wanted, below.as_deref()));
        if report.containers.is_empty() {
            // A container that was denied nothing is there; one that was misspelt is not.
            find(std::slice::from_ref(wanted))
                .with_context(|| format!("no denial of {wanted} is known"))?;
        }
    }
    let names = Names::default();
    if args.json {
        serde_json::to_writer(&mut *out, &output(&report, &names))?;
        writeln!(out)?;
    } else {
        tell(args, &report, &names, out)?;
    }
    report.unreadable.iter().for_each(|error| complain(&chain(error)));
    Ok(if report.unreadable.is_empty() { Exit::Success } else { Exit::Failure })
}

/// The directory that is named, as the kernel calls it if it is there.
fn directory(wanted: &str) -> Option<PathBuf> {
    let path = Path::new(wanted);
    let id = || Cgroup::open(path).ok()?.id().ok();
    let known = || Some(Cgroup::of_id(id()?).ok()??.path().to_owned());
    wanted.contains('/').then(|| known().unwrap_or_else(|| path.to_owned()))
}

fn is_wanted(denied: &Denied, wanted: &str, below: Option<&Path>) -> bool {
    let identity = &denied.identity;
    let is = |name: &Option<String>| name.as_deref() == Some(wanted);
    identity.container.as_ref().is_some_and(|id| id.starts_with(wanted))
        || is(&identity.name)
        || is(&identity.pod)
        || below.zip(denied.cgroup.as_ref()).is_some_and(|(dir, path)| path.starts_with(dir))
}

fn output<'r>(report: &'r Report, names: &Names) -> Output<'r> {
    let rows = report
        .containers
        .iter()
        .flat_map(|denied| denied.denials.iter().map(move |denial| row(denied, denial, names)));
    let lost = report.containers.iter().filter(|denied| denied.lost > 0);
    Output {
        since: report.since.to_string(),
        method: observe::word(report.method),
        denials: rows.collect(),
        lost: lost.map(|it| Lost { whose: whose(it), requests: it.lost }).collect(),
        lost_without_room: report.lost_without_room,
    }
}

fn whose(denied: &Denied) -> Whose<'_> {
    let identity = &denied.identity;
    let pod = identity.pod.as_deref().and_then(|pod| pod.split_once('/'));
    Whose {
        container: identity.container.as_deref(),
        name: identity.name.as_deref(),
        namespace: pod.map(|(namespace, _)| namespace),
        pod: pod.map(|(_, pod)| pod),
        cgroup: denied.cgroup.as_ref().map(|path| path.display().to_string()),
        ended: denied.ended.map(|time| time.to_string()),
    }
}

fn row<'r>(denied: &'r Denied, denial: &'r Denial, names: &Names) -> Row<'r> {
    let request = &denial.request;
    let (asker, by) = (denial.last_by.as_ref(), denial.denied_by.as_ref());
    Row {
        whose: whose(denied),
        device_type: request.device_type.letter(),
        major: request.major,
        minor: request.minor,
        device: names.device(request.device_type, request.major, request.minor),
        access: request.access.to_string(),
        verdict: verdict(denial),
        certainty: denial.certainty,
        count: denial.count,
        first: denial.first.to_string(),
        last: denial.last.to_string(),
        command: asker.map(|asker| asker.command.as_str()),
        pid: asker.map(|asker| asker.pid),
        program: by.and_then(|by| by.program),
        program_cgroup: by.and_then(|by| Some(by.cgroup.as_ref()?.display().to_string())),
        rule: by.and_then(|by| by.rule.as_deref()),
    }
}

fn verdict(denial: &Denial) -> &'static str {
    match denial.certainty {
        Certainty::Told | Certainty::Computed => "deny",
        Certainty::Unknown => "unknown",
    }
}

fn tell(args: &Denials, report: &Report, names: &Names, out: &mut Vec<u8>) -> anyhow::Result<()> {
    let since = seconds(&report.since.to_string());
    let rows: Vec<_> = report
        .containers
        .iter()
        .flat_map(|denied| denied.denials.iter().map(move |denial| (denied, denial)))
        .collect();
    if rows.is_empty() {
        let of = args.container.as_ref().map(|wanted| format!(" to {wanted}")).unwrap_or_default();
        writeln!(out, "{}", describe::escaped(&format!("nothing was denied{of} since {since}")))?;
    } else {
        writeln!(out, "denied since {since}:")?;
        let header = ["CONTAINER", "DEVICE", "ACCESS", "COUNT", "FIRST", "LAST", "COMMAND", "RULE"];
        let texts = rows.iter().map(|(denied, denial)| text(denied, denial, names));
        table::write(out, header, texts)?;
    }
    if report.method == Method::Computed && !rows.is_empty() {
        writeln!(out, "{}", observe::describe_method(report.method))?;
    }
    for denied in report.containers.iter().filter(|denied| denied.lost > 0) {
        let line = format!("lost: {} requests of {} found no room", denied.lost, name(denied));
        writeln!(out, "{}", describe::escaped(&line))?;
    }
    if report.lost_without_room > 0 {
        let lost = report.lost_without_room;
        writeln!(out, "lost: {lost} requests of cgroups for which there was no room at all")?;
    }
    Ok(())
}

fn text(denied: &Denied, denial: &Denial, names: &Names) -> [String; 8] {
    let request = &denial.request;
    let device = names.device(request.device_type, request.major, request.minor);
    let numbers = format!("{} {}:{}", request.device_type, request.major, request.minor);
    let asker = denial.last_by.as_ref();
    [
        describe::escaped(&name(denied)),
        device.map_or(numbers.clone(), |device| format!("{numbers} {device}")),
        request.access.to_string(),
        denial.count.to_string(),
        seconds(&denial.first.to_string()),
        seconds(&denial.last.to_string()),
        describe::escaped(
            &asker.map_or("-".to_owned(), |it| format!("{} ({})", it.command, it.pid)),
        ),
        describe::escaped(&rule(denied, denial)),
    ]
}

/// As much of it as a person needs to know it: the cgroup, if no container is known.
fn name(denied: &Denied) -> String {
    let identity = &denied.identity;
    let id = identity.container.as_deref().map(|id| id.get(..12).unwrap_or(id));
    let cgroup = || denied.cgroup.as_ref().map(|path| path.display().to_string());
    let mut text = match (id, &identity.pod, &identity.name) {
        (Some(id), Some(pod), Some(name)) => format!("{id} {pod}/{name}"),
        (Some(id), None, Some(name)) => format!("{id} {name}"),
        (Some(id), _, None) => id.to_owned(),
        (None, ..) => cgroup().unwrap_or_else(|| format!("cgroup {}", denied.cgroup_id)),
    };
    if denied.ended.is_some() {
        text.push_str(" (ended)");
    }
    text
}

/// The rule, and the program if it is of another cgroup.
fn rule(denied: &Denied, denial: &Denial) -> String {
    if denial.certainty == Certainty::Unknown {
        return "not known whether it was denied: the container has ended".to_owned();
    }
    let Some(by) = &denial.denied_by else { return "-".to_owned() };
    let rule = by.rule.as_deref().unwrap_or("-");
    match (by.program, &by.cgroup) {
        (Some(program), Some(cgroup)) if Some(cgroup) != denied.cgroup.as_ref() => {
            format!("{rule}, by program {program} on {}", cgroup.display())
        }
        (Some(program), _) => format!("{rule}, by program {program}"),
        (None, _) => rule.to_owned(),
    }
}
