//! What several programs come to: all of them have to allow a request.

use super::{Attachment, Inspection, Opaque};
use crate::analyze::{AccessSets, Interval, Region};
use crate::decode::{DecodeError, Decoded, Table, decode};
use crate::device::DeviceType;
use crate::kernel::ProgId;
use crate::policy::Verdict;

/// What is allowed in a cgroup.
#[derive(Clone, Debug)]
pub struct Effective {
    /// What every program that could be decoded allows.
    pub table: Table,
    /// The same as rules.
    pub decoded: Result<Decoded, DecodeError>,
    /// Programs that run too and could not be decoded: less may be allowed, not more.
    pub unknown: Vec<ProgId>,
}

/// The conjunction of the programs that run for the cgroup.
///
/// # Errors
/// [`DecodeError`] if there is no such table.
pub fn effective(inspection: &Inspection) -> Result<Effective, DecodeError> {
    let mut table = everything()?;
    let mut unknown = inspection.unseen.clone();
    for (_, Attachment { program, meaning, .. }) in inspection.running() {
        match &meaning.table {
            Ok(own) => table = table.and(own),
            Err(_) => unknown.push(program.id),
        }
    }
    let decoded = decode(&table);
    Ok(Effective { table, decoded, unknown })
}

/// Without a program everything is allowed.
fn everything() -> Result<Table, DecodeError> {
    let all = DeviceType::ALL.map(|device_type| Region {
        device_type,
        accesses: AccessSets::matching(|_| true),
        major: Interval::ALL,
        minor: Interval::ALL,
        verdict: Verdict::Allow,
    });
    Table::of(&all)
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

/// Every difference between two programs that run for the cgroup.
pub fn differences(inspection: &Inspection) -> Vec<Difference> {
    let tables: Vec<Result<&Table, &Opaque>> =
        inspection.running().map(|(_, attachment)| attachment.meaning.table.as_ref()).collect();
    let mut differences = Vec::new();
    for (allows, own) in tables.iter().enumerate() {
        for (denies, other) in tables.iter().enumerate() {
            if let (Ok(own), Ok(other), true) = (own, other, allows != denies) {
                let regions = own.difference(other).allowed();
                if !regions.is_empty() {
                    differences.push(Difference { allows, denies, regions });
                }
            }
        }
    }
    differences
}
