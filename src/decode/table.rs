//! What is allowed, for every type, major and minor.

use std::rc::Rc;

use super::DecodeError;
use crate::analyze::{AccessSets, Interval, Region};
use crate::device::DeviceType;
use crate::policy::Verdict;

/// Entries that building a table, or combining two, may take.
const MOST_ENTRIES: usize = 1 << 20;

/// From minor `first` on, up to the next step, these access sets are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// First minor.
    pub first: u32,
    /// What is allowed.
    pub allowed: AccessSets,
}

/// Majors with the same answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The majors.
    pub majors: Interval,
    /// What is allowed for each minor; the first step begins at 0, neighbours differ.
    pub minors: Rc<[Step]>,
}

/// All answers. Columns are in order and cover all majors, and neighbours differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    types: [Vec<Column>; 2],
}

impl Table {
    /// What the regions of an analysis allow.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`].
    pub fn of(regions: &[Region]) -> Result<Table, DecodeError> {
        Table::covering(regions.iter().filter(|region| region.verdict == Verdict::Allow))
    }

    /// What is in any of the regions, whatever its verdict.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`].
    pub fn covering<'r>(
        regions: impl Iterator<Item = &'r Region> + Clone,
    ) -> Result<Table, DecodeError> {
        let [block, character] = DeviceType::ALL.map(|device_type| {
            let own = regions.clone().filter(|region| region.device_type == device_type);
            columns(&own.collect::<Vec<_>>())
        });
        Ok(Table { types: [block?, character?] })
    }

    /// Every answer is this.
    pub fn uniform(allowed: AccessSets) -> Table {
        let minors = || [Step { first: 0, allowed }].into();
        let column = || vec![Column { majors: Interval::ALL, minors: minors() }];
        Table { types: [column(), column()] }
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        *self == Table::uniform(AccessSets::NONE)
    }

    /// The columns of one device type.
    pub fn columns(&self, device_type: DeviceType) -> &[Column] {
        let [block, character] = &self.types;
        match device_type {
            DeviceType::Block => block,
            DeviceType::Char => character,
        }
    }

    /// What both tables allow, as when both programs have to.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`], here and below.
    pub fn and(&self, other: &Table) -> Result<Table, DecodeError> {
        self.zip(other, AccessSets::and)
    }

    /// What one table or the other allows.
    ///
    /// # Errors
    /// As for [`Table::and`].
    pub fn or(&self, other: &Table) -> Result<Table, DecodeError> {
        self.zip(other, AccessSets::or)
    }

    /// What this table allows and the other does not.
    ///
    /// # Errors
    /// As for [`Table::and`].
    pub fn without(&self, other: &Table) -> Result<Table, DecodeError> {
        self.zip(other, |own, others| own.and(others.complement()))
    }

    /// What this table allows and the other does not, of what Linux asks for.
    ///
    /// # Errors
    /// As for [`Table::and`].
    pub fn difference(&self, other: &Table) -> Result<Table, DecodeError> {
        self.difference_within(other, &mut { MOST_ENTRIES })
    }

    /// [`Table::difference`], as far as there is room for entries to be looked at.
    ///
    /// # Errors
    /// As for [`Table::and`].
    pub fn difference_within(&self, other: &Table, room: &mut usize) -> Result<Table, DecodeError> {
        let combine = |own: AccessSets, others: AccessSets| {
            own.and(others.complement()).and(AccessSets::ASKED)
        };
        self.zip_within(other, combine, room)
    }

    fn zip(
        &self,
        other: &Table,
        combine: fn(AccessSets, AccessSets) -> AccessSets,
    ) -> Result<Table, DecodeError> {
        self.zip_within(other, combine, &mut { MOST_ENTRIES })
    }

    fn zip_within(
        &self,
        other: &Table,
        combine: fn(AccessSets, AccessSets) -> AccessSets,
        room: &mut usize,
    ) -> Result<Table, DecodeError> {
        let mut zip = |device_type| {
            zip_columns(self.columns(device_type), other.columns(device_type), combine, room)
        };
        Ok(Table { types: [zip(DeviceType::Block)?, zip(DeviceType::Char)?] })
    }

    /// The parts in which something is allowed, in order.
    pub fn allowed(&self) -> Vec<Region> {
        let mut regions = Vec::new();
        for device_type in DeviceType::ALL {
            for column in self.columns(device_type) {
                let allowed = column.steps().filter(|(_, allowed)| !allowed.is_empty());
                regions.extend(allowed.map(|(minor, accesses)| Region {
                    device_type,
                    accesses,
                    major: column.majors,
                    minor,
                    verdict: Verdict::Allow,
                }));
            }
        }
        regions
    }
}

impl Column {
    /// The intervals of minors with what is allowed for each.
    pub fn steps(&self) -> impl Iterator<Item = (Interval, AccessSets)> + '_ {
        self.minors.iter().enumerate().map(|(index, step)| {
            let next = self.minors.get(index + 1);
            let last = next.map_or(u32::MAX, |next| next.first - 1);
            (Interval { first: step.first, last }, step.allowed)
        })
    }
}

