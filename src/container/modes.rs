//! How the modes of other modules are written in a record: by the words of the command line.

use serde::{Deserialize, Serialize};

use crate::kernel::Stale;
use crate::policy::DefaultDevices;

/// `--hold`: whether a bpf_link holds the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldMode {
    /// Hold it; where that is impossible, warn and go on without.
    #[default]
    Try,
    /// Hold it or fail.
    Require,
    /// Don't.
    No,
}

/// `--default-devices`.
#[derive(Serialize, Deserialize)]
#[serde(remote = "DefaultDevices", rename_all = "kebab-case")]
pub(super) enum DefaultDevicesWord {
    Base,
    Append,
    None,
}

/// `--stale`.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Stale", rename_all = "kebab-case")]
pub(super) enum StaleWord {
    All,
    Own,
    None,
}
