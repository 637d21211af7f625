//! `devgate uninstall`.

use std::path::{Path, PathBuf};

use devgate::install::{
    Binary, CONFIG, Cdi, Engine, Found, HooksDir, InstallError, Plan, Registration, Root, find,
};

use super::super::Exit;
use super::args::{Only, Uninstall, UninstallEngine};
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
    let mut plan = unregistered(&uninstall.engine, &root, only)?;
    if let Some(binary) = only.binary.as_deref().filter(|_| only.remove_binary) {
        let binary = Binary::new(binary)?;
        match still_named(&root, &binary, &plan, config)? {
            Some(file) => plan.notes.push(format!(
                "{} stays: {} names it",
                binary.path().display(),
                file.display()
            )),
            None => plan.changes.extend(binary.remove(&root)?),
        }
    }
    if plan.changes.is_empty() {
        plan.notes.push("there is nothing to take out".to_owned());
    }
    carry_out(&plan, writing, out)?;
    Ok(Exit::Success)
}

fn unregistered(engine: &UninstallEngine, root: &Root, only: &Only) -> Result<Plan, InstallError> {
    let binary = only.binary.as_deref().map(Binary::new).transpose()?;
    let which = |registration: &Registration| {
        binary.as_ref().is_none_or(|binary| binary.is_same(root, &registration.binary))
    };
    let from_dirs = |engine, dir: Option<PathBuf>| HooksDir { engine, dir }.uninstall(root, which);
    let from_cdi = |dir: &Path| Cdi { dir: dir.to_owned() }.uninstall(root, which);
    match engine {
        UninstallEngine::Podman(args) => from_dirs(Engine::Podman, args.hooks_dir.clone()),
        UninstallEngine::Crio(args) => from_dirs(Engine::Crio, args.hooks_dir.clone()),
        UninstallEngine::Nri(args) => from_dirs(Engine::Nri, args.hooks_dir.clone()),
        UninstallEngine::Containerd(args) => containerd(&args.toml).uninstall(root, which),
        UninstallEngine::Cdi(args) => from_cdi(&args.dir.cdi_dir),
        UninstallEngine::Auto(args) => {
            let mut plan = containerd(&args.toml).uninstall(root, which)?;
            for engine in [Engine::Podman, Engine::Crio, Engine::Nri] {
                // Who else reads a file is no news: it is taken out of all.
                let Plan { changes, .. } = from_dirs(engine, None)?;
                plan.and(Plan { changes, notes: Vec::new() });
            }
            plan.and(from_cdi(Path::new("/etc/cdi"))?);
            Ok(plan)
        }
    }
}

/// A registration that names the binary and is not taken out by the plan.
fn still_named(
    root: &Root,
    binary: &Binary,
    plan: &Plan,
    config: &Path,
) -> Result<Option<PathBuf>, InstallError> {
    for engine in Engine::ALL {
        for Found { file, registration, .. } in find(root, engine, config)?.found {
            let place = root.place(&file)?;
            let goes = plan.changes.iter().any(|change| change.path() == place);
            if binary.is_same(root, &registration.binary) && !goes {
                return Ok(Some(file));
            }
        }
    }
    Ok(None)
}
