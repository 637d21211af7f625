//! The files in `hooks`: they are what podman, CRI-O and containerd take, and they work.

mod common;

use std::fs;
use std::path::Path;

use common::command::devgate;
use common::engine::answers::Answer::{Passed, Refused};
use common::engine::answers::Steps;
use common::engine::podman::Podman;
use common::engine::runc::Runc;
use common::engine::{DEVGATE, ready};
use oci_spec::runtime::Hooks;
use serde_json::{Value, json};

const FOR_PODMAN: &str = "devgate.json";
const FOR_CONTAINERD: &str = "containerd-base-spec-fragment.json";

const INSTALLED: &str = "/usr/local/bin/devgate";
const LOG: &str = "/var/lib/devgate/devgate.log";

const STEPS: &Steps = &[
    ("rw /dev/null", Passed),
    ("m /dev/other c 10 229", Passed),
    ("r /dev/other", Refused),
    ("w /dev/other", Refused),
    ("rw /dev/other", Refused),
];

/// The folder's file as text.
fn text(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks").join(name);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("it is JSON")
}

/// The file with devgate and its log where this test has them.
fn moved(name: &str, log: &str) -> Value {
    let text = text(name);
    assert!(text.contains(&format!("\"{INSTALLED}\"")) && text.contains(&format!("\"{LOG}\"")));
    parsed(&text.replace(INSTALLED, DEVGATE).replace(LOG, log))
}

/// Adds arguments to a hook that has some.
fn add(args: &mut Value, more: &[&str]) {
    let args = args.as_array_mut().expect("the hook has arguments");
    args.extend(more.iter().map(|arg| json!(arg)));
}

#[test]
fn no_file_is_left_out_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks");
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("the folder can be read").file_name())
        .map(|name| name.into_string().expect("names are text"))
        .collect();
    names.sort();
    assert_eq!(names, [FOR_CONTAINERD, FOR_PODMAN, "kubernetes"]);
}

/// As `devgate install` writes it, whose tests say what is in it.
#[test]
fn podmans_file_is_what_install_prints() {
    let machine = tempfile::tempdir().expect("a folder");
    let binary = machine.path().join(INSTALLED.trim_start_matches('/'));
    fs::create_dir_all(binary.parent().expect("a folder")).expect("a folder can be made");
    fs::copy(DEVGATE, binary).expect("it can be copied");
    let prefix = machine.path().to_str().expect("text");
    let run = devgate(
        &["install", "podman", "--print", "--prefix", prefix, "--binary", INSTALLED, "--log", LOG],
        "",
    );
    assert_eq!((run.code, run.text()), (Some(0), text(FOR_PODMAN).as_str()), "{run:?}");
}

#[test]
fn containerds_fragment_is_of_the_runtime_spec() {
    let fragment = parsed(&text(FOR_CONTAINERD));
    let keys: Vec<&String> = fragment.as_object().expect("it is an object").keys().collect();
    assert_eq!(keys, ["hooks"]);
    let hooks: Hooks = serde_json::from_value(fragment["hooks"].clone()).expect("it has hooks");
    // Unknown keys are lost on the way.
    assert_eq!(serde_json::to_value(&hooks).expect("hooks are JSON"), fragment["hooks"]);
    for (stage, hooks) in
        [("createRuntime", hooks.create_runtime()), ("poststop", hooks.poststop())]
    {
        let Some([hook]) = hooks.as_deref() else { panic!("not one: {hooks:?}") };
        assert_eq!(hook.path(), Path::new(INSTALLED));
        let args = ["devgate", "hook", "--stage", stage, "--log", LOG].map(str::to_owned);
        assert_eq!(hook.args().as_deref(), Some(&args[..]));
    }
}

#[test]
fn podman_runs_its_file() {
    if !(ready("podman") && ready("runc")) {
        return;
    }
    let podman = Podman::without_hook();
    let mut file = moved(FOR_PODMAN, &podman.log());
    add(&mut file["hook"]["args"], &["--log-format", "json"]);
    podman.add_hook_file(FOR_PODMAN, &file);
    podman.expect(&[], STEPS);
}

#[test]
fn runc_runs_containerds_fragment() {
    if !ready("runc") {
        return;
    }
    let mut runc = Runc::without_hook(r#"[{"allow": false, "access": "rwm"}]"#);
    let mut fragment = moved(FOR_CONTAINERD, &runc.log());
    for stage in ["createRuntime", "poststop"] {
        add(&mut fragment["hooks"][stage][0]["args"], &["--log-format", "json"]);
    }
    runc.set_hooks(fragment["hooks"].take());
    runc.expect(STEPS);
}
