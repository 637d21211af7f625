//! How the modes of other modules are written in a record: by the words of the command line.

use serde::{Deserialize, Serialize};

use crate::hold::HoldMode;
use crate::kernel::{OverrideAncestor, RetvalPrograms, Stale};
use crate::policy::DefaultDevices;
use crate::unit::UnitMode;

/// `--hold`.
#[derive(Serialize, Deserialize)]
#[serde(remote = "HoldMode", rename_all = "kebab-case")]
pub(super) enum HoldWord {
    Try,
    Require,
    No,
}

/// `--unit`.
#[derive(Serialize, Deserialize)]
#[serde(remote = "UnitMode", rename_all = "kebab-case")]
pub(super) enum UnitWord {
    Try,
    Require,
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

/// `--override-ancestor`.
#[derive(Serialize, Deserialize)]
#[serde(remote = "OverrideAncestor", rename_all = "kebab-case")]
pub(super) enum OverrideAncestorWord {
    Refuse,
    Replace,
}

/// `--retval-programs`.
#[derive(Serialize, Deserialize)]
#[serde(remote = "RetvalPrograms", rename_all = "kebab-case")]
pub(super) enum RetvalProgramsWord {
    Refuse,
    Allow,
}
