//! Holding a policy in force by a bpf_link that is pinned in bpffs.
//!
//! A program in a cgroup's own list can be detached by every tool that updates the container. A
//! link can't: only its owner changes it. The plain attachment stays beside the link, because
//! runtimes replace that one on an update; with a link alone, crun's update fails half-way.
//!
//! The pin is named by the cgroup's id, which the kernel never uses twice. It outlives the
//! cgroup, so somebody has to remove it: [`Pins::release`] when the container ends, and
//! [`Pins::sweep_some`] and [`Pins::remove_dead`] for those whose end nobody saw.

mod error;
mod holding;
mod pins;
mod sweep;

pub use error::HoldError;
pub(crate) use holding::LinkBefore;
pub use holding::{Holding, hold};
pub use pins::{Hold, PINS, Pins};
pub use sweep::Swept;

/// Whether a policy is held by a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HoldMode {
    /// Hold it; where that is impossible, warn and go on with the plain attachment.
    #[default]
    Try,
    /// Hold it or fail.
    Require,
    /// Attach it to the cgroup's own list only, and remove a link that there is.
    No,
}
