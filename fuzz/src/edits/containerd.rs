//! config.toml and the base spec that it names.

use std::path::Path;

use devgate::install::{
    Apply, Containerd, Foreign, Plan, RUNC, Registration, SpecSource, Step, containerd_handlers,
};
use devgate::oci::Stage;
use serde_json::{Value, json};

use super::machine::{Machine, hook, planned};
use super::toml;

const CONFIG: &str = "/etc/containerd/config.toml";
const BACKUP: &str = "/etc/containerd/config.toml.devgate-backup";
const SPEC: &str = "/etc/containerd/devgate-base.json";
/// Where `--spec` finds a spec.
const GIVEN: &str = "/given.json";

fn containerd() -> Containerd {
    Containerd { config: CONFIG.into(), apply: Apply::Edit }
}

/// Registers for runc and, if the file has more runtimes, for one of these.
pub fn check_config(machine: &Machine, content: &[u8]) {
    let Some(tree) = toml::tree(without_mark(content)) else {
        machine.write(CONFIG, content);
        machine.write(GIVEN, br#"{"ociVersion":"1.1.0"}"#);
        assert!(install(machine, RUNC, Foreign::Overwrite).is_none(), "edited and not TOML");
        return;
    };
    let runtimes = runtimes(&tree);
    let other = runtimes.as_ref().and_then(|path| at(&tree, path)?.as_object()?.keys().next_back());
    let other = other.map_or("kata", String::as_str);
    for handler in [RUNC, other] {
        for foreign in [Foreign::Refuse, Foreign::Overwrite] {
            machine.write(CONFIG, content);
            machine.write(GIVEN, br#"{"ociVersion":"1.1.0"}"#);
            let was_named = names_spec(machine);
            match install(machine, handler, foreign) {
                Some(plan) => {
                    machine.apply(&plan);
                    let runtimes = runtimes.as_ref().expect("other versions are refused");
                    check_edited(machine, content, &tree, &[runtimes, &[handler][..]].concat());
                    check_again(machine, handler, foreign);
                    check_removed(machine, content, was_named);
                }
                None => assert_eq!(machine.read(CONFIG).as_deref(), Some(content)),
            }
        }
    }
    machine.remove(CONFIG);
}

fn install(machine: &Machine, handler: &str, foreign: Foreign) -> Option<Plan> {
    let source = SpecSource::File(machine.root.path().join(&GIVEN[1..]));
    planned(containerd().install(&machine.root, &hook(), &source, handler, foreign))
}

fn names_spec(machine: &Machine) -> bool {
    let handlers = containerd_handlers(&machine.root, Path::new(CONFIG), Path::new(SPEC));
    handlers.is_ok_and(|handlers| !handlers.is_empty())
}

fn without_mark(content: &[u8]) -> &[u8] {
    content.strip_prefix("\u{feff}".as_bytes()).unwrap_or(content)
}

/// The keys of the runtimes' table, for the versions that devgate knows.
fn runtimes(tree: &Value) -> Option<[&'static str; 4]> {
    let plugin = match tree["version"].as_i64()? {
        2 => "io.containerd.grpc.v1.cri",
        3 => "io.containerd.cri.v1.runtime",
        _ => return None,
    };
    Some(["plugins", plugin, "containerd", "runtimes"])
}

fn at<'t>(tree: &'t Value, path: &[&str]) -> Option<&'t Value> {
    path.iter().try_fold(tree, |at, key| at.get(key))
}

/// It says what was intended, and all else that it said; and what was written is still there.
fn check_edited(machine: &Machine, before: &[u8], tree: &Value, runtime: &[&str]) {
    let after = machine.read(CONFIG).expect("it was written");
    let mut expected = tree.clone();
    let key = |key| [runtime, &[key][..]].concat();
    let named = at(tree, &key("base_runtime_spec")).is_some();
    if at(tree, &key("runtime_type")).is_none() {
        toml::set(&mut expected, &key("runtime_type"), "io.containerd.runc.v2");
    }
    toml::set(&mut expected, &key("base_runtime_spec"), SPEC);
    assert_eq!(toml::tree(without_mark(&after)), Some(expected), "{}", text(&after));
    // What takes another value's place is written otherwise.
    if !named {
        let mut rest = after.iter().filter(|byte| **byte != b'\r');
        let mut kept = before.iter().filter(|byte| **byte != b'\r');
        assert!(kept.all(|byte| rest.any(|other| other == byte)), "lost in: {}", text(&after));
    }
    let spec = machine.read(SPEC).expect("it was written");
    let spec: Value = serde_json::from_slice(&spec).expect("it is JSON");
    for stage in Stage::ALL {
        assert_eq!(spec["hooks"][stage.name()], json!([hook().at(stage).hook()]));
    }
}

fn text(content: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(content)
}

/// A second time changes nothing.
fn check_again(machine: &Machine, handler: &str, foreign: Foreign) {
    let before = machine.read(CONFIG);
    let plan = install(machine, handler, foreign).expect("it went well the first time");
    let steps = machine.apply(&plan);
    assert!(steps.iter().all(|step| *step == Step::Unchanged), "{steps:?}");
    assert_eq!(machine.read(CONFIG), before);
}

/// What was there is there again, and nothing else is.
fn check_removed(machine: &Machine, content: &[u8], was_named: bool) {
    let plan = containerd().uninstall(&machine.root, |_| true).expect("it is registered");
    machine.apply(&plan);
    let now = machine.read(CONFIG).expect("it was there before");
    assert!(!names_spec(machine), "{}", text(&now));
    assert_eq!(machine.read(SPEC), None);
    if !was_named {
        assert_eq!(text(&now), text(content));
        assert_eq!(machine.read(BACKUP), None);
    }
}

/// The hook is added to a spec, and all else in it stays.
pub fn check_spec(machine: &Machine, content: &[u8]) {
    let show = Containerd { apply: Apply::Show, ..containerd() };
    let install = || {
        let source = SpecSource::File(machine.root.path().join(&GIVEN[1..]));
        planned(show.install(&machine.root, &hook(), &source, RUNC, Foreign::Refuse))
    };
    machine.write(GIVEN, content);
    let Some(plan) = install() else { return };
    machine.apply(&plan);
    let written = machine.read(SPEC).expect("it was written");
    let mut after: Value = serde_json::from_slice(&written).expect("it is JSON");
    let mut before: Value = serde_json::from_slice(content).expect("others are refused");
    for stage in Stage::ALL {
        check_added(&mut before["hooks"], &mut after["hooks"], stage);
    }
    assert_eq!(after, before);
    machine.write(GIVEN, &written);
    assert_eq!(machine.apply(&install().expect("it is a spec")), [Step::Unchanged]);
    let ours = |found: &Registration| *found == hook().at(Stage::CreateRuntime);
    let plan = show.uninstall(&machine.root, ours).expect("it is not named");
    assert_eq!(machine.apply(&plan), [Step::Remove]);
}

/// The hook is the stage's last one, and those before it are there still. Makes both the same.
fn check_added(before: &mut Value, after: &mut Value, stage: Stage) {
    let hooks = after[stage.name()].as_array_mut().expect("hooks");
    assert_eq!(hooks.pop(), Some(Value::Object(hook().at(stage).hook())));
    let kept = before[stage.name()].take();
    let kept = kept.as_array().into_iter().flatten();
    let ours =
        |hook: &Value| serde_json::to_string(hook).is_ok_and(|text| text.contains("devgate"));
    assert!(kept.filter(|hook| !ours(hook)).all(|hook| hooks.contains(hook)), "a hook is lost");
    before[stage.name()] = after[stage.name()].clone();
}
