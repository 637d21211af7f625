//! Device nodes in real containers that run, hostile ones among them.

#[path = "../common/mod.rs"]
mod common;
mod covered;
mod gated;
mod holders;
mod hostile;
mod nodes;
mod podman;
mod race;
mod recorded;
