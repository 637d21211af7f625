//! `devgate install` and `devgate uninstall`.

pub mod args;

use std::io::Write;
use std::path::{Path, PathBuf};

use args::{
    Install, InstallAuto, InstallContainerd, InstallEngine, InstallHooksDir, Only, RegisteredHook,
    Uninstall, UninstallContainerd, UninstallEngine, Writing,
};
use devgate::install::{
    Apply, Binary, Cdi, Change, Containerd, Engine, Foreign, Found, HooksDir, InstallError, Plan,
    Registration, Root, SpecSource, Step, When, find, registrable,
};

use super::{Exit, complain};

pub fn install(install: &Install, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let (hook, writing) = match &install.engine {
        InstallEngine::Podman(args) | InstallEngine::Crio(args) | InstallEngine::Nri(args) => {
            (&args.hook, &args.writing)
        }
        InstallEngine::Containerd(args) => (&args.hook, &args.writing),
        InstallEngine::Cdi(args) => (&args.hook, &args.writing),
        InstallEngine::Auto(args) => (&args.hook, &args.writing),
    };
    let root = Root::new(&writing.prefix)?;
    let foreign = foreign(writing);
    let (registration, mut plan) = registration(hook, &root, foreign)?;
    plan.and(registered(&install.engine, &root, &registration, foreign)?);
    carry_out(&plan, writing, out)
}

fn registered(
    engine: &InstallEngine,
    root: &Root,
    hook: &Registration,
    foreign: Foreign,
) -> anyhow::Result<Plan> {
    let in_dir = |engine, args: &InstallHooksDir| {
        let when = When::new(&args.when)?;
        let dir = args.hooks_dir.clone();
        anyhow::Ok(HooksDir { engine, dir }.install(root, hook, &when, foreign)?)
    };
    match engine {
        InstallEngine::Podman(args) => in_dir(Engine::Podman, args),
        InstallEngine::Crio(args) => in_dir(Engine::Crio, args),
        InstallEngine::Nri(args) => in_dir(Engine::Nri, args),
        InstallEngine::Cdi(args) => {
            let cdi = Cdi { dir: args.dir.cdi_dir.clone() };
            Ok(cdi.install(root, hook, foreign)?)
        }
        InstallEngine::Containerd(args) => {
            let source = args.spec.clone().map_or(SpecSource::Ctr, SpecSource::File);
            Ok(containerd(args).install(root, hook, &source, foreign)?)
        }
        InstallEngine::Auto(args) => auto(args, root, hook, foreign),
    }
}

fn containerd(args: &InstallContainerd) -> Containerd {
    let handler = args.handler.clone();
    Containerd { config: args.toml.config.clone(), handler, apply: apply(&args.toml) }
}

fn apply(toml: &args::ConfigToml) -> Apply {
    if toml.apply { Apply::Edit } else { Apply::Show }
}

fn foreign(writing: &Writing) -> Foreign {
    if writing.force { Foreign::Overwrite } else { Foreign::Refuse }
}

/// With every engine that is there.
fn auto(
    args: &InstallAuto,
    root: &Root,
    hook: &Registration,
    foreign: Foreign,
) -> anyhow::Result<Plan> {
    let mut plan = Plan::default();
    let installed = Engine::ALL.into_iter().filter(|engine| engine.program(root).is_some());
    let installed: Vec<Engine> = installed.collect();
    if installed.is_empty() {
        return Err(InstallError::NoEngine { root: root.path().to_owned() }.into());
    }
    for engine in installed {
        plan.and(if engine == Engine::Containerd {
            let config = args.toml.config.clone();
            let handler = "runc".to_owned();
            let containerd = Containerd { config, handler, apply: apply(&args.toml) };
            containerd.install(root, hook, &SpecSource::Ctr, foreign)?
        } else {
            HooksDir { engine, dir: None }.install(root, hook, &When::new(&[])?, foreign)?
        });
    }
    Ok(plan)
}

/// The hook, and what is to be done before it can be registered: an engine may start containers
/// without a hook whose program it does not find.
fn registration(
    hook: &RegisteredHook,
    root: &Root,
    foreign: Foreign,
) -> anyhow::Result<(Registration, Plan)> {
    let path = match &hook.binary {
        Some(path) => path.clone(),
        None => std::env::current_exe()?,
    };
    let binary = Binary::new(&path)?;
    if let Some(log) = &hook.options.log {
        registrable("the log", log)?;
    }
    registrable("the directory of logs", hook.options.log_dir())?;
    let mut plan = Plan::default();
    let flaw = match hook.copy_binary {
        true => binary.place_flaw(root),
        false => binary.flaw(root),
    };
    match flaw {
        Some(flaw) if flaw.is_unsafe_only() && foreign == Foreign::Overwrite => {
            plan.notes.push(format!("warning: binary {}: {flaw}", path.display()));
        }
        Some(flaw) => return Err(InstallError::Binary { path, flaw }.into()),
        None => {}
    }
    if hook.copy_binary {
        plan.changes.push(binary.copy(root, foreign)?);
    }
    Ok((Registration::new(&path, hook.options.args()), plan))
}

