//! Which engines there are, and whether they run the hook.

use std::path::{Path, PathBuf};

use super::{Finding, Group, chain, daemon};
use crate::install::{Binary, CONFIG, Engine, Found, InstallError, Root, Search, find};

const HERE: Group = Group::Engines;

pub(super) fn findings(root: &Root) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let mut registered = false;
    for engine in Engine::ALL {
        let there = Engine::program(engine, root).is_some();
        match find(root, engine) {
            Err(error) => findings.push(unknown(engine, &error)),
            Ok(search) => {
                registered |= !search.found.is_empty();
                findings.extend(judged(root, engine, there, &search));
            }
        }
    }
    if !registered {
        findings.push(HERE.degraded(
            "registration",
            "the hook is registered with no engine",
            "devgate install ENGINE",
        ));
    }
    findings
}

fn unknown(engine: Engine, error: &InstallError) -> Finding {
    let remedy = "mend or remove that file: the engine reads it too";
    HERE.degraded(engine.name(), format!("not known: {}", chain(error)), remedy)
}

fn judged(root: &Root, engine: Engine, there: bool, search: &Search) -> Vec<Finding> {
    let unusable = search.unusable.iter().map(|file| unusable(engine, file));
    // Who is not there reads nothing.
    let mut findings: Vec<Finding> = unusable.filter(|_| there).collect();
    match search.found.as_slice() {
        [] => findings.push(unregistered(root, engine, there, search)),
        [found] => findings.push(registered(root, found)),
        several => {
            findings.extend(several.iter().map(|found| registered(root, found)));
            let files: Vec<String> =
                several.iter().map(|found| found.file.display().to_string()).collect();
            findings.push(HERE.degraded(
                engine.name(),
                format!("the hook runs {} times for a container", files.len()),
                format!("leave one of {}", files.join(", ")),
            ));
        }
    }
    findings
}

fn unusable(engine: Engine, file: &Path) -> Finding {
    let file = file.display();
    let (found, remedy) = match engine {
        Engine::Containerd => (
            format!(
                "config.toml names {file}, which is no JSON or not there: containerd starts \
                 without its CRI"
            ),
            "devgate install containerd --apply, or take it out of config.toml".to_owned(),
        ),
        _ => (
            format!("{file} is not JSON: the engine may refuse every container"),
            format!("mend or remove {file}"),
        ),
    };
    HERE.broken(engine.name(), found, remedy)
}

fn unregistered(root: &Root, engine: Engine, there: bool, search: &Search) -> Finding {
    let name = engine.name();
    let places: Vec<String> =
        search.places.iter().map(|place| place.display().to_string()).collect();
    let nowhere = format!("not registered in {}", places.join(", "));
    match engine {
        Engine::Cdi => HERE.ok(name, nowhere),
        _ if !there => HERE.ok(name, "not installed"),
        Engine::Containerd if injected(root) => {
            HERE.ok(name, "NRI's hook-injector gives its containers the hook")
        }
        Engine::Containerd => {
            HERE.degraded(name, nowhere, "devgate install containerd --apply, and restart it")
        }
        _ => HERE.degraded(name, nowhere, format!("devgate install {name}")),
    }
}

fn injected(root: &Root) -> bool {
    Engine::Nri.program(root).is_some()
        && find(root, Engine::Nri).is_ok_and(|search| !search.found.is_empty())
}

fn registered(root: &Root, found: &Found) -> Finding {
    let Found { engine, file, registration } = found;
    let name = engine.name();
    let binary = registration.binary.display();
    let place = format!("registered in {}", file.display());
    let flaw = match Binary::new(&registration.binary) {
        Ok(path) => path.flaw(root),
        Err(error) => return HERE.broken(name, format!("{place}: {error}"), reinstall(*engine)),
    };
    match flaw {
        None => missing_log(root, found).or_else(|| unread(root, found)).unwrap_or_else(|| {
            HERE.ok(name, format!("{place}: {binary} {}", registration.args.join(" ")))
        }),
        Some(flaw) if flaw.is_unsafe_only() => HERE.degraded(
            name,
            format!("{place}: {binary}: {flaw}, who can so run programs as root"),
            format!("chown root and chmod go-w it, or {}", reinstall(*engine)),
        ),
        // podman passes over a hook that is not there, and starts the container all the same.
        Some(flaw) => HERE.broken(
            name,
            format!("{place}: {binary}: {flaw}; containers do not start, or start unlimited"),
            reinstall(*engine),
        ),
    }
}

