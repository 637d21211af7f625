//! What may be opened in a cgroup, and who says no: the programs of the cgroup and of those
//! above it, decoded, and what they come to together.

mod effective;
mod generator;
mod links;
mod list;
mod meaning;
mod others;
mod verdict;

pub use effective::{Difference, Effective, differences, effective};
pub use generator::Generator;
pub use links::{Held, Links};
pub use list::{ListError, Listed, Mark, Summary, list};
pub use meaning::{Meaning, Opaque};
pub use others::{Besides, Objection, Other, others};
pub use verdict::{Answer, Judged, judge};

use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use thiserror::Error;

use crate::analyze::Budget;
use crate::bpf;
use crate::cgroup::{Cgroup, CgroupError};
use crate::kernel::{
    AttachFlags, Attached, ProgId, Program, ProgramError, QueryError, Symbols, query,
    query_effective,
};

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

/// Looks at one cgroup while its programs keep going.
const LOOKS: usize = 32;

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
    let mut reader = Reader { links, symbols: Rc::default(), known: HashMap::new() };
    // While programs are replaced, a look is of no moment.
    for _ in 0..LOOKS {
        match reader.look(&cgroups) {
            Err(InspectError::Program(error)) if error.is_gone() => {}
            Ok(None) => {}
            Ok(Some(inspection)) => return Ok(inspection),
            Err(error) => return Err(error),
        }
    }
    let cgroup = cgroups.first().map(|cgroup| cgroup.path().to_owned()).unwrap_or_default();
    Err(InspectError::Restless { cgroup, looks: LOOKS })
}

fn failed(cgroup: &Cgroup, source: QueryError) -> InspectError {
    InspectError::Query { cgroup: cgroup.path().to_owned(), source }
}

struct Reader<'l> {
    links: &'l Links,
    symbols: Rc<Symbols>,
    /// What programs do, by their ids: each is analyzed once.
    known: HashMap<ProgId, (Program, Rc<Meaning>)>,
}

impl Reader<'_> {
    /// One look; `None` if what runs was changed meanwhile.
    fn look(&mut self, cgroups: &[Cgroup]) -> Result<Option<Inspection>, InspectError> {
        let Some(own) = cgroups.first() else { return Ok(None) };
        let running = || query_effective(own.as_fd()).map_err(|source| failed(own, source));
        let before = running()?;
        let attached = |cgroup: &Cgroup| query(cgroup.as_fd()).map_err(|e| failed(cgroup, e));
        let attached: Vec<Attached> = cgroups.iter().map(attached).collect::<Result<_, _>>()?;
        if running()? != before {
            return Ok(None);
        }
        let mut runs: Vec<Vec<bool>> =
            attached.iter().map(|attached| vec![false; attached.ids.len()]).collect();
        let places: Vec<Option<(usize, usize)>> = before
            .iter()
            .map(|id| {
                let (level, place) = place(*id, &attached, &runs)?;
                runs[level][place] = true;
                Some((level, first(&attached[level].ids, place)))
            })
            .collect();
        let mut levels = Vec::with_capacity(cgroups.len());
        for ((cgroup, attached), runs) in cgroups.iter().zip(&attached).zip(runs) {
            levels.push(self.level(cgroup, attached, &runs)?);
        }
        let (mut order, mut unseen) = (Vec::with_capacity(places.len()), Vec::new());
        for (id, place) in before.into_iter().zip(places) {
            order.push(match place {
                Some((level, attachment)) => Place::Level { level, attachment },
                None => {
                    unseen.push(self.attachment(id, None, true)?);
                    Place::Unseen(unseen.len() - 1)
                }
            });
        }
        let symbols = Rc::clone(&self.symbols);
        Ok(Some(Inspection { levels, unseen, symbols, order }.in_order()))
    }

    /// A cgroup's programs, each once.
    fn level(
        &mut self,
        cgroup: &Cgroup,
        attached: &Attached,
        runs: &[bool],
    ) -> Result<Level, InspectError> {
        let mut attachments: Vec<Attachment> = Vec::with_capacity(attached.ids.len());
        for (id, runs) in attached.ids.iter().zip(runs) {
            match attachments.iter_mut().find(|known| known.program.id == *id) {
                Some(known) => {
                    known.listed = true;
                    known.runs |= runs;
                }
                None => attachments.push(self.attachment(*id, Some(cgroup), *runs)?),
            }
        }
        Ok(Level {
            cgroup: cgroup.path().to_owned(),
            flags: (!attached.ids.is_empty()).then_some(attached.flags),
            revision: attached.revision,
            attachments,
        })
    }

    fn attachment(
        &mut self,
        id: ProgId,
        cgroup: Option<&Cgroup>,
        runs: bool,
    ) -> Result<Attachment, InspectError> {
        if !self.known.contains_key(&id) {
            let program = Program::by_id(id)?;
            let meaning = match program.insns() {
                Ok(insns) => Meaning::of(bpf::Program::new(insns), &*self.symbols, Budget::REPORT),
                Err(error) if error.is_gone() => return Err(error.into()),
                Err(error) => Meaning::unread(&error),
            };
            self.known.insert(id, (program, Rc::new(meaning)));
        }
        let (program, meaning) = &self.known[&id];
        let (program, meaning) = (program.clone(), Rc::clone(meaning));
        let generator = Generator::of(&program.name, meaning.program.as_ref());
        let held = match cgroup {
            Some(cgroup) => self.links.holding(id, cgroup.id()?),
            None => None,
        };
        let listed = held.is_none() && cgroup.is_some();
        Ok(Attachment { program, generator, held, listed, runs, meaning })
    }
}

/// The first place of the program that runs and was not counted yet. Of a cgroup that has
/// programs, those run which all have BPF_F_ALLOW_MULTI, or none below has any
/// (`compute_effective_progs`).
fn place(id: ProgId, attached: &[Attached], counted: &[Vec<bool>]) -> Option<(usize, usize)> {
    let first = attached.iter().position(|attached| !attached.ids.is_empty());
    attached
        .iter()
        .enumerate()
        .filter(|(level, attached)| Some(*level) == first || attached.flags == AttachFlags::MULTI)
        .find_map(|(level, attached)| {
            let free = |(place, other): (usize, &ProgId)| *other == id && !counted[level][place];
            let place = attached.ids.iter().enumerate().position(free)?;
            Some((level, place))
        })
}

/// Where the list has first the program that it has at `place`.
fn first(ids: &[ProgId], place: usize) -> usize {
    let distinct = |before: &[ProgId]| {
        let known: HashSet<&ProgId> = before.iter().collect();
        known.len()
    };
    let own = ids.iter().position(|id| Some(id) == ids.get(place)).unwrap_or(place);
    distinct(&ids[..own])
}
