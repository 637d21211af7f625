//! Objects for programs, one a line. The fields are in the README; they are only ever added.

use devgate::inspect::{AsOf, Explanation};
use devgate::watch::Entry;
use serde::Serialize;

use super::devices::Devices;
use super::lines::Format;
use super::{clock, shown};

#[derive(Serialize)]
struct Line<'e> {
    time: String,
    container: Option<&'e str>,
    name: Option<&'e str>,
    namespace: Option<&'e str>,
    pod: Option<&'e str>,
    cgroup: Option<String>,
    #[serde(rename = "type")]
    device_type: String,
    major: u32,
    minor: u32,
    device: Option<&'e str>,
    access: String,
    verdict: &'static str,
    command: Option<&'e str>,
    pid: Option<u32>,
    count: u64,
    program: Option<u32>,
    program_cgroup: Option<String>,
    generator: Option<&'static str>,
    rule: Option<String>,
    others: Vec<u32>,
    last_look: bool,
    unexplained: Option<String>,
}

/// Objects, one a line.
#[derive(Default)]
pub struct Json {
    devices: Devices,
}

impl Format for Json {
    fn header(&self) -> Option<String> {
        None
    }

    fn entry(&mut self, entry: &Entry) -> String {
        let line = line(entry, self.devices.name(&entry.key.request));
        // A structure of texts and numbers can always be written.
        let text = serde_json::to_string(&line).unwrap_or_default();
        format!("{}\n", ascii_controls(&text))
    }
}

fn line<'e>(entry: &'e Entry, device: Option<&'e str>) -> Line<'e> {
    let place = entry.place.as_deref().ok();
    let container = place.and_then(|place| place.container.as_deref());
    let pod = container.and_then(|container| container.pod.as_ref());
    let explanation = entry.explanation();
    let decider = explanation.as_ref().ok().and_then(|told| told.decider.as_ref());
    let request = &entry.key.request;
    let others = explanation.as_ref().map(|told| others(told)).unwrap_or_default();
    let is_last_look = |told: &&Explanation| told.as_of == AsOf::LastLook;
    Line {
        time: clock::rfc3339(entry.last),
        container: container.map(|container| container.id.as_str()),
        name: container.and_then(|container| container.name.as_deref()),
        namespace: pod.map(|pod| pod.namespace.as_str()),
        pod: pod.map(|pod| pod.name.as_str()),
        cgroup: place.map(|place| place.cgroup.display().to_string()),
        device_type: request.device_type.to_string(),
        major: request.major,
        minor: request.minor,
        device,
        access: request.access.to_string(),
        verdict: shown::verdict(entry.key.verdict),
        command: entry.by.as_ref().map(|by| by.command.as_str()),
        pid: entry.by.as_ref().map(|by| by.pid),
        count: entry.count,
        program: decider.map(|part| part.runner.id.number()),
        program_cgroup: decider
            .and_then(|part| Some(part.runner.cgroup.as_ref()?.display().to_string())),
        generator: decider.and_then(|part| Some(part.runner.generator?.name())),
        rule: decider.map(|part| part.why.to_string()),
        last_look: explanation.as_ref().ok().is_some_and(is_last_look),
        others,
        unexplained: explanation.err(),
    }
}

fn others(explanation: &Explanation) -> Vec<u32> {
    explanation.others.iter().map(|other| other.id.number()).collect()
}

/// JSON whose texts have no character that a terminal may take for a command: serde_json escapes
/// only those below U+0020.
fn ascii_controls(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match super::describe::is_printable(c) {
            true => escaped.push(c),
            false => {
                let mut units = [0; 2];
                let units = c.encode_utf16(&mut units).iter();
                escaped.extend(units.map(|unit| format!("\\u{unit:04x}")));
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_might_obey_is_escaped() {
        let text = "a\u{1b}[2J\u{9b}31m\u{7f}\u{202e}ö\u{e0001}";
        let json = ascii_controls(&serde_json::to_string(text).unwrap());
        assert_eq!(json, "\"a\\u001b[2J\\u009b31m\\u007f\\u202eö\\udb40\\udc01\"");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
