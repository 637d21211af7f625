//! What holds a policy in force, as a mode has it.

use std::path::Path;

use super::{Hold, HoldError, HoldMode, PINS, Pins};
use crate::cgroup::Cgroup;
use crate::errors::chain;
use crate::kernel::{Loaded, ProgId};

/// What holds a policy, besides its program in the cgroup's own list.
#[derive(Debug)]
pub enum Holding {
    /// A pinned link has the program.
    Link(Hold),
    /// No link has it, although it was tried.
    Failed(HoldError),
    /// No link was asked for.
    No {
        /// The program of a link that there was, and that was removed.
        released: Option<ProgId>,
    },
}

impl Holding {
    /// The program that the cgroup's link had before.
    pub fn before(&self) -> Option<ProgId> {
        match self {
            Holding::Link(hold) => hold.before,
            Holding::Failed(_) => None,
            Holding::No { released } => *released,
        }
    }

    /// Where the link is pinned, if there is one.
    pub fn pin(&self) -> Option<&Path> {
        match self {
            Holding::Link(hold) => Some(&hold.pin),
            Holding::Failed(_) | Holding::No { .. } => None,
        }
    }

    /// What the operator should know.
    pub fn warning(&self) -> Option<String> {
        match self {
            Holding::Failed(error) => {
                let text = chain(error);
                Some(format!("no link holds the program, so other tools can detach it: {text}"))
            }
            Holding::Link(_) | Holding::No { .. } => None,
        }
    }
}

/// Has the cgroup's link hold `program`, which is attached to the cgroup's own list already.
///
/// # Errors
/// The link is as it was. With [`HoldMode::Try`], that there can be no link is not an error. That
/// there is one and it keeps another program is: a link's program stays in force.
pub fn hold(cgroup: &Cgroup, program: &Loaded, mode: HoldMode) -> Result<Holding, HoldError> {
    let dir = Path::new(PINS);
    match mode {
        HoldMode::Require => Pins::make(dir)?.hold(cgroup, program).map(Holding::Link),
        // Where the directory can't be used, nothing in it is devgate's.
        HoldMode::No => match Pins::open(dir) {
            Ok(pins) => {
                let released = pins.take(cgroup.id()?)?.map(|link| link.program);
                Ok(Holding::No { released })
            }
            Err(_) => Ok(Holding::No { released: None }),
        },
        HoldMode::Try => {
            let pins = match Pins::make(dir) {
                Ok(pins) => pins,
                Err(error) => return Ok(Holding::Failed(error)),
            };
            match pins.hold(cgroup, program) {
                Ok(hold) => Ok(Holding::Link(hold)),
                Err(error) => match pins.get(cgroup.id()?) {
                    Ok(None) => Ok(Holding::Failed(error)),
                    Ok(Some(_)) | Err(_) => Err(error),
                },
            }
        }
    }
}