/// The hook makes its log, and no directory for it: it would fail.
fn missing_log(root: &Root, found: &Found) -> Option<Finding> {
    let args = &found.registration.args;
    let log = args.iter().position(|arg| arg == "--log").and_then(|at| args.get(at + 1))?;
    let dir = Path::new(log).parent()?;
    let there = root.at(dir).is_ok_and(|dir| dir.is_dir());
    let broken = || {
        HERE.broken(
            found.engine.name(),
            format!(
                "registered in {}: there is no directory {} for the log, so no container starts",
                found.file.display(),
                dir.display()
            ),
            format!("mkdir {}", dir.display()),
        )
    };
    (!there).then(broken)
}

/// containerd reads its configuration and base specs when it starts; the others look each time.
fn unread(root: &Root, found: &Found) -> Option<Finding> {
    let files = [PathBuf::from(CONFIG), found.file.clone()];
    if found.engine != Engine::Containerd {
        return None;
    }
    let late = daemon::written_since_start(root, "containerd", &files)?;
    let text = format!("containerd runs since before {} was written", late.display());
    Some(HERE.degraded(found.engine.name(), text, "systemctl restart containerd"))
}

fn reinstall(engine: Engine) -> String {
    format!("devgate install {}", engine.name())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Level;
    use super::*;

    fn levels(files: &[(&str, &str)]) -> Vec<(&'static str, Level, String)> {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path()).unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let findings = findings(&root).into_iter();
        let odd = findings.filter(|finding| finding.level != Level::Ok);
        odd.map(|finding| (finding.check, finding.level, finding.found)).collect()
    }

    const PODMAN: (&str, &str) = ("usr/bin/podman", "");
    const FILE: &str = "usr/share/containers/oci/hooks.d/devgate.json";

    #[test]
    fn a_machine_without_the_hook() {
        let nothing = ("registration", Level::Degraded);
        let found = |files| {
            let levels: Vec<_> = levels(files).iter().map(|(c, l, _)| (*c, *l)).collect();
            levels
        };
        assert_eq!(found(&[]), [nothing]);
        assert_eq!(found(&[PODMAN]), [("podman", Level::Degraded), nothing]);
    }

    #[test]
    fn a_binary_that_is_gone_is_broken() {
        let file = (FILE, r#"{"hook":{"path":"/usr/bin/devgate"}}"#);
        let [("podman", Level::Broken, podman), ..] = &levels(&[PODMAN, file])[..] else {
            panic!("{:?}", levels(&[PODMAN, file]))
        };
        assert!(podman.contains("/usr/bin/devgate: there is no such file"), "{podman}");
    }

    #[test]
    fn a_file_that_is_not_json_stops_every_container() {
        let bad = ("usr/share/containers/oci/hooks.d/other.json", "{");
        let found = levels(&[PODMAN, bad]);
        assert!(found.iter().any(|(c, l, _)| (*c, *l) == ("podman", Level::Broken)), "{found:?}");
    }

    #[test]
    fn a_base_spec_that_is_gone_stops_every_pod() {
        let config = "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.x]\n\
                      base_runtime_spec = '/no/spec'\n";
        let found = levels(&[("usr/bin/containerd", ""), ("etc/containerd/config.toml", config)]);
        let [("containerd", Level::Broken, why), ..] = &found[..] else { panic!("{found:?}") };
        assert!(why.contains("/no/spec"), "{why}");
    }
}
