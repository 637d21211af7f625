//! Which engines there are, and whether they run the hook.

use std::path::{Path, PathBuf};

use super::{Finding, Group, Level, Scope, chain, daemon, prove};
use crate::install::{
    Binary, CONFIG, Engine, Found, InstallError, LogFlaw, Root, Search, containerd_handlers,
    containerd_warnings, exposed, find, log_flaw,
};

const HERE: Group = Group::Engines;

pub(super) fn findings(scope: &Scope) -> Vec<Finding> {
    let Scope { root, engines, .. } = scope;
    let mut findings = Vec::new();
    let mut registered = Vec::new();
    for &engine in engines {
        // What is not there reads nothing; CDI devices are nobody's own.
        if engine != Engine::Cdi && engine.program(root).is_none() {
            findings.push(match scope.prove.contains(&engine) {
                true => prove::not_installed(engine),
                false => HERE.ok(engine.name(), "not installed"),
            });
            continue;
        }
        match find(root, engine, Path::new(CONFIG)) {
            Err(error) => findings.push(unknown(engine, &error)),
            Ok(search) => {
                if !search.found.is_empty() {
                    registered.push(engine);
                }
                // Whether or not it is among those that are looked for.
                if search.found.is_empty() && engine == Engine::Containerd && injected(root) {
                    registered.push(Engine::Nri);
                }
                let judged = judged(root, engine, &search);
                findings.extend(match scope.prove.contains(&engine) {
                    true => prove::proven(scope, &search.found, judged),
                    false => judged,
                });
            }
        }
    }
    findings.extend(together(&registered));
    findings
}

/// What no engine's registration says by itself.
fn together(registered: &[Engine]) -> Option<Finding> {
    let own = [Engine::Containerd, Engine::Crio];
    let others = own.into_iter().filter(|engine| registered.contains(engine)).map(Engine::name);
    let others: Vec<&str> = others.collect();
    let found = match registered {
        [] => ("the hook is registered with no engine".to_owned(), "devgate install ENGINE"),
        _ if registered.contains(&Engine::Nri) && !others.is_empty() => (
            format!("NRI's hook-injector adds the hook to that of {}", others.join(" and ")),
            "keep one of them, or the hook runs twice",
        ),
        _ => return None,
    };
    Some(HERE.degraded("registration", found.0, found.1))
}

fn unknown(engine: Engine, error: &InstallError) -> Finding {
    let remedy = "mend or remove that file: the engine reads it too";
    HERE.degraded(engine.name(), format!("not known: {}", chain(error)), remedy)
}

fn judged(root: &Root, engine: Engine, search: &Search) -> Vec<Finding> {
    let unusable = search.unusable.iter().map(|(file, why)| unusable(engine, file, why));
    let mut findings: Vec<Finding> = unusable.collect();
    findings.extend(search.found.iter().map(|found| registered(root, found)));
    match search.found.as_slice() {
        [] => findings.push(unregistered(root, engine, search)),
        [_] => {}
        several if engine != Engine::Containerd => {
            let files = several.iter().map(|found| found.file.display().to_string());
            let files = files.collect::<Vec<String>>().join(", ");
            let text = format!("the hook runs {} times for a container", several.len());
            findings.push(HERE.degraded(engine.name(), text, format!("leave one of {files}")));
        }
        // A base spec for each of several runtimes.
        _ => {}
    }
    if engine == Engine::Containerd && !search.found.is_empty() {
        let warnings = containerd_warnings(root, Path::new(CONFIG)).unwrap_or_default();
        let remedy = "see `containerd config dump`";
        let warned = warnings.into_iter().map(|text| HERE.degraded(engine.name(), text, remedy));
        findings.extend(warned);
    }
    findings
}

fn unusable(engine: Engine, file: &Path, why: &str) -> Finding {
    let file = file.display();
    let (found, remedy) = match engine {
        Engine::Containerd => (
            format!("config.toml names {file} ({why}), and containerd starts without its CRI"),
            "devgate install containerd --apply, or take it out of config.toml".to_owned(),
        ),
        Engine::Nri => (
            format!("{file}: {why}: the hook-injector ends, and containers start without the hook"),
            format!("mend or remove {file}, and restart the plugin"),
        ),
        _ => (
            format!("{file}: {why}: the engine may refuse every container"),
            format!("mend or remove {file}"),
        ),
    };
    HERE.broken(engine.name(), found, remedy)
}

