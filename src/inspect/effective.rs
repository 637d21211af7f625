//! What several programs come to.

use super::Inspection;
use crate::analyze::Region;
use crate::decode::{Answers, DecodeError, Decoded, Table, decode};
use crate::kernel::{ProgId, RetvalReason};

/// What is allowed in a cgroup.
#[derive(Clone, Debug)]
pub struct Effective {
    /// What is allowed for sure, and what may be.
    pub answers: Result<Answers, DecodeError>,
    /// What may be allowed, as rules.
    pub decoded: Result<Decoded, DecodeError>,
    /// What may be allowed or denied: none if the rules are exact.
    pub uncertain: Result<Vec<Region>, DecodeError>,
    /// Programs that run and could not be decoded.
    pub unknown: Vec<ProgId>,
    /// Programs that run and may set the return value of the whole run: each may allow what those
    /// before it deny, and deny what they allow.
    pub retval: Vec<(ProgId, RetvalReason)>,
}

/// What the programs that run for the cgroup come to, in the kernel's order.
pub fn effective(inspection: &Inspection) -> Effective {
    let mut answers = Ok(Answers::everything());
    let (mut unknown, mut retval) = (Vec::new(), Vec::new());
    for (_, attachment) in inspection.running() {
        let (id, meaning) = (attachment.program.id, &attachment.meaning);
        answers = answers.and_then(|so_far: Answers| so_far.then(&meaning.all_answers()));
        if !meaning.answers.as_ref().is_ok_and(Answers::is_exact) && !unknown.contains(&id) {
            unknown.push(id);
        }
        if let Some(reason) = &meaning.retval
            && !retval.iter().any(|(known, _)| *known == id)
        {
            retval.push((id, reason.clone()));
        }
    }
    let decoded = answers.clone().and_then(|answers| decode(&answers.possible));
    let uncertain = answers.clone().and_then(|answers| Ok(answers.uncertain()?.allowed()));
    Effective { answers, decoded, uncertain, unknown, retval }
}

/// What one program allows and another does not.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Who allows it: its place among [`Inspection::running`].
    pub allows: usize,
    /// Who does not.
    pub denies: usize,
    /// What.
    pub regions: Vec<Region>,
}

/// Entries of tables that are compared in all.
const MOST_COMPARED: usize = 1 << 20;

/// Every difference between two programs that run for the cgroup and could be decoded. Observers
/// differ from all others, and that says nothing.
///
/// # Errors
/// [`DecodeError::TooLarge`] if there is too much to compare.
pub fn differences(inspection: &Inspection) -> Result<Vec<Difference>, DecodeError> {
    let tables: Vec<Option<&Table>> = inspection
        .running()
        .map(|(_, attachment)| Some(attachment).filter(|attachment| !attachment.observes()))
        .map(|attachment| {
            attachment.and_then(|attachment| attachment.meaning.answers.as_ref().ok())
        })
        .map(|answers| answers.filter(|answers| answers.is_exact()).map(|it| &it.possible))
        .collect();
    let mut differences = Vec::new();
    let mut room = MOST_COMPARED;
    for (allows, own) in tables.iter().enumerate() {
        for (denies, other) in tables.iter().enumerate() {
            if let (Some(own), Some(other), true) = (own, other, allows != denies) {
                let regions = own.difference_within(other, &mut room)?.allowed();
                if !regions.is_empty() {
                    differences.push(Difference { allows, denies, regions });
                }
            }
        }
    }
    Ok(differences)
}
