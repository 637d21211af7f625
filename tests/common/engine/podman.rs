//! podman, with stores, state and configuration of its own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::super::command::Run;
use super::answers::{Steps, assert_answers, script};
use super::container::{Gated, Ran};
use super::host::{Debian, Host};
use super::place::Place;
use super::session::Session;
use super::watch::{HookRun, Inspected, hook_runs, releases};
use super::{CGROUP2, eventually, rootfs};

/// What podman's containers all get.
const RUN: [&str; 4] = ["--interactive", "--cap-add=mknod", "--env=PATH=/bin", "--stop-timeout=0"];

/// containers.conf. The default limits need CAP_SYS_RESOURCE, and the default lock file is
/// everybody's.
pub const CONFIG: &str = r#"
[containers]
default_ulimits = ["nofile=1024:20000", "nproc=1024:4096"]
pids_limit = 0
netns = "@NETNS@"
log_driver = "k8s-file"
[network]
network_config_dir = "@DIR@/network"
[engine]
cgroup_manager = "@MANAGER@"
events_logger = "file"
lock_type = "file"
runtime = "@RUNTIME@"
[engine.runtimes]
@RUNTIME@ = ["@DIR@/@RUNTIME@"]
"#;

/// What [`Podman::start_of_image`] makes.
const IMAGE: &str = "localhost/devgate-test:1";

/// `--runtime-flag root=DIR` would be forgotten by the process that cleans up.
const RUNTIME: &str = "#!/bin/sh\nexec @RUNTIME@ --root @DIR@/state \"$@\"\n";

pub struct Podman {
    // Dropped first: it has the place's folder mounted.
    host: Host,
    place: Place,
    /// The folder that it is told to read hooks from.
    hooks: Option<String>,
}

impl Podman {
    /// This machine's, with `devgate hook` and these arguments for a hook.
    pub fn new(arguments: &[&str]) -> Podman {
        Podman::of(Debian::Own, arguments)
    }

    /// The same with another Debian's.
    pub fn of(debian: Debian, arguments: &[&str]) -> Podman {
        let podman = Podman::without_hook_of(debian);
        let log = podman.log();
        let first = ["--log", &log, "--log-format", "json"];
        podman.add_devgate(&[&first, arguments].concat());
        podman
    }

    pub fn without_hook() -> Podman {
        Podman::without_hook_of(Debian::Own)
    }

    pub fn without_hook_of(debian: Debian) -> Podman {
        let place = Place::new();
        let hooks = place.path("hooks");
        fs::create_dir(&hooks).expect("a folder can be made");
        Podman::on(Host::new(debian, &place), place, debian, Some(hooks))
    }

    /// Without a hook, one that looks for hooks and CDI devices where it does by itself: in a copy
    /// of its Debian.
    pub fn in_copy_of(debian: Debian) -> Podman {
        let place = Place::new();
        Podman::on(Host::copy(debian, &place), place, debian, None)
    }

    fn on(host: Host, place: Place, debian: Debian, hooks: Option<String>) -> Podman {
        rootfs::make(&place.dir().join("rootfs"));
        let dir = place.dir().to_str().expect("the folder's path is text");
        let fill =
            |template: &str| template.replace("@RUNTIME@", debian.runtime()).replace("@DIR@", dir);
        let config = place.path("containers.conf");
        let text = fill(CONFIG).replace("@MANAGER@", "cgroupfs").replace("@NETNS@", "none");
        fs::write(config, text).expect("a file can be written");
        let runtime = place.path(debian.runtime());
        fs::write(&runtime, fill(RUNTIME)).expect("a file can be written");
        fs::set_permissions(runtime, Permissions::from_mode(0o755)).expect("its mode can be set");
        Podman { host, place, hooks }
    }

