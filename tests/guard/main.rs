//! The guard, on real cgroups, programs and links.

mod cli;
mod expiry;
mod found;
mod killed;
mod losses;
mod podman;
mod records;
mod refused;
mod stage;
mod systemd;

#[path = "../common/mod.rs"]
mod common;
