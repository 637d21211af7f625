//! What may be opened in a cgroup, and who says no: the programs of the cgroup and of those
//! above it, decoded, and what they come to together.

mod effective;
mod generator;
mod list;
mod meaning;
mod others;
mod verdict;

pub use effective::{Difference, Effective, differences, effective};
pub use generator::Generator;
pub use list::{ListError, Listed, Mark, Summary, list};
pub use meaning::{Meaning, Opaque};
pub use others::{Besides, Objection, Other, others};
pub use verdict::{Answer, Judged, judge};

use std::collections::{BTreeMap, HashMap};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;
use thiserror::Error;

use crate::analyze::Budget;
use crate::bpf;
use crate::cgroup::{Cgroup, CgroupError};
use crate::kernel::{
    AttachFlags, Attached, Link, ProgId, Program, ProgramError, QueryError, Symbols, link_pins,
    links, query, query_effective,
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

/// A bpf_link that holds a program on its cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The link's id.
    pub link: u32,
    /// Where it is pinned, if that is seen.
    pub pin: Option<PathBuf>,
}

/// A program where it is attached.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// What the kernel tells of it.
    pub program: Program,
    /// Who made it, by its marks.
    pub generator: Option<Generator>,
    /// The link that holds it; `None` if it is in the cgroup's own list, or links can't be
    /// listed.
    pub held: Option<Held>,
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
#[derive(Clone, Copy, Debug)]
enum Place {
    Level { level: usize, attachment: usize },
    Unseen(usize),
}

impl Inspection {
    /// Every program that runs for the cgroup, in the order in which they do, with the cgroup that
    /// it is attached to if that is seen. A program that is attached to two cgroups runs twice.
    pub fn running(&self) -> impl Iterator<Item = (Option<&Path>, &Attachment)> {
        self.order.iter().filter_map(|place| match *place {
            Place::Level { level, attachment } => {
                let level = self.levels.get(level)?;
                Some((Some(level.cgroup.as_path()), level.attachments.get(attachment)?))
            }
            Place::Unseen(index) => Some((None, self.unseen.get(index)?)),
        })
    }
}

/// The links of the whole system and their pins, to be asked for once.
#[derive(Debug, Default)]
pub struct Links {
    links: Vec<Link>,
    pins: BTreeMap<u32, PathBuf>,
}

impl Links {
    /// All that can be listed: before Linux 5.8 there are none.
    ///
    /// # Errors
    /// EPERM without CAP_SYS_ADMIN.
    pub fn read() -> nix::Result<Links> {
        let links = match links() {
            Err(Errno::EINVAL) => Vec::new(),
            outcome => outcome?,
        };
        // Looking for pins takes a while.
        let pins = if links.is_empty() { BTreeMap::new() } else { link_pins() };
        Ok(Links { links, pins })
    }

    fn holding(&self, id: ProgId, cgroup_id: u64) -> Option<Held> {
        let holds = |link: &&Link| link.program == id && link.cgroup_id == cgroup_id;
        let link = self.links.iter().find(holds)?;
        Some(Held { link: link.id, pin: self.pins.get(&link.id).cloned() })
    }
}

/// The programs of the cgroup and of every one above it that is seen from here.
///
/// # Errors
/// Something can't be listed or described. A program that can't be decoded is no error.
pub fn inspect(cgroup: Cgroup, links: &Links) -> Result<Inspection, InspectError> {
    let mut cgroups = vec![cgroup];
    while let Some(next) = cgroups.last().map(Cgroup::parent).transpose()?.flatten() {
        cgroups.push(next);
    }
    let mut reader = Reader { links, symbols: Rc::default(), known: HashMap::new() };
    // While programs are replaced, a look is of no moment.
    for _ in 0..LOOKS {
        match reader.look(&cgroups) {
            Err(InspectError::Program(ProgramError::Open { errno: Errno::ENOENT, .. })) => {}
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
        let (mut order, mut unseen) = (Vec::with_capacity(before.len()), Vec::new());
        for id in before {
            order.push(match place(id, &attached, &runs) {
                Some((level, attachment)) => {
                    runs[level][attachment] = true;
                    Place::Level { level, attachment }
                }
                None => {
                    unseen.push(self.attachment(id, None, true)?);
                    Place::Unseen(unseen.len() - 1)
                }
            });
        }
        let mut levels = Vec::with_capacity(cgroups.len());
        for ((cgroup, attached), runs) in cgroups.iter().zip(attached).zip(runs) {
            let each = attached.ids.iter().zip(runs);
            let attachments = each.map(|(id, runs)| self.attachment(*id, Some(cgroup), runs));
            levels.push(Level {
                cgroup: cgroup.path().to_owned(),
                attachments: attachments.collect::<Result<_, _>>()?,
                flags: (!attached.ids.is_empty()).then_some(attached.flags),
                revision: attached.revision,
            });
        }
        Ok(Some(Inspection { levels, unseen, symbols: Rc::clone(&self.symbols), order }))
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
                Err(error @ ProgramError::Open { errno: Errno::ENOENT, .. }) => {
                    return Err(error.into());
                }
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
        Ok(Attachment { program, generator, held, runs, meaning })
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
