//! The engines of a machine below a prefix.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::common::command::{Run, command, devgate};
use super::common::engine::{ready, rootfs};

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

    /// The exit code, and the lines that something is to be done about.
    fn trouble(&self) -> (i32, Vec<String>) {
        let run = self.doctor();
        let is_well =
            |line: &&str| ["ok ", "registered "].iter().any(|level| line.starts_with(level));
        let lines = run.text().lines().filter(|line| !is_well(line)).map(str::to_owned);
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
    // That it runs is not seen.
    assert!(run.text().lines().any(|line| line.starts_with("registered  engines/podman ")));
    assert_eq!(machine.trouble(), (0, Vec::new()));
}

#[test]
fn what_stops_containers_is_broken() {
    let machine = Machine::new();
    machine.install(&["podman", "--log", "/var/lib/devgate/devgate.log"]);
    let (code, lines) = machine.trouble();
    assert!(
        code == 1 && lines[0].contains("there is no directory /var/lib/devgate; mkdir -p /var"),
        "{lines:?}"
    );
    // The hook makes the last one.
    machine.write("var/lib/any", "", 0o644);
    assert_eq!(machine.trouble().0, 0);
    let mode = |mode| {
        let dir = machine.0.path().join("var/lib");
        fs::set_permissions(dir, fs::Permissions::from_mode(mode)).expect("its mode can be set");
    };
    mode(0o775);
    let (code, lines) = machine.trouble();
    let why = "the log can't be written, so no container starts: /var/lib/devgate/devgate.log: \
               /var/lib can be changed by others (mode 0775)";
    assert!(code == 1 && lines[0].contains(why), "{lines:?}");
    assert!(lines[0].ends_with("; devgate install podman --log FILE"), "{lines:?}");
    mode(0o755);
    machine.write("usr/share/containers/oci/hooks.d/a.json", "{", 0o644);
    let (code, lines) = machine.trouble();
    assert!(code == 1 && lines[0].contains("a.json: not JSON"), "{lines:?}");
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

/// It reads its configuration when it starts, so until then pods have no hook.
#[test]
fn a_containerd_that_runs_since_before_is_told() {
    if !ready("busybox") {
        return;
    }
    let machine = Machine::new();
    fs::remove_file(machine.0.path().join("usr/bin/podman")).expect("it is there");
    // Who it is is told by its name and its root directory.
    for name in ["containerd", "busybox"] {
        let program = machine.0.path().join("usr/bin").join(name);
        fs::copy(rootfs::BUSYBOX, program).expect("it can be copied");
    }
    machine.write("spec.json", r#"{"ociVersion":"1.1.0"}"#, 0o644);
    let spec = format!("{}/spec.json", machine.prefix());
    let before = Daemon::start(&machine, "containerd");
    machine.install(&["containerd", "--spec", &spec, "--apply"]);
    let (code, lines) = machine.trouble();
    let text = "containerd runs since before /etc/containerd/config.toml was written; systemctl";
    assert!(code == 4 && lines[0].contains(text), "{lines:?}");
    drop(before);
    sleep(Duration::from_millis(50));
    let _after = Daemon::start(&machine, "containerd");
    assert_eq!(machine.trouble(), (0, Vec::new()));
}

/// It reads which hooks directories there are when it starts, and their files all the time.
#[test]
fn a_cri_o_that_runs_since_before_its_hooks_dir_is_told() {
    if !ready("busybox") {
        return;
    }
    let machine = Machine::new();
    fs::remove_file(machine.0.path().join("usr/bin/podman")).expect("it is there");
    for name in ["crio", "busybox"] {
        let program = machine.0.path().join("usr/bin").join(name);
        fs::copy(rootfs::BUSYBOX, program).expect("it can be copied");
    }
    let before = Daemon::start(&machine, "crio");
    machine.install(&["crio"]);
    assert_eq!(machine.trouble(), (0, Vec::new()));
    let drop_in = "[crio.runtime]\nhooks_dir = ['/etc/hooks.d']\n";
    machine.write("etc/crio/crio.conf.d/1.conf", drop_in, 0o644);
    machine.install(&["crio"]);
    let (code, lines) = machine.trouble();
    let text = "crio runs since before /etc/crio/crio.conf.d/1.conf was written; systemctl restart";
    assert!(code == 4 && lines[0].contains(text), "{lines:?}");
    drop(before);
    sleep(Duration::from_millis(50));
    let _after = Daemon::start(&machine, "crio");
    assert_eq!(machine.trouble(), (0, Vec::new()));
}

/// Where CRI-O does not look by its configuration there may be a file, but no hook.
#[test]
fn a_file_that_cri_o_does_not_read_is_no_registration() {
    let machine = Machine::new();
    machine.write("usr/bin/crio", "", 0o755);
    machine.install(&["podman"]);
    let usr = machine.0.path().join("usr/share/containers/oci/hooks.d");
    let etc = machine.0.path().join("etc/containers/oci/hooks.d");
    fs::create_dir_all(etc.parent().expect("a folder")).expect("a folder can be made");
    fs::rename(usr, etc).expect("it can be moved");
    let (code, lines) = machine.trouble();
    let text = "not registered in /usr/share/containers/oci/hooks.d; devgate install crio";
    assert!(code == 4 && lines.iter().any(|line| line.contains(text)), "{lines:?}");
}

struct Daemon(Child);

impl Daemon {
    fn start(machine: &Machine, name: &str) -> Daemon {
        // By its own name it is no applet of busybox.
        let script = format!(r#"exec -a busybox /usr/bin/{name} sh -c "echo; read -r _""#);
        let mut command = Command::new("chroot");
        command.args([machine.prefix(), "/usr/bin/busybox", "sh", "-c", &script]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it can be started");
        let mut line = [0];
        let stdout = child.stdout.as_mut().expect("a pipe");
        stdout.read_exact(&mut line).expect("it runs");
        // Its start is told in hundredths of a second.
        sleep(Duration::from_millis(50));
        Daemon(child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
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
    assert_eq!(report["findings"][0]["level"], "registered");
    assert_eq!(report["level"], "registered");
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