    /// `devgate install podman`, with these options. By force, as others may be allowed to change
    /// what is built here.
    pub fn add_devgate(&self, options: &[&str]) {
        let install = ["install", "podman", "--force", "--hooks-dir", &self.place.path("hooks")];
        self.devgate(&[&install, options].concat()).success();
    }

    /// `devgate install`, as an operator calls it, with the log that [`Podman::hook_runs`] reads.
    pub fn install(&self, args: &[&str]) {
        let log = ["--log", &self.log(), "--log-format", "json"];
        self.devgate(&[&["install"], args, &log].concat()).success();
    }

    /// devgate, as the engine finds it.
    pub fn devgate(&self, args: &[&str]) -> Run {
        self.run_on_host(self.host.devgate(), args)
    }

    /// The same, to be started.
    pub fn devgate_command(&self, args: &[&str]) -> Command {
        let mut command = self.host.command(self.host.devgate());
        command.args(args);
        command
    }

    /// The words of podman's command line, with its stores and configuration.
    pub fn command_line(&self) -> Vec<String> {
        let config = format!("CONTAINERS_CONF={}", self.place.path("containers.conf"));
        let mut words = vec!["env".to_owned(), config, "/usr/bin/podman".to_owned()];
        words.extend(self.stores());
        words
    }

    /// Where this machine shows the cgroup that the hook sees at `path`.
    pub fn cgroup_shown_at(&self, path: &str) -> PathBuf {
        self.place.cgroup_shown_at(path)
    }

    /// The config.json of a container.
    pub fn config_of(&self, id: &str) -> String {
        self.path(&format!("storage/vfs-containers/{id}/userdata/config.json"))
    }

    pub fn cgroup_parent(&self) -> String {
        self.place.cgroup_name()
    }

    /// conmon has a cgroup of its own, which podman leaves.
    pub fn has_container_cgroups(&self) -> bool {
        self.place
            .cgroups()
            .iter()
            .any(|name| name.starts_with("libpod-") && !name.contains("conmon"))
    }

    fn stores(&self) -> Vec<String> {
        let dirs = [("--root", "storage"), ("--runroot", "run"), ("--tmpdir", "tmp")];
        let dirs = dirs.map(|(option, dir)| format!("{option}={}", self.place.path(dir)));
        dirs.into_iter().chain(["--storage-driver=vfs".to_owned()]).collect()
    }

    /// A program where podman runs.
    pub fn run_on_host(&self, program: &str, args: &[&str]) -> Run {
        let run = self.host.command(program).args(args).output();
        run.expect("the program can be started").into()
    }

    /// A hook of the hooks folder, which always runs at createRuntime.
    pub fn add_hook(&self, file: &str, path: &str, args: &[&str]) {
        let hook = json!({
            "version": "1.0.0",
            "hook": {"path": path, "args": args},
            "when": {"always": true},
            "stages": ["createRuntime"],
        });
        self.add_hook_file(file, &hook);
    }

    pub fn add_hook_file(&self, file: &str, hook: &Value) {
        let file = self.place.dir().join("hooks").join(file);
        fs::write(file, hook.to_string()).expect("a hook can be written");
    }

    pub fn log(&self) -> String {
        self.place.path("hook.log")
    }

    /// A path for a test's own file, the same for podman and its hooks.
    pub fn path(&self, name: &str) -> String {
        self.place.path(name)
    }

    pub fn hook_runs(&self) -> Vec<HookRun> {
        hook_runs(&self.log())
    }

    pub fn releases(&self) -> Vec<HookRun> {
        releases(&self.log())
    }

    /// The files of containers' records.
    pub fn records(&self) -> Vec<String> {
        let run = self.run_on_host("ls", &["/run/devgate/containers"]);
        run.text().lines().map(str::to_owned).collect()
    }

    /// `podman run`, attached to the container.
    pub fn start(&self, options: &[&str], steps: &Steps) -> Session {
        let parent = format!("--cgroup-parent={}", self.place.cgroup_name());
        let mut command = self.run_command(&[&[parent.as_str()], options].concat(), steps);
        Session::start(&mut command, &self.place)
    }

