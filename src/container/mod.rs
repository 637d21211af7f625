//! Containers, by what engines call their cgroups.

mod find;
mod names;

pub use find::{FindError, find_container, pid_in};
pub use names::container_id;

pub(crate) use find::directories;
