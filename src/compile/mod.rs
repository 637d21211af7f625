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

mod comment;
mod dag;
mod emit;
mod grants;
mod pieces;
mod segments;
mod shape;
mod tree;

pub use comment::comment;

use thiserror::Error;

use crate::bpf::{AssembleError, Program};
use crate::device::DeviceType;
use crate::policy::Policy;
use dag::{Dag, NodeId};
use grants::Grants;
use tree::Style;

/// `BPF_COMPLEXITY_LIMIT_INSNS` of linux/bpf.h: the longest program that the kernel takes.
pub const MAX_INSNS: usize = 1_000_000;

/// Why a policy has no program.
#[derive(Debug, Error)]
pub enum CompileError {
    /// The kernel would not take it.
    #[error(
        "the policy's {rules} rules need {insns} instructions or more, and the kernel takes at \
         most {MAX_INSNS}"
    )]
    TooLarge {
        /// Rules, defaults included.
        rules: usize,
        /// Instructions.
        insns: usize,
    },
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
/// [`CompileError::TooLarge`] if the kernel would refuse it for its length.
pub fn compile(policy: &Policy) -> Result<Program, CompileError> {
    let grants = DeviceType::ALL.map(|device_type| Grants::of(policy, device_type));
    let mut best: Option<Program> = None;
    for style in Style::candidates(&grants) {
        let roots = lower(&grants, style, policy)?;
        let program = emit::emit(&roots)?;
        if best.as_ref().is_none_or(|best| program.insns().len() < best.insns().len()) {
            best = Some(program);
        }
    }
    let program = best.unwrap_or_else(|| Program::new(Vec::new()));
    match program.insns().len() {
        insns if insns > MAX_INSNS => Err(too_large(policy, insns)),
        _ => Ok(program),
    }
}

fn too_large(policy: &Policy, insns: usize) -> CompileError {
    CompileError::TooLarge { rules: policy.rules().len(), insns }
}

fn lower(grants: &[Grants; 2], style: Style, policy: &Policy) -> Result<Roots, CompileError> {
    let mut dag = Dag::default();
    let mut root = |device_type, grants| {
        tree::lower(&mut dag, grants, device_type, style)
            .map_err(|tree::TooManyNodes(nodes)| too_large(policy, nodes))
    };
    let [block, character] = grants;
    let block = root(DeviceType::Block, block)?;
    let character = root(DeviceType::Char, character)?;
    Ok(Roots { dag, block, character })
}
