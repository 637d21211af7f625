//! A change of what a running container may do with one device.

use serde::{Deserialize, Serialize};

use super::dev_path::DevPath;
use super::made::MadeNode;
use super::rules;
use super::time::Time;
use super::user::User;
use crate::policy::Rule;

/// One `grant`, or a `revoke` of what the config itself allows: that adds a deny.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The rule that it adds after the config's.
    #[serde(with = "rules::one")]
    pub rule: Rule,
    /// The device by the name that it was asked for: a host path or `c 10:229`. After a restart
    /// of the machine a path may lead to other numbers.
    pub device: String,
    /// Where a node was asked for; `None` with `--no-node`, and for a deny.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<DevPath>,
    /// The node that devgate made there; `None` if the container had one already, too.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub node: Option<MadeNode>,
    /// When.
    pub time: Time,
    /// Who.
    pub user: User,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires: Option<Time>,
    /// Whether it is in [`Kept`](super::Kept) too, and so applies again after a restart.
    pub keep: bool,
}

impl Grant {
    /// Whether its time has come to an end.
    pub fn is_expired(&self, now: Time) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}
