//! A drop-in that takes BPFProgram= away from a unit.
//!
//! systemd refuses to set BPFProgram= over D-Bus once a unit runs, and attaches its programs again
//! at each daemon-reload. So the setting is cleared in a drop-in, beside those that
//! SetUnitProperties itself writes; systemd reads it at the next daemon-reload and removes it with
//! the unit.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::UnitError;

/// Where systemd has the files of units that were made by a call (systemd.unit(5)).
const TRANSIENT: &str = "/run/systemd/transient";

/// After systemd's own, which begin with 50.
const NAME: &str = "60-devgate.conf";

/// The drop-in, as it was made.
#[derive(Debug)]
pub(super) struct DropIn {
    path: PathBuf,
    /// Whether it is new.
    is_new: bool,
}

impl DropIn {
    /// Clears the device programs of these BPFProgram= settings, and leaves the other types.
    pub(super) fn without_device(
        unit: &str,
        programs: &[(String, String)],
    ) -> Result<DropIn, UnitError> {
        let path = Path::new(TRANSIENT).join(format!("{unit}.d")).join(NAME);
        let is_new = !path.exists();
        let write = || {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(&path, text(unit, programs))
        };
        match write() {
            Ok(()) => Ok(DropIn { path, is_new }),
            Err(source) => Err(UnitError::DropIn { path, source }),
        }
    }

    /// Removes it, unless it was there before.
    pub(super) fn undo(self) -> Result<(), (PathBuf, io::Error)> {
        if !self.is_new {
            return Ok(());
        }
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err((self.path, error)),
            _ => {
                // It is systemd's to remove if there is more in it.
                let _ = self.path.parent().map(fs::remove_dir);
                Ok(())
            }
        }
    }
}

fn text(unit: &str, programs: &[(String, String)]) -> String {
    let section = if unit.ends_with(".scope") { "Scope" } else { "Service" };
    let kept = programs.iter().filter(|(kind, _)| !is_device(kind));
    let kept: String = kept.map(|(kind, path)| format!("BPFProgram={kind}:{path}\n")).collect();
    format!(
        "# devgate: the device programs of this unit are devgate's.\n[{section}]\nBPFProgram=\n{kept}"
    )
}

/// Whether a BPFProgram= of this type is a device program.
pub(super) fn is_device(kind: &str) -> bool {
    kind == "device"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_programs_than_those_for_devices_are_kept() {
        let setting = |kind: &str, path: &str| (kind.to_owned(), path.to_owned());
        let programs = [setting("device", "/sys/fs/bpf/a"), setting("egress", "/sys/fs/bpf/b")];
        let (_, settings) = text("x.scope", &programs).split_once('\n').map(own).unwrap();
        assert_eq!(settings, "[Scope]\nBPFProgram=\nBPFProgram=egress:/sys/fs/bpf/b\n");
        let (_, settings) = text("x.service", &programs[..1]).split_once('\n').map(own).unwrap();
        assert_eq!(settings, "[Service]\nBPFProgram=\n");
    }

    fn own((first, rest): (&str, &str)) -> (String, String) {
        (first.to_owned(), rest.to_owned())
    }
}
