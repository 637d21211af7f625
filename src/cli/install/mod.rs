//! `devgate install` and `devgate uninstall`.

pub mod args;
mod auto;
mod uninstall;

use std::path::{Path, PathBuf};

use args::{Install, InstallContainerd, InstallEngine, InstallHooksDir, RegisteredHook, Writing};
use devgate::install::{
    Apply, Binary, Cdi, Change, Containerd, Engine, Foreign, HooksDir, InstallError, LogFlaw, Plan,
    Registration, Root, SpecSource, Step, When, log_flaw, registrable,
};

use super::{Exit, complain};
pub use uninstall::uninstall;

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
    let (hook, mut plan) = registration(hook, &root, foreign)?;
    let in_dir = |engine, args: &InstallHooksDir| {
        let when = When::new(&args.when)?;
        let dir = args.hooks_dir.clone();
        anyhow::Ok(HooksDir { engine, dir }.install(&root, &hook, &when, foreign)?)
    };
    plan.and(match &install.engine {
        InstallEngine::Podman(args) => in_dir(Engine::Podman, args)?,
        InstallEngine::Crio(args) => in_dir(Engine::Crio, args)?,
        InstallEngine::Nri(args) => in_dir(Engine::Nri, args)?,
        InstallEngine::Cdi(args) => {
            Cdi { dir: args.dir.cdi_dir.clone() }.install(&root, &hook, foreign)?
        }
        InstallEngine::Containerd(args) => in_containerd(args, &root, &hook, foreign)?,
        InstallEngine::Auto(args) => return auto::install(args, &root, &hook, plan, out),
    });
    carry_out(&plan, writing, out)?;
    Ok(Exit::Success)
}

fn in_containerd(
    args: &InstallContainerd,
    root: &Root,
    hook: &Registration,
    foreign: Foreign,
) -> anyhow::Result<Plan> {
    let source = match (&args.spec, args.containerd_major) {
        (Some(file), _) => SpecSource::File(file.clone()),
        (None, Some(major)) => SpecSource::Default(major.into()),
        (None, None) => SpecSource::Usual,
    };
    Ok(containerd(&args.toml).install(root, hook, &source, &args.handler, foreign)?)
}

fn containerd(toml: &args::ConfigToml) -> Containerd {
    let apply = if toml.apply { Apply::Edit } else { Apply::Show };
    Containerd { config: toml.config.clone(), apply }
}

fn foreign(writing: &Writing) -> Foreign {
    if writing.force { Foreign::Overwrite } else { Foreign::Refuse }
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
        check_log(root, log)?;
    }
    let log_dir = hook.options.log_dir();
    registrable("the directory of logs", log_dir)?;
    // Whatever a container calls its log.
    check_log(root, &log_dir.join("log"))?;
    let mut plan = Plan::default();
    plan.notes.extend(flaw(hook, &binary, root, foreign)?);
    if hook.copy_binary {
        plan.changes.push(binary.copy(root, foreign)?);
    }
    Ok((Registration::new(&path, hook.options.args()), plan))
}

/// What is not there can still be made; what is unsafe stops every container.
fn check_log(root: &Root, log: &Path) -> Result<(), InstallError> {
    match log_flaw(root, log)? {
        None | Some(LogFlaw::NoDirectory(_)) => Ok(()),
        Some(flaw) => Err(InstallError::Log { path: log.to_owned(), flaw }),
    }
}

/// A warning, if what is wrong with the binary is to be put up with.
fn flaw(
    hook: &RegisteredHook,
    binary: &Binary,
    root: &Root,
    foreign: Foreign,
) -> Result<Option<String>, InstallError> {
    let flaw = match hook.copy_binary {
        true => binary.place_flaw(root),
        false => binary.flaw(root),
    };
    let path: PathBuf = binary.path().to_owned();
    match flaw {
        None => Ok(None),
        Some(flaw) if flaw.is_unsafe_only() && foreign == Foreign::Overwrite => {
            Ok(Some(format!("warning: binary {}: {flaw}", path.display())))
        }
        Some(flaw) => Err(InstallError::Binary { path, flaw }),
    }
}

/// Does it, or shows it.
fn carry_out(plan: &Plan, writing: &Writing, out: &mut Vec<u8>) -> Result<(), InstallError> {
    if writing.print {
        print(plan, out);
        return Ok(());
    }
    if writing.dry_run {
        let changes = plan.changes.iter().filter(|change| change.step() != Step::Unchanged);
        changes.for_each(|change| out.extend(change.diff().bytes()));
    } else {
        plan.apply(|change, step| out.extend(done(change, step).bytes()))?;
    }
    plan.notes.iter().for_each(|note| out.extend(format!("{note}\n").bytes()));
    Ok(())
}

/// The contents alone, so that they can be used; what they are for goes to standard error.
fn print(plan: &Plan, out: &mut Vec<u8>) {
    for change in &plan.changes {
        if let Some(content) = change.after() {
            complain(&format!("{}:", change.path().display()));
            out.extend(content);
        }
    }
    plan.notes.iter().flat_map(|note| note.lines()).for_each(complain);
}

fn done(change: &Change, step: Step) -> String {
    let done = match step {
        Step::Unchanged => "as it was:",
        Step::Create => "created",
        Step::Replace => "replaced",
        Step::Remove => "removed",
    };
    format!("{done} {}\n", change.path().display())
}
