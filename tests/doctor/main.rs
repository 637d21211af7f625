//! `devgate doctor`, on this machine as it is and in corners of it where something is missing. What
//! it says is held against what others say: the kernel's own files, util-linux, and system calls
//! that really attach.

mod cgroups;
mod engines;
mod machine;
mod report;
mod rights;

#[path = "../common/mod.rs"]
mod common;
