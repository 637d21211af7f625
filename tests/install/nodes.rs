//! Device nodes and FIFOs where files are expected: to open one can have an effect, or wait.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use super::common::command::run;
use super::common::engine::find;
use super::common::require;
use super::machine::{BINARY, Machine};

/// What a machine's files are that devgate reads, each with a command that does.
const READ: [(&str, &[&str]); 5] = [
    ("/etc/containers/containers.conf", &["install", "podman"]),
    ("/etc/containers/containers.conf.d/1.conf", &["uninstall", "podman"]),
    ("/etc/containerd/config.toml", &["uninstall", "containerd"]),
    ("/usr/share/containers/oci/hooks.d/devgate.json", &["install", "podman"]),
    ("/usr/share/containers/oci/hooks.d/devgate.json", &["doctor", "engines"]),
];

fn make(kind: SFlag, at: &Path) {
    let _ = fs::remove_file(at);
    fs::create_dir_all(at.parent().expect("a folder")).expect("a folder can be made");
    // As /dev/null is.
    mknod(at, kind, Mode::from_bits_truncate(0o600), makedev(1, 3)).expect("a node can be made");
}

/// The calls that open something whose path ends so, as strace prints them.
fn opened(machine: &Machine, args: &[&str], name: &str) -> Vec<String> {
    let trace = machine.at("/trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-e", "trace=open,openat,openat2,creat", "-o"]).arg(&trace);
    command.arg(env!("CARGO_BIN_EXE_devgate")).args(args).args(["--prefix", machine.prefix()]);
    if args[0] == "install" {
        command.args(["--binary", BINARY]);
    }
    run(&mut command, "");
    let calls = fs::read_to_string(trace).expect("strace ran");
    assert!(calls.contains("openat("), "{calls}");
    let of_file = |call: &&str| call.contains(name);
    calls.lines().filter(of_file).map(str::to_owned).collect()
}

#[test]
fn nothing_but_regular_files_is_opened() {
    let ready = require::require(find("strace").is_some(), "strace is missing; `make test-deps`")
        && require::bpf();
    if !ready {
        return;
    }
    for (path, args) in READ {
        let machine = Machine::new();
        machine.write("/usr/bin/podman", "", 0o755);
        let name = Path::new(path).file_name().and_then(|name| name.to_str()).expect("text");
        for kind in [SFlag::S_IFCHR, SFlag::S_IFBLK, SFlag::S_IFIFO] {
            make(kind, &machine.at(path));
            // strace says what descriptors lead to, so no way to open it is missed.
            let calls = opened(&machine, args, name);
            let (looks, opens): (Vec<String>, Vec<String>) =
                calls.into_iter().partition(|call| call.contains("O_PATH"));
            assert!(!looks.is_empty(), "{args:?} does not look at {path}");
            assert_eq!(opens, [""; 0], "{args:?}");
        }
    }
}
