//! The analyzer on programs that devgate did not make: those of other generators, and what a
//! compiler or a person may write. What it says is compared with running the program.

#[path = "../common/mod.rs"]
mod common;
mod costly;
mod expressions;
mod generators;
mod grid;
mod helpers;
mod long;
mod paths;
mod random;
mod refusals;
mod slow;