pub fn uninstall(uninstall: &Uninstall, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let (only, writing) = match &uninstall.engine {
        UninstallEngine::Podman(args)
        | UninstallEngine::Crio(args)
        | UninstallEngine::Nri(args) => (&args.only, &args.writing),
        UninstallEngine::Cdi(args) => (&args.only, &args.writing),
        UninstallEngine::Containerd(args) | UninstallEngine::Auto(args) => {
            (&args.only, &args.writing)
        }
    };
    let root = Root::new(&writing.prefix)?;
    let mut plan = unregistered(&uninstall.engine, &root, only)?;
    if let Some(binary) = only.binary.as_deref().filter(|_| only.remove_binary) {
        match still_named(&root, binary, &plan)? {
            Some(file) => {
                plan.notes.push(format!("{} stays: {} names it", binary.display(), file.display()))
            }
            None => plan.changes.extend(Binary::new(binary)?.remove(&root)?),
        }
    }
    if plan.changes.is_empty() {
        plan.notes.push("there is nothing to take out".to_owned());
    }
    carry_out(&plan, writing, out)
}

fn unregistered(engine: &UninstallEngine, root: &Root, only: &Only) -> Result<Plan, InstallError> {
    let which = |registration: &Registration| {
        only.binary.as_ref().is_none_or(|binary| *binary == registration.binary)
    };
    let from_dirs = |engine, dir: Option<PathBuf>| HooksDir { engine, dir }.uninstall(root, which);
    let from_containerd = |args: &UninstallContainerd| {
        // Whatever the runtime is called.
        let handler = String::new();
        let config = args.toml.config.clone();
        Containerd { config, handler, apply: apply(&args.toml) }.uninstall(root, which)
    };
    let from_cdi = |dir: &Path| Cdi { dir: dir.to_owned() }.uninstall(root, which);
    match engine {
        UninstallEngine::Podman(args) => from_dirs(Engine::Podman, args.hooks_dir.clone()),
        UninstallEngine::Crio(args) => from_dirs(Engine::Crio, args.hooks_dir.clone()),
        UninstallEngine::Nri(args) => from_dirs(Engine::Nri, args.hooks_dir.clone()),
        UninstallEngine::Containerd(args) => from_containerd(args),
        UninstallEngine::Cdi(args) => from_cdi(&args.dir.cdi_dir),
        UninstallEngine::Auto(args) => {
            let mut plan = from_containerd(args)?;
            for engine in [Engine::Podman, Engine::Crio, Engine::Nri] {
                plan.and(from_dirs(engine, None)?);
            }
            plan.and(from_cdi(Path::new("/etc/cdi"))?);
            Ok(plan)
        }
    }
}

/// A registration that names the binary and is not taken out by the plan.
fn still_named(root: &Root, binary: &Path, plan: &Plan) -> Result<Option<PathBuf>, InstallError> {
    for engine in Engine::ALL {
        for Found { file, registration, .. } in find(root, engine)?.found {
            let at = root.at(&file)?;
            let goes = plan.changes.iter().any(|change| change.path() == at);
            if registration.binary == binary && !goes {
                return Ok(Some(file));
            }
        }
    }
    Ok(None)
}

/// Does it, or shows it.
fn carry_out(plan: &Plan, writing: &Writing, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    if writing.print {
        for content in plan.changes.iter().filter_map(|change| change.after()) {
            out.extend(content);
        }
        for note in &plan.notes {
            note.lines().for_each(complain);
        }
        return Ok(Exit::Success);
    }
    let applied = if writing.dry_run {
        plan.changes.iter().for_each(|change| out.extend(change.diff().bytes()));
        Ok(())
    } else {
        plan.apply(|change| out.extend(done(change).bytes()))
    };
    applied?;
    for note in &plan.notes {
        writeln!(out, "{note}")?;
    }
    Ok(Exit::Success)
}

fn done(change: &Change) -> String {
    let done = match change.step() {
        Step::Unchanged => "as it was:",
        Step::Create => "created",
        Step::Replace => "replaced",
        Step::Remove => "removed",
    };
    format!("{done} {}\n", change.path().display())
}
