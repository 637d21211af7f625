//! Policy to program, as a good compiler lowers a switch.
//!
//! ```text
//! policy -> grants   per type: which rule decides each bit, by numbers named (grants.rs)
//!        -> segments numbers in a row with the same outcome, merged (segments.rs)
//!        -> nodes    a decision DAG, equal subtrees being one node (dag.rs, pieces.rs, tree.rs)
//!        -> program  instructions, loads only of what is compared (emit.rs)
//! ```
//!
//! Numbers are compared in 32 bits: a 64-bit compare would sign-extend an immediate of 2^31
//! and above, which then never matches. What comes out is not trusted: see [`crate::verify`].

mod alike;
mod comment;
mod dag;
mod emit;
mod grants;
mod pieces;
mod registers;
mod segments;
mod shape;
mod style;
mod tree;

pub use comment::comment;

use thiserror::Error;

use crate::bpf::{AssembleError, Program};
use crate::device::DeviceType;
use crate::policy::Policy;
use dag::{Dag, NodeId};
use grants::Grants;
use style::Style;
use tree::TooLarge;

/// The longest program that is made. The kernel's verifier looks at a million instructions
/// (`BPF_COMPLEXITY_LIMIT_INSNS` of linux/bpf.h) and at an answer once for each jump to it, which
/// comes to 1.8 to 2.2 for each instruction of a large policy (seen with Linux 6.18).
pub const MAX_INSNS: usize = 450_000;

/// The most steps that a policy may take: numbers that are looked at, intervals that get nodes,
/// and regions that the proof will find. The same policy takes the same steps on every machine.
pub const MOST_STEPS: usize = 10_000_000;

/// Why a policy has no program.
#[derive(Debug, Error)]
pub enum CompileError {
    /// The kernel would not take it.
    #[error(
        "the policy's {rules} rules need {insns} instructions or more, and the kernel takes about \
         {MAX_INSNS}: name fewer devices, or numbers in a row with the same access"
    )]
    TooLong {
        /// Rules, defaults included.
        rules: usize,
        /// Instructions, more than [`MAX_INSNS`].
        insns: usize,
    },
    /// Compiling and proving it would take too much time and memory.
    #[error(
        "the policy's {rules} rules take more than {MOST_STEPS} steps to compile and prove, which \
         is the limit: name fewer devices, above all not one minor of every major (\"*:N\") beside \
         many majors"
    )]
    TooManySteps {
        /// Rules, defaults included.
        rules: usize,
    },
    /// A mistake in the compiler: it tried nothing.
    #[error("the compiler made no program, which is a mistake in devgate")]
    NoCandidate,
    /// A mistake in the compiler.
    #[error("the compiler's jumps are wrong")]
    Assemble(#[from] AssembleError),
}

/// The roots of a policy's decisions, one for each device type.
struct Roots {
    dag: Dag,
    block: NodeId,
    character: NodeId,
}

/// A program that decides as `policy` does.
///
/// # Errors
/// [`CompileError::TooLong`] if the kernel would refuse it for its length, and
/// [`CompileError::TooManySteps`] where that can't be found out at a bounded cost.
pub fn compile(policy: &Policy) -> Result<Program, CompileError> {
    let grants = DeviceType::ALL.map(|device_type| Grants::of(policy, device_type));
    let rules = policy.rules().len();
    let candidates = Style::candidates(&grants);
    let candidates = candidates.into_iter().map(|style| candidate(&grants, style, rules));
    // A style may be too long where another is not.
    let length = |program: &Program| program.insns().len();
    let shorter = |best: Result<_, _>, next| match (best, next) {
        (Ok(best), Ok(next)) if length(&next) < length(&best) => Ok(next),
        (Err(_), next) => next,
        (best, _) => best,
    };
    candidates.reduce(shorter).unwrap_or(Err(CompileError::NoCandidate))
}

fn candidate(grants: &[Grants; 2], style: Style, rules: usize) -> Result<Program, CompileError> {
    let mut dag = Dag::default();
    match tree::lower(&mut dag, grants, style) {
        Ok([block, character]) => emit::emit(&Roots { dag, block, character }, rules),
        Err(TooLarge::Nodes(insns)) => Err(CompileError::TooLong { rules, insns }),
        Err(TooLarge::Steps) => Err(CompileError::TooManySteps { rules }),
    }
}
