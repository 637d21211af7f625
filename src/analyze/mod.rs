//! Executes ANY device program over sets of requests: what it answers to each, exactly and
//! completely, or why that can't be said.
//!
//! A set of requests is carried through the program as boxes: some of the sixteen
//! (type, access) pairs, an interval of majors and one of minors ([`boxes`]). Registers hold
//! expressions over the request's fields ([`values`]). A branch cuts each box along the field
//! that it tests ([`truth`]), so that in the end every box left is answered as one ([`flow`]).
//! Since the parts of a cut box are disjoint and together the box, the regions that come out
//! partition all requests. There is no approximation: what can't be cut exactly is an error.

mod bounds;
mod boxes;
mod flow;
mod region;
mod truth;
mod values;

pub use region::{AccessSets, Interval, Region};

use thiserror::Error;

use crate::bpf::{InsnError, Program, RunError, run};
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
    /// The program as a whole takes too long.
    #[error("instruction {index}: gave up after {limit} steps")]
    TooLong {
        /// Where it stopped.
        index: usize,
        /// The bound.
        limit: usize,
    },
}

/// The regions of `program`, in the order of type, major, minor. They are disjoint and cover
/// every request.
///
/// # Errors
/// The instruction that can't be analyzed, and why.
pub fn analyze(program: &Program) -> Result<Vec<Region>, AnalyzeError> {
    let mut regions = flow::execute(program)?;
    regions.sort_unstable_by_key(|region| {
        (region.device_type, region.major.first, region.minor.first, region.accesses)
    });
    Ok(regions)
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
