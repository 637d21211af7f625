//! What may be opened in a cgroup, and who says no: the programs of the cgroup and of those
//! above it, decoded, and what they come to together.

mod effective;
mod find;
mod generator;
mod list;
mod verdict;

pub use effective::{Difference, Effective, differences, effective};
pub use find::{FindError, container_id, find_container, pid_in};
pub use generator::Generator;
pub use list::{ListError, Listed, Mark, Summary, list};
pub use verdict::{Answer, Judged, judge};

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use thiserror::Error;

use crate::analyze::{AnalyzeError, analyze};
use crate::bpf;
use crate::cgroup::{Cgroup, CgroupError};
use crate::decode::{DecodeError, Decoded, Table, decode};
use crate::kernel::{
    AttachFlags, Link, ProgId, Program, ProgramError, QueryError, link_pins, links, query,
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

/// Why a program is not decoded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Opaque {
    /// Its instructions can't be had.
    #[error("its instructions can't be read: {0}")]
    Unread(String),
    /// It can't be analyzed.
    #[error(transparent)]
    Analyze(#[from] AnalyzeError),
    /// Its answers are no list of rules.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// What a program does, as far as it can be told.
#[derive(Clone, Debug)]
pub struct Meaning {
    /// Its instructions, if they can be read.
    pub program: Option<bpf::Program>,
    /// Its answers.
    pub table: Result<Table, Opaque>,
    /// Its answers as rules.
    pub decoded: Result<Decoded, Opaque>,
}

impl Meaning {
    /// Of a program with these instructions.
    pub fn of(program: bpf::Program) -> Meaning {
        let regions = analyze(&program).map_err(Opaque::from);
        let table = regions.and_then(|regions| Ok(Table::of(&regions)?));
        let decoded = table.clone().and_then(|table| Ok(decode(&table)?));
        Meaning { program: Some(program), table, decoded }
    }

    fn unread(error: &ProgramError) -> Meaning {
        let opaque = Opaque::Unread(error.to_string());
        Meaning { program: None, table: Err(opaque.clone()), decoded: Err(opaque) }
    }
}

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
    pub meaning: Meaning,
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
    pub unseen: Vec<ProgId>,
}

impl Inspection {
    /// Every program that runs for the cgroup, with the cgroup that it is attached to.
    pub fn running(&self) -> impl Iterator<Item = (&Path, &Attachment)> {
        self.levels.iter().flat_map(|level| {
            let running = level.attachments.iter().filter(|attachment| attachment.runs);
            running.map(|attachment| (level.cgroup.as_path(), attachment))
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
    let failed =
        |cgroup: &Cgroup, source| InspectError::Query { cgroup: cgroup.path().to_owned(), source };
    let mut unseen = query_effective(cgroup.as_fd()).map_err(|error| failed(&cgroup, error))?;
    let mut levels = Vec::new();
    let mut next = Some(cgroup);
    while let Some(cgroup) = next {
        levels.push(level(&cgroup, &mut unseen, links)?);
        next = cgroup.parent()?;
    }
    Ok(Inspection { levels, unseen })
}

fn failed(cgroup: &Cgroup, source: QueryError) -> InspectError {
    InspectError::Query { cgroup: cgroup.path().to_owned(), source }
}

/// One cgroup's programs; those that run are taken out of `running`. If one goes between being
/// listed and being looked at, another has taken its place: the cgroup is looked at again.
fn level(cgroup: &Cgroup, running: &mut Vec<ProgId>, links: &Links) -> Result<Level, InspectError> {
    for _ in 0..LOOKS {
        let attached = query(cgroup.as_fd()).map_err(|source| failed(cgroup, source))?;
        let look = |id: &ProgId| attachment(*id, cgroup, running.contains(id), links);
        let attachments = match attached.ids.iter().map(look).collect() {
            Err(InspectError::Program(ProgramError::Open { errno: Errno::ENOENT, .. })) => {
                *running =
                    query_effective(cgroup.as_fd()).map_err(|source| failed(cgroup, source))?;
                continue;
            }
            attachments => attachments?,
        };
        running.retain(|id| !attached.ids.contains(id));
        return Ok(Level {
            cgroup: cgroup.path().to_owned(),
            flags: (!attached.ids.is_empty()).then_some(attached.flags),
            revision: attached.revision,
            attachments,
        });
    }
    Err(InspectError::Restless { cgroup: cgroup.path().to_owned(), looks: LOOKS })
}

fn attachment(
    id: ProgId,
    cgroup: &Cgroup,
    runs: bool,
    links: &Links,
) -> Result<Attachment, InspectError> {
    let program = Program::by_id(id)?;
    let meaning = match program.insns() {
        Ok(insns) => Meaning::of(bpf::Program::new(insns)),
        Err(error) => Meaning::unread(&error),
    };
    let generator = Generator::of(&program.name, meaning.program.as_ref());
    let held = links.holding(id, cgroup.id()?);
    Ok(Attachment { program, generator, held, runs, meaning })
}
