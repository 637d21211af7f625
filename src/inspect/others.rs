//! What else decides: the programs that run for a cgroup besides the one that was just attached.
//!
//! Programs are ANDed, so what one allows opens only if every other allows it as well. Nothing is
//! listed but the cgroup's effective programs; the way up is only gone if there are others.

use std::fmt;
use std::os::fd::AsFd;
use std::path::PathBuf;

use super::verdict::{Answer, ask};
use super::{InspectError, failed};
use crate::analyze::{AccessSets, Budget, Interval, Region, explore};
use crate::bpf;
use crate::cgroup::Cgroup;
use crate::device::{Access, Request};
use crate::kernel::{ProgId, Program, Symbols, query, query_effective};
use crate::policy::{Number, Rule, TypeMatch, Verdict};

const MAY_SET: &str = "it may set the return value";

/// A program that does not let pass what a rule allows, or may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// The program.
    pub id: ProgId,
    /// Its name; empty if it has none.
    pub name: String,
    /// The cgroup that it is attached to; `None` if that is not seen from here.
    pub cgroup: Option<PathBuf>,
    /// The rule.
    pub rule: Rule,
    /// What it does.
    pub objection: Objection,
}

/// What another program does about a rule that allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// It denies some or all of it.
    Denies,
    /// That can't be told.
    Unknown(String),
}

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "program {}", self.id)?;
        if !self.name.is_empty() {
            write!(f, " ({})", self.name)?;
        }
        match &self.cgroup {
            Some(cgroup) => write!(f, " on {}", cgroup.display()),
            None => f.write_str(" on a cgroup that is not seen from here"),
        }
    }
}

/// Which programs are not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Besides {
    /// This one.
    Program(ProgId),
    /// All that are attached to the cgroup itself.
    OwnList,
}

/// The programs in force for the cgroup that object to one of the rules, which allow: each with
/// the first that it objects to.
///
/// # Errors
/// A cgroup's programs can't be listed, or one can't be described.
pub fn others(
    cgroup: &Cgroup,
    besides: Besides,
    rules: &[Rule],
) -> Result<Vec<Other>, InspectError> {
    let mut ids = query_effective(cgroup.as_fd()).map_err(|source| failed(cgroup, source))?;
    match besides {
        Besides::Program(own) => ids.retain(|id| *id != own),
        Besides::OwnList => {
            let own = query(cgroup.as_fd()).map_err(|source| failed(cgroup, source))?.ids;
            ids.retain(|id| !own.contains(id));
        }
    }
    ids.dedup();
    let symbols = Symbols::default();
    let mut found = Vec::new();
    for id in ids {
        let Some(Running { name, code }) = running(id)? else { continue };
        for rule in rules {
            let objection = match &code {
                Ok(program) => objection(program, rule, &symbols),
                Err(why) => Some(Objection::Unknown(why.clone())),
            };
            if let Some(objection) = objection {
                let cgroup = holder(cgroup, id)?;
                found.push(Other { id, name: name.clone(), cgroup, rule: *rule, objection });
                break;
            }
        }
    }
    Ok(found)
}

/// A program that runs, as far as it can be seen.
struct Running {
    name: String,
    /// Why not, if its instructions can't be read.
    code: Result<bpf::Program, String>,
}

/// `None` if it is gone.
fn running(id: ProgId) -> Result<Option<Running>, InspectError> {
    let program = match Program::by_id(id) {
        Err(error) if error.is_gone() => return Ok(None),
        program => program?,
    };
    let insns = match program.insns() {
        Err(error) if error.is_gone() => return Ok(None),
        insns => insns,
    };
    let code = insns.map(bpf::Program::new).map_err(|error| error.to_string());
    Ok(Some(Running { name: program.name, code }))
}

/// Where the program is attached, from the cgroup on upwards.
fn holder(cgroup: &Cgroup, id: ProgId) -> Result<Option<PathBuf>, InspectError> {
    let holds = |cgroup: &Cgroup| {
        let attached = query(cgroup.as_fd()).map_err(|source| failed(cgroup, source))?;
        Ok::<bool, InspectError>(attached.ids.contains(&id))
    };
    if holds(cgroup)? {
        return Ok(Some(cgroup.path().to_owned()));
    }
    for above in cgroup.above() {
        let above = above?;
        if holds(&above)? {
            return Ok(Some(above.path().to_owned()));
        }
    }
    Ok(None)
}

fn objection(program: &bpf::Program, rule: &Rule, symbols: &Symbols) -> Option<Objection> {
    match (rule.device_type(), rule.major(), rule.minor()) {
        (TypeMatch::Only(device_type), Number::Exactly(major), Number::Exactly(minor)) => {
            let request = |access| Request { device_type, major, minor, access };
            let each = asked(rule.access()).map(request);
            let objections = each.filter_map(|request| to_one(program, &request, symbols));
            objections.min_by_key(|objection| *objection != Objection::Denies)
        }
        _ => to_many(program, rule, symbols),
    }
}

fn to_one(program: &bpf::Program, request: &Request, symbols: &Symbols) -> Option<Objection> {
    let said = ask(program, request, symbols);
    match said.answer {
        Answer::Denies => Some(Objection::Denies),
        Answer::Unknown(why) => Some(Objection::Unknown(why)),
        Answer::Allows if said.may_set => Some(Objection::Unknown(MAY_SET.to_owned())),
        Answer::Allows => None,
    }
}

/// What Linux asks of a device with these bits: each alone, and reading and writing at once.
fn asked(access: Access) -> impl Iterator<Item = Access> {
    let both = Access::READ.union(Access::WRITE);
    let each = Access::BITS.into_iter().chain([both]);
    each.filter(move |wanted| access.contains(*wanted))
}

fn to_many(program: &bpf::Program, rule: &Rule, symbols: &Symbols) -> Option<Objection> {
    let found = match explore(program, symbols, Budget::REPORT) {
        Ok(found) => found,
        Err(error) => return Some(Objection::Unknown(error.to_string())),
    };
    let wanted = AccessSets::matching(|access| asked(rule.access()).any(|one| one == access));
    let touches = |region: &&Region| {
        rule.device_type().matches(region.device_type)
            && includes(rule.major(), region.major)
            && includes(rule.minor(), region.minor)
            && !region.accesses.and(wanted).is_empty()
    };
    let denied = found.regions.iter().filter(touches).any(|region| region.verdict == Verdict::Deny);
    match (denied, found.undecided) {
        (true, Some(why)) => Some(Objection::Unknown(why.to_string())),
        (true, None) => Some(Objection::Denies),
        (false, _) if found.retval.iter().any(|region| touches(&region)) => {
            Some(Objection::Unknown(MAY_SET.to_owned()))
        }
        (false, _) => None,
    }
}

fn includes(number: Number, interval: Interval) -> bool {
    match number {
        Number::Any => true,
        Number::Exactly(own) => interval.contains(own),
    }
}
