//! Every cgroup that has a device program of its own.

use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::meaning::{Code, code};
use super::summary::{Mark, Summary};
use super::{InspectError, Links, Meaning, Opaque};
use crate::analyze::{Budget, explore};
use crate::bpf;
use crate::cgroup::{Cgroup, CgroupError};
use crate::compile::compile;
use crate::container::{FindError, container_id, directories};
use crate::decode::{Answers, Decoded, Table};
use crate::kernel::{ProgId, Program, ProgramError, QueryError, Symbols, query};
use crate::policy::{DefaultDevices, Policy, Rule, Verdict};

/// The kernel takes 64 programs on one cgroup (`BPF_CGROUP_MAX_PROGS`); this is near.
const NEAR_LIMIT: usize = 56;

/// A cgroup with programs of its own.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its directory.
    pub cgroup: PathBuf,
    /// How many listed cgroups it is below.
    pub depth: usize,
    /// The container that it is by its name.
    pub container: Option<String>,
    /// Its programs, each once.
    pub programs: Vec<Program>,
    /// Those of them that a link holds.
    pub held: Vec<ProgId>,
    /// Those of them that are observers of devgate's. They count neither for the summary nor for
    /// the marks.
    pub observers: Vec<ProgId>,
    /// What they come to.
    pub summary: Summary,
    /// Signs of trouble.
    pub marks: Vec<Mark>,
}

/// Why cgroups can't be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A directory can't be listed.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A cgroup can't be inspected.
    #[error(transparent)]
    Inspect(#[from] InspectError),
}

/// All cgroups from `root` on down that have a device program of their own, each before those
/// below it.
///
/// # Errors
/// A directory or what is attached to it can't be listed. What goes meanwhile is left out.
pub fn list(root: &Path, links: &Links) -> Result<Vec<Listed>, ListError> {
    let mut lister = Lister {
        links,
        known: HashMap::new(),
        symbols: Symbols::default(),
        default: default_table(),
        listed: Vec::new(),
    };
    lister.walk(root, &mut Vec::new())?;
    Ok(lister.listed)
}

fn default_table() -> Option<Table> {
    let program = compile(&Policy::new(Vec::new(), DefaultDevices::Base)).ok()?;
    let analysis = explore(&program, &bpf::ByNumber, Budget::REPORT).ok()?;
    Table::of(&analysis.regions).ok()
}

/// What a program does, without its instructions: there may be many programs.
struct Known {
    answers: Result<Answers, Opaque>,
    may_set_retval: bool,
}

impl Known {
    fn exact(&self) -> Option<&Table> {
        let answers = self.answers.as_ref().ok()?;
        (answers.is_exact() && !self.may_set_retval).then_some(&answers.possible)
    }

    fn looks_on(&self) -> bool {
        let all = self.answers.as_ref().is_ok_and(|answers| *answers == Answers::everything());
        all && !self.may_set_retval
    }
}

/// A cgroup's own programs, each once, and those of them that a link holds.
struct Own {
    programs: Vec<Program>,
    held: Vec<ProgId>,
}

struct Lister<'l> {
    links: &'l Links,
    /// What programs do: most containers have the same.
    known: HashMap<Code, Rc<Known>>,
    symbols: Symbols,
    default: Option<Table>,
    listed: Vec<Listed>,
}

