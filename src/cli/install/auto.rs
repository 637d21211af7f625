//! Every engine that is installed.

use devgate::install::{
    Engine, HooksDir, InstallError, Plan, RUNC, Registration, Root, SpecSource, When,
};

use super::super::{Exit, complain};
use super::args::InstallAuto;
use super::{carry_out, containerd, foreign};

/// With every engine that is there; one that can't be done stops no other, and is a failure in
/// the end.
pub fn install(
    args: &InstallAuto,
    root: &Root,
    hook: &Registration,
    first: Plan,
    out: &mut Vec<u8>,
) -> anyhow::Result<Exit> {
    let asked = args.among.iter().map(|engine| Engine::from(*engine));
    let installed: Vec<Engine> = asked.filter(|engine| engine.program(root).is_some()).collect();
    if installed.is_empty() {
        return Err(InstallError::NoEngine { root: root.path().to_owned() }.into());
    }
    carry_out(&first, &args.writing, out)?;
    let mut exit = Exit::Success;
    for engine in installed {
        let done = plan(engine, args, root, hook)
            .and_then(|plan| Ok(carry_out(&plan, &args.writing, out)?));
        if let Err(error) = done {
            complain(&format!("{}: {error:#}", engine.name()));
            exit = Exit::Failure;
        }
    }
    Ok(exit)
}

fn plan(
    engine: Engine,
    args: &InstallAuto,
    root: &Root,
    hook: &Registration,
) -> anyhow::Result<Plan> {
    let foreign = foreign(&args.writing);
    if engine == Engine::Containerd {
        let containerd = containerd(&args.toml);
        return Ok(containerd.install(root, hook, &SpecSource::Usual, RUNC, foreign)?);
    }
    Ok(HooksDir { engine, dir: None }.install(root, hook, &When::new(&[])?, foreign)?)
}
