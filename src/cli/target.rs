//! The cgroup that a command is about: by directory, process or container.

use std::path::{Path, PathBuf};

use clap::Args;
use devgate::cgroup::Cgroup;
use devgate::container::{find_container, pid_in};

/// Exactly one of these.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct Target {
    /// A cgroup2 directory
    #[arg(long, value_name = "DIR")]
    pub cgroup: Option<PathBuf>,
    /// The cgroup of this process
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Option<i32>,
    /// The cgroup of this container: its id, or the beginning of it
    #[arg(long, value_name = "ID")]
    pub container: Option<String>,
}

impl Target {
    /// Whether one was named.
    pub fn is_named(&self) -> bool {
        self.cgroup.is_some() || self.pid.is_some() || self.container.is_some()
    }

    /// Opens the cgroup; `None` if none was named.
    pub fn open(&self) -> anyhow::Result<Option<Cgroup>> {
        if let Some(dir) = &self.cgroup {
            return Ok(Some(Cgroup::open(dir)?));
        }
        if let Some(pid) = self.pid {
            return Ok(Some(Cgroup::of_process(pid)?));
        }
        match &self.container {
            Some(id) => Ok(Some(container(id)?)),
            None => Ok(None),
        }
    }

    /// A process whose files are those that the cgroup's processes see: for a process or a
    /// container, not for a cgroup as such.
    pub fn process(&self, cgroup: &Cgroup) -> Option<i32> {
        let container = self.container.as_ref().and_then(|_| pid_in(cgroup.path()));
        self.pid.or(container)
    }
}

/// Opens what a bare argument names: a process, a directory, or else a container.
pub fn open_any(name: &str) -> anyhow::Result<Cgroup> {
    if let Ok(pid) = name.parse()
        && name.len() < 10
    {
        return Ok(Cgroup::of_process(pid)?);
    }
    match name.contains('/') {
        true => Ok(Cgroup::open(Path::new(name))?),
        false => container(name),
    }
}

fn container(id: &str) -> anyhow::Result<Cgroup> {
    Ok(find_container(Cgroup::top()?.path(), id)?)
}
