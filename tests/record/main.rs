//! What containers ask for is recorded, and they run again under the rules that were learnt.

#[path = "../common/mod.rs"]
mod common;
mod ends;
mod hook;
mod learnt;
mod podman;
mod show;
mod stage;
mod workload;
