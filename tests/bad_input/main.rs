//! Malformed states and configs, through the real binary: each makes one line on standard error
//! that names the document, the JSON path and what was expected, and changes nothing.

mod bundle;
mod cgroups;
mod flood;
mod harmless;
mod process;
mod rules;
mod stage;
mod state;
mod structure;
mod syntax;

#[path = "../common/mod.rs"]
mod common;