fn unregistered(root: &Root, engine: Engine, search: &Search) -> Finding {
    let name = engine.name();
    let places: Vec<String> =
        search.places.iter().map(|place| place.display().to_string()).collect();
    let nowhere = format!("not registered in {}", places.join(", "));
    match engine {
        Engine::Cdi => HERE.ok(name, nowhere),
        Engine::Containerd if injected(root) => HERE
            .registered(name, "NRI's hook-injector gives its containers the hook, while it runs"),
        Engine::Containerd => {
            HERE.degraded(name, nowhere, "devgate install containerd --apply, and restart it")
        }
        _ => HERE.degraded(name, nowhere, reinstall(engine)),
    }
}

/// Whether NRI's hook-injector is there, and has a hook for all that can be told.
fn injected(root: &Root) -> bool {
    let sound = |search: Search| {
        let mut found = search.found.iter();
        search.unusable.is_empty()
            && found.any(|found| at_start(root, found).level <= Level::Registered)
    };
    Engine::Nri.program(root).is_some()
        && find(root, Engine::Nri, Path::new(CONFIG)).is_ok_and(sound)
}

/// One that an engine finds: the worst that is wrong with it.
fn registered(root: &Root, found: &Found) -> Finding {
    let at_start = at_start(root, found);
    match &found.poststop_flaw {
        Some(flaw) if at_start.level <= Level::Registered => {
            let text = format!(
                "registered in {}: {flaw}, so pins and records of containers that ended stay \
                 until `devgate gc`",
                found.file.display()
            );
            HERE.degraded(found.engine.name(), text, again(found.engine))
        }
        _ => at_start,
    }
}

/// How to write a registration anew.
fn again(engine: Engine) -> String {
    match engine {
        Engine::Containerd => "run devgate install containerd again, and restart it".to_owned(),
        engine => format!("run devgate install {} again", engine.name()),
    }
}

/// What becomes of a container that starts.
fn at_start(root: &Root, found: &Found) -> Finding {
    let name = found.engine.name();
    let registration = &found.registration;
    let place = format!("registered in {}", found.file.display());
    let binary = registration.binary.display();
    let flaw = match Binary::new(&registration.binary) {
        Ok(path) => path.flaw(root),
        Err(error) => {
            return HERE.broken(name, format!("{place}: {error}"), reinstall(found.engine));
        }
    };
    match (&flaw, &found.flaw) {
        // podman passes over a hook that is not there, and starts the container all the same. So
        // does CRI-O, unless it read the hook before.
        (Some(flaw), _) if !flaw.is_unsafe_only() => HERE.broken(
            name,
            format!("{place}: {binary}: {flaw}; containers do not start, or start unlimited"),
            reinstall(found.engine),
        ),
        (_, Some(flaw)) => HERE.broken(
            name,
            format!("{place}: {flaw}; containers do not start, or start unlimited"),
            reinstall(found.engine),
        ),
        (Some(flaw), None) => open_to_others(name, &format!("{place}: {binary}: {flaw}")),
        (None, None) => unusable_log(root, found)
            .or_else(|| {
                exposed(root, &found.file)
                    .map(|flaw| open_to_others(name, &format!("{place}: {flaw}")))
            })
            .or_else(|| unread(root, found))
            .unwrap_or_else(|| {
                let runs = format!("{binary} {}", registration.args.join(" "));
                HERE.registered(name, format!("{place}{}: {runs}", runtimes(root, found)))
            }),
    }
}

/// containerd's runtimes whose containers it is for.
fn runtimes(root: &Root, found: &Found) -> String {
    if found.engine != Engine::Containerd {
        return String::new();
    }
    let handlers = containerd_handlers(root, Path::new(CONFIG), &found.file).unwrap_or_default();
    format!(" for {}", handlers.join(", "))
}

fn open_to_others(name: &'static str, what: &str) -> Finding {
    let found = format!("{what}, who can so run programs as root");
    HERE.degraded(name, found, "chown root and chmod go-w it")
}

