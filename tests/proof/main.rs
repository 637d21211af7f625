//! The proof that an observer allows everything, under attack: programs that were written to get
//! past it, and mutants of real observers.

mod accepted;
#[path = "../common/mod.rs"]
mod common;
mod mutants;
mod refused;
