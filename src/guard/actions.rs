//! What the guard does for one container, and what it tells of it.

use std::path::PathBuf;
use std::time::Instant;

use super::adopt::{Adopted, adopt};
use super::event::{Done, Event, Restored};
use super::expire::{Expired, expire};
use super::finder::Verdict;
use super::mend::{Mended, mend};
use super::rounds::Guard;
use crate::container::{ContainerId, Time};
use crate::errors::chain;
use crate::hook::Enforced;

impl Guard {
    /// Ends grants before the programs are looked at: that changes them.
    pub(super) fn expire(&mut self) {
        let (start, time) = (Instant::now(), Time::now());
        let mut events = Vec::new();
        for (id, watched) in &mut self.watched {
            if !watched.has_expired(time) || watched.expiry_trouble.waits(start) {
                continue;
            }
            let cgroup = Some(watched.cgroup.path().to_owned());
            match expire(&self.records, id, time) {
                Ok(None) => {}
                Ok(Some(Expired { found, restored, warnings })) => {
                    watched.expiry_trouble.clear();
                    watched.expires = None;
                    let done = Done::Expired(restored);
                    let (container, took) = (Some(id.clone()), start.elapsed());
                    events.push(Event { container, cgroup, found, done, warnings, took });
                }
                Err(error) => {
                    let message = chain(&error);
                    if watched.expiry_trouble.add(&message, start) {
                        events.push(failed(Some(id.clone()), cgroup, message, start));
                    }
                }
            }
        }
        self.events.append(&mut events);
    }

    pub(super) fn mend(&mut self, id: ContainerId) {
        let start = Instant::now();
        let other = self.sharers(&id).next().cloned();
        let Some(watched) = self.watched.get_mut(&id) else { return };
        let cgroup = watched.cgroup.path().to_owned();
        if let Some(other) = other {
            let message = format!(
                "container {other} has a record of the same cgroup: neither policy is repaired \
                 until one of the two records is removed"
            );
            if watched.trouble.add(&message, start) {
                self.events.push(failed(Some(id), Some(cgroup), message, start));
            }
            return;
        }
        match mend(&self.records, &id, watched) {
            Ok(Mended::Fine) => watched.trouble.clear(),
            Ok(Mended::Busy) => {}
            Ok(Mended::Gone | Mended::Other) => self.load(id),
            Ok(Mended::Restored { found, restored }) => {
                watched.trouble.clear();
                let warnings = restored.in_force.warnings();
                let done = Done::Restored(restored);
                let took = start.elapsed();
                let (container, cgroup) = (Some(id), Some(cgroup));
                self.events.push(Event { container, cgroup, found, done, warnings, took });
            }
            Err(error) => {
                let message = chain(&error);
                if watched.trouble.add(&message, start) {
                    self.events.push(failed(Some(id), Some(cgroup), message, start));
                }
            }
        }
    }

    /// Looks for containers that started without the hook.
    pub(super) fn find(&mut self) {
        let now = Instant::now();
        self.finder.search(now);
        let mut candidates = std::mem::take(&mut self.finder.candidates);
        candidates.retain(|dir, candidate| {
            if candidate.trouble.waits(now) {
                return true;
            }
            let start = Instant::now();
            let container = Some(candidate.id.clone());
            match adopt(dir, candidate, &self.records, &self.options, now) {
                Ok(Adopted::Verdict(verdict)) => verdict == Verdict::Wait,
                Ok(Adopted::Enforced { enforced, warnings, found }) => {
                    let found = vec![found];
                    let (cgroup, done) = match *enforced {
                        Enforced::Attached { cgroup, in_force, insns, .. } => (
                            Some(cgroup),
                            Done::Adopted(Box::new(Restored { in_force: *in_force, insns })),
                        ),
                        Enforced::Skipped { cause } => (None, Done::Failed(chain(&cause))),
                    };
                    let took = start.elapsed();
                    self.events.push(Event { container, cgroup, found, done, warnings, took });
                    false
                }
                Err(error) => {
                    let message = chain(&error);
                    if candidate.trouble.add(&message, now) {
                        self.events.push(failed(container, None, message, start));
                    }
                    true
                }
            }
        });
        self.finder.candidates.extend(candidates);
    }
}

pub(super) fn failed(
    container: Option<ContainerId>,
    cgroup: Option<PathBuf>,
    message: String,
    start: Instant,
) -> Event {
    let (found, warnings) = (Vec::new(), Vec::new());
    let done = Done::Failed(message);
    Event { container, cgroup, found, done, warnings, took: start.elapsed() }
}