/// A log that the hook does not write: it fails before it does anything.
fn unusable_log(root: &Root, found: &Found) -> Option<Finding> {
    let log = found.registration.log()?;
    let flaw = match log_flaw(root, log) {
        Ok(flaw) => flaw?,
        Err(error) => return Some(unknown(found.engine, &error)),
    };
    let remedy = match &flaw {
        LogFlaw::NoDirectory(dir) => format!("mkdir -p {}", dir.display()),
        LogFlaw::NotAFile | LogFlaw::Exposed(_) => reinstall(found.engine) + " --log FILE",
    };
    let text = format!(
        "registered in {}: the log can't be written, so no container starts: {}: {flaw}",
        found.file.display(),
        log.display()
    );
    Some(HERE.broken(found.engine.name(), text, remedy))
}

/// containerd reads its configuration and base specs when it starts, and CRI-O which hooks
/// directories there are; podman looks each time.
fn unread(root: &Root, found: &Found) -> Option<Finding> {
    let files = match found.engine {
        Engine::Containerd => vec![PathBuf::from(CONFIG), found.file.clone()],
        Engine::Crio => found.engine.hooks_dirs_said_by(root).unwrap_or_default(),
        Engine::Podman | Engine::Nri | Engine::Cdi => return None,
    };
    let name = found.engine.name();
    let late = daemon::written_since_start(root, name, &files)?;
    let text = format!("{name} runs since before {} was written", late.display());
    Some(HERE.degraded(name, text, format!("systemctl restart {name}")))
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
        let engines = Engine::ALL.to_vec();
        let findings = findings(&Scope::new(root, engines)).into_iter();
        let odd = findings.filter(|finding| finding.level > Level::Registered);
        odd.map(|finding| (finding.check, finding.level, finding.found)).collect()
    }

    const PODMAN: (&str, &str) = ("usr/bin/podman", "");
    const FILE: &str = "usr/share/containers/oci/hooks.d/devgate.json";
    const HOOK: &str = r#"{"version":"1.0.0","hook":{"path":"/usr/bin/devgate",
        "args":["devgate","hook"]},"when":{"always":true},"stages":["createRuntime","poststop"]}"#;

    #[test]
    fn a_machine_without_the_hook() {
        let nothing = ("registration", Level::Degraded);
        let found = |files| {
            let levels: Vec<_> = levels(files).iter().map(|(c, l, _)| (*c, *l)).collect();
            levels
        };
        assert_eq!(found(&[]), [nothing]);
        assert_eq!(found(&[PODMAN]), [("podman", Level::Degraded), nothing]);
        // Nobody reads what is left of an engine that is not there.
        assert_eq!(found(&[(FILE, HOOK)]), [nothing]);
    }

    #[test]
    fn a_binary_that_is_gone_is_broken() {
        let found = levels(&[PODMAN, (FILE, HOOK)]);
        let [("podman", Level::Broken, podman), ..] = &found[..] else { panic!("{found:?}") };
        assert!(podman.contains("/usr/bin/devgate: there is no such file"), "{podman}");
    }

    #[test]
    fn files_that_engines_stumble_over_are_broken() {
        for content in ["{", "", "[1]x"] {
            let bad = ("usr/share/containers/oci/hooks.d/.other.json", content);
            let found = levels(&[PODMAN, bad]);
            let told = found.iter().any(|(c, l, _)| (*c, *l) == ("podman", Level::Broken));
            assert!(told, "{found:?}");
        }
    }

    #[test]
    fn a_base_spec_that_is_gone_is_broken() {
        let config = "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.x]\n\
                      base_runtime_spec = '/no/spec'\n";
        let found = levels(&[("usr/bin/containerd", ""), ("etc/containerd/config.toml", config)]);
        let [("containerd", Level::Broken, why), ..] = &found[..] else { panic!("{found:?}") };
        assert!(why.contains("/no/spec (there is no such file)"), "{why}");
    }

    #[test]
    fn the_injector_beside_an_engines_own_registration_is_told() {
        let all = [Engine::Crio, Engine::Nri];
        assert!(together(&all).is_some_and(|finding| finding.found.contains("crio")));
        assert_eq!(together(&[Engine::Podman, Engine::Nri]), None);
    }
}
