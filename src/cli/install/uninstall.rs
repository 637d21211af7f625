//! `devgate uninstall`.

use std::path::Path;

use devgate::files::Last;
use devgate::install::{
    Binary, CONFIG, Cdi, Engine, Found, HooksDir, InstallError, Plan, Registration, Root, find,
};

use super::super::{Exit, complain};
use super::args::{Only, Uninstall, UninstallContainerd, UninstallEngine, UninstallHooksDir};
use super::{carry_out, containerd};

pub fn uninstall(uninstall: &Uninstall, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let (only, writing, config) = match &uninstall.engine {
        UninstallEngine::Podman(args)
        | UninstallEngine::Crio(args)
        | UninstallEngine::Nri(args) => (&args.only, &args.writing, Path::new(CONFIG)),
        UninstallEngine::Cdi(args) => (&args.only, &args.writing, Path::new(CONFIG)),
        UninstallEngine::Containerd(args) | UninstallEngine::Auto(args) => {
            (&args.only, &args.writing, args.toml.config.as_path())
        }
    };
    let root = Root::new(&writing.prefix)?;
    let which = which(&root, only)?;
    let from_dirs = |engine, args: &UninstallHooksDir| {
        HooksDir { engine, dir: args.hooks_dir.clone() }.uninstall(&root, &which)
    };
    let mut exit = Exit::Success;
    let mut plan = match &uninstall.engine {
        UninstallEngine::Podman(args) => from_dirs(Engine::Podman, args)?,
        UninstallEngine::Crio(args) => from_dirs(Engine::Crio, args)?,
        UninstallEngine::Nri(args) => from_dirs(Engine::Nri, args)?,
        UninstallEngine::Cdi(args) => {
            Cdi { dir: args.dir.cdi_dir.clone() }.uninstall(&root, &which)?
        }
        UninstallEngine::Containerd(args) => containerd(&args.toml).uninstall(&root, &which)?,
        UninstallEngine::Auto(args) => everywhere(args, &root, &which, &mut exit),
    };
    if let Some(binary) = only.binary.as_deref().filter(|_| only.remove_binary) {
        let binary = Binary::new(binary)?;
        match still_named(&root, &binary, &plan, config) {
            Some(who) => plan.notes.push(format!("{} stays: {who}", binary.path().display())),
            None => plan.changes.extend(binary.remove(&root)?),
        }
    }
    if plan.changes.is_empty() && plan.notes.is_empty() {
        plan.notes.push("there is nothing to take out".to_owned());
    }
    carry_out(&plan, writing, out)?;
    Ok(exit)
}

/// From every engine. What is wrong with the configuration of one stops no other, and is a
/// failure in the end if that engine is there.
fn everywhere(
    args: &UninstallContainerd,
    root: &Root,
    which: impl Fn(&Registration) -> bool,
    exit: &mut Exit,
) -> Plan {
    let mut plan = Plan::default();
    for engine in Engine::ALL {
        let taken_out = match engine {
            Engine::Containerd => containerd(&args.toml).uninstall(root, &which),
            Engine::Cdi => Cdi { dir: "/etc/cdi".into() }.uninstall(root, &which),
            // Who else reads a file is no news: it is taken out of all.
            Engine::Podman | Engine::Crio | Engine::Nri => HooksDir { engine, dir: None }
                .uninstall(root, &which)
                .map(|Plan { changes, .. }| Plan { changes, notes: Vec::new() }),
        };
        match taken_out {
            Ok(taken_out) => plan.and(taken_out),
            Err(error) => {
                complain(&format!("{}: {:#}", engine.name(), anyhow::Error::new(error)));
                if engine.program(root).is_some() {
                    *exit = Exit::Failure;
                }
            }
        }
    }
    plan
}

/// Those of one binary, if one is named.
fn which(root: &Root, only: &Only) -> Result<impl Fn(&Registration) -> bool, InstallError> {
    let binary = only.binary.as_deref().map(Binary::new).transpose()?;
    let root = root.clone();
    Ok(move |registration: &Registration| {
        binary.as_ref().is_none_or(|binary| binary.is_same(&root, &registration.binary))
    })
}

/// What names the binary still, or may, when the plan is carried out.
fn still_named(root: &Root, binary: &Binary, plan: &Plan, config: &Path) -> Option<String> {
    let goes = |file: &Path| {
        root.follow(file, Last::Keep).is_ok_and(|way| {
            let here = root.here(&way);
            plan.changes.iter().any(|change| change.path() == here)
        })
    };
    for engine in Engine::ALL {
        let search = match find(root, engine, config) {
            Ok(search) => search,
            Err(error) => return Some(format!("{}: {error}", engine.name())),
        };
        for Found { file, registration, .. } in search.found {
            if binary.is_same(root, &registration.binary) && !goes(&file) {
                return Some(format!("{} names it", file.display()));
            }
        }
    }
    None
}
