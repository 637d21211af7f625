//! The guard: it looks at every container's cgroup once a second and keeps the recorded policy in
//! force.
//!
//! It is the only part of devgate that runs on, and everything but expiry works without it. It
//! remembers nothing that counts: the records, the pins and the cgroups are the state. So it may be
//! killed at any time, and one that starts anew goes on.
//!
//! A look is one PROG_QUERY for each container. Only where that shows a change is the record read
//! and each program held against the policy (`look`), is it decided what is amiss (`decide`), and
//! is the policy put in force by [`enforce`](crate::enforce::enforce), which at no instant leaves
//! the cgroup wider (`mend`).

mod actions;
mod adopt;
mod bundle;
mod decide;
mod event;
mod expire;
mod finder;
mod look;
mod mend;
mod observing;
mod record_watch;
mod recordings;
mod rounds;
mod trouble;
mod watched;

pub use adopt::AdoptError;
pub use bundle::BundleError;
pub use event::{Done, Event, Restored};
pub use rounds::{Guard, GuardError};

pub use crate::container::{StateError, TrustError};

use std::path::PathBuf;

use crate::hook;
use crate::install::Registration;
use crate::policy::DefaultDevices;

/// Which containers without a record get their policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Found {
    /// Those whose config.json has devgate's hook.
    #[default]
    Hooked,
    /// All of them.
    All,
    /// None.
    None,
}

/// How a container's policy is enforced, as a registration of the hook says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where the base rules go.
    pub default_devices: DefaultDevices,
    /// The hook's other options.
    pub hook: hook::Options,
}

/// A guard's options.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which containers without a record get their policy.
    pub found: Found,
    /// How that is enforced where config.json does not have the hook.
    pub settings: Settings,
    /// What a registration says.
    pub parse: fn(&Registration) -> Result<Settings, String>,
    /// Roots of runtimes (runc's and crun's `--root`), besides the usual ones.
    pub runtime_roots: Vec<PathBuf>,
}
