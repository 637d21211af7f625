//! `devgate install` and `uninstall`, for machines below a prefix.

mod auto;
mod base_spec;
mod binary;
mod containerd;
mod files;
mod hooks_dir;
mod machine;
mod nodes;
mod races;
mod upgrade;

#[path = "../common/mod.rs"]
mod common;