/// Cuts the majors where any region begins or ends, and sets up a column for each part.
fn columns(regions: &[&Region]) -> Result<Vec<Column>, DecodeError> {
    let mut starts: Vec<u32> = regions
        .iter()
        .flat_map(|region| [Some(region.major.first), region.major.last.checked_add(1)])
        .flatten()
        .chain([0])
        .collect();
    starts.sort_unstable();
    starts.dedup();
    let mut parts: Vec<Vec<(Interval, AccessSets)>> = vec![Vec::new(); starts.len()];
    let mut entries = 0;
    for region in regions {
        let from = starts.partition_point(|start| *start < region.major.first);
        let to = starts.partition_point(|start| *start <= region.major.last);
        entries += to - from;
        if entries > MOST_ENTRIES {
            return Err(DecodeError::TooLarge { limit: MOST_ENTRIES });
        }
        for part in &mut parts[from..to] {
            part.push((region.minor, region.accesses));
        }
    }
    let mut columns: Vec<Column> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let last = starts.get(index + 1).map_or(u32::MAX, |next| next - 1);
        push(&mut columns, Interval { first: starts[index], last }, steps(part));
    }
    Ok(columns)
}

fn push(columns: &mut Vec<Column>, majors: Interval, minors: Vec<Step>) {
    match columns.last_mut() {
        Some(last) if *last.minors == minors => last.majors.last = majors.last,
        _ => columns.push(Column { majors, minors: minors.into() }),
    }
}

/// The union of these intervals' access sets at each minor.
fn steps(allowed: &[(Interval, AccessSets)]) -> Vec<Step> {
    let mut edges: Vec<(u32, AccessSets, i32)> = Vec::with_capacity(2 * allowed.len());
    for (minors, sets) in allowed {
        edges.push((minors.first, *sets, 1));
        edges.extend(minors.last.checked_add(1).map(|end| (end, *sets, -1)));
    }
    edges.sort_unstable_by_key(|(minor, ..)| *minor);
    // How many of the intervals around a minor allow each access set.
    let mut depth = [0; 8];
    let mut steps = vec![Step { first: 0, allowed: AccessSets::NONE }];
    for same in edges.chunk_by(|(a, ..), (b, ..)| a == b) {
        for (_, sets, change) in same {
            sets.iter().for_each(|access| depth[access.kernel_bits() as usize] += change);
        }
        let allowed = AccessSets::matching(|access| depth[access.kernel_bits() as usize] > 0);
        push_step(&mut steps, Step { first: same[0].0, allowed });
    }
    steps
}

fn push_step(steps: &mut Vec<Step>, step: Step) {
    match steps.last_mut() {
        Some(last) if last.first == step.first => last.allowed = step.allowed,
        Some(last) if last.allowed == step.allowed => return,
        _ => steps.push(step),
    }
    // Overwriting may have made the last two alike.
    if let [.., before, last] = steps[..]
        && before.allowed == last.allowed
    {
        steps.pop();
    }
}

fn zip_columns(
    ours: &[Column],
    theirs: &[Column],
    combine: fn(AccessSets, AccessSets) -> AccessSets,
    room: &mut usize,
) -> Result<Vec<Column>, DecodeError> {
    let (mut ours, mut theirs) = (ours.iter().peekable(), theirs.iter().peekable());
    let mut columns = Vec::new();
    let mut first = 0;
    while let (Some(a), Some(b)) = (ours.peek(), theirs.peek()) {
        *room = room
            .checked_sub(a.minors.len() + b.minors.len())
            .ok_or(DecodeError::TooLarge { limit: MOST_ENTRIES })?;
        let last = a.majors.last.min(b.majors.last);
        push(&mut columns, Interval { first, last }, zip_steps(&a.minors, &b.minors, combine));
        let (done_a, done_b) = (a.majors.last == last, b.majors.last == last);
        if done_a {
            ours.next();
        }
        if done_b {
            theirs.next();
        }
        first = last.saturating_add(1);
    }
    Ok(columns)
}

fn zip_steps(
    ours: &[Step],
    theirs: &[Step],
    combine: fn(AccessSets, AccessSets) -> AccessSets,
) -> Vec<Step> {
    let mut starts: Vec<u32> = ours.iter().chain(theirs).map(|step| step.first).collect();
    starts.sort_unstable();
    starts.dedup();
    let at = |steps: &[Step], minor| {
        let behind = steps.partition_point(|step| step.first <= minor);
        behind.checked_sub(1).map_or(AccessSets::NONE, |index| steps[index].allowed)
    };
    let mut steps = Vec::new();
    for first in starts {
        let allowed = combine(at(ours, first), at(theirs, first));
        push_step(&mut steps, Step { first, allowed });
    }
    steps
}
