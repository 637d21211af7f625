//! A machine: systemd with a system bus, and what it runs.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use devgate::cgroup::Cgroup;
use devgate::kernel::{Program, query};
use serde_json::{Value, json};

use super::common::engine::{DEVGATE, eventually, find, place::Place, rootfs};
use super::common::require::require;
use super::common::systemd::{self, Booted};

/// Debian's own units, less what their defaults would pull in.
const BUS: &str = "[Unit]
DefaultDependencies=no
Requires=dbus.socket
After=dbus.socket
[Service]
Type=notify
ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile \
  --systemd-activation --syslog-only
";

/// In the new root: the socket of the bus, and devgate and the folder of the test where they are on
/// this machine.
const SET_UP: &str = r#"
printf '[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/dbus/system_bus_socket\n' \
  > run/systemd/system/dbus.socket
mkdir -p ".@DIR@" ".$(dirname '@DEVGATE@')"
test -e ".@DEVGATE@" || touch ".@DEVGATE@"
mount --bind "@DEVGATE@" ".@DEVGATE@"
mount --bind "@DIR@" ".@DIR@"
"#;

/// A newer Debian in the new root, for its crun: the machine's own does not ask systemd for a
/// device program.
const TRIXIE: &str = r#"
mkdir .trixie trixie
mount -t tmpfs tmpfs .trixie
mkdir .trixie/upper .trixie/work
mount -t overlay -o "lowerdir=@TRIXIE@,upperdir=.trixie/upper,workdir=.trixie/work" overlay trixie
for dir in proc sys dev run; do mount --rbind "$dir" "trixie/$dir"; done
mkdir -p "trixie@DIR@" "trixie$(dirname '@DEVGATE@')"
touch "trixie@DEVGATE@"
mount --bind "@DEVGATE@" "trixie@DEVGATE@"
mount --bind "@DIR@" "trixie@DIR@"
"#;

/// What each script begins with. `scope UNIT OPTION...` starts a scope as crun does: its process is
/// in a cgroup below that of the unit.
const PRELUDE: &str = r#"
mkdir -p /sys/fs/cgroup/scripts
echo $$ > /sys/fs/cgroup/scripts/cgroup.procs
scope() {
  unit=$1; shift
  systemd-run --quiet --scope --collect --unit="$unit" -p Delegate=yes "$@" sleep 600 \
    < /dev/null > /dev/null 2>&1 &
  dir=/sys/fs/cgroup/system.slice/$unit
  until grep -q . "$dir/cgroup.procs" 2> /dev/null; do sleep 0.02; done
  mkdir "$dir/container"
  for pid in $(cat "$dir/cgroup.procs"); do echo "$pid" > "$dir/container/cgroup.procs"; done
}
"#;

/// Denies everything but the base rules.
pub const CONFIG: &str =
    r#"{"linux": {"resources": {"devices": [{"allow": false, "access": "rwm"}]}}}"#;

/// A container's id.
pub const ID: &str = "630b76a2f65f6c25b0cbad964daf7eba824e61e81c56104f970cdcd2b6b2ca74";

pub struct Machine {
    booted: Booted,
    init: i32,
    place: Place,
}

/// Whether a test can boot one.
pub fn ready() -> bool {
    let is_there = |name: &&str| find(name).is_some() || Path::new(name).exists();
    let needed = ["dbus-daemon", "runc", "cc", "target/testbed/trixie/usr/bin/crun"];
    let missing = needed.into_iter().find(|name| !is_there(name));
    let why = missing.map(|name| format!("{name} is missing; `make test-deps` installs it"));
    systemd::ready() && require(why.is_none(), why.as_deref().unwrap_or_default())
}

impl Machine {
    pub fn new() -> Machine {
        Machine::of(&[], "")
    }

    /// With trixie's crun.
    pub fn with_crun() -> Machine {
        Machine::of(&[], TRIXIE)
    }

    /// With these services besides the bus.
    pub fn with_services(services: &[(&str, String)]) -> Machine {
        Machine::of(services, "")
    }

    fn of(services: &[(&str, String)], more: &str) -> Machine {
        let place = Place::new();
        let dir = place.dir().to_str().expect("the path is text");
        let trixie = fs::canonicalize("target/testbed/trixie").unwrap_or_default();
        let set_up = format!("{SET_UP}{more}").replace("@DEVGATE@", DEVGATE).replace("@DIR@", dir);
        let set_up = set_up.replace("@TRIXIE@", trixie.to_str().expect("the path is text"));
        let bus = ("dbus", BUS.to_owned());
        let booted = Booted::new(&[&[bus], services].concat(), &set_up);
        let socket = |init| PathBuf::from(format!("/proc/{init}/root/run/systemd/private"));
        eventually("systemd runs", || booted.init().is_some_and(|init| socket(init).exists()));
        let init = booted.init().expect("it runs");
        let machine = Machine { booted, init, place };
        // systemd is on the bus a moment after that has started.
        let asked = "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 \
                     org.freedesktop.DBus.Peer Ping";
        eventually("the bus leads to systemd", || machine.output(asked).status.success());
        machine
    }

