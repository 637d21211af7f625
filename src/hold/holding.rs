//! What holds a policy in force, as a mode has it.

use std::path::Path;

use super::{Hold, HoldError, HoldMode, PINS, Pins};
use crate::cgroup::Cgroup;
use crate::errors::chain;
use crate::kernel::{Link, Loaded, ProgId};

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

/// What the cgroup's link held before a change, so that this can be undone.
#[derive(Debug)]
pub(crate) struct LinkBefore(Option<Loaded>);

impl LinkBefore {
    /// For a change that is not undone after a link has the program.
    pub(crate) fn unknown() -> LinkBefore {
        LinkBefore(None)
    }

    /// Keeps the program of the cgroup's link in the kernel.
    ///
    /// # Errors
    /// There is a pin and its program can't be told.
    pub(crate) fn of(cgroup: &Cgroup) -> Result<LinkBefore, HoldError> {
        // Where the directory can't be used, nothing in it is devgate's.
        let Ok(pins) = Pins::open(Path::new(PINS)) else { return Ok(LinkBefore(None)) };
        let id = cgroup.id()?;
        let again = |link: Link| Loaded::again(link.program);
        let program = pins.get(id)?.map(again).transpose();
        let read = |errno| HoldError::Read { path: pins.path(id), errno };
        Ok(LinkBefore(program.map_err(read)?))
    }

    /// Has the link hold that program again, or takes a link off that is new.
    ///
    /// # Errors
    /// The link may hold the new program still.
    pub(crate) fn restore(&self, cgroup: &Cgroup) -> Result<(), HoldError> {
        match (Pins::open(Path::new(PINS)), &self.0) {
            (Err(_), None) => Ok(()),
            (pins, Some(program)) => pins?.hold(cgroup, program).map(drop),
            (Ok(pins), None) => pins.release(cgroup.id()?).map(drop),
        }
    }
}
