//! The program that a registration names.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use super::common::command::devgate;
use super::machine::{BINARY, Machine};

const FILE: &str = "/etc/containers/oci/hooks.d/devgate.json";
const CRIO: [&str; 1] = ["crio"];

#[test]
fn it_is_looked_at_before_anything_is_written() {
    let machine = Machine::bare();
    let refused = |flaw: &str| {
        let run = machine.install(&CRIO);
        assert_eq!(run.failure(), format!("binary {BINARY}: {flaw}"));
        assert!(!machine.has(FILE));
    };
    refused("there is no such file");
    fs::create_dir_all(machine.at(BINARY)).expect("a folder");
    refused("not a regular file");
    fs::remove_dir(machine.at(BINARY)).expect("it is empty");
    machine.write(BINARY, "", 0o644);
    refused("not executable");
    machine.write(BINARY, "", 0o775);
    refused("/usr/bin/devgate can be changed by others (mode 0775)");
    machine.write(BINARY, "", 0o755);
    let dir = machine.at("/usr/bin");
    fs::set_permissions(&dir, Permissions::from_mode(0o777)).expect("its mode can be set");
    refused("/usr/bin can be changed by others (mode 0777)");
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).expect("its mode can be set");
    chown(&dir, Some(1000), None).expect("its owner can be set");
    refused("/usr/bin belongs to user 1000, not to root");
    let run = machine.install(&["crio", "--force"]);
    let warning = "warning: binary /usr/bin/devgate: /usr/bin belongs to user 1000, not to root\n";
    assert!(run.success().contains(warning), "{run:?}");
    let run =
        devgate(&["install", "crio", "--prefix", machine.prefix(), "--binary", "devgate"], "");
    assert_eq!(run.failure(), "the binary devgate is not an absolute path in UTF-8");
}

#[test]
fn it_can_be_brought_along_and_taken_back() {
    let machine = Machine::bare();
    let before = machine.files();
    machine.install(&["crio", "--copy-binary"]).success();
    let own = fs::read(env!("CARGO_BIN_EXE_devgate")).expect("it can be read");
    let files = machine.files();
    assert_eq!(files.get(&machine.at(BINARY)), Some(&(own, 0o755)));
    // Its own program of an earlier version is replaced, another one is not.
    machine.install(&["crio", "--copy-binary"]).success();
    let only = ["--binary", BINARY, "--remove-binary"];
    machine.uninstall(&[&CRIO[..], &only].concat()).success();
    assert_eq!(machine.files(), before);
    machine.write(BINARY, "somebody's", 0o755);
    let run = machine.install(&["crio", "--copy-binary"]);
    let why = "is there and is not devgate's; --force overwrites it";
    assert_eq!(run.failure(), format!("{} {why}", machine.at(BINARY).display()));
    machine.uninstall(&[&CRIO[..], &only].concat()).success();
    assert_eq!(machine.read(BINARY), "somebody's");
    // In a directory that others can change it would not be its own for long.
    let dir = machine.at("/usr/bin");
    fs::set_permissions(&dir, Permissions::from_mode(0o777)).expect("its mode can be set");
    let run = machine.install(&["crio", "--copy-binary", "--force"]);
    assert!(run.success().contains("warning: binary"), "{run:?}");
}

/// Engines start containers without a hook whose program is gone.
#[test]
fn it_stays_as_long_as_a_registration_names_it() {
    let machine = Machine::bare();
    machine.install(&["crio", "--copy-binary"]).success();
    machine.install(&["cdi"]).success();
    let only = ["--binary", BINARY, "--remove-binary"];
    let run = machine.uninstall(&[&CRIO[..], &only].concat());
    let stays = "/usr/bin/devgate stays: /etc/cdi/devgate.io-policy.json names it\n";
    assert!(run.success().ends_with(stays), "{run:?}");
    assert!(machine.has(BINARY));
    machine.uninstall(&[&["cdi"], &only[..]].concat()).success();
    assert!(!machine.has(BINARY));
}

#[test]
fn this_program_is_registered_if_none_is_named() {
    let run = devgate(&["install", "crio", "--print", "--force"], "");
    let own = fs::canonicalize(env!("CARGO_BIN_EXE_devgate")).expect("it is there");
    assert!(run.text().contains(&format!("{:?}", own)), "{run:?}");
}
