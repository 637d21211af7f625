//! `devgate install` and `uninstall`, for machines below a prefix.

mod auto;
mod binary;
mod containerd;
mod files;
mod hooks_dir;
mod machine;

#[path = "../common/mod.rs"]
mod common;
