//! The guard, on real cgroups, programs and links.

mod cli;
mod losses;
mod records;
mod stage;

#[path = "../common/mod.rs"]
mod common;
