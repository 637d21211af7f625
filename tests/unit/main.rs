//! The systemd units of containers: real units of a systemd that is booted for each test, real
//! runtimes in it, and devgate as their hook or by hand.

mod bus;
mod cgroupfs;
#[path = "../common/mod.rs"]
mod common;
mod machine;
mod others;
mod runtimes;
mod settings;
