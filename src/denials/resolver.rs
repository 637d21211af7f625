//! From rows of the observer's map to what a container was denied.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

use super::StandingError;
use super::denial::{Asker, Certainty, Denial, DeniedBy};
use super::denied::{Denied, Identity};
use crate::cgroup::CgroupIds;
use crate::container::{Naming, NamingError, Place, Record, RecordIndex, Time, Version};
use crate::inspect::{Explainer, Explanation, why_of};
use crate::observe::{Observed, Roomful, Seen};
use crate::policy::{Policy, Verdict};

/// Names containers, and tells why they were denied something. It remembers what it learnt while
/// they lived.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    naming: Naming,
    explainer: Explainer,
    records: RecordIndex,
}

/// The rows of one container, and the cgroup that they are of.
#[derive(Debug)]
pub(super) struct Account {
    /// The container's cgroup, or that of the room.
    pub cgroup_id: u64,
    /// What was asked there and below.
    pub rows: Roomful,
    /// Whether the rows take the room of a cgroup above, which others share.
    pub is_shared: bool,
}

impl Resolver {
    /// Learns which container a cgroup is, for when it is gone.
    pub fn learn(&mut self, cgroup_id: u64) {
        // A cgroup that can't be named has no name then either.
        let _ = self.naming.place(cgroup_id);
    }

    /// Forgets a cgroup that is gone.
    pub fn forget(&mut self, cgroup_id: u64) {
        self.naming.forget(cgroup_id);
        self.explainer.forget(cgroup_id);
    }

    /// The rows of each container. A room is a container's, as a rule; where a process asked in a
    /// cgroup above several (a slice), they share its room, and are told apart by the cgroups that
    /// asked.
    pub fn accounts(
        &mut self,
        rooms: BTreeMap<u64, Roomful>,
    ) -> Result<Vec<Account>, StandingError> {
        let mut accounts = Vec::new();
        for (id, room) in rooms {
            let is_containers = match self.place(id)? {
                Some(place) => place.container.is_some(),
                // Who shared it is gone as well.
                None => true,
            };
            if is_containers {
                accounts.push(Account { cgroup_id: id, rows: room, is_shared: false });
                continue;
            }
            let mut of_each: BTreeMap<u64, Roomful> = BTreeMap::new();
            of_each.insert(id, Roomful { rows: Vec::new(), lost: room.lost });
            for row in room.rows {
                let container = match row.cgroup_id == id {
                    true => None,
                    false => self.place(row.cgroup_id)?.and_then(|place| place.container.clone()),
                };
                let owner = container.map_or(id, |container| container.cgroup_id);
                of_each.entry(owner).or_default().rows.push(row);
            }
            accounts.extend(of_each.into_iter().map(|(cgroup_id, rows)| Account {
                cgroup_id,
                rows,
                is_shared: cgroup_id != id,
            }));
        }
        Ok(accounts)
    }

