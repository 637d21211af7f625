//! The steps of a change, in the order that the module's documentation gives.

use std::mem;

use super::edit::{Edit, Edited, left_over};
use super::error::ChangeError;
use super::keep::Keep;
use super::report::{NodeDone, NodeReport, Report};
use super::stores::Stores;
use crate::cgroup::Cgroup;
use crate::container::{
    Container, ContainerError, ContainerId, DevPath, DeviceNumbers, Grant, Init, Locked, Made,
    MadeNode, Record, Removed, User, holders, make, remove,
};
use crate::device::{Access, Request};
use crate::enforce::{EnforceError, Prepared, enforce_then, prepare};
use crate::errors::chain;
use crate::hold::Holding;
use crate::inspect::{Besides, Objection, others};
use crate::kernel::{ProgId, Stale};
use crate::policy::{Rule, Verdict};

/// How a change is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Who asked for it.
    pub user: User,
    /// What becomes of the nodes that devgate made for devices that are granted no more.
    pub old_nodes: OldNodes,
    /// Whether it is made, or only told.
    pub mode: Mode,
}

/// What becomes of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldNodes {
    /// They are removed.
    Remove,
    /// They stay. They open nothing.
    Leave,
}

/// Whether a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    Do,
    /// It is compiled, proven and told, and nothing is changed.
    DryRun,
}

/// Changes the policy of a container that runs.
///
/// # Errors
/// Everything is as it was, or the error tells what differs.
pub fn change(
    stores: &Stores,
    id: &ContainerId,
    edit: Edit,
    options: &Options,
) -> Result<Report, ChangeError> {
    let mut locked = stores.records.lock(id)?;
    let old = locked.take().ok_or_else(|| stores.records.missing(id))?;
    let subject = &Subject::of(&old, &edit)?;
    let keep = Keep::of(&edit, &options.user);
    let mut edited = edit.of(&old, &options.user);
    if options.old_nodes == OldNodes::Leave {
        edited.dropped.clear();
    }
    let prepared = prepare(edited.record.policy())?;
    let report = Report::new(&old, &edited, &prepared);
    let mut work = Work { stores, locked: &mut locked, old, subject, edited, keep, report };
    match options.mode {
        Mode::Do => work.run(&prepared)?,
        Mode::DryRun => work.tell()?,
    }
    Ok(work.report)
}

/// What is changed.
struct Subject {
    cgroup: Cgroup,
    /// Its first process. Without it nodes can be neither made nor removed.
    init: Result<Init, ContainerError>,
}

