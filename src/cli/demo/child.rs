//! The demo's child: it makes device nodes of its own, and opens them when told to.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use devgate::device::DeviceType;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{AccessFlags, access};

use super::Exit;

/// Name, type, major and minor of a node.
pub type Device = (&'static str, DeviceType, u32, u32);

/// Covered by a file system that only the child sees.
const NODES: &str = "/tmp";

/// Makes the nodes, says so, then does what each line asks for and answers with a line.
pub fn run(devices: &[Device]) -> anyhow::Result<Exit> {
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS).context("unshare")?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).context("mount /")?;
    mount(Some("devgate"), NODES, Some("tmpfs"), MsFlags::empty(), none).context("mount tmpfs")?;
    for device in devices {
        make(device, device.0).with_context(|| format!("mknod {}", device.0))?;
    }
    let mut out = io::stdout().lock();
    writeln!(out, "ready")?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let answer = match attempt(devices, &line) {
            Some((call, Ok(()))) => format!("{call}: ok"),
            Some((call, Err(errno))) => format!("{call}: {errno:?}"),
            None => format!("{line:?} is not understood"),
        };
        writeln!(out, "{answer}")?;
    }
    Ok(Exit::Success)
}

fn path(name: &str) -> PathBuf {
    Path::new(NODES).join(name)
}

fn make(device: &Device, name: &str) -> nix::Result<()> {
    let (_, device_type, major, minor) = *device;
    let kind = match device_type {
        DeviceType::Block => SFlag::S_IFBLK,
        DeviceType::Char => SFlag::S_IFCHR,
    };
    mknod(&path(name), kind, Mode::from_bits_truncate(0o666), makedev(major.into(), minor.into()))
}

fn attempt(devices: &[Device], line: &str) -> Option<(&'static str, nix::Result<()>)> {
    let (name, wanted) = line.split_once(' ')?;
    let device = devices.iter().find(|(known, ..)| *known == name)?;
    let opened = |call, flags| {
        // Without waiting for a device that is not ready.
        let flags = flags | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        (call, open(&path(name), flags, Mode::empty()).map(drop))
    };
    Some(match wanted {
        "r" => opened("open(O_RDONLY)", OFlag::O_RDONLY),
        "w" => opened("open(O_WRONLY)", OFlag::O_WRONLY),
        "rw" => opened("open(O_RDWR)", OFlag::O_RDWR),
        "m" => ("mknod", make(device, &format!("{name}.new"))),
        "-" => ("access(F_OK)", access(&path(name), AccessFlags::F_OK)),
        _ => return None,
    })
}
