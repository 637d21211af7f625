//! Why the hook fails, in as many classes as a counter can have.

use super::super::{HookError, StageError};
use crate::enforce::EnforceError;

/// A class of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The hook's own arguments.
    Usage,
    /// The state, config.json or an annotation is missing, malformed or contradictory.
    Input,
    /// A log can't be used.
    Log,
    /// The policy has no proven program.
    Policy,
    /// The container's cgroup can't be told, or devgate must not touch it.
    Cgroup,
    /// The kernel does not load the program.
    Load,
    /// The program is not attached, or would not decide.
    Attach,
    /// No link holds the program, and one has to.
    Hold,
    /// The systemd unit's own settings decide too, and must not.
    Unit,
    /// At poststop: something of the container is left.
    Release,
    /// What the container asks for can't be recorded, and was to be.
    Recording,
}

impl Reason {
    /// All, in the order in which they are stored. A change of it is a new version of the file.
    pub const ALL: [Reason; 11] = [
        Reason::Usage,
        Reason::Input,
        Reason::Log,
        Reason::Policy,
        Reason::Cgroup,
        Reason::Load,
        Reason::Attach,
        Reason::Hold,
        Reason::Unit,
        Reason::Release,
        Reason::Recording,
    ];

    /// Its name: the value of a label.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Usage => "usage",
            Reason::Input => "input",
            Reason::Log => "log",
            Reason::Policy => "policy",
            Reason::Cgroup => "cgroup",
            Reason::Load => "load",
            Reason::Attach => "attach",
            Reason::Hold => "hold",
            Reason::Unit => "unit",
            Reason::Release => "release",
            Reason::Recording => "recording",
        }
    }
}

impl From<&HookError> for Reason {
    fn from(error: &HookError) -> Reason {
        match error {
            HookError::Oci(_) | HookError::Stage(StageError) | HookError::Annotation(_) => {
                Reason::Input
            }
            HookError::Log(_) => Reason::Log,
            HookError::Prepare(_) => Reason::Policy,
            HookError::Cgroup(_) => Reason::Cgroup,
            HookError::Enforce(error) => of_enforce(error),
            HookError::Recording(_) => Reason::Recording,
        }
    }
}

fn of_enforce(error: &EnforceError) -> Reason {
    match error {
        EnforceError::Refused(_) | EnforceError::Process(_) => Reason::Cgroup,
        EnforceError::Load(_) => Reason::Load,
        EnforceError::Attach { .. }
        | EnforceError::ExclusiveAncestor { .. }
        | EnforceError::Retval { .. }
        | EnforceError::Abandoned(_) => Reason::Attach,
        EnforceError::Hold { .. } => Reason::Hold,
        EnforceError::Unit(_) | EnforceError::NotSole { .. } => Reason::Unit,
        EnforceError::NotUndone { cause, .. }
        | EnforceError::LinkNotRestored { cause, .. }
        | EnforceError::UnitNotUndone { cause, .. } => of_enforce(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::Refusal;
    use crate::kernel::NotRestored;

    #[test]
    fn a_failure_to_undo_has_the_reason_of_its_cause() {
        let refused = || EnforceError::Refused(Refusal::Root("/sys/fs/cgroup".into()));
        assert_eq!(of_enforce(&refused()), Reason::Cgroup);
        let state = NotRestored::Differs { before: Vec::new(), now: Vec::new() };
        let cause = Box::new(refused());
        let error = EnforceError::NotUndone { cgroup: "/x".into(), state, cause };
        assert_eq!(Reason::from(&HookError::Enforce(error)), Reason::Cgroup);
    }

    #[test]
    fn each_reason_has_a_name_of_its_own() {
        let names = Reason::ALL.map(Reason::name);
        for (place, name) in names.iter().enumerate() {
            assert!(!names[..place].contains(name), "{name}");
        }
    }
}
