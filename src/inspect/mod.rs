//! What may be opened in a cgroup, and who says no: the programs of the cgroup and of those
//! above it, decoded, and what they come to together.

mod effective;
mod explain;
mod generator;
mod links;
mod list;
mod meaning;
mod others;
mod reader;
mod summary;
mod verdict;

pub use effective::{Difference, Effective, differences, effective};
pub use explain::{AsOf, Decided, ExplainError, Explainer, Explanation, Part, Runner, Why, why_of};
pub use generator::Generator;
pub use links::{Held, Links};
pub use list::{ListError, Listed, list};
pub use meaning::{Meaning, Opaque};
pub use others::{Besides, Objection, Other, others};
pub use summary::{Mark, Summary};
pub use verdict::{Answer, Judged, judge};

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use thiserror::Error;

use crate::cgroup::{Cgroup, CgroupError};
use crate::kernel::{AttachFlags, Program, ProgramError, QueryError, Symbols};
use reader::Reader;

/// Why a cgroup can't be inspected.
#[derive(Debug, Error)]
pub enum InspectError {
    /// A cgroup can't be opened.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// What is attached to it can't be listed.
    #[error("cgroup {}", cgroup.display())]
    Query {
        /// The cgroup.
        cgroup: PathBuf,
        /// Why.
        source: QueryError,
    },
    /// A program can't be described.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Its programs were replaced every time that it was looked at.
    #[error("cgroup {}: its programs were replaced {looks} times in a row", cgroup.display())]
    Restless {
        /// The cgroup.
        cgroup: PathBuf,
        /// How often it was looked at.
        looks: usize,
    },
}

/// A program where it is attached.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// What the kernel tells of it.
    pub program: Program,
    /// Who made it, by its marks.
    pub generator: Option<Generator>,
    /// The link that holds it; `None` if there is none, or links can't be listed.
    pub held: Option<Held>,
    /// Whether it is in the cgroup's own list, too: devgate puts it there and has a link hold it.
    /// The two run as one and are shown as one.
    pub listed: bool,
    /// Whether it runs for the cgroup that is inspected: one that may be overridden, and is,
    /// does not.
    pub runs: bool,
    /// What it does.
    pub meaning: Rc<Meaning>,
}

impl Attachment {
    /// Whether it is an observer of devgate's, which decides nothing.
    pub fn observes(&self) -> bool {
        self.generator == Some(Generator::Observer) && self.meaning.looks_on()
    }
}

/// A cgroup with its own programs.
#[derive(Clone, Debug)]
pub struct Level {
    /// The cgroup.
    pub cgroup: PathBuf,
    /// How its programs were attached; `None` if there is none.
    pub flags: Option<AttachFlags>,
    /// Counts the changes of its list; `None` if the kernel does not count them.
    pub revision: Option<u64>,
    /// Its programs, in the order in which they run.
    pub attachments: Vec<Attachment>,
}

/// A cgroup and those above it.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The cgroup itself first, the outermost that is seen last.
    pub levels: Vec<Level>,
    /// Programs that run for it and are attached to no cgroup that is seen.
    pub unseen: Vec<Attachment>,
    /// The kernel's symbols, by which helpers have names.
    pub symbols: Rc<Symbols>,
    /// Every program that runs, in the order in which they do.
    order: Vec<Place>,
}

/// Where a program of an [`Inspection`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Level { level: usize, attachment: usize },
    Unseen(usize),
}

impl Inspection {
    /// Every program that runs for the cgroup, in the order in which they do, with the cgroup that
    /// it is attached to if that is seen. A program that is attached to two cgroups runs twice. One
    /// that is attached and linked to the same cgroup is here once, unless what runs in between
    /// makes a difference.
    pub fn running(&self) -> impl Iterator<Item = (Option<&Path>, &Attachment)> {
        self.order.iter().filter_map(|place| match *place {
            Place::Level { level, attachment } => {
                let level = self.levels.get(level)?;
                Some((Some(level.cgroup.as_path()), level.attachments.get(attachment)?))
            }
            Place::Unseen(index) => Some((None, self.unseen.get(index)?)),
        })
    }

    /// Without second runs of a program on one cgroup: they change nothing, unless a program in
    /// between sets the return value.
    fn in_order(mut self) -> Inspection {
        if self.running().all(|(_, attachment)| attachment.meaning.retval.is_none()) {
            let mut known = HashSet::new();
            self.order.retain(|place| known.insert(*place));
        }
        self
    }
}

/// The programs of the cgroup and of every one above it that is seen from here.
///
/// # Errors
/// Something can't be listed or described. A program that can't be decoded is no error.
pub fn inspect(cgroup: Cgroup, links: &Links) -> Result<Inspection, InspectError> {
    let mut cgroups: Vec<Cgroup> = cgroup.above().collect::<Result<_, _>>()?;
    cgroups.insert(0, cgroup);
    Reader::new(links).inspect(&cgroups)
}

fn failed(cgroup: &Cgroup, source: QueryError) -> InspectError {
    InspectError::Query { cgroup: cgroup.path().to_owned(), source }
}