    /// What a script prints that must go well. It runs in a cgroup that is not systemd's.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        let Output { status, stdout, stderr } = self.output(script);
        let (stdout, stderr) = (text(&stdout), text(&stderr));
        assert!(status.success(), "{script}\n{status}: {stdout}{stderr}");
        stdout
    }

    /// What a script prints on standard error that must fail.
    #[track_caller]
    pub fn fails(&self, script: &str) -> String {
        let Output { status, stdout, stderr } = self.output(script);
        let (stdout, stderr) = (text(&stdout), text(&stderr));
        assert!(!status.success(), "{script}\n{status}: {stdout}{stderr}");
        stderr
    }

    pub fn output(&self, script: &str) -> Output {
        let dir = self.place.path("");
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string()]);
        command.args(["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--root", "--wd"]);
        command.args(["env", &format!("DIR={dir}"), &format!("DEVGATE={DEVGATE}")]);
        let script = format!("{PRELUDE}{script}");
        command.args(["timeout", "-k", "5", "30", "sh", "-ec", &script]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin").output().expect("nsenter can be run")
    }

    /// A file of the machine's, as this one sees it.
    pub fn file(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.init))
    }

    /// Writes a file that the machine has at the path that is returned.
    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.place.path(name);
        fs::write(&path, content).expect("a file can be made");
        path
    }

    /// Starts a container whose hook is devgate with these arguments. Its id is its name, and it
    /// may open /dev/fuse.
    pub fn create(&self, runtime: &str, name: &str, arguments: &[&str]) -> Output {
        let bundle = self.place.dir().join(name);
        rootfs::make(&bundle.join("rootfs"));
        let log = self.log(name);
        let hook = ["devgate", "hook", "--log", &log, "--log-format", "json"];
        let template = include_str!("../../testdata/bundle/config.json");
        let mut config: Value = serde_json::from_str(template).expect("the template is JSON");
        config["linux"]["cgroupsPath"] = json!(format!("system.slice:devgate:{name}"));
        config["linux"]["resources"]["devices"] = json!([
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}
        ]);
        let hook = [&hook, arguments].concat();
        config["hooks"] = json!({"createRuntime": [{"path": DEVGATE, "args": hook}]});
        config["process"]["args"] = json!(["/bin/busybox", "sleep", "600"]);
        fs::write(bundle.join("config.json"), config.to_string()).expect("a file can be made");
        self.output(&format!(
            "{} run --detach --bundle $DIR/{name} {name} < /dev/null > $DIR/{name}.out 2>&1",
            self.runtime(runtime)
        ))
    }

    /// Starts a container, and returns what the hook logged.
    #[track_caller]
    pub fn container(&self, runtime: &str, name: &str, arguments: &[&str]) -> Value {
        let output = self.create(runtime, name, arguments);
        let said = fs::read_to_string(self.place.path(&format!("{name}.out"))).unwrap_or_default();
        assert!(output.status.success(), "{said}{}", text(&output.stderr));
        let log = fs::read_to_string(self.log(name)).expect("the hook has a log");
        serde_json::from_str(&log).expect("one line of JSON")
    }

    fn log(&self, name: &str) -> String {
        self.place.path(&format!("{name}.log"))
    }

    /// How the runtime is run.
    pub fn runtime(&self, name: &str) -> String {
        let program = match name {
            "crun" => format!("chroot /trixie env LD_PRELOAD={} crun", self.memlock()),
            name => name.to_owned(),
        };
        format!("{program} --systemd-cgroup --root $DIR/state-{name}")
    }

    /// crun wants more locked memory than it may have here.
    fn memlock(&self) -> String {
        let source = self.write("memlock.c", include_str!("../common/engine/memlock.c"));
        let library = self.place.path("memlock.so");
        let cc = Command::new("cc").args(["-shared", "-fPIC", "-o", &library, &source]).status();
        assert!(cc.is_ok_and(|status| status.success()), "cc");
        library
    }

    /// The names of the programs of a unit's cgroup.
    #[track_caller]
    pub fn programs(&self, unit: &str) -> Vec<String> {
        programs(&self.cgroup(unit))
    }

    /// The names of the programs of the cgroup below that, which crun makes.
    #[track_caller]
    pub fn programs_below(&self, unit: &str) -> Vec<String> {
        programs(&self.cgroup(unit).join("container"))
    }

    /// A unit's cgroup in system.slice.
    pub fn cgroup(&self, unit: &str) -> PathBuf {
        self.booted.cgroup().join("system.slice").join(unit)
    }

    /// A property of a unit, as `systemctl show` has it.
    pub fn property(&self, unit: &str, name: &str) -> String {
        self.sh(&format!("systemctl show --value -p {name} {unit}")).trim().to_owned()
    }
}

/// Starts a scope as crun makes it, and returns its name.
pub fn scope(machine: &Machine, options: &str) -> String {
    let unit = format!("libpod-{ID}.scope");
    machine.sh(&format!("scope {unit} {options}"));
    unit
}

/// The command that puts a policy on the container's cgroup of such a scope.
pub fn apply(unit: &str, options: &str) -> String {
    format!(
        "echo '{CONFIG}' | $DEVGATE apply --cgroup /sys/fs/cgroup/system.slice/{unit}/container \
         --config - {options}"
    )
}

/// A program that a link holds too is named once.
#[track_caller]
pub fn programs(cgroup: &Path) -> Vec<String> {
    let cgroup = Cgroup::open(cgroup).expect("the cgroup is there");
    let mut ids = query(cgroup.as_fd()).expect("its programs can be listed").ids;
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().map(|id| Program::by_id(id).expect("it is attached").name).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
