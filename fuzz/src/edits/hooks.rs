//! Files in hooks directories and CDI specs, and the settings that say where these are.

use std::path::Path;

use devgate::install::{
    CONFIG, Cdi, Condition, Engine, Foreign, HooksDir, InstallError, Plan, Root, Step, When, find,
};
use devgate::oci::Stage;
use serde_json::Value;

use super::machine::{Machine, hook, planned};

const HOOKS_DIR: &str = "/usr/share/containers/oci/hooks.d";
const CDI_DIR: &str = "/etc/cdi";

const SETTING: &[u8] = b"hooks_dir";

/// One kind of file.
struct File {
    path: &'static str,
    engine: Engine,
    install: fn(&Root, Foreign) -> Result<Plan, InstallError>,
    uninstall: fn(&Root) -> Result<Plan, InstallError>,
}

const FILES: [File; 2] = [
    File {
        path: "/usr/share/containers/oci/hooks.d/devgate.json",
        engine: Engine::Podman,
        install: |root, foreign| in_hooks_dir().install(root, &hook(), &always(), foreign),
        uninstall: |root| in_hooks_dir().uninstall(root, |found| *found == hook()),
    },
    File {
        path: "/etc/cdi/devgate.io-policy.json",
        engine: Engine::Cdi,
        install: |root, foreign| in_cdi().install(root, &hook(), foreign),
        uninstall: |root| {
            in_cdi().uninstall(root, |found| *found == hook().at(Stage::CreateRuntime))
        },
    },
];

fn in_hooks_dir() -> HooksDir {
    HooksDir { engine: Engine::Podman, dir: Some(HOOKS_DIR.into()) }
}

fn in_cdi() -> Cdi {
    Cdi { dir: CDI_DIR.into() }
}

fn always() -> When {
    When::new(&[]).expect("no condition is one")
}

/// The file is there already: it stays if it is not devgate's, and otherwise is replaced whole.
pub fn check_files(machine: &Machine, content: &[u8]) {
    for File { path, engine, install, uninstall } in FILES {
        machine.write(path, content);
        let ours = registrations(machine, engine) > 0;
        let refused = planned(install(&machine.root, Foreign::Refuse)).is_none();
        assert_eq!(refused, !ours, "{path}");
        // Which bytes are overwritten makes no difference.
        if serde_json::from_slice::<Value>(content).is_err() {
            machine.remove(path);
            continue;
        }
        let plan = planned(install(&machine.root, Foreign::Overwrite)).expect("it is forced");
        machine.apply(&plan);
        let written = machine.read(path).expect("it was written");
        assert!(serde_json::from_slice::<Value>(&written).is_ok(), "{path}");
        assert_eq!(registrations(machine, engine), 1, "{path}");
        let again = planned(install(&machine.root, Foreign::Refuse)).expect("it is devgate's");
        assert_eq!(machine.apply(&again), [Step::Unchanged]);
        let plan = planned(uninstall(&machine.root)).expect("it can be read");
        assert_eq!(machine.apply(&plan), [Step::Remove]);
        assert_eq!(machine.read(path), None);
    }
}

fn registrations(machine: &Machine, engine: Engine) -> usize {
    let found = find(&machine.root, engine, Path::new(CONFIG)).expect("directories can be read");
    found.found.len()
}

/// The file says where hooks are, and a registration is found where it was put.
pub fn check_settings(machine: &Machine, content: &[u8]) {
    // Most settings say nothing of it.
    if !content.windows(SETTING.len()).any(|part| part == SETTING) {
        return;
    }
    for (path, engine) in
        [("/etc/containers/containers.conf", Engine::Podman), ("/etc/crio/crio.conf", Engine::Crio)]
    {
        machine.write(path, content);
        let dir = HooksDir { engine, dir: None };
        let plan = planned(dir.install(&machine.root, &hook(), &always(), Foreign::Refuse));
        // A directory may have a name that no directory can have.
        if plan.is_some_and(|plan| plan.apply(|_, _| ()).is_ok()) {
            assert!(registrations(machine, engine) > 0, "{engine:?} doesn't find it");
            let plan = planned(dir.uninstall(&machine.root, |_| true)).expect("it was found");
            machine.apply(&plan);
            assert_eq!(registrations(machine, engine), 0);
        }
        machine.remove(path);
    }
}

/// Conditions that are accepted can be written.
pub fn check_conditions(content: &[u8]) {
    let Ok(text) = std::str::from_utf8(content) else { return };
    let conditions: Result<Vec<Condition>, _> = text.lines().map(str::parse).collect();
    if let Ok(when) = conditions.and_then(|conditions| When::new(&conditions)) {
        let written = serde_json::to_value(when).expect("it is JSON");
        assert!(written.as_object().is_some_and(|members| !members.is_empty()));
    }
}
