//! An entry in words. All that comes from containers is escaped: they choose the names of their
//! processes, and of their cgroups.

use std::path::Path;
use std::rc::Rc;

use devgate::container::{Named, Place};
use devgate::inspect::{AsOf, Explanation, Part, Runner};
use devgate::policy::Verdict;
use devgate::watch::Entry;

use super::describe::escaped;
use super::devices::Devices;

/// What is not known.
pub const NONE: &str = "-";

/// The container, its name and its pod, or else the cgroup.
pub fn container(place: &Result<Rc<Place>, Rc<str>>) -> String {
    match place {
        Err(_) => "a cgroup that is gone".to_owned(),
        Ok(place) => match &place.container {
            None => escaped(&place.cgroup.display().to_string()),
            Some(container) => named(container),
        },
    }
}

fn named(container: &Named) -> String {
    let mut text = escaped(short(&container.id));
    if let Some(name) = &container.name {
        text = format!("{text} {}", escaped(name));
    }
    if let Some(pod) = &container.pod {
        text = format!("{text} {}/{}", escaped(&pod.namespace), escaped(&pod.name));
    }
    text
}

/// As engines shorten ids.
fn short(id: &str) -> &str {
    match id.len() {
        64 => id.get(..12).unwrap_or(id),
        _ => id,
    }
}

/// `c 10:229 /dev/fuse`.
pub fn device(entry: &Entry, devices: &mut Devices) -> String {
    let request = &entry.key.request;
    let numbers = format!("{} {}:{}", request.device_type, request.major, request.minor);
    match devices.name(request) {
        Some(name) => format!("{numbers} {}", escaped(name)),
        None => numbers,
    }
}

pub fn command(entry: &Entry) -> String {
    entry.by.as_ref().map_or_else(|| NONE.to_owned(), |by| escaped(&by.command))
}

pub fn pid(entry: &Entry) -> String {
    entry.by.as_ref().map_or_else(|| NONE.to_owned(), |by| by.pid.to_string())
}

pub const fn verdict(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(verdict) => verdict.word(),
        None => "unknown",
    }
}

/// Which program on which cgroup decides, and by which rule; or why that can't be told.
pub fn reason(entry: &Entry) -> String {
    match entry.explanation() {
        Err(why) => format!("can't be told: {}", escaped(&why)),
        Ok(explanation) => match &explanation.decider {
            None => "no program runs".to_owned(),
            Some(part) => {
                let (program, rule) = (program_on(entry, part), escaped(&part.why.to_string()));
                format!("{program}: {rule}{}", more(explanation))
            }
        },
    }
}

fn more(explanation: &Explanation) -> String {
    let others: Vec<String> = explanation.others.iter().map(|other| other.id.to_string()).collect();
    let others = match others.as_slice() {
        [] => String::new(),
        [one] => format!("; program {one} denies it too"),
        all => format!("; programs {} deny it too", all.join(", ")),
    };
    match explanation.as_of {
        AsOf::Now => others,
        AsOf::LastLook => format!("{others} (its cgroup is gone; this is as of the last look)"),
    }
}

/// The program that decides, without its cgroup: `53 devgate`.
pub fn program(entry: &Entry) -> String {
    let part = entry.explanation().ok().and_then(|explanation| explanation.decider.as_ref());
    let Some(Part { runner, .. }) = part else { return NONE.to_owned() };
    match (runner.generator, runner.name.as_str()) {
        (Some(by), _) => format!("{} {by}", runner.id),
        (None, name) => format!("{} {}", runner.id, escaped(name)),
    }
}

/// The rule that decides, or why that can't be told.
pub fn rule(entry: &Entry) -> String {
    match entry.explanation() {
        Err(why) => format!("can't be told: {}", escaped(&why)),
        Ok(explanation) => match &explanation.decider {
            None => "no program runs".to_owned(),
            Some(part) => escaped(&part.why.to_string()),
        },
    }
}

/// `program 53 (devgate) on its cgroup`.
fn program_on(entry: &Entry, part: &Part) -> String {
    let Runner { id, name, generator, cgroup } = &*part.runner;
    let by = match (generator, name.as_str()) {
        (Some(by), _) => format!(" ({by})"),
        (None, "") => String::new(),
        (None, name) => format!(" ({})", escaped(name)),
    };
    let on = cgroup.as_deref().map_or_else(
        || "a cgroup that is not seen here".to_owned(),
        |cgroup| cgroup_of(entry, cgroup),
    );
    format!("program {id}{by} on {on}")
}

/// The container's own cgroup is called so.
fn cgroup_of(entry: &Entry, cgroup: &Path) -> String {
    let place = entry.place.as_deref().ok();
    let container = place.and_then(|place| place.container.as_ref());
    let own = container.map(|container| container.cgroup.as_path());
    let below = own.and_then(|own| cgroup.strip_prefix(own).ok());
    match below {
        Some(below) if below.as_os_str().is_empty() => "its cgroup".to_owned(),
        Some(below) => format!("its cgroup/{}", escaped(&below.display().to_string())),
        None => escaped(&cgroup.display().to_string()),
    }
}
