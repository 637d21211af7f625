//! Real engines run devgate as a hook. Every engine runs the same kinds of containers, and their
//! own opens are answered as they were asked for; then what is an engine's own.

mod annotations;
mod cdi;
#[path = "../common/mod.rs"]
mod common;
mod default_dir;
mod denials;
mod engine;
mod kinds;
mod podman;
mod podman_hooks;
mod poststop;
mod prove;
mod when;