impl Lister<'_> {
    /// `above` has the meanings of the cgroups above that have programs.
    fn walk(&mut self, dir: &Path, above: &mut Vec<Vec<Rc<Known>>>) -> Result<(), ListError> {
        let Some(Own { programs, held }) = self.programs(dir)? else { return Ok(()) };
        let all: Vec<Rc<Known>> = programs.iter().map(|program| self.meaning(program)).collect();
        let observes =
            |program: &Program, known: &Known| program.is_named_observer() && known.looks_on();
        let (mut observers, mut meanings) = (Vec::new(), Vec::new());
        for (program, known) in programs.iter().zip(all) {
            match observes(program, &known) {
                true => observers.push(program.id),
                false => meanings.push(known),
            }
        }
        let has_programs = !programs.is_empty();
        if has_programs {
            self.listed.push(Listed {
                cgroup: dir.to_owned(),
                depth: above.len(),
                container: container_id(dir).map(str::to_owned),
                summary: match meanings.is_empty() {
                    true => Summary::Observed,
                    false => self.summary(&meanings),
                },
                marks: marks(&meanings, above),
                programs,
                held,
                observers,
            });
            above.push(meanings);
        }
        for below in directories(dir)? {
            self.walk(&below, above)?;
        }
        if has_programs {
            above.pop();
        }
        Ok(())
    }

    /// The cgroup's own programs; `None` if it is gone.
    fn programs(&self, dir: &Path) -> Result<Option<Own>, InspectError> {
        let cgroup = match Cgroup::open(dir) {
            Err(CgroupError::Missing { .. }) => return Ok(None),
            cgroup => cgroup?,
        };
        let attached = match query(cgroup.as_fd()) {
            Err(QueryError::Gone) => return Ok(None),
            Err(source) => return Err(InspectError::Query { cgroup: dir.to_owned(), source }),
            Ok(attached) => attached,
        };
        let (mut programs, mut held) = (Vec::new(), Vec::new());
        let mut known = HashSet::new();
        let cgroup_id = cgroup.id()?;
        for id in attached.ids.into_iter().filter(|id| known.insert(*id)) {
            programs.extend(program(id)?);
            held.extend(self.links.holding(id, cgroup_id).map(|_| id));
        }
        Ok(Some(Own { programs, held }))
    }

    fn meaning(&mut self, program: &Program) -> Rc<Known> {
        let key = code(program);
        if let Some(known) = self.known.get(&key) {
            return Rc::clone(known);
        }
        let meaning = Meaning::of_attached(program, program.insns(), &self.symbols);
        let is_read = meaning.program.is_some();
        let may_set_retval = meaning.retval.is_some();
        let known = Rc::new(Known { answers: meaning.answers, may_set_retval });
        if is_read {
            self.known.insert(key, Rc::clone(&known));
        }
        known
    }

    fn summary(&self, programs: &[Rc<Known>]) -> Summary {
        let Some(together) = together(programs) else { return Summary::Opaque };
        if self.default.as_ref() == Some(&together) {
            return Summary::Default;
        }
        match crate::decode::decode(&together) {
            Err(_) => Summary::Opaque,
            Ok(Decoded { rules, irregular }) if irregular.is_empty() => of_rules(&rules),
            Ok(Decoded { rules, .. }) => Summary::Rules(rules.len()),
        }
    }
}

/// What a cgroup's programs come to, in their order, if that can be told.
fn together(programs: &[Rc<Known>]) -> Option<Table> {
    let mut answers = Answers::everything();
    for known in programs {
        answers = match &known.answers {
            Ok(own) => answers.then(own).ok()?,
            Err(_) => answers.then(&Answers::opaque(known.may_set_retval)).ok()?,
        };
    }
    answers.is_exact().then_some(answers.possible)
}

fn of_rules(rules: &[Rule]) -> Summary {
    match rules {
        [] => Summary::DenyAll,
        [rule] if rule.is_total() && rule.verdict() == Verdict::Allow => Summary::All,
        rules => Summary::Rules(rules.len()),
    }
}

fn marks(meanings: &[Rc<Known>], above: &[Vec<Rc<Known>>]) -> Vec<Mark> {
    let mut marks = Vec::new();
    if meanings.len() > 1 {
        marks.push(Mark::Several);
    }
    if meanings.len() >= NEAR_LIMIT {
        marks.push(Mark::NearLimit);
    }
    let tables = || meanings.iter().filter_map(|meaning| meaning.exact());
    if tables().any(Table::is_empty) {
        marks.push(Mark::AllowsNothing);
    }
    let mut of_above = above.iter().flatten().filter_map(|meaning| meaning.exact());
    if of_above.any(|other| tables().any(|table| table == other)) {
        marks.push(Mark::SameAsAbove);
    }
    if meanings.iter().any(|meaning| meaning.may_set_retval) {
        marks.push(Mark::SetsRetval);
    }
    marks
}

fn program(id: ProgId) -> Result<Option<Program>, ProgramError> {
    match Program::by_id(id) {
        Err(error) if error.is_gone() => Ok(None),
        program => program.map(Some),
    }
}
