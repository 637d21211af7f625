//! Sees what containers ask for, and what they were answered.
//!
//! An observer is a device program that allows everything and counts each request with its
//! verdict. It runs after the programs of the cgroups below, whatever these answered, so it
//! neither changes nor replaces the programs that enforce.

mod observed;

pub use observed::{Lost, Method, Observed, Requester, Seen};
