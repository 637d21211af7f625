//! `devgate observe` and `devgate denials`: what containers were denied, even if nobody watched.

mod ended;
mod full;
mod killed;
mod refused;
mod rooms;
mod started;
mod systemd;
mod world;

#[path = "../common/mod.rs"]
mod common;
