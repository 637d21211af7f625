//! Observing: the same requests of one container as `watch`, `denials` and `record` show them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::guest::{Guest, guests};

pub const SCRIPT: &str = include_str!("observe.sh");

const CONTAINER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What the workload asks for, and what it is told.
struct Asked {
    name: &'static str,
    access: &'static str,
    device: (&'static str, u32, u32),
    times: u64,
    /// The rule that denies it; `None` if it is allowed.
    denied_by: Option<&'static str>,
}

const fn asked(
    name: &'static str,
    access: &'static str,
    device: (&'static str, u32, u32),
    times: u64,
    denied_by: Option<&'static str>,
) -> Asked {
    Asked { name, access, device, times, denied_by }
}

const EVERYTHING: Option<&str> = Some("deny a *:* rwm (devices[0])");

const ASKED: [Asked; 7] = [
    asked("fuse-r", "r", ("c", 10, 229), 3, None),
    asked("fuse-w", "w", ("c", 10, 229), 4, EVERYTHING),
    asked("fuse-rw", "rw", ("c", 10, 229), 5, EVERYTHING),
    asked("zero", "r", ("c", 1, 5), 2, None),
    asked("kmsg", "r", ("c", 1, 11), 6, EVERYTHING),
    asked("loop", "r", ("b", 7, 0), 7, EVERYTHING),
    asked("urandom", "w", ("c", 1, 9), 8, Some("deny c 1:9 w (devices[2])")),
];

/// The major of the devices by which the scene finds out how far `watch` is.
const MARKS: u64 = 250;

/// The workload, for the guest to read.
pub fn requests() -> String {
    let line = |Asked { name, access, device: (letter, major, minor), times, .. }: &Asked| {
        format!("{name} {access} {letter} {major} {minor} {times}\n")
    };
    ASKED.iter().map(line).collect()
}

impl Asked {
    fn request(&self) -> String {
        let Asked { access, device: (letter, major, minor), .. } = self;
        format!("{letter} {major}:{minor} {access}")
    }

    fn denied() -> impl Iterator<Item = &'static Asked> {
        ASKED.iter().filter(|asked| asked.denied_by.is_some())
    }
}

fn request(row: &Value) -> String {
    let text = |key: &str| row[key].as_str().expect("a text").to_owned();
    format!("{} {}:{} {}", text("type"), row["major"], row["minor"], text("access"))
}

/// The process that asked for this, as it says itself.
fn pid(guest: &Guest, name: &str) -> u64 {
    let said = guest.done("observe", &format!("open:{name}"));
    let (_, pid) = said.trim().rsplit_once(' ').expect("a pid comes last");
    pid.parse().expect("a pid is a number")
}

/// The program of the container's policy.
fn program(guest: &Guest) -> u64 {
    let inspected = guest.json("observe", "inspect");
    inspected["programs"][0]["id"].as_u64().expect("a program")
}

/// Rows by their requests; the last of each.
fn by_request(guest: &Guest, rows: &[Value]) -> BTreeMap<String, Value> {
    let rows = rows.iter().filter(|row| row["major"] != MARKS).cloned();
    let rows: BTreeMap<_, _> = rows.map(|row| (request(&row), row)).collect();
    let found: Vec<&String> = rows.keys().collect();
    let mut expected: Vec<String> = Asked::denied().map(Asked::request).collect();
    expected.sort();
    assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{}", guest.kernel);
    rows
}

/// Each denial with its device, access, count, program and rule, and with who asked if the kernel
/// tells that.
#[track_caller]
fn assert_denials(guest: &Guest, rows: &[Value]) {
    let rows = by_request(guest, rows);
    let program = program(guest);
    for asked in Asked::denied() {
        let row = &rows[&asked.request()];
        let told = guest.kernel.method == "told";
        let asker = told.then(|| pid(guest, asked.name));
        let shown = format!("{}: {}: {row}", guest.kernel, asked.name);
        assert_eq!(row["count"], asked.times, "{shown}");
        assert_eq!(row["program"], program, "{shown}");
        assert_eq!(row["rule"].as_str(), asked.denied_by, "{shown}");
        assert_eq!(row["container"], CONTAINER, "{shown}");
        assert_eq!(row["pid"].as_u64(), asker, "{shown}");
        assert_eq!(row["command"].as_str(), told.then_some("open"), "{shown}");
        let cgroup = row["program_cgroup"].as_str().expect("the program's cgroup");
        assert_eq!(cgroup, format!("/sys/fs/cgroup/observed/{CONTAINER}"), "{shown}");
    }
}

fn denials(guest: &Guest, step: &str) -> Vec<Value> {
    let output = guest.json("observe", step);
    assert_eq!(output["method"], guest.kernel.method, "{}", guest.kernel);
    assert_eq!(output["lost"].as_array().map(Vec::len), Some(0), "{}: {output}", guest.kernel);
    output["denials"].as_array().expect("a list").clone()
}

#[test]
fn the_kernel_answers_under_observers_as_the_policy_says() {
    for guest in guests() {
        for asked in &ASKED {
            let said = guest.done("observe", &format!("open:{}", asked.name));
            let (let_in, denied) =
                if asked.denied_by.is_some() { (0, asked.times) } else { (asked.times, 0) };
            let expected = format!("{let_in} let, {denied} denied,");
            assert!(said.starts_with(&expected), "{}: {}: {said}", guest.kernel, asked.name);
        }
    }
}

#[test]
fn all_observers_run_at_once_and_are_shown_as_observers() {
    for guest in guests() {
        let seen = guest.json("observe", "seen");
        let programs = seen["programs"].as_array().expect("programs");
        // Of record, observe and watch.
        assert_eq!(programs.len(), 3, "{}: {seen}", guest.kernel);
        assert!(programs.iter().all(|program| program["observes"] == true), "{}", guest.kernel);
    }
}

#[test]
fn a_kernel_that_hides_calls_is_no_reason_to_refuse_a_container() {
    for guest in guests() {
        let applied = guest.done("observe", "hidden:apply");
        assert!(applied.starts_with("attached program"), "{}: {applied}", guest.kernel);
        let seen = guest.json("observe", "hidden:seen");
        let programs = seen["programs"].as_array().expect("programs");
        let all_observe = programs.iter().all(|program| program["observes"] == true);
        assert!(programs.len() == 3 && all_observe, "{}: {seen}", guest.kernel);
    }
}

#[test]
fn watch_shows_each_denial() {
    for guest in guests() {
        let watched = guest.done("observe", "watched");
        let lines = watched.lines().map(|line| serde_json::from_str(line).expect("it is JSON"));
        let lines: Vec<Value> = lines.collect();
        assert!(lines.iter().all(|line| line["verdict"] == "deny"), "{}", guest.kernel);
        assert_denials(guest, &lines);
        let method = guest.done("observe", "complained");
        let words = match guest.kernel.method {
            "told" => "the kernel tells the verdicts",
            _ => "verdicts are computed from the programs attached",
        };
        assert!(method.contains(words), "{}: {method}", guest.kernel);
    }
}

#[test]
fn denials_are_those_that_were_made() {
    for guest in guests() {
        let rows = denials(guest, "denials");
        let method = guest.kernel.method;
        assert!(rows.iter().all(|row| row["certainty"] == method), "{}", guest.kernel);
        assert_denials(guest, &rows);
        let status = guest.json("observe", "status");
        assert_eq!(status["method"], method, "{status}");
    }
}

#[test]
fn what_an_ended_container_was_denied_is_kept() {
    for guest in guests() {
        let rows = denials(guest, "denials:ended");
        assert!(rows.iter().all(|row| row["ended"].is_string()), "{}: {rows:#?}", guest.kernel);
        for asked in Asked::denied() {
            let mut of = rows.iter().filter(|row| request(row) == asked.request());
            let row = of.next().unwrap_or_else(|| panic!("{}: {}", guest.kernel, asked.name));
            assert_eq!(row["count"], asked.times, "{}: {row}", guest.kernel);
            assert_eq!(row["container"], CONTAINER, "{}: {row}", guest.kernel);
        }
    }
}

#[test]
fn a_recording_of_its_life_has_each_request() {
    for guest in guests() {
        assert_eq!(guest.done("observe", "poststop"), "", "{}", guest.kernel);
        let table = guest.done("observe", "recorded");
        for asked in &ASKED {
            let Asked { access, device: (letter, major, minor), times, .. } = asked;
            let answer = if asked.denied_by.is_some() { "DENIED" } else { "allowed" };
            let device = format!("{major}:{minor}");
            let count = times.to_string();
            let expected = [*letter, &device, access, answer, &count];
            let is_row = |line: &str| line.split_whitespace().take(5).eq(expected);
            assert!(table.lines().any(is_row), "{}: {expected:?} in\n{table}", guest.kernel);
        }
        let is_computed = table.contains("this kernel does not tell verdicts");
        assert_eq!(is_computed, guest.kernel.method == "computed", "{table}");
        let rules = guest.done("observe", "rules");
        assert!(rules.contains(r#""major":10,"minor":229,"access":"r""#), "{rules}");
        assert!(!rules.contains(r#""access":"w""#), "{}: what was denied: {rules}", guest.kernel);
    }
}

#[test]
fn nothing_stays_attached() {
    for guest in guests() {
        guest.done("observe", "stop");
        let left = guest.json("observe", "left");
        assert_eq!(left["programs"].as_array().map(Vec::len), Some(0), "{}: {left}", guest.kernel);
    }
}
