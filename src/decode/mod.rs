//! From what a program does back to rules: the answers of one or more programs as tables, and
//! a table as the shortest list of rules that means the same.

mod answers;
mod rules;
mod table;

pub use answers::Answers;
pub use rules::{Decoded, Irregular, decode};
pub use table::{Column, Step, Table};

use thiserror::Error;

/// Why a program's answers are no list of rules.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Rules name single numbers: an interval takes one for each.
    #[error("it would take more than {limit} rules")]
    TooManyRules {
        /// The bound.
        limit: usize,
    },
    /// The programs' intervals overlap in too many ways.
    #[error("it answers in more than {limit} different places")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
}
