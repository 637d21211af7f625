//! The machine.

use std::env;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::common::engine::place::Place;
use super::common::engine::rootfs;
use super::common::systemd::Booted;
use super::sections::commands;

pub struct Step {
    pub section: &'static str,
    /// Programs that are not there.
    pub without: &'static [&'static str],
}

pub struct Followed {
    pub section: &'static str,
    pub script: String,
    pub succeeded: bool,
    pub output: String,
}

/// For how long the whole may take; it takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(240);

/// Limits that need CAP_SYS_RESOURCE are left out, and networks that the machine has none of.
const CONTAINERS_CONF: &str = r#"
[containers]
default_ulimits = ["nofile=1024:20000", "nproc=1024:4096"]
pids_limit = 0
netns = "none"
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"#;

/// In the new root: the checkout, which an overlay keeps as it is, and what a machine has that
/// runs containers. @CHECKOUT@ and @DIR@ are on this machine as well.
const SET_UP: &str = r#"
mkdir -p ".@CHECKOUT@" ".@DIR@" .checkout
mount -t tmpfs tmpfs .checkout
mkdir .checkout/upper .checkout/work
mount -t overlay -o "lowerdir=@CHECKOUT@,upperdir=.checkout/upper,workdir=.checkout/work" overlay \
  ".@CHECKOUT@"
mount --bind "@DIR@" ".@DIR@"
mkdir -p etc/containers var/lib/containerd
cp "@DIR@/containers.conf" etc/containers/containers.conf
printf '[storage]\ndriver = "vfs"\nrunroot = "/run/storage"\ngraphroot = "/var/lib/storage"\n' \
  > etc/containers/storage.conf
mount -t tmpfs tmpfs var/lib/containerd
rm -f usr/local/bin/devgate usr/bin/devgate var/lib/devgate/devgate.log usr/sbin/policy-rc.d
"#;

/// Each script with its exit code beside it. A script hides the programs that it names first.
const DRIVER: &str = r#"#!/bin/sh
cd "$CHECKOUT"
tar -C "$DIR/rootfs" -c . | podman import - "$IMAGE" > "$DIR/import" 2>&1
for script in "$DIR"/*.sh; do
  sh "$script" > "$script.out" 2>&1
  echo $? > "$script.code"
done
touch "$DIR/done"
"#;

/// Follows the README on a machine that goes afterwards.
pub fn follow(steps: &'static [Step]) -> Vec<Followed> {
    let place = Place::new();
    rootfs::make(&place.dir().join("rootfs"));
    write(&place, "containers.conf", CONTAINERS_CONF);
    write(&place, "driver", DRIVER);
    let scripts: Vec<String> = steps.iter().map(script).collect();
    for (index, text) in scripts.iter().enumerate() {
        write(&place, &format!("{index}.sh"), text);
    }
    let set_up = SET_UP.replace("@CHECKOUT@", env!("CARGO_MANIFEST_DIR"));
    let booted = Booted::new(&[("driver", unit(&place))], &set_up.replace("@DIR@", text(&place)));
    wait_for(&place.dir().join("done"));
    drop(booted);
    let steps = steps.iter().zip(scripts).enumerate();
    steps.map(|(index, (step, script))| followed(&place, index, step, script)).collect()
}

fn followed(place: &Place, index: usize, step: &Step, script: String) -> Followed {
    let read = |ending: &str| {
        let file = place.dir().join(format!("{index}.sh.{ending}"));
        fs::read_to_string(file).unwrap_or_default()
    };
    let succeeded = read("code").trim() == "0";
    // apt gives dpkg a terminal, which ends lines in its own way.
    let output = read("out").replace("\r\n", "\n");
    Followed { section: step.section, script, succeeded, output }
}

/// The section's commands, as somebody would type them who stops at the first that fails.
fn script(step: &Step) -> String {
    let commands = commands().into_iter().find(|(section, _)| section == step.section);
    let (_, commands) = commands.unwrap_or_else(|| panic!("no section {}", step.section));
    let without = step.without.join(" ");
    format!(
        "for file in {without}; do mv $file $file.hidden; done\n\
         trap 'for file in {without}; do mv $file.hidden $file; done' EXIT\n\
         set -ex\n{commands}"
    )
}

fn unit(place: &Place) -> String {
    let mut unit = "[Unit]\nDefaultDependencies=no\n[Service]\n".to_owned();
    let given = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
    let given = given.iter().filter_map(|name| Some((*name, env::var(name).ok()?)));
    let own = [
        ("DIR", text(place).to_owned()),
        ("CHECKOUT", env!("CARGO_MANIFEST_DIR").to_owned()),
        ("IMAGE", "localhost/busybox:1".to_owned()),
        ("DEBIAN_FRONTEND", "noninteractive".to_owned()),
    ];
    for (name, value) in given.chain(own) {
        unit += &format!("Environment=\"{name}={value}\"\n");
    }
    unit + &format!("ExecStart=/bin/sh {}\n", place.path("driver"))
}

fn write(place: &Place, name: &str, content: &str) {
    fs::write(place.dir().join(name), content).expect("a file can be made");
}

fn text(place: &Place) -> &str {
    place.dir().to_str().expect("the path is text")
}

fn wait_for(file: &Path) {
    let end = Instant::now() + PATIENCE;
    while !file.exists() {
        assert!(Instant::now() < end, "it was not done within {PATIENCE:?}");
        sleep(Duration::from_millis(50));
    }
}
