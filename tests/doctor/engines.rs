//! The engines of a machine below a prefix.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::common::command::{Run, command, devgate};

const BINARY: &str = "/usr/bin/devgate";

struct Machine(TempDir);

impl Machine {
    /// With podman and devgate.
    fn new() -> Machine {
        let machine = Machine(tempfile::tempdir().expect("a folder"));
        for program in ["podman", "devgate"] {
            machine.write(&format!("usr/bin/{program}"), "", 0o755);
        }
        machine
    }

    fn write(&self, path: &str, content: &str, mode: u32) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        fs::write(&path, content).expect("a file can be written");
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode can be set");
    }

    fn prefix(&self) -> &str {
        self.0.path().to_str().expect("text")
    }

    fn install(&self, args: &[&str]) {
        let own = ["--prefix", self.prefix(), "--binary", BINARY];
        devgate(&[&["install"], args, &own].concat(), "").success();
    }

    fn doctor(&self) -> Run {
        devgate(&["doctor", "engines", "--prefix", self.prefix()], "")
    }

    /// The exit code, and the lines that are not ok.
    fn trouble(&self) -> (i32, Vec<String>) {
        let run = self.doctor();
        let lines = run.text().lines().filter(|line| !line.starts_with("ok ")).map(str::to_owned);
        (run.code.expect("it ended"), lines.collect())
    }
}

#[test]
fn a_machine_is_healthy_once_its_engine_runs_the_hook() {
    let machine = Machine::new();
    let (code, lines) = machine.trouble();
    assert_eq!(code, 4);
    assert!(lines[0].ends_with("; devgate install podman"), "{lines:?}");
    assert!(lines[1].contains("the hook is registered with no engine"), "{lines:?}");
    machine.install(&["podman"]);
    let run = machine.doctor();
    let registered = "registered in /usr/share/containers/oci/hooks.d/devgate.json: \
                      /usr/bin/devgate devgate hook\n";
    assert!(run.success().contains(registered), "{run:?}");
    assert_eq!(machine.trouble(), (0, Vec::new()));
}

#[test]
fn what_stops_containers_is_broken() {
    let machine = Machine::new();
    machine.install(&["podman", "--log", "/var/log/devgate.log"]);
    let (code, lines) = machine.trouble();
    assert!(code == 1 && lines[0].contains("there is no directory /var/log"), "{lines:?}");
    machine.write("var/log/any", "", 0o644);
    assert_eq!(machine.trouble().0, 0);
    machine.write("usr/share/containers/oci/hooks.d/a.json", "{", 0o644);
    let (code, lines) = machine.trouble();
    assert!(code == 1 && lines[0].contains("a.json is not JSON"), "{lines:?}");
}

#[test]
fn the_binary_is_looked_at() {
    let machine = Machine::new();
    machine.install(&["podman"]);
    machine.write("usr/bin/devgate", "", 0o777);
    let (code, lines) = machine.trouble();
    assert!(code == 4 && lines[0].contains("can be changed by others (mode 0777)"), "{lines:?}");
    machine.write("usr/bin/devgate", "", 0o644);
    let (code, lines) = machine.trouble();
    assert!(code == 1 && lines[0].contains("/usr/bin/devgate: not executable"), "{lines:?}");
    fs::remove_file(machine.0.path().join("usr/bin/devgate")).expect("it is there");
    let (code, lines) = machine.trouble();
    assert!(code == 1 && lines[0].contains("there is no such file"), "{lines:?}");
}

#[test]
fn a_hook_that_runs_twice_is_told() {
    let machine = Machine::new();
    machine.install(&["podman"]);
    let dir = "usr/share/containers/oci/hooks.d";
    let hook = fs::read_to_string(machine.0.path().join(dir).join("devgate.json"));
    machine.write(&format!("{dir}/00-devgate.json"), &hook.expect("it is there"), 0o644);
    let (code, lines) = machine.trouble();
    assert!(code == 4 && lines[0].contains("the hook runs 2 times"), "{lines:?}");
}

#[test]
fn json_has_the_engines_too() {
    let machine = Machine::new();
    machine.install(&["podman"]);
    let run = devgate(&["doctor", "engines", "--json", "--prefix", machine.prefix()], "");
    let report: Value = serde_json::from_str(run.success()).expect("JSON");
    let checks = report["findings"].as_array().expect("findings").iter();
    let checks: Vec<&str> = checks.map(|f| f["check"].as_str().expect("text")).collect();
    assert_eq!(checks, ["podman", "crio", "nri", "containerd", "cdi"]);
}

#[test]
fn watching_tells_of_changes_until_it_is_told_to_end() {
    let machine = Machine::new();
    let mut watch = command(&["doctor", "engines", "--watch=1", "--prefix", machine.prefix()]);
    let mut watch = watch.stdout(Stdio::piped()).spawn().expect("it can be started");
    let mut lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines();
    let mut until = |what: &str| {
        let found = lines.by_ref().map(|line| line.expect("text")).find(|l| l.contains(what));
        assert!(found.is_some(), "{what}");
    };
    until("the hook is registered with no engine");
    machine.install(&["podman"]);
    until("registered in /usr/share/containers/oci/hooks.d/devgate.json");
    kill(Pid::from_raw(watch.id().cast_signed()), Signal::SIGTERM).expect("it can be ended");
    assert_eq!(watch.wait().expect("it ended").code(), Some(0));
}
