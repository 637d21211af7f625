//! A process that is put into a cgroup to see whether devgate is right about it.

use std::path::Path;

use devgate::device::Request;
use serde_json::Value;

use super::common::askable::Drivers;
use super::common::cgroup::TestCgroup;
use super::common::command::devgate;
use super::common::opener::Opener;

const CHILD_TEST: &str = "becomes_the_probes_child";

/// Devices that generators treat in different ways, most of them harmless to open.
const DEVICES: [&str; 15] = [
    "c 1:3", "c 1:5", "c 1:7", "c 1:8", "c 1:9", "c 1:11", "c 5:0", "c 5:1", "c 5:2", "c 10:200",
    "c 10:229", "c 136:0", "c 510:7", "b 510:7", "b 7:0",
];
const ACCESSES: [&str; 5] = ["r", "w", "rw", "m", "-"];

/// A child with a node for each device, still outside of the cgroup that is to be probed.
pub struct Probe {
    opener: Opener,
    requests: Vec<Request>,
    _outside: TestCgroup,
}

/// How a request came out.
#[derive(Debug)]
pub struct Counts {
    pub allowed: usize,
    pub denied: usize,
}

impl Probe {
    pub fn new() -> Probe {
        let outside = TestCgroup::new();
        let mut opener = Opener::within(&outside, CHILD_TEST);
        let drivers = Drivers::read();
        let all = DEVICES.iter().flat_map(|device| ACCESSES.map(|access| (device, access)));
        let requests: Vec<Request> = all
            .map(|(device, access)| format!("{device} {access}").parse().expect("a request"))
            .filter(|request| drivers.askable(request))
            .collect();
        for request in &requests {
            opener.make_node(request);
        }
        Probe { opener, requests, _outside: outside }
    }

    /// Moves into the cgroup and tries every request there. The kernel has to answer as
    /// `devgate check` says of the running programs, and as the decoded rules do.
    pub fn assert_right_about(mut self, cgroup: &Path) -> Counts {
        let text = cgroup.to_str().expect("the path of a cgroup is text");
        let rules = devgate(&["inspect", "--rules", text], "");
        let devices: Value = serde_json::from_str(rules.success()).expect("an array");
        let config = serde_json::json!({"linux": {"resources": {"devices": devices}}}).to_string();
        let texts: Vec<String> = self.requests.iter().map(ToString::to_string).collect();
        let asked: Vec<&str> = texts.iter().map(String::as_str).collect();
        let live = verdicts(&[&["check", "--json", "--cgroup", text], &asked[..]].concat(), "");
        let config_args = ["check", "--json", "--default-devices", "none", "--config", "-"];
        let decoded = verdicts(&[&config_args, &asked[..]].concat(), &config);
        let odd = irregular(text);
        self.opener.move_to(cgroup);
        let mut counts = Counts { allowed: 0, denied: 0 };
        for (index, request) in self.requests.iter().enumerate() {
            let answer = self.opener.ask(request);
            let kernel = if answer == "EPERM" { "deny" } else { "allow" };
            assert_eq!(kernel, live[index], "{request}: {answer}, of the programs");
            if !odd
                .contains(&format!("{} {}:{}", request.device_type, request.major, request.minor))
            {
                assert_eq!(kernel, decoded[index], "{request}: {answer}, of the decoded rules");
            }
            *(if kernel == "allow" { &mut counts.allowed } else { &mut counts.denied }) += 1;
        }
        counts
    }
}

fn verdicts(args: &[&str], input: &str) -> Vec<String> {
    let run = devgate(args, input);
    let verdict = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("a JSON object");
        line["verdict"].as_str().expect("a verdict").to_owned()
    };
    run.text().lines().map(verdict).collect()
}

/// Single devices of which the report says that no rules are right about them.
fn irregular(cgroup: &str) -> Vec<String> {
    let run = devgate(&["inspect", "--json", cgroup], "");
    let report: Value = serde_json::from_str(run.success()).expect("one JSON object");
    let regions = report["effective"]["irregular"].as_array().expect("an array");
    let device = |region: &Value| {
        let type_ = region["type"].as_str().expect("a type");
        format!("{type_} {}:{}", region["major"][0], region["minor"][0])
    };
    regions.iter().map(device).collect()
}
