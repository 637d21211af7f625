//! What a change does to a record: nothing here touches the machine.
//!
//! A change without an end takes the bits that it decides from every earlier grant of the same
//! devices, so that the list does not grow with each change. One that ends by itself leaves them:
//! they apply again afterwards.

use std::mem;

use super::devices::Devices;
use crate::container::{Action, DevPath, Grant, MadeNode, NodeSpec, Record, Time, User};
use crate::device::{Access, Request};
use crate::policy::{DefaultDevices, Rule, Verdict};

/// One device of a `grant`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGrant {
    /// Its entry in the record, without a node.
    pub grant: Grant,
    /// The node that is asked for at the grant's path.
    pub node: Option<NodeSpec>,
}

/// One device of a `revoke`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// The device as it was named.
    pub device: String,
    /// The devices.
    pub devices: Devices,
    /// The access. `None` is reading, writing, and whatever else was granted.
    pub access: Option<Access>,
}

/// A change of a container's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// `grant`.
    Grant(Vec<NewGrant>),
    /// `revoke`.
    Revoke(Vec<Revoked>),
    /// `update`: these rules in place of the config's, and of all grants.
    Update {
        /// The rules.
        rules: Vec<Rule>,
        /// Where the base rules go among them.
        default_devices: DefaultDevices,
    },
    /// Grants whose time has ended by now go.
    Expire(Time),
    /// Grants of an earlier run of the container apply again.
    Keep(Vec<NewGrant>),
}

/// A record after a change, and what has to be done about nodes.
#[derive(Clone, Debug)]
pub(super) struct Edited {
    pub record: Record,
    /// The rules that must be in force for all of their devices.
    pub granted: Vec<Rule>,
    /// Nodes that are asked for, each with a grant in the record that has this path and no node.
    pub wanted: Vec<(DevPath, NodeSpec)>,
    /// Grants that are gone and had a node.
    pub dropped: Vec<Grant>,
    /// Devices of which less is allowed.
    pub closed: Vec<Devices>,
}

impl Edit {
    /// By what command.
    pub fn action(&self) -> Action {
        match self {
            Edit::Grant(_) => Action::Grant,
            Edit::Revoke(_) => Action::Revoke,
            Edit::Update { .. } => Action::Update,
            Edit::Expire(_) => Action::Expire,
            Edit::Keep(_) => Action::Keep,
        }
    }

    /// The record after it.
    pub(super) fn of(self, record: &Record, user: &User) -> Edited {
        let mut edited = Edited {
            record: record.clone(),
            granted: Vec::new(),
            wanted: Vec::new(),
            dropped: Vec::new(),
            closed: Vec::new(),
        };
        let Edited { record, granted, wanted, dropped, closed } = &mut edited;
        dropped.extend(take(&mut record.grants, is_left_over));
        let mut edit = Editing { granted, wanted, dropped, closed };
        let action = self.action();
        record.change(action, user.clone(), |record| match self {
            Edit::Grant(grants) | Edit::Keep(grants) => {
                grants.into_iter().for_each(|new| edit.grant(record, new));
            }
            Edit::Revoke(revoked) => {
                revoked.into_iter().for_each(|one| edit.revoke(record, one, user));
            }
            Edit::Update { rules, default_devices } => {
                edit.drop(mem::take(&mut record.grants));
                (record.rules, record.default_devices) = (rules, default_devices);
            }
            Edit::Expire(now) => edit.drop(take(&mut record.grants, |grant| grant.is_expired(now))),
        });
        // A later device of one command may have taken an earlier one's place.
        edited.wanted.retain(|(path, _)| lacking_node(&edited.record, path).is_some());
        edited
    }
}

impl Edited {
    /// Records a node for the latest grant that asks for one at this path.
    pub(super) fn has_node(&mut self, path: &DevPath, node: MadeNode) {
        let lacking = lacking_node(&self.record, path);
        let grant = lacking.and_then(|at| self.record.grants.get_mut(at));
        grant.into_iter().for_each(|grant| grant.node = Some(node.clone()));
    }

    /// Takes out the node at this path that an earlier change did not remove. Without this, the new
    /// grant's node would be removed in its place.
    pub(super) fn take_left_node(&mut self, path: &DevPath) -> Option<MadeNode> {
        let is_there = |node: &MadeNode| node.path == *path;
        let at = self.dropped.iter().position(|old| old.node.as_ref().is_some_and(is_there))?;
        self.dropped.remove(at).node
    }
}

/// The place of the latest grant that asks for a node at this path and has none.
fn lacking_node(record: &Record, path: &DevPath) -> Option<usize> {
    record
        .grants
        .iter()
        .rposition(|grant| grant.path.as_ref() == Some(path) && grant.node.is_none())
}

/// A grant of nothing, which stands for a node that is still to be removed.
fn is_left_over(grant: &Grant) -> bool {
    grant.rule.access().is_none()
}

/// A grant without its access, which keeps its node in the record until that is removed.
pub(super) fn left_over(grant: &Grant) -> Grant {
    let Grant { rule, .. } = grant;
    let nothing =
        Rule::new(Verdict::Allow, rule.device_type(), rule.major(), rule.minor(), Access::NONE);
    Grant { rule: nothing, keep: false, expires: None, ..grant.clone() }
}

/// Takes out what is like this.
fn take(grants: &mut Vec<Grant>, wanted: impl Fn(&Grant) -> bool) -> Vec<Grant> {
    grants.extract_if(.., |grant| wanted(grant)).collect()
}

