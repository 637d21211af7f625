//! Everybody's program for a policy, in the kernel.

use std::os::fd::{AsFd, OwnedFd};

use anyhow::Context;

use crate::policy::Policy;
use crate::runtime::{Runtime, program_of};
use crate::tools::{Tools, write_config};
use crate::world::World;
use crate::{return_1, sys};

/// A program that was loaded.
#[derive(Debug)]
pub struct Program {
    /// Whose it is.
    pub name: &'static str,
    /// It.
    pub fd: OwnedFd,
    /// Its instructions. Of a runtime's program there is what the verifier left of it.
    pub insns: Vec<u8>,
}

/// The program that allows everything.
pub const RETURN_1: &str = "return 1";

/// All programs that there are for the policy, `return 1` first and devgate's next.
#[derive(Debug)]
pub struct Programs {
    /// Those that could be loaded.
    pub loaded: Vec<Program>,
    /// Who has none, and why.
    pub missing: Vec<(&'static str, String)>,
}

impl Programs {
    /// Collects them.
    pub fn for_policy(world: &World, tools: &Tools, policy: &Policy) -> anyhow::Result<Programs> {
        let name = format!("programs-{}", policy.file_name());
        let config = write_config(world, &name, policy)?.join("config.json");
        let own = tools.devgate_program(&config)?;
        let mut loaded = vec![Program::load(RETURN_1, return_1())?, Program::load("devgate", own)?];
        let mut missing = Vec::new();
        let peers = [
            ("runc", program_of(world, Runtime::Runc, policy).and_then(|fd| running("runc", fd))),
            ("crun", program_of(world, Runtime::Crun, policy).and_then(|fd| running("crun", fd))),
            (
                "libcgroups",
                tools
                    .libcgroups_program(&config)
                    .and_then(|insns| Program::load("libcgroups", insns)),
            ),
        ];
        for (name, program) in peers {
            match program {
                Ok(program) => loaded.push(program),
                Err(error) => missing.push((name, format!("{error:#}"))),
            }
        }
        Ok(Programs { loaded, missing })
    }
}

fn running(name: &'static str, fd: OwnedFd) -> anyhow::Result<Program> {
    let insns = sys::insns(fd.as_fd())?;
    Ok(Program { name, fd, insns })
}

impl Program {
    fn load(name: &'static str, insns: Vec<u8>) -> anyhow::Result<Program> {
        let fd = sys::load(&insns)
            .with_context(|| format!("the kernel refused {} instructions", insns.len() / 8))?;
        Ok(Program { name, fd, insns })
    }
}
