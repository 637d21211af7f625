//! Denials and who is to blame for them: the explanation of a request, the names of containers,
//! `devgate watch`. Needs root and cgroup2.

mod engines;
mod explain;
mod live;
mod naming;
mod stand;
mod table;

#[allow(dead_code, reason = "it is shared with the tests of changes")]
#[path = "../change/stage.rs"]
mod stage;

#[path = "../common/mod.rs"]
mod common;