/// Takes these bits from the grants that are meant, and the grants that have none left out.
pub(super) fn prune(
    grants: &mut Vec<Grant>,
    access: Access,
    is_meant: impl Fn(&Grant) -> bool,
) -> Vec<Grant> {
    let gone =
        take(grants, |grant| is_meant(grant) && grant.rule.access().without(access).is_none());
    for grant in grants.iter_mut().filter(|grant| is_meant(grant)) {
        let Some(own) = Devices::of(&grant.rule) else { continue };
        grant.rule = own.rule(grant.rule.verdict(), grant.rule.access().without(access));
    }
    gone
}

struct Editing<'e> {
    granted: &'e mut Vec<Rule>,
    wanted: &'e mut Vec<(DevPath, NodeSpec)>,
    dropped: &'e mut Vec<Grant>,
    closed: &'e mut Vec<Devices>,
}

impl Editing<'_> {
    fn grant(&mut self, record: &mut Record, new: NewGrant) {
        let NewGrant { mut grant, node } = new;
        let Some(devices) = Devices::of(&grant.rule) else { return };
        let access = grant.rule.access();
        let is_lasting = grant.expires.is_none();
        // What is kept stays so until it is revoked or forgotten.
        let asked_to_keep = grant.keep;
        grant.keep |= is_lasting && is_kept(record, &grant.rule);
        let keep = grant.keep;
        let may_replace = |old: &Grant| {
            !old.keep || asked_to_keep || keep && Devices::of(&old.rule) == Some(devices)
        };
        let outlives = |old: &Grant| is_lasting || old.expires.is_some();
        let replaces = |old: &Grant| outlives(old) && may_replace(old) && devices.cover(&old.rule);
        let mut gone = prune(&mut record.grants, access, replaces);
        let kept = record.grants.iter_mut().filter(|old| outlives(old));
        let inherited = inherited(&mut grant, gone.iter_mut().chain(kept).rev());
        grant.node = grant.node.take().or(inherited);
        if let (Some(path), Some(node), None) = (&grant.path, node, &grant.node) {
            self.wanted.retain(|(other, _)| other != path);
            self.wanted.push((path.clone(), node));
        }
        self.dropped.extend(gone.into_iter().filter(|old| old.node.is_some()));
        if grant.rule.verdict() == Verdict::Allow {
            self.granted.push(grant.rule);
        }
        record.grants.push(grant);
    }

    fn revoke(&mut self, record: &mut Record, revoked: Revoked, user: &User) {
        let Revoked { device, devices, access } = revoked;
        let granted = record.grants.iter().filter(|grant| devices.cover(&grant.rule));
        let granted = granted.filter(|grant| grant.rule.verdict() == Verdict::Allow);
        let granted = granted.fold(Access::NONE, |bits, grant| bits.union(grant.rule.access()));
        let bits = access.unwrap_or(Access::READ.union(Access::WRITE).union(granted));
        let gone = prune(&mut record.grants, bits, |grant| devices.cover(&grant.rule));
        self.drop(gone);
        let left = still_allowed(record, &devices, bits);
        if !left.is_none() {
            let keep = record
                .grants
                .iter()
                .any(|grant| grant.keep && denied(grant, &devices, bits).is_some());
            record.grants.push(Grant {
                rule: devices.rule(Verdict::Deny, left),
                device,
                path: None,
                node: None,
                time: Time::now(),
                user: user.clone(),
                expires: None,
                keep,
            });
        }
        self.closed.push(devices);
    }

    fn drop(&mut self, gone: Vec<Grant>) {
        self.closed.extend(gone.iter().filter_map(|grant| Devices::of(&grant.rule)));
        self.dropped.extend(gone.into_iter().filter(|grant| grant.node.is_some()));
    }
}

/// Whether all that this rule allows is kept.
fn is_kept(record: &Record, rule: &Rule) -> bool {
    let has_it = |old: &Grant| {
        old.rule.verdict() == rule.verdict()
            && Devices::of(&old.rule) == Devices::of(rule)
            && old.rule.access().contains(rule.access())
    };
    record.grants.iter().any(|old| old.keep && has_it(old))
}

/// What must be denied besides, once these bits of these devices are revoked and this grant stays.
pub(super) fn denied(grant: &Grant, devices: &Devices, bits: Access) -> Option<Rule> {
    let bits = Access::from_kernel_bits(grant.rule.access().kernel_bits() & bits.kernel_bits())?;
    let common = Devices::of(&grant.rule)?.common(devices)?;
    let is_allowed = grant.rule.verdict() == Verdict::Allow && !bits.is_none();
    is_allowed.then(|| common.rule(Verdict::Deny, bits))
}

/// The node of an earlier grant of the same devices, if it is where the new one wants it. Without a
/// path of its own, the new one takes the earlier one's.
fn inherited<'g>(
    grant: &mut Grant,
    mut earlier: impl Iterator<Item = &'g mut Grant>,
) -> Option<MadeNode> {
    let devices = Devices::of(&grant.rule);
    let old = earlier.find(|old| Devices::of(&old.rule) == devices && old.path.is_some())?;
    if grant.path.is_none() {
        grant.path = old.path.clone();
    }
    if old.path != grant.path {
        return None;
    }
    // What is left of the earlier one may be revoked alone.
    old.path = None;
    old.node.take()
}

/// The bits that the policy allows for these devices; of several devices, all of them.
fn still_allowed(record: &Record, devices: &Devices, bits: Access) -> Access {
    let Some((major, minor)) = devices.one() else { return bits };
    let access = Access::NONE;
    let request = Request { device_type: devices.device_type, major, minor, access };
    let decision = record.policy().decide(&request);
    let allowed = decision.bits.iter().filter(|bit| bit.verdict == Verdict::Allow);
    allowed.filter(|bit| bits.contains(bit.bit)).fold(Access::NONE, |all, bit| all.union(bit.bit))
}

#[cfg(test)]
mod tests;
