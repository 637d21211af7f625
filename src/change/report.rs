//! What a change came to.

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::edit::Edited;
use crate::container::{ContainerId, DevPath, Holder, Record};
use crate::enforce::{InForce, Prepared};
use crate::policy::Rule;

/// A change that was made, or would be.
#[derive(Debug)]
pub struct Report {
    /// The container.
    pub id: ContainerId,
    /// The rules that differ, in their order; base rules are left out.
    pub differences: Vec<Difference>,
    /// Instructions of the new program.
    pub insns: usize,
    /// The program, and what gave way to it; `None` if nothing was done.
    pub in_force: Option<InForce>,
    /// What became of nodes.
    pub nodes: Vec<NodeReport>,
    /// Processes that have a device open which is granted no more.
    pub holders: Vec<Holder>,
    /// What the operator should know besides.
    pub warnings: Vec<String>,
}

/// A rule that is there only before or only after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is gone.
    Removed(Rule),
    /// It is new.
    Added(Rule),
}

/// A node in the container's /dev.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReport {
    /// Its path in the container.
    pub path: DevPath,
    /// What became of it.
    pub done: NodeDone,
}

/// What became of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeDone {
    /// It was made.
    Made,
    /// The container had one of this device.
    AlreadyThere,
    /// It was removed.
    Removed,
    /// The container had removed it.
    Missing,
    /// The container put something else in its place, which stays.
    NotOurs,
    /// It would be made, unless it is there.
    ToMake,
    /// It would be removed.
    ToRemove,
}

impl Report {
    pub(super) fn new(old: &Record, edited: &Edited, prepared: &Prepared) -> Report {
        Report {
            id: old.id.clone(),
            differences: differences(&old.rules(), &edited.record.rules()),
            insns: prepared.verified.program().insns().len(),
            in_force: None,
            nodes: Vec::new(),
            holders: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

fn differences(old: &[Rule], new: &[Rule]) -> Vec<Difference> {
    let mut found = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, old, new) {
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        let part =
            |rules: &[Rule], range: Range<usize>| rules.get(range).unwrap_or_default().to_vec();
        found.extend(part(old, op.old_range()).into_iter().map(Difference::Removed));
        found.extend(part(new, op.new_range()).into_iter().map(Difference::Added));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_rules_that_differ_are_told() {
        let rules = |texts: &[&str]| -> Vec<Rule> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let old = rules(&["deny a *:* rwm", "allow c 1:1 r", "allow c 1:2 r", "allow c 1:3 r"]);
        let new = rules(&["deny a *:* rwm", "allow c 1:1 r", "allow c 1:3 r", "allow c 1:2 r"]);
        let found = differences(&old, &new);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(differences(&old, &old).is_empty());
    }
}
