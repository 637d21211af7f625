//! Executes ANY device program over sets of requests: what it answers to each, exactly and
//! completely, or why that can't be said.
//!
//! A set of requests is carried through the program as boxes: some of the sixteen
//! (type, access) pairs, an interval of majors and one of minors ([`boxes`]). Registers hold
//! expressions over the request's fields ([`values`]). A branch cuts each box along the field
//! that it tests ([`truth`]), so that in the end every box left is answered as one ([`flow`]).
//! Since the parts of a cut box are disjoint and together the box, the regions that come out
//! partition all requests. There is no approximation: what can't be cut exactly is an error.
//!
//! What no request determines is unknown: what helpers return and what memory holds ([`Origin`]).
//! A branch on something unknown goes both ways with all boxes; then a request may be in several
//! regions, and has an answer only where they agree. [`analyze`] is for those that need a
//! partition, [`explore`] for those that can do with less.

mod bounds;
mod boxes;
mod budget;
mod evaluate;
mod flow;
mod live;
mod memory;
mod region;
mod split;
mod truth;
mod values;

pub use budget::Budget;
pub use memory::{MemoryError, MemoryProblem, check_memory};
pub use region::{AccessSets, Interval, Region};
pub use values::Origin;

use thiserror::Error;

use crate::bpf::{ByNumber, Helpers, InsnError, Program, RunError, run};
use crate::device::Request;

/// Why a program can't be analyzed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AnalyzeError {
    /// An instruction that is not understood.
    #[error(transparent)]
    Insn(#[from] InsnError),
    /// A condition over more than one of access and type, major, and minor.
    #[error("instruction {index}: tests a mix of access type, major and minor")]
    Mixed {
        /// The instruction.
        index: usize,
    },
    /// A condition that cuts the numbers in too many pieces.
    #[error("instruction {index}: cuts the device numbers in more than {limit} intervals")]
    Fragmented {
        /// The instruction.
        index: usize,
        /// The bound.
        limit: usize,
    },
    /// The analysis takes too long.
    #[error("instruction {index}: gave up after {limit} steps")]
    TooLong {
        /// Where it stopped.
        index: usize,
        /// The bound.
        limit: usize,
    },
    /// The analysis takes too much memory.
    #[error("instruction {index}: gave up when it took more than {limit} bytes")]
    TooLarge {
        /// Where it stopped.
        index: usize,
        /// The bound.
        limit: usize,
    },
    /// A condition on what no request determines, and the answer may hang on it.
    #[error("instruction {index}: depends on {}", origin(*on, helper.as_deref()))]
    Undecided {
        /// The instruction.
        index: usize,
        /// What the condition hangs on.
        on: Origin,
        /// The name of the helper that it is, if it is one and has a name.
        helper: Option<String>,
    },
    /// The program may go on in another one.
    #[error("instruction {index}: calls bpf_tail_call, which runs another program")]
    TailCall {
        /// The instruction.
        index: usize,
    },
    /// The program may set the return value of the whole run.
    #[error("sets the return value (bpf_set_retval)")]
    Retval,
}

fn origin(on: Origin, helper: Option<&str>) -> String {
    match on {
        Origin::Stack => "the stack's address".to_owned(),
        Origin::Memory { index } => format!("what instruction {index} reads from memory"),
        Origin::Helper { index, .. } => {
            let helper = helper.unwrap_or("the helper function");
            format!("what {helper}, called by instruction {index}, returns")
        }
        Origin::Object { index } => {
            format!("the address of a map or kernel object, which instruction {index} loads")
        }
    }
}

/// All that a program may answer.
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    /// What it returns on some path. They cover all requests; one that is in regions of both
    /// verdicts has no answer.
    pub regions: Vec<Region>,
    /// Requests for which it may set the return value of the whole run; the verdict means nothing.
    pub retval: Vec<Region>,
    /// The first condition on something unknown. Without one, regions are disjoint.
    pub undecided: Option<AnalyzeError>,
}

/// The regions of `program`, in the order of type, major, minor. They are disjoint and cover
/// every request. Helpers are called by their numbers, as in a program that is not loaded.
///
/// # Errors
/// The instruction that can't be analyzed, and why.
pub fn analyze(program: &Program, budget: Budget) -> Result<Vec<Region>, AnalyzeError> {
    let Analysis { mut regions, retval, undecided } = explore(program, &ByNumber, budget)?;
    if let Some(undecided) = undecided {
        return Err(undecided);
    }
    if !retval.is_empty() {
        return Err(AnalyzeError::Retval);
    }
    regions.sort_unstable_by_key(|region| {
        (region.device_type, region.major.first, region.minor.first, region.accesses)
    });
    Ok(regions)
}

/// All that `program` may answer.
///
/// # Errors
/// The instruction that can't be analyzed, and why.
pub fn explore(
    program: &Program,
    helpers: &dyn Helpers,
    budget: Budget,
) -> Result<Analysis, AnalyzeError> {
    flow::execute(program, boxes::Box::ALL, helpers, budget)
}

/// All that `program` may answer to one request. This can be said of more programs.
///
/// # Errors
/// The instruction that can't be analyzed, and why.
pub fn explore_one(
    program: &Program,
    request: &Request,
    helpers: &dyn Helpers,
    budget: Budget,
) -> Result<Analysis, AnalyzeError> {
    flow::execute(program, boxes::Box::of(request), helpers, budget)
}

/// The most instructions that any request makes `program` execute, given its regions.
///
/// Boxes are cut and never joined, so all requests of a region with the same access take the
/// same path: running one of them counts for all.
///
/// # Errors
/// An instruction that can't be executed.
pub fn longest_path(program: &Program, regions: &[Region]) -> Result<usize, RunError> {
    let mut longest = 0;
    for region in regions {
        for access in region.accesses.iter() {
            let request = Request {
                device_type: region.device_type,
                major: region.major.first,
                minor: region.minor.first,
                access,
            };
            longest = longest.max(run(program, &request)?.executed);
        }
    }
    Ok(longest)
}
