//! What a cgroup's programs allow and who says no, whoever made them. Needs root and cgroup2.

#[path = "../common/mod.rs"]
mod common;

mod find;
mod list;
mod live;
mod opaque;
mod retval;
mod together;
