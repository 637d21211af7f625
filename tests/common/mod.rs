//! What several test binaries share.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod askable;
pub mod assembly;
pub mod bpf;
pub mod bpffs;
pub mod cgroup;
pub mod command;
pub mod enforce;
pub mod engine;
pub mod files;
pub mod opener;
pub mod opener_child;
pub mod own;
pub mod public;
pub mod random;
pub mod require;
pub mod sandbox;
pub mod semantics;
pub mod sleeper;
pub mod systemd;
pub mod watching;
pub mod witness;
