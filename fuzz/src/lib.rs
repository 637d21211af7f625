//! The fuzz targets: functions that panic if devgate breaks a promise for some bytes.
//!
//! `make fuzz` lets libFuzzer look for such bytes; `tests/fuzz.rs` replays the corpora.

pub mod documents;
pub mod edits;
mod effort;
pub mod observers;
pub mod programs;
mod reference;
mod repair;
// The same witness as that of the tests.
#[path = "../../tests/common/sandbox.rs"]
mod sandbox;
