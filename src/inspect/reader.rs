//! Reads the programs of a cgroup and of those above it.

use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};

use super::meaning::{Code, code};
use super::{
    Attachment, Generator, InspectError, Inspection, Level, Links, Meaning, Place, failed,
};
use crate::cgroup::Cgroup;
use crate::kernel::{AttachFlags, Attached, ProgId, Program, Symbols, query, query_effective};

/// Looks at one cgroup while its programs keep going.
const LOOKS: usize = 32;

/// Reads what is attached to cgroups, and finds out what each program does, once.
#[derive(Debug)]
pub(super) struct Reader<'l> {
    links: &'l Links,
    symbols: Rc<Symbols>,
    /// Programs that were read, by their ids.
    known: HashMap<ProgId, (Program, Rc<Meaning>)>,
    /// What programs do that somebody still has: most containers have the same.
    meanings: HashMap<Code, Weak<Meaning>>,
}

impl<'l> Reader<'l> {
    pub fn new(links: &'l Links) -> Reader<'l> {
        Reader { links, symbols: Rc::default(), known: HashMap::new(), meanings: HashMap::new() }
    }

    /// The programs of the first cgroup, and of the others, which are those above it.
    ///
    /// # Errors
    /// As for [`super::inspect`].
    pub fn inspect(&mut self, cgroups: &[Cgroup]) -> Result<Inspection, InspectError> {
        // While programs are replaced, a look is of no moment.
        for _ in 0..LOOKS {
            match self.look(cgroups) {
                Err(InspectError::Program(error)) if error.is_gone() => {}
                Ok(None) => {}
                Ok(Some(inspection)) => return Ok(inspection),
                Err(error) => return Err(error),
            }
        }
        let cgroup = cgroups.first().map(|cgroup| cgroup.path().to_owned()).unwrap_or_default();
        Err(InspectError::Restless { cgroup, looks: LOOKS })
    }

    /// Forgets the programs, but not what those do that somebody still has.
    pub fn forget_programs(&mut self) {
        self.known.clear();
        self.meanings.retain(|_, meaning| meaning.strong_count() > 0);
    }

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

    fn meaning(&mut self, program: &Program) -> Result<Rc<Meaning>, InspectError> {
        let code = code(program);
        if let Some(known) = self.meanings.get(&code).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let insns = match program.insns() {
            Err(error) if error.is_gone() => return Err(error.into()),
            insns => insns,
        };
        let meaning = Rc::new(Meaning::of_attached(program, insns, &*self.symbols));
        if meaning.program.is_some() {
            self.meanings.insert(code, Rc::downgrade(&meaning));
        }
        Ok(meaning)
    }

    fn attachment(
        &mut self,
        id: ProgId,
        cgroup: Option<&Cgroup>,
        runs: bool,
    ) -> Result<Attachment, InspectError> {
        if !self.known.contains_key(&id) {
            let program = Program::by_id(id)?;
            let meaning = self.meaning(&program)?;
            self.known.insert(id, (program, meaning));
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
