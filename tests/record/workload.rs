//! A workload, and what a recording says of it.

use serde_json::Value;

use crate::common::command::Run;
use crate::common::engine::answers::Answer::Passed;
use crate::common::engine::answers::Steps;

/// Opens of several kinds, a node of its own, one that it only makes, and one that it only has.
pub const STEPS: &Steps = &[
    ("r /dev/zero", Passed),
    ("w /dev/null", Passed),
    ("rw /dev/full", Passed),
    ("m /dev/fuse2 c 10 229", Passed),
    ("r /dev/fuse2", Passed),
    ("m /dev/loop b 510 7", Passed),
    ("r /dev/loop", Passed),
    ("m /dev/other c 510 8", Passed),
];

/// What podman is told to let it have.
pub const ALLOWED: [&str; 2] =
    ["--device-cgroup-rule=c 10:229 rw", "--device-cgroup-rule=b 510:* rwm"];

/// The rules that are learnt from it. The runtime asks for `c 1:3 rw` itself.
pub const LEARNT: [&str; 6] =
    ["c 1:3 rw", "c 1:5 r", "c 1:7 rw", "c 10:229 rm", "c 510:8 m", "b 510:7 rm"];

/// A recording as `devgate record show --format json` prints it.
pub struct Shown(Value);

impl Shown {
    #[track_caller]
    pub fn of(run: &Run) -> Shown {
        assert_eq!(run.code, Some(0), "{run:?}");
        Shown(serde_json::from_str(run.text()).expect("it is JSON"))
    }

    pub fn runs(&self) -> &[Value] {
        self.0["runs"].as_array().expect("runs")
    }

    /// The requests that were answered like this, without order.
    pub fn asked(&self, verdict: &str) -> Vec<String> {
        let runs = self.runs().iter();
        let asked = runs.flat_map(|run| run["asked"].as_array().expect("requests"));
        let mut texts: Vec<String> =
            asked.filter(|asked| asked["verdict"] == verdict).map(request_of).collect();
        texts.sort();
        texts.dedup();
        texts
    }

    /// How often a request was answered like this.
    pub fn count(&self, request: &str, verdict: &str) -> u64 {
        let runs = self.runs().iter();
        let asked = runs.flat_map(|run| run["asked"].as_array().expect("requests"));
        let alike =
            asked.filter(|asked| request_of(asked) == request && asked["verdict"] == verdict);
        alike.map(|asked| asked["count"].as_u64().expect("a number")).sum()
    }
}

fn request_of(asked: &Value) -> String {
    let text = |key: &str| asked[key].as_str().expect("text").to_owned();
    format!("{} {}:{} {}", text("type"), asked["major"], asked["minor"], text("access"))
}

/// The words that a shell makes of flags.
pub fn words(flags: &str) -> Vec<String> {
    let script = format!("printf '%s\\n' {}", flags.replace('\n', " "));
    let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}
