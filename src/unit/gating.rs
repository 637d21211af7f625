//! Who decides in a container's unit, as a mode has it.

use super::{Gate, UnitError};
use crate::errors::chain;
use crate::kernel::ProgId;

/// Who decides in a container's unit.
#[derive(Debug)]
pub enum Gating {
    /// No unit was made for the container, or it is to be left as it is.
    NoUnit,
    /// What the unit was found to be, and to have.
    Unit(Gate),
    /// The unit was left as it is, before any look at its programs.
    Failed(UnitError),
}

impl Gating {
    /// The unit of which devgate's policy is the only gate.
    pub fn sole(&self) -> Option<&Gate> {
        match self {
            Gating::Unit(gate) if gate.is_sole() => Some(gate),
            _ => None,
        }
    }

    /// The programs that were taken off.
    pub fn detached(&self) -> impl Iterator<Item = ProgId> {
        let gate = match self {
            Gating::Unit(gate) => Some(gate),
            Gating::NoUnit | Gating::Failed(_) => None,
        };
        gate.into_iter().flat_map(|gate| gate.detached.iter().map(|(_, id)| *id))
    }

    /// What the operator should know.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            Gating::NoUnit => Vec::new(),
            Gating::Unit(gate) => gate.warnings(),
            Gating::Failed(error) => vec![chain(error)],
        }
    }
}
