//! Registrations of 0.1.0, which had no hook at poststop.

use serde_json::{Value, json};

use super::machine::{BINARY, Machine};

/// An engine, its program, the file that 0.1.0 wrote for it, and what must have been there.
struct Old {
    engine: &'static str,
    program: &'static str,
    file: &'static str,
    content: Value,
    config: Option<(&'static str, &'static str)>,
}

const CONTAINERD: (&str, &str) = (
    "/etc/containerd/config.toml",
    "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\n\
     runtime_type = 'io.containerd.runc.v2'\n\
     base_runtime_spec = '/etc/containerd/devgate-base.json'\n",
);

fn olds() -> [Old; 5] {
    let hook = json!({"path": BINARY, "args": ["devgate", "hook"], "timeout": 60});
    let hooks_file = json!({
        "version": "1.0.0", "hook": hook, "when": {"always": true}, "stages": ["createRuntime"],
    });
    let in_dir = |engine, program, file| {
        let content = hooks_file.clone();
        Old { engine, program, file, content, config: None }
    };
    let mut edit = hook.clone();
    edit["hookName"] = json!("createRuntime");
    let cdi = json!({
        "cdiVersion": "0.3.0",
        "kind": "devgate.io/policy",
        "devices": [{"name": "enforce", "containerEdits": {"hooks": [edit]}}],
    });
    let spec = json!({"ociVersion": "1.1.0", "mine": 7, "hooks": {"createRuntime": [hook]}});
    [
        in_dir("podman", "/usr/bin/podman", "/usr/share/containers/oci/hooks.d/devgate.json"),
        in_dir("crio", "/usr/bin/crio", "/usr/share/containers/oci/hooks.d/devgate.json"),
        in_dir(
            "nri",
            "/opt/nri/plugins/10-hook-injector",
            "/etc/containers/oci/hooks.d/devgate.json",
        ),
        Old {
            engine: "containerd",
            program: "/usr/bin/containerd",
            file: "/etc/containerd/devgate-base.json",
            content: spec,
            config: Some(CONTAINERD),
        },
        Old {
            engine: "cdi",
            program: "/usr/bin/podman",
            file: "/etc/cdi/devgate.io-policy.json",
            content: cdi,
            config: None,
        },
    ]
}

fn machine_with(old: &Old) -> Machine {
    let machine = Machine::new();
    machine.write(old.program, "", 0o755);
    machine.write(old.file, &old.content.to_string(), 0o644);
    if let Some((path, content)) = old.config {
        machine.write(path, content, 0o644);
    }
    machine
}

#[test]
fn doctor_says_what_they_lack_and_install_mends_it_in_place() {
    for old in olds() {
        let machine = machine_with(&old);
        let doctor = machine.doctor(old.engine);
        let remedy = format!("run devgate install {} again", old.engine);
        let missing = format!(
            "registered in {}: the hook is not called at poststop, so pins and records of \
             containers that ended stay until `devgate gc`; {remedy}",
            old.file
        );
        assert_eq!(doctor.code, Some(4), "{doctor:?}");
        assert!(doctor.text().contains(&missing), "{}: {doctor:?}", old.engine);

        let before = machine.files().len();
        let run = machine.install(&[old.engine]);
        assert!(run.success().starts_with("replaced "), "{}: {run:?}", old.engine);
        assert_eq!(machine.files().len(), before, "{}: not in place", old.engine);
        let doctor = machine.doctor(old.engine);
        assert!(doctor.success().contains("registered in"), "{}: {doctor:?}", old.engine);
        if old.engine == "containerd" {
            assert_eq!(machine.json(old.file)["mine"], 7);
        }
    }
}

#[test]
fn they_can_be_taken_out() {
    for old in olds() {
        let machine = machine_with(&old);
        let apply: &[&str] = if old.engine == "containerd" { &["--apply"] } else { &[] };
        machine.uninstall(&[&[old.engine, "--binary", BINARY], apply].concat()).success();
        assert!(!machine.has(old.file), "{}", old.engine);
    }
}

/// A hook that is left at poststop alone lets every container start unlimited.
#[test]
fn poststop_alone_is_broken() {
    for mut old in olds() {
        if let Some(hooks) = old.content["hooks"].as_object_mut() {
            let hooks_of_stage = hooks.remove("createRuntime").expect("0.1.0 had that");
            hooks.insert("poststop".to_owned(), hooks_of_stage);
        } else if old.content["devices"].is_array() {
            let hook = &mut old.content["devices"][0]["containerEdits"]["hooks"][0];
            hook["hookName"] = json!("poststop");
        } else {
            old.content["stages"] = json!(["poststop"]);
        }
        let machine = machine_with(&old);
        let doctor = machine.doctor(old.engine);
        let broken = doctor.text().lines().any(|line| {
            line.starts_with("broken ") && line.contains("createRuntime") && line.contains(old.file)
        });
        assert!(doctor.code == Some(1) && broken, "{}: {doctor:?}", old.engine);
        machine.install(&[old.engine]).success();
        machine.doctor(old.engine).success();
    }
}