    /// The place of a cgroup, if it is known.
    fn place(&mut self, cgroup_id: u64) -> Result<Option<Rc<Place>>, StandingError> {
        match self.naming.place(cgroup_id) {
            Ok(place) => Ok(Some(place)),
            Err(NamingError::Gone) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What a container was denied. Its cgroup may be gone.
    pub fn denied(
        &mut self,
        account: &Account,
        alive: &CgroupIds,
        clock: Clock,
    ) -> Result<Denied, StandingError> {
        let id = account.cgroup_id;
        let place = self.place(id)?;
        let container = place.as_ref().and_then(|place| place.container.as_deref());
        let cgroup = container.map(|container| &container.cgroup);
        let cgroup = cgroup.or(place.as_ref().map(|place| &place.cgroup)).cloned();
        let identity = container.map(Identity::from).unwrap_or_default();
        let is_alive = alive.has(id)?;
        let record = match is_alive {
            true => None,
            false => self.records.of_cgroup(container.map_or(id, |container| container.cgroup_id)),
        };
        let policy = record.as_ref().map(Record::policy);
        let recorded = record.as_ref().zip(policy.as_ref());
        let mut denials = Vec::new();
        for row in &account.rows.rows {
            denials.extend(match is_alive {
                true => self.while_it_lives(row, id, clock),
                false => by_record(row, recorded, clock),
            });
        }
        let ended = (!is_alive).then(Time::now);
        let lost = account.rows.lost;
        let version = Version;
        Ok(Denied { version, cgroup_id: id, cgroup, identity, ended, lost, denials })
    }

    /// By the programs that are attached now.
    fn while_it_lives(&mut self, row: &Observed, container: u64, clock: Clock) -> Option<Denial> {
        if row.seen == Seen::Verdict(Verdict::Allow) {
            return None;
        }
        let explained = self.explainer.explain(row.cgroup_id, &row.request);
        // A cgroup that the container made and removed: the container's programs ran there too.
        let explained = explained.or_else(|_| self.explainer.explain(container, &row.request));
        let explanation = explained.ok();
        let verdict = explanation.as_ref().and_then(|it| it.verdict());
        let certainty = certainty(row, verdict)?;
        let denied_by = explanation.filter(|_| verdict == Some(Verdict::Deny));
        Some(denial(row, certainty, denied_by.as_deref().and_then(denied_by_program), clock))
    }
}

/// By the policy that the container had when it ended, if it has a record.
fn by_record(row: &Observed, record: Option<(&Record, &Policy)>, clock: Clock) -> Option<Denial> {
    let verdict = record.map(|(_, policy)| policy.decide(&row.request).verdict);
    let certainty = certainty(row, verdict)?;
    let record = record.filter(|_| verdict == Some(Verdict::Deny));
    let denied_by = record.map(|(record, policy)| DeniedBy {
        program: None,
        cgroup: Some(record.cgroup.path.clone()),
        rule: Some(why_of(policy, &row.request).to_string()),
    });
    Some(denial(row, certainty, denied_by, clock))
}

/// `None` if it was allowed.
fn certainty(row: &Observed, computed: Option<Verdict>) -> Option<Certainty> {
    match (row.seen, computed) {
        (Seen::Verdict(Verdict::Allow), _) | (Seen::Untold, Some(Verdict::Allow)) => None,
        (Seen::Verdict(Verdict::Deny), _) => Some(Certainty::Told),
        (Seen::Untold, Some(Verdict::Deny)) => Some(Certainty::Computed),
        (Seen::Untold, None) => Some(Certainty::Unknown),
    }
}

fn denied_by_program(explanation: &Explanation) -> Option<DeniedBy> {
    let part = explanation.decider.as_ref()?;
    Some(DeniedBy {
        program: Some(part.runner.id.number()),
        cgroup: part.runner.cgroup.clone(),
        rule: Some(part.why.to_string()),
    })
}

fn denial(
    row: &Observed,
    certainty: Certainty,
    denied_by: Option<DeniedBy>,
    clock: Clock,
) -> Denial {
    let asker = row.last_by.as_ref();
    Denial {
        cgroup_id: row.cgroup_id,
        request: row.request,
        certainty,
        count: row.count,
        first: clock.time(row.first),
        last: clock.time(row.last),
        last_by: asker.map(|by| Asker { pid: by.pid, command: by.command.clone() }),
        denied_by,
    }
}

/// When the machine's monotonic clock began, by its clock now. That clock stands still while the
/// machine sleeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    began: SystemTime,
}

impl Clock {
    pub fn now() -> Clock {
        let since = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
        let now = SystemTime::now();
        let began = now.checked_sub(since.unwrap_or_default()).unwrap_or(SystemTime::UNIX_EPOCH);
        Clock { began }
    }

    fn time(self, monotonic: Duration) -> Time {
        Time::of(self.began.checked_add(monotonic).unwrap_or(self.began))
    }
}