    /// podman fails to run a container in the cgroup that it is called from, on account of the
    /// hook. Returns that cgroup, which is the place's.
    #[track_caller]
    pub fn expect_failure_in_callers_cgroup(&self) -> PathBuf {
        let caller = self.place.make_cgroup("caller");
        let podman = self.run_command(&["--rm", "--cgroups=disabled"], &[]);
        let mut command = Command::new("sh");
        command.args(["-ec", r#"echo $$ >"$1/cgroup.procs"; shift; exec "$@""#, "sh"]);
        command.arg(&caller).arg(podman.get_program()).args(podman.get_args());
        command.envs(podman.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Session::start(&mut command, &self.place).expect_failure(126);
        caller
    }

    /// The same of an image: podman keeps the names of such containers in a file.
    pub fn start_of_image(&self, options: &[&str], steps: &Steps) -> Session {
        let (root, archive) = (self.place.path("rootfs"), self.place.path("image.tar"));
        let tar = Command::new("tar").args(["-C", &root, "-cf", &archive, "."]).status();
        assert!(tar.is_ok_and(|status| status.success()), "{root} can be archived");
        self.command_succeeds(&["import", &archive, IMAGE]);
        let parent = format!("--cgroup-parent={}", self.place.cgroup_name());
        let options = [&[parent.as_str()], options].concat();
        Session::start(&mut self.run_command_of(&[IMAGE], &options, steps), &self.place)
    }

    fn run_command(&self, options: &[&str], steps: &Steps) -> Command {
        self.run_command_of(&["--rootfs", &self.place.path("rootfs")], options, steps)
    }

    fn run_command_of(&self, root: &[&str], options: &[&str], steps: &Steps) -> Command {
        let mut command = self.command();
        command.arg("run").args(RUN).args(options).args(root);
        command.args(["sh", "-c", &script(steps)]);
        command
    }

    /// A container with these options takes these steps, and is looked at while it runs.
    #[track_caller]
    pub fn run(&self, options: &[&str], steps: &Steps) -> Ran {
        let mut session = self.start(&[&["--rm"], options].concat(), steps);
        let answers = session.answers();
        let gated = self.last_gated();
        let inspected = gated.assert_running();
        let ended = session.finish();
        // `read` was told that there is nothing to read.
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
        gated.assert_gone();
        Ran { gated, answers, inspected }
    }

    /// A container with these options takes these steps and gets these answers, under devgate's
    /// program alone.
    #[track_caller]
    pub fn expect(&self, options: &[&str], steps: &Steps) -> Gated {
        let ran = self.run(options, steps);
        assert_answers(ran.answers.iter().map(String::as_str), steps);
        ran.gated
    }

    /// A container with these options is started without the hook, under the runtime's program.
    #[track_caller]
    pub fn expect_ungated(&self, options: &[&str]) {
        let logged = || fs::read_to_string(self.log()).unwrap_or_default();
        let before = logged();
        let mut session = self.start(&[&["--rm"], options].concat(), &[]);
        session.expect(&[]);
        let cgroup = format!("{CGROUP2}{}/libpod-{}", self.place.cgroup_name(), self.running());
        let cgroup = self.place.cgroup_shown_at(&cgroup);
        Inspected::of(&cgroup).assert_none_of_ours();
        let ended = session.finish();
        assert_eq!((ended.code, ended.stderr.as_str(), logged()), (Some(1), "", before));
        eventually("the container's cgroup is gone", || !cgroup.exists());
    }

    /// The same without a hook, given its cgroup.
    #[track_caller]
    pub fn look_ungated(&self, options: &[&str], look: impl FnOnce(&Path)) {
        let mut session = self.start(&[&["--rm"], options].concat(), &[]);
        session.expect(&[]);
        let cgroup = format!("{CGROUP2}{}/libpod-{}", self.place.cgroup_name(), self.running());
        let cgroup = self.place.cgroup_shown_at(&cgroup);
        look(&cgroup);
        session.finish();
        eventually("the container's cgroup is gone", || !cgroup.exists());
    }

    /// What an operator does while a container with these options runs, given its id.
    #[track_caller]
    pub fn look(&self, options: &[&str], look: impl FnOnce(&str, &Path)) {
        let mut session = self.start(&[&["--rm"], options].concat(), &[]);
        session.expect(&[]);
        let id = self.running();
        let config = format!("vfs-containers/{id}/userdata/config.json");
        look(&id, &self.place.dir().join("storage").join(config));
        session.finish();
        self.last_gated().assert_gone();
    }

    /// The id of the running container.
    fn running(&self) -> String {
        let Output { stdout, .. } = self.output(&["ps", "--quiet", "--no-trunc"]);
        String::from_utf8(stdout).expect("an id").trim().to_owned()
    }

    /// podman fails on account of a hook, and no container is left.
    #[track_caller]
    pub fn expect_failure(&self, options: &[&str]) -> String {
        let stderr = self.start(&[&["--rm"], options].concat(), &[]).expect_failure(126);
        // conmon has a cgroup of its own, which podman leaves.
        let left = || self.place.cgroups().iter().any(|name| name.contains("libpod"));
        eventually("the container's cgroup is gone", || !left());
        stderr
    }

    /// What the latest run of the hook came to.
    #[track_caller]
    pub fn last_gated(&self) -> Gated {
        let runs = self.hook_runs();
        Gated::new(&self.place, runs.last().expect("the hook ran"))
    }

    /// A podman command that goes well.
    #[track_caller]
    pub fn command_succeeds(&self, args: &[&str]) {
        let Output { status, stderr, .. } = self.output(args);
        assert!(status.success(), "podman {args:?}: {}", String::from_utf8_lossy(&stderr));
    }

    /// `podman run` of an image's own program, to its end.
    pub fn run_image(&self, options: &[&str], image: &str, args: &[&str]) -> Run {
        let parent = format!("--cgroup-parent={}", self.place.cgroup_name());
        self.output(&[&["run", "--rm", &parent], options, &[image], args].concat()).into()
    }

    /// What the container printed, all its starts together.
    pub fn logs(&self, container: &str) -> String {
        String::from_utf8(self.output(&["logs", container]).stdout).expect("it printed text")
    }

    /// What `podman inspect` says of a container, in this format.
    pub fn inspect(&self, container: &str, format: &str) -> String {
        let Output { stdout, .. } = self.output(&["inspect", "--format", format, container]);
        String::from_utf8(stdout).expect("podman prints text").trim().to_owned()
    }

    /// A podman command that may fail.
    pub fn try_command(&self, args: &[&str]) {
        let _ = self.output(args);
    }

    /// Removes the cgroups of containers whose end nobody saw, when they are empty.
    pub fn remove_cgroups(&self) {
        eventually("the containers' cgroups are gone", || {
            for name in self.place.cgroups() {
                // Those with processes stay.
                let _ = fs::remove_dir(self.place.cgroup().join(name));
            }
            !self.has_container_cgroups()
        });
    }

    /// A device node outside of containers, for podman to find the numbers of.
    pub fn make_node(&self, numbers: [&str; 3]) -> String {
        self.place.make_node(numbers)
    }

    fn output(&self, args: &[&str]) -> Output {
        self.command().args(args).output().expect("podman can be started")
    }

    fn command(&self) -> Command {
        let mut command = self.host.command("podman");
        command.env("CONTAINERS_CONF", self.place.path("containers.conf"));
        command.args(self.stores());
        command.args(self.hooks.iter().flat_map(|dir| ["--hooks-dir", dir]));
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // There is nothing to remove after a test that went well.
        let _ = self.output(&["rm", "--all", "--force", "--time=0"]);
    }
}
