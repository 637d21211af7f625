//! Names of devices.

pub use devgate::names::{Names, node_path};
