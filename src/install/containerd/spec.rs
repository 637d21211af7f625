//! The base spec.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nix::unistd::{chdir, chroot, fchdir};
use serde_json::{Map, Value, json};

use super::super::programs::find_program;
use super::super::registration::Registration;
use super::super::{InstallError, Root};
use crate::files::{DOCUMENT_LIMIT, read_regular};

/// Where the spec comes from that the hook is added to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpecSource {
    /// The base spec that is there, with all that was changed in it, if it is devgate's; otherwise
    /// what `ctr oci spec` prints, as the machine's containerd has it.
    Usual,
    /// A file, here.
    File(PathBuf),
}

const CTR: &str = "ctr oci spec";

impl fmt::Display for SpecSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpecSource::Usual => write!(f, "what `{CTR}` prints"),
            SpecSource::File(path) => path.display().fmt(f),
        }
    }
}

impl SpecSource {
    /// The spec; `base` is the one that may be there.
    ///
    /// # Errors
    /// It can't be had, or is not a spec.
    pub(super) fn read(
        &self,
        root: &Root,
        base: &Path,
    ) -> Result<Map<String, Value>, InstallError> {
        match self {
            SpecSource::File(path) => {
                let read = |source| InstallError::Read { path: path.clone(), source };
                self.parse(&read_regular(path, DOCUMENT_LIMIT).map_err(read)?)
            }
            SpecSource::Usual => {
                let there = root.read(base)?.filter(|content| registered(content).is_some());
                match there {
                    Some(content) => self.parse(&content),
                    None => Ok(without_limits(self.parse(&ctr_oci_spec(root)?)?)),
                }
            }
        }
    }

    fn parse(&self, bytes: &[u8]) -> Result<Map<String, Value>, InstallError> {
        let wrong = |error: serde_json::Error| InstallError::Spec {
            origin: self.to_string(),
            problem: error.to_string(),
        };
        serde_json::from_slice(bytes).map_err(wrong)
    }
}

/// ctr's limits (1024 open files) would be every container's, which without a base spec has none.
fn without_limits(mut spec: Map<String, Value>) -> Map<String, Value> {
    if let Some(process) = spec.get_mut("process").and_then(Value::as_object_mut) {
        process.shift_remove("rlimits");
    }
    spec
}

fn ctr_oci_spec(root: &Root) -> Result<Vec<u8>, InstallError> {
    let failed =
        |source| InstallError::Command { command: CTR, root: root.path().to_owned(), source };
    let ctr = find_program(root, "ctr");
    let ctr = ctr.ok_or_else(|| failed(io::Error::new(io::ErrorKind::NotFound, "no ctr")))?;
    let Output { status, stdout, stderr } = run(root, &ctr, &["oci", "spec"]).map_err(failed)?;
    match status.success() {
        true => Ok(stdout),
        false => {
            let stderr = String::from_utf8_lossy(&stderr).trim().to_owned();
            Err(InstallError::CommandFailed { command: CTR, status, stderr })
        }
    }
}

/// Runs a program of the machine below the root with its own libraries: chrooted, as is this
/// whole process meanwhile. (A thread with a root directory of its own would take unshare(2),
/// which containers' seccomp profiles forbid.)
fn run(root: &Root, program: &Path, args: &[&str]) -> io::Result<Output> {
    let mut command = Command::new(program);
    command.args(args);
    if root.is_here() {
        return command.output();
    }
    // What is here: that machine's may not be seen as a device.
    command.stdin(File::open("/dev/null")?);
    let (here, dir) = (File::open("/")?, File::open(".")?);
    chroot(root.path())?;
    let output = chdir("/").map_err(io::Error::from).and_then(|()| command.output());
    // Out again, whatever came of it.
    let back = fchdir(&here).and_then(|()| chroot(".")).and_then(|()| fchdir(&dir));
    back.map_err(io::Error::from).and(output)
}

/// The spec with the hook as its last createRuntime hook, and with no other of devgate's.
pub(super) fn with_hook(
    mut spec: Map<String, Value>,
    origin: &SpecSource,
    hook: &Registration,
) -> Result<Value, InstallError> {
    let wrong = |problem| InstallError::Spec { origin: origin.to_string(), problem };
    if !spec.get("ociVersion").is_some_and(Value::is_string) {
        return Err(wrong("it has no ociVersion".to_owned()));
    }
    let hooks = spec.entry("hooks").or_insert(Value::Null);
    let hooks = empty_if_null(hooks, json!({})).as_object_mut();
    let hooks = hooks.ok_or_else(|| wrong(not("hooks")))?;
    let create = hooks.entry("createRuntime").or_insert(Value::Null);
    let create = empty_if_null(create, json!([])).as_array_mut();
    let create = create.ok_or_else(|| wrong(not("hooks.createRuntime")))?;
    create.retain(|hook| !is_devgates(hook));
    create.push(Value::Object(hook.hook()));
    Ok(Value::Object(spec))
}

/// Go writes null for what is empty.
fn empty_if_null(value: &mut Value, empty: Value) -> &mut Value {
    if value.is_null() {
        *value = empty;
    }
    value
}

fn not(key: &str) -> String {
    format!("{key} is not what it has to be")
}

fn is_devgates(hook: &Value) -> bool {
    hook.as_object().and_then(Registration::of).is_some()
}

/// devgate's registration in a base spec, if it has one.
pub fn registered(content: &[u8]) -> Option<Registration> {
    let spec: Map<String, Value> = serde_json::from_slice(content).ok()?;
    let hooks = spec.get("hooks")?.get("createRuntime")?.as_array()?;
    hooks.iter().find_map(|hook| Registration::of(hook.as_object()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(spec: &Value) -> Result<Value, String> {
        let hook = Registration::new(Path::new("/usr/bin/devgate"), []);
        let file = SpecSource::File("FILE".into());
        let added = with_hook(spec.as_object().unwrap().clone(), &file, &hook);
        added.map_err(|error| error.to_string())
    }

    #[test]
    fn the_hook_is_added_once_behind_the_others() {
        let spec = json!({"ociVersion": "1.1.0", "linux": {}, "hooks": {
            "poststop": [{"path": "/a"}],
            "createRuntime": [{"path": "/old/devgate"}, {"path": "/b"}]
        }});
        let added = with(&spec).unwrap();
        let own = Value::Object(Registration::new(Path::new("/usr/bin/devgate"), []).hook());
        assert_eq!(added["hooks"]["createRuntime"], json!([{"path": "/b"}, own]));
        assert_eq!(added["hooks"]["poststop"], spec["hooks"]["poststop"]);
        assert_eq!(added["linux"], json!({}));
        assert_eq!(with(&added).unwrap(), added);
    }

    #[test]
    fn what_is_no_spec_is_refused() {
        for (spec, problem) in [
            (json!({}), "FILE is not a runtime spec: it has no ociVersion"),
            (json!({"ociVersion": "1", "hooks": []}), "FILE is not a runtime spec: hooks is not"),
        ] {
            let error = with(&spec).unwrap_err();
            assert!(error.starts_with(problem), "{error}");
        }
    }
}
