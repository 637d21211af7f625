//! What the init containers do to a node: the image run by podman, with the arguments and no more
//! rights than the manifest says, on a folder that is laid out like a node.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::common::command::Run;
use super::common::engine::podman::Podman;
use super::image::{self, IMAGE};
use super::manifests::host_path;
use super::rendered::{self, pod};

/// As the engines see it.
const BINARY: &str = "opt/devgate/bin/devgate";
/// The one directory that CRI-O reads by itself; podman reads it too.
const HOOK_FILE: &str = "usr/share/containers/oci/hooks.d/devgate.json";
/// CRI-O reads nothing there by itself.
const UNREAD: &str = "etc/containers/oci/hooks.d/devgate.json";
const CONFIG_TOML: &str = "etc/containerd/config.toml";
/// Of those who may read containerd's configuration.
const GROUP: u32 = 999;
const BASE_SPEC: &str = "etc/containerd/devgate-base.json";

/// podman's own default, without what only others let pass: containerd's default allows
/// unshare(2) to CAP_SYS_ADMIN alone.
const SECCOMP: &str = "/usr/share/containers/seccomp.json";
const NOT_EVERYWHERE: &str = "unshare";

/// A node with podman, CRI-O and containerd.
struct Node {
    podman: Podman,
    files: tempfile::TempDir,
}

impl Node {
    fn new() -> Node {
        let node = Node { podman: image::build(), files: tempfile::tempdir().expect("a folder") };
        node.put("usr/bin/podman", "", 0o755);
        node.put("usr/bin/crio", "", 0o755);
        // Its major version is told by its Go package.
        let containerd = "github.com/containerd/containerd/v2/cmd/containerd";
        node.put("usr/bin/containerd", containerd, 0o755);
        node.put("run/containerd/containerd.sock", "", 0o660);
        node.put(CONFIG_TOML, "version = 2\n", 0o640);
        chown(node.root().join(CONFIG_TOML), Some(0), Some(GROUP)).expect("its group");
        node.write_seccomp();
        node
    }

    fn root(&self) -> PathBuf {
        self.files.path().join("node")
    }

    fn put(&self, path: &str, content: &str, mode: u32) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
        fs::write(&path, content).expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("its mode");
    }

    fn seccomp(&self) -> PathBuf {
        self.files.path().join("seccomp.json")
    }

    fn write_seccomp(&self) {
        let text = fs::read(SECCOMP).expect("podman comes with a profile");
        let mut profile: Value = serde_json::from_slice(&text).expect("JSON");
        for rule in profile["syscalls"].as_array_mut().expect("rules") {
            rule["names"].as_array_mut().expect("names").retain(|name| name != NOT_EVERYWHERE);
        }
        fs::write(self.seccomp(), profile.to_string()).expect("a file");
    }

    /// Runs the init container of a folder's pods.
    fn start(&self, folder: &str) -> Run {
        let pod = pod(folder);
        let container = &pod["initContainers"][0];
        self.run(&pod, container, &strings(&container["args"]))
    }

    /// Runs the image with all that a container of a pod has but its arguments.
    fn run(&self, pod: &Value, container: &Value, args: &[&str]) -> Run {
        let mut options = rights(pod, container);
        options.push(format!("--security-opt=seccomp={}", self.seccomp().display()));
        options.push("--network=none".to_owned());
        for mount in container["volumeMounts"].as_array().expect("mounts") {
            let at = mount["mountPath"].as_str().expect("a path");
            let from = host_path(pod, mount);
            let from = self.root().join(from.trim_start_matches('/'));
            fs::create_dir_all(&from).expect("as DirectoryOrCreate does");
            let how = if mount["readOnly"] == true { ":ro" } else { "" };
            options.push(format!("--volume={}:{at}{how}", from.display()));
        }
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        self.podman.run_image(&options, IMAGE, args)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.read(path)).expect("JSON")
    }

    fn all(&self) -> Files {
        let mut found = Files::new();
        collect(&self.root(), Path::new(""), &mut found);
        found
    }
}

/// Each file with its mode, its user and its content.
type Files = BTreeMap<PathBuf, (u32, u32, Vec<u8>)>;

fn collect(root: &Path, below: &Path, found: &mut Files) {
    for entry in fs::read_dir(root.join(below)).expect("it can be read") {
        let entry = entry.expect("it can be read");
        let name = below.join(entry.file_name());
        let metadata = entry.metadata().expect("it is there");
        if metadata.is_dir() {
            collect(root, &name, found);
        } else if metadata.is_file() {
            let content = fs::read(entry.path()).expect("it can be read");
            found.insert(name, (metadata.mode() & 0o7777, metadata.uid(), content));
        }
    }
}

