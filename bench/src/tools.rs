//! The binaries that are measured, and the floor, which is compiled here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::policy::Policy;
use crate::world::World;

const FLOOR: &str = include_str!("../floor.c");

/// The two binaries that cargo makes.
#[derive(Clone, Debug)]
pub struct Tools {
    /// devgate's release binary.
    pub devgate: PathBuf,
    /// The wrapper of youki's libcgroups.
    pub libcgroups: PathBuf,
}

impl Tools {
    /// As the arguments name them; otherwise those beside the bench itself.
    pub fn find(devgate: Option<PathBuf>, libcgroups: Option<PathBuf>) -> anyhow::Result<Tools> {
        let beside = |name: &str| -> anyhow::Result<PathBuf> {
            Ok(std::env::current_exe()?.with_file_name(name))
        };
        let found = |given: Option<PathBuf>, name| -> anyhow::Result<PathBuf> {
            let path = given.map_or_else(|| beside(name), Ok)?;
            path.canonicalize().with_context(|| format!("{} is not built", path.display()))
        };
        Ok(Tools {
            devgate: found(devgate, "devgate")?,
            libcgroups: found(libcgroups, "libcgroups-hook")?,
        })
    }

    /// The same, copied to the bench's directory. How a file came to be in the page cache, by
    /// large writes or by being read page by page, changes what its page faults cost by a
    /// fifth of the hook: all that is measured gets there in the same way.
    pub fn copied(&self, world: &World) -> anyhow::Result<Tools> {
        let copy = |path: &Path, name: &str| -> anyhow::Result<PathBuf> {
            let to = world.path(name);
            fs::copy(path, &to).with_context(|| format!("copying {}", path.display()))?;
            Ok(to)
        };
        Ok(Tools {
            devgate: copy(&self.devgate, "devgate")?,
            libcgroups: copy(&self.libcgroups, "libcgroups-hook")?,
        })
    }

    /// devgate's program for the policy, with its own default devices.
    pub fn devgate_program(&self, config: &Path) -> anyhow::Result<Vec<u8>> {
        self.devgate_output(&["compile", "--format", "raw", "--config"], config)
    }

    /// What devgate prints, given these arguments and a path.
    pub fn devgate_output(&self, args: &[&str], path: &Path) -> anyhow::Result<Vec<u8>> {
        output(Command::new(&self.devgate).args(args).arg(path))
    }

    /// libcgroups' program for it.
    pub fn libcgroups_program(&self, config: &Path) -> anyhow::Result<Vec<u8>> {
        output(Command::new(&self.libcgroups).arg(config))
    }
}

fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

/// A bundle without a root file system: a directory with the policy's config.json.
pub fn write_config(world: &World, name: &str, policy: &Policy) -> anyhow::Result<PathBuf> {
    let bundle = world.directory(name)?;
    fs::write(bundle.join("config.json"), policy.text())?;
    Ok(bundle)
}

/// Compiles the floor with this program in it.
pub fn floor(world: &World, name: &str, program: &[u8]) -> anyhow::Result<PathBuf> {
    let raw = world.path(&format!("{name}.bin"));
    fs::write(&raw, program)?;
    cc(world, name, &format!("-DPROGRAM=\"{}\"", raw.display()))
}

/// Compiles a static program that does nothing.
pub fn nothing(world: &World) -> anyhow::Result<PathBuf> {
    cc(world, "nothing", "-DEMPTY")
}

fn cc(world: &World, name: &str, define: &str) -> anyhow::Result<PathBuf> {
    let (source, linked, binary) = (world.path("floor.c"), world.path("linked"), world.path(name));
    fs::write(&source, FLOOR)?;
    let mut command = Command::new("cc");
    command.args(["-O2", "-static", "-Wall", define, "-o"]).args([&linked, &source]);
    output(&mut command)?;
    // See [`Tools::copied`].
    fs::copy(linked, &binary)?;
    Ok(binary)
}
