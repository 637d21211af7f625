//! Shell completions and man pages, from the arguments' own definitions.

use std::fs;

use anyhow::Context;
use clap::CommandFactory;

use super::Exit;
use super::args::{Args, Completions, Man};

pub fn completions(args: &Completions, out: &mut Vec<u8>) -> Exit {
    clap_complete::generate(args.shell, &mut Args::command(), "devgate", out);
    Exit::Success
}

/// One page for the command and one for each of its commands.
pub fn man_pages(man: &Man) -> anyhow::Result<Exit> {
    let dir = man.dir.display().to_string();
    fs::create_dir_all(&man.dir).with_context(|| format!("{dir}: can't be made"))?;
    clap_mangen::generate_to(Args::command(), &man.dir)
        .with_context(|| format!("{dir}: can't be written"))?;
    Ok(Exit::Success)
}
