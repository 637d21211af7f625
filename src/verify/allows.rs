//! Proves that a program allows every request, whatever its maps hold and its helpers return:
//! such a program can look on, and never decides.
//!
//! 1. It calls only functions that neither decide nor run other programs, and writes only to its
//!    stack and to values of its own maps ([`check_memory`]).
//! 2. All that it may answer is found ([`explore`]): a branch on what a map holds or a helper
//!    returns goes both ways. No way ends with a denial.
//!
//! The second holds for any way, so it does not matter which of them the kernel takes.

use thiserror::Error;

use super::ALL_REQUESTS;
use crate::analyze::{Analysis, AnalyzeError, Budget, MemoryError, Region, check_memory, explore};
use crate::bpf::{ByNumber, MapShape, Program};
use crate::policy::Verdict;

/// A program that is proven to allow everything, and the maps that it refers to by their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowsAll {
    program: Program,
    maps: Vec<MapShape>,
}

impl AllowsAll {
    /// The program. Where it loads a map's address, the immediate is the map's place in
    /// [`AllowsAll::maps`].
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Its maps.
    pub fn maps(&self) -> &[MapShape] {
        &self.maps
    }
}

/// Why a program is not proven to allow everything.
#[derive(Debug, Error)]
pub enum AllowsAllError {
    /// It calls a function, or uses memory, as it may not.
    #[error("the program does more than look on")]
    Memory(#[from] MemoryError),
    /// The program can't be analyzed.
    #[error("the program can't be analyzed")]
    Analyze(#[from] AnalyzeError),
    /// It may deny a request.
    #[error("the program may deny requests, such as {}", example(.0))]
    Denies(Region),
    /// It may set the return value of the whole run.
    #[error("the program may set the return value of the whole run")]
    SetsRetval,
    /// A mistake in the analyzer: its regions are not all requests.
    #[error("the analysis covers {covered} requests instead of all")]
    Coverage {
        /// How many it does cover, at most.
        covered: u128,
    },
}

fn example(region: &Region) -> String {
    let Region { device_type, major, minor, accesses, .. } = region;
    let access = accesses.iter().next().map(|access| access.to_string()).unwrap_or_default();
    format!("{device_type} {}:{} {access}", major.first, minor.first)
}

/// Proves that `program`, which refers to `maps`, allows every request.
///
/// # Errors
/// What it may do besides.
pub fn prove_allows_all(
    program: Program,
    maps: Vec<MapShape>,
) -> Result<AllowsAll, AllowsAllError> {
    check_memory(&program, &maps)?;
    let Analysis { regions, retval, .. } = explore(&program, &ByNumber, Budget::PROOF)?;
    if !retval.is_empty() {
        return Err(AllowsAllError::SetsRetval);
    }
    if let Some(region) = regions.iter().find(|region| region.verdict == Verdict::Deny) {
        return Err(AllowsAllError::Denies(*region));
    }
    // Where a branch goes both ways, a request is in several regions.
    let covered = regions.iter().map(Region::size).fold(0, u128::saturating_add);
    match covered >= ALL_REQUESTS {
        true => Ok(AllowsAll { program, maps }),
        false => Err(AllowsAllError::Coverage { covered }),
    }
}