impl Subject {
    /// Only what is granted needs a process. A container that could not be narrowed because its
    /// first process has ended, while others run on, would be no use.
    fn of(record: &Record, edit: &Edit) -> Result<Subject, ChangeError> {
        match Container::of_record(record) {
            Ok(Container { cgroup, init, .. }) => Ok(Subject { cgroup, init: Ok(init) }),
            Err(error @ ContainerError::Init(_)) if !matches!(edit, Edit::Grant(_)) => {
                let gone = || ContainerError::Stopped {
                    id: record.id.clone(),
                    cgroup: record.cgroup.path.clone(),
                };
                let cgroup = Cgroup::of_id(record.cgroup.id)?.ok_or_else(gone)?;
                Ok(Subject { cgroup, init: Err(error) })
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A rule without its verdict: `c 10:229 rw`.
pub(super) fn asked(rule: &Rule) -> String {
    let text = rule.to_string();
    text.split_once(' ').map_or(text.clone(), |(_, asked)| asked.to_owned())
}

/// A change under way.
struct Work<'w, 's> {
    stores: &'w Stores,
    locked: &'w mut Locked<'s, Record>,
    old: Record,
    subject: &'w Subject,
    edited: Edited,
    keep: Keep,
    report: Report,
}

impl Work<'_, '_> {
    fn run(&mut self, prepared: &Prepared) -> Result<(), ChangeError> {
        let mut how = self.edited.record.enforce_options();
        if how.attach.stale == Stale::None {
            // Beside its old program, the new one could grant nothing.
            how.attach.stale = Stale::Own;
        }
        let abandoned = |error: ChangeError| EnforceError::Abandoned(Box::new(error));
        let (subject, id) = (self.subject, self.old.id.to_string());
        let commit = |program, holding: &Holding| {
            self.edited.record.pin = holding.pin().map(ToOwned::to_owned);
            self.commit(program).map_err(abandoned)
        };
        let in_force = enforce_then(&subject.cgroup, Some(&id), &prepared.verified, how, commit)?;
        self.report.in_force = Some(in_force);
        self.remove_nodes();
        self.look_for_holders();
        Ok(())
    }

    /// What must go well once the program is attached, or else that is undone.
    fn commit(&mut self, program: ProgId) -> Result<(), ChangeError> {
        self.judge_others(Besides::Program(program))?;
        let made = self.make_nodes()?;
        self.write().inspect_err(|_| self.unmake(&made))
    }

    /// Fails if another program denies what is granted.
    fn judge_others(&mut self, besides: Besides) -> Result<(), ChangeError> {
        if self.edited.granted.is_empty() {
            return Ok(());
        }
        for other in others(&self.subject.cgroup, besides, &self.edited.granted)? {
            match &other.objection {
                Objection::Denies => return Err(ChangeError::Denied { other: Box::new(other) }),
                Objection::Unknown(why) => {
                    let what = asked(&other.rule);
                    let warning = format!("{other} may deny {what}, which can't be told: {why}");
                    self.report.warnings.push(warning);
                }
            }
        }
        Ok(())
    }

    fn make_nodes(&mut self) -> Result<Vec<MadeNode>, ChangeError> {
        let mut made = Vec::new();
        // What is granted has a process: see [`Subject::of`].
        let Ok(init) = &self.subject.init else { return Ok(made) };
        for (path, spec) in mem::take(&mut self.edited.wanted) {
            let done = match make(init, &spec, &path) {
                Ok(Made::New(node)) => {
                    made.push(node.clone());
                    self.edited.take_left_node(&path);
                    self.edited.has_node(&path, node);
                    NodeDone::Made
                }
                Ok(Made::AlreadyThere) => {
                    if let Some(node) = self.edited.take_left_node(&path) {
                        self.edited.has_node(&path, node);
                    }
                    NodeDone::AlreadyThere
                }
                Err(source) => {
                    self.unmake(&made);
                    return Err(ChangeError::Node { path, source });
                }
            };
            self.report.nodes.push(NodeReport { path, done });
        }
        Ok(made)
    }

    fn unmake(&self, made: &[MadeNode]) {
        if let Ok(init) = &self.subject.init {
            for node in made.iter().rev() {
                // What failed first is what counts, and a node that stays opens nothing.
                let _ = remove(init, node);
            }
        }
    }

    /// The record, and what is kept: what is narrower comes first.
    fn write(&mut self) -> Result<(), ChangeError> {
        let before = self.keep.take_away(self.stores, &self.old.id)?;
        let mut record = self.edited.record.clone();
        record.grants.extend(self.edited.dropped.iter().map(left_over));
        if let Err(error) = self.locked.put(record) {
            Keep::restore(self.stores, &self.old.id, before);
            return Err(error.into());
        }
        self.keep.add(self.stores, &self.old.id).inspect_err(|_| {
            // The next change writes it again if this fails, too.
            let _ = self.locked.put(self.old.clone());
        })?;
        Ok(())
    }

    /// Removes the nodes of what is granted no more. A container may well be in the way of that, and
    /// must not be able to keep its access so: what can't be removed stays in the record, for
    /// the next change to try again.
    fn remove_nodes(&mut self) {
        let mut left: Vec<Grant> = Vec::new();
        for grant in &self.edited.dropped {
            let Some(node) = &grant.node else { continue };
            let path = node.path.clone();
            let removed = match &self.subject.init {
                Ok(init) => remove(init, node).map_err(|error| chain(&error)),
                Err(error) => Err(chain(error)),
            };
            let done = match removed {
                Ok(Removed::Removed) => NodeDone::Removed,
                Ok(Removed::Missing) => NodeDone::Missing,
                Ok(Removed::NotOurs) => NodeDone::NotOurs,
                Err(why) => {
                    left.push(left_over(grant));
                    let text = format!("node {path} can't be removed, and opens nothing: {why}");
                    self.report.warnings.push(text);
                    continue;
                }
            };
            self.report.nodes.push(NodeReport { path, done });
        }
        if left.len() < self.edited.dropped.len() {
            let mut record = self.edited.record.clone();
            record.grants.extend(left);
            if let Err(error) = self.locked.put(record) {
                self.report.warnings.push(format!("nodes stay in the record: {}", chain(&error)));
            }
        }
    }

    fn look_for_holders(&mut self) {
        let closed = &self.edited.closed;
        if closed.is_empty() {
            return;
        }
        let policy = self.edited.record.policy();
        let is_closed = |device: &DeviceNumbers| {
            let DeviceNumbers { device_type, major, minor } = *device;
            let access = Access::READ.union(Access::WRITE);
            let request = Request { device_type, major, minor, access };
            // An update may allow what was revoked before.
            closed.iter().any(|devices| devices.has(device))
                && policy.decide(&request).verdict == Verdict::Deny
        };
        match holders(&self.subject.cgroup, is_closed) {
            Ok(holders) => self.report.holders = holders,
            Err(error) => self.report.warnings.push(format!(
                "whether a process still has it open can't be told: {}",
                chain(&error)
            )),
        }
    }

    /// What would be done.
    fn tell(&mut self) -> Result<(), ChangeError> {
        // What is attached to the cgroup itself gives way.
        self.judge_others(Besides::OwnList)?;
        for (path, _) in &self.edited.wanted {
            self.report.nodes.push(NodeReport { path: path.clone(), done: NodeDone::ToMake });
        }
        let wanted = |path: &DevPath| self.edited.wanted.iter().any(|(other, _)| other == path);
        let dropped = self.edited.dropped.iter().filter_map(|grant| grant.node.as_ref());
        for node in dropped.filter(|node| !wanted(&node.path)) {
            self.report
                .nodes
                .push(NodeReport { path: node.path.clone(), done: NodeDone::ToRemove });
        }
        Ok(())
    }
}
