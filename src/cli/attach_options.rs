//! The options of attaching, which the hook and `apply` share.

use clap::Args as ClapArgs;
use devgate::enforce::EnforceOptions;
use devgate::kernel::DirectAttach;

use super::modes::{HoldModeArg, OverrideAncestorMode, RetvalProgramsMode, StaleMode, UnitModeArg};

#[derive(Clone, Copy, Debug, Default, ClapArgs)]
pub struct AttachOptions {
    /// Which programs give way to the new one
    #[arg(long, value_name = "WHICH", default_value = "all")]
    pub stale: StaleMode,
    /// What to do if a program above, attached with BPF_F_ALLOW_OVERRIDE, would be in force no more
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    pub override_ancestor: OverrideAncestorMode,
    /// What to do if a program that runs after the new one could allow what that one denies
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    pub retval_programs: RetvalProgramsMode,
    /// Whether a bpf_link, pinned below /sys/fs/bpf/devgate, holds the program, so that no other tool can detach it
    #[arg(long, value_name = "MODE", default_value = "try")]
    pub hold: HoldModeArg,
    /// What to do about the systemd unit that was made for the container: systemd attaches a program of its own to it, which narrows the policy
    #[arg(long, value_name = "MODE", default_value = "try")]
    pub unit: UnitModeArg,
}

impl From<AttachOptions> for EnforceOptions {
    fn from(options: AttachOptions) -> EnforceOptions {
        EnforceOptions {
            attach: DirectAttach {
                stale: options.stale.into(),
                override_ancestor: options.override_ancestor.into(),
                retval: options.retval_programs.into(),
            },
            hold: options.hold.into(),
            unit: options.unit.into(),
        }
    }
}
