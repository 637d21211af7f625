//! Where an engine runs: a Debian with or without systemd, with a bpffs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::engine::host::{Debian, Host, trixie};
use crate::common::engine::place::Place;
use crate::common::engine::{DEVGATE, eventually};
use crate::common::systemd::Booted;

/// devgate, as an engine finds it.
pub const INSTALLED: &str = "/usr/local/bin/devgate";

/// The service in whose cgroup commands run.
const COMMANDS: &str = "commands";

/// dbus.service needs what systemd sets up by itself, and runtimes talk to systemd through it.
const UNIT: &str = "[Unit]
DefaultDependencies=no
Wants=dbus.service
After=dbus.service
[Service]
Type=exec
ExecStart=/bin/sleep infinity
";

/// In the new root.
const SET_UP: &str = r#"
mkdir -p ".@DIR@"
mount --bind "@DIR@" ".@DIR@"
install -m 0755 "@DEVGATE@" usr/local/bin/devgate
# CRIU restores the host name, which is a namespace's own.
for name in hostname domainname; do
  mount --bind "proc/sys/kernel/$name" "proc/sys/kernel/$name"
  mount -o remount,bind,rw "proc/sys/kernel/$name"
done
"#;

/// Its folder is at the same path for the engine and for the test.
pub struct Machine {
    // Dropped first: it has the place's folder mounted.
    kind: Kind,
    pub place: Place,
}

enum Kind {
    Plain(Host),
    Systemd(Booted),
}

impl Machine {
    /// Without systemd.
    pub fn plain(debian: Debian) -> Machine {
        let place = Place::new();
        Machine { kind: Kind::Plain(Host::copy(debian, &place)), place }
    }

    /// With its systemd.
    pub fn with_systemd(debian: Debian) -> Machine {
        let place = Place::new();
        let root = match debian {
            Debian::Own => PathBuf::from("/"),
            Debian::Trixie => trixie(),
        };
        let dir = place.dir().to_str().expect("the folder's path is text");
        let script = SET_UP.replace("@DIR@", dir).replace("@DEVGATE@", DEVGATE);
        let booted = Booted::of(&root, &[(COMMANDS, UNIT.to_owned())], &script);
        let up = booted.unit(COMMANDS).join("cgroup.procs");
        eventually("systemd is up", || {
            std::fs::read_to_string(&up).is_ok_and(|processes| !processes.is_empty())
        });
        Machine { kind: Kind::Systemd(booted), place }
    }

    pub fn command(&self, program: &str) -> Command {
        match &self.kind {
            Kind::Plain(host) => host.command(program),
            Kind::Systemd(booted) => booted.command(COMMANDS, program),
        }
    }

    /// Runs a program that has to go well.
    #[track_caller]
    pub fn succeed(&self, program: &str, args: &[&str]) -> String {
        let output = self.command(program).args(args).output().expect("it can be started");
        let Output { status, stdout, stderr } = output;
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "{program} {args:?}: {status}: {stderr}");
        String::from_utf8(stdout).expect("it prints text")
    }

    /// The cgroup below which all containers are, as the test sees it.
    pub fn cgroup(&self) -> PathBuf {
        match &self.kind {
            Kind::Plain(_) => self.place.cgroup().to_owned(),
            Kind::Systemd(booted) => booted.cgroup().to_owned(),
        }
    }

    /// What an engine is told to put a container's cgroup below.
    pub fn cgroup_parent(&self) -> String {
        match &self.kind {
            Kind::Plain(_) => self.place.cgroup_name(),
            Kind::Systemd(_) => "machine.slice".to_owned(),
        }
    }

    pub fn dir(&self) -> &Path {
        self.place.dir()
    }
}
