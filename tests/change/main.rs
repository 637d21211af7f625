//! Changing the policy of a container that runs: `grant`, `revoke`, `update` and what they tell.

mod engines;
mod faults;
mod kept;
mod named;
mod policy;
mod refused;
mod stage;
mod steady;

#[path = "../common/mod.rs"]
mod common;
