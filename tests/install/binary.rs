//! The program that a registration names.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use super::common::command::devgate;
use super::machine::{BINARY, Machine};

const FILE: &str = "/usr/share/containers/oci/hooks.d/devgate.json";
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

/// By whatever name a registration calls it.
#[test]
fn a_link_to_it_is_the_same_program() {
    let machine = Machine::bare();
    machine.install(&["crio", "--copy-binary"]).success();
    let link = machine.at("/usr/local/bin/devgate");
    fs::create_dir_all(link.parent().expect("a folder")).expect("a folder can be made");
    std::os::unix::fs::symlink(BINARY, link).expect("a link can be made");
    let other = ["--binary", "/usr/local/bin/devgate", "--prefix", machine.prefix()];
    devgate(&[&["install", "cdi"], &other[..]].concat(), "").success();
    let only = ["--binary", BINARY, "--remove-binary"];
    let run = machine.uninstall(&[&CRIO[..], &only].concat());
    assert!(run.success().contains("stays: /etc/cdi/devgate.io-policy.json names it"), "{run:?}");
    machine.uninstall(&[&["auto"], &only[..]].concat()).success();
    assert!(!machine.has("/etc/cdi/devgate.io-policy.json") && !machine.has(BINARY));
}

/// A copy of earlier is mended, whoever's it was.
#[test]
fn a_copy_is_roots_and_can_be_run() {
    let machine = Machine::bare();
    machine.install(&["crio", "--copy-binary"]).success();
    fs::set_permissions(machine.at(BINARY), Permissions::from_mode(0o666)).expect("a mode");
    let run = machine.install(&["crio", "--copy-binary"]);
    assert!(run.success().starts_with("replaced "), "{run:?}");
    let mode = fs::metadata(machine.at(BINARY)).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

/// Each directory on the way counts, and those behind its links.
#[test]
fn directories_behind_links_are_looked_at() {
    let machine = Machine::new();
    machine.write("/b/devgate", "", 0o755);
    fs::create_dir(machine.at("/a")).expect("a folder can be made");
    std::os::unix::fs::symlink("/b/devgate", machine.at("/a/devgate")).expect("a link");
    fs::remove_file(machine.at(BINARY)).expect("it is there");
    std::os::unix::fs::symlink("/a/devgate", machine.at(BINARY)).expect("a link");
    machine.install(&CRIO).success();
    fs::set_permissions(machine.at("/a"), Permissions::from_mode(0o777)).expect("a mode");
    let run = machine.install(&CRIO);
    let why = "binary /usr/bin/devgate: /a can be changed by others (mode 0777)";
    assert_eq!(run.failure(), why);
}

/// Who owns a link can lead it elsewhere, in a sticky directory too.
#[test]
fn a_link_of_somebody_else_is_refused() {
    let machine = Machine::new();
    fs::create_dir(machine.at("/tmp")).expect("a folder can be made");
    fs::set_permissions(machine.at("/tmp"), Permissions::from_mode(0o1777)).expect("a mode");
    let link = machine.at("/tmp/b");
    std::os::unix::fs::symlink("/usr/bin", &link).expect("a link can be made");
    let binary = ["--binary", "/tmp/b/devgate", "--prefix", machine.prefix()];
    let install = || devgate(&[&["install", "crio"], &binary[..]].concat(), "");
    install().success();
    std::os::unix::fs::lchown(&link, Some(1000), None).expect("its owner can be set");
    let why = "binary /tmp/b/devgate: /tmp/b belongs to user 1000, not to root";
    assert_eq!(install().failure(), why);
}