/// podman's options for a container's securityContext.
fn rights(pod: &Value, container: &Value) -> Vec<String> {
    let context = &container["securityContext"];
    assert_eq!(context["privileged"], false);
    assert_eq!(context["allowPrivilegeEscalation"], false);
    assert_eq!(context["readOnlyRootFilesystem"], true);
    let mut options = vec!["--security-opt=no-new-privileges".to_owned(), "--read-only".to_owned()];
    options.push(format!("--user={}", pod["securityContext"]["runAsUser"]));
    for (key, option) in [("drop", "--cap-drop"), ("add", "--cap-add")] {
        // What is not there names none.
        let names = context["capabilities"][key].as_array().into_iter().flatten();
        options.extend(names.map(|name| format!("{option}={}", name.as_str().expect("a text"))));
    }
    options
}

fn strings(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list").iter();
    list.map(|text| text.as_str().expect("a text")).collect()
}

/// The hook that a registration of any engine holds.
fn assert_is_ours(hook: &Value, stage: &[&str]) {
    assert_eq!(hook["path"], format!("/{BINARY}"));
    let log = ["--log", "/var/lib/devgate/devgate.log"];
    assert_eq!(strings(&hook["args"]), [&["devgate", "hook"], stage, &log].concat());
}

fn ready() -> bool {
    image::ready() && rendered::ready()
}

#[test]
fn installing_registers_the_hook_with_the_engines_of_pods() {
    if !ready() {
        return;
    }
    let node = Node::new();
    let run = node.start("base");
    assert_eq!(run.code, Some(0), "{run:?}");
    let files = node.all();
    let (mode, user, content) = &files[Path::new(BINARY)];
    assert_eq!((*mode, *user), (0o755, 0));
    assert!(*content == fs::read("target/release/devgate").expect("it was built"));
    assert_is_ours(&node.json(HOOK_FILE)["hook"], &[]);
    assert!(!node.root().join(UNREAD).exists());
    for stage in ["createRuntime", "poststop"] {
        assert_is_ours(&node.json(BASE_SPEC)["hooks"][stage][0], &["--stage", stage]);
    }
    let named = format!("base_runtime_spec = \"/{BASE_SPEC}\"");
    assert!(node.read(CONFIG_TOML).contains(&named), "{}", node.read(CONFIG_TOML));
    let edited = fs::metadata(node.root().join(CONFIG_TOML)).expect("it is there");
    assert_eq!((edited.gid(), edited.mode() & 0o7777), (GROUP, 0o640));

    let again = node.start("base");
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(node.all() == files, "the second time changed something: {again:?}");
}

/// The least that does: without any of its capabilities the container fails.
#[test]
fn no_capability_is_without_need() {
    if !ready() {
        return;
    }
    let mut pod = pod("base");
    let added = pod["initContainers"][0]["securityContext"]["capabilities"]["add"].take();
    assert_eq!(strings(&added), ["CHOWN"]);
    let container = &pod["initContainers"][0];
    let run = Node::new().run(&pod, container, &strings(&container["args"]));
    let why = "config.toml can't be written: Operation not permitted (os error 1)";
    assert!(run.code == Some(1) && run.stderr.contains(why), "{run:?}");
}

/// It stays, so it sees no more of a node than it has to.
#[test]
fn the_doctor_sees_what_it_needs_and_no_socket() {
    if !ready() {
        return;
    }
    let node = Node::new();
    let pod = pod("base");
    let doctor = &pod["containers"][0];
    let probe = strings(&doctor["readinessProbe"]["exec"]["command"]);
    let examine = |node: &Node| node.run(&pod, doctor, &probe[1..]);
    assert_eq!(examine(&node).code, Some(4), "{:?}", examine(&node));
    assert_eq!(node.start("base").code, Some(0));
    let run = examine(&node);
    assert_eq!(run.code, Some(0), "{run:?}");
    for engine in ["crio", "containerd"] {
        assert!(run.text().contains(&format!("registered  engines/{engine}")), "{run:?}");
    }
    // The image has no shell: what is there is told by what becomes of reading it.
    let see = |path: &str| {
        let args = ["compile", "--config", path];
        node.run(&pod, doctor, &args).stderr
    };
    assert!(see("/host/etc/containerd/config.toml").contains("config.toml"));
    let socket = "/host/run/containerd/containerd.sock";
    assert!(see(socket).contains("No such file or directory"), "{}", see(socket));
    assert!(see("/host/etc/shadow").contains("No such file or directory"));
}

/// containerd runs the hook that it has read until it is restarted.
#[test]
fn uninstalling_leaves_the_binary_and_purging_nothing() {
    if !ready() {
        return;
    }
    let node = Node::new();
    let before = node.all();
    for folder in ["base", "uninstall"] {
        let run = node.start(folder);
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    let mut left = node.all();
    assert!(left.remove(Path::new(BINARY)).is_some());
    assert_eq!(left.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert!(left == before);
    let run = node.start("purge");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(node.all() == before);
}
