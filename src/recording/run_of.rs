//! What an observer has counted, as a run of a recording.

use std::path::Path;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::asked::{Answer, Asked, merged, printable};
use super::error::RecordingError;
use super::ongoing::Ongoing;
use super::stored::{Progress, Run};
use crate::cgroup::Cgroup;
use crate::container::{RecordStore, Time};
use crate::device::Request;
use crate::names::Names;
use crate::observe::{Observed, Observer, Seen};
use crate::policy::{Policy, Verdict};

/// An observer, and what its requests are recorded for.
pub(super) struct Reading<'r> {
    ongoing: &'r Ongoing,
    observer: &'r Observer,
    boot: &'r str,
}

impl<'r> Reading<'r> {
    pub fn new(ongoing: &'r Ongoing, observer: &'r Observer, boot: &'r str) -> Reading<'r> {
        Reading { ongoing, observer, boot }
    }

    /// What was asked up to now.
    pub fn run(&self, progress: Progress) -> Result<Run, RecordingError> {
        let Reading { ongoing, observer, boot } = *self;
        let cgroup = ongoing.cgroup.clone();
        let failed = |source| RecordingError::Observe { cgroup: cgroup.path.clone(), source };
        let clock = Clock::now();
        let observed = observer.observations().read().map_err(failed)?;
        let lost = observer.observations().lost().map_err(failed)?;
        let order = match is_below_root(&cgroup.path) {
            false => Order::Last,
            true => match Cgroup::of_id(cgroup.id)? {
                Some(cgroup) if observer.is_overtaken(&cgroup).map_err(failed)? => Order::Overtaken,
                _ => Order::Unsure,
            },
        };
        let asked = Asking { clock, names: Names::default(), policy: policy_of(ongoing), order };
        Ok(Run {
            container: ongoing.container.clone(),
            boot: boot.to_owned(),
            started: ongoing.started,
            written: clock.time,
            progress,
            method: observer.method(),
            lost: lost.iter().fold(0, |sum, lost| lost.requests.saturating_add(sum)),
            asked: merged(observed.into_iter().map(|observed| asked.of(observed))),
            cgroup,
        })
    }
}

/// Now, by both clocks.
#[derive(Clone, Copy)]
struct Clock {
    time: Time,
    monotonic: Duration,
}

impl Clock {
    fn now() -> Clock {
        // CLOCK_MONOTONIC is always there (clock_gettime(2)).
        let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
        Clock { time: Time::now(), monotonic: monotonic.unwrap_or_default() }
    }

    fn time(&self, monotonic: Duration) -> Time {
        self.time.minus(self.monotonic.saturating_sub(monotonic))
    }
}

/// Whether programs of the container may have run after the observer. It is in the container's own
/// cgroup if that is right below the root, and one that was attached there since runs later: its
/// denials look like allowed requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// None may.
    Last,
    /// None does now, or that can't be told any more.
    Unsure,
    /// One does.
    Overtaken,
}

fn is_below_root(cgroup: &Path) -> bool {
    Cgroup::top().is_ok_and(|top| cgroup.parent() == Some(top.path()))
}

/// What turns an observer's rows into what a recording keeps.
struct Asking {
    clock: Clock,
    names: Names,
    policy: Option<Policy>,
    order: Order,
}

impl Asking {
    fn of(&self, observed: Observed) -> Asked {
        let Request { device_type, major, minor, .. } = observed.request;
        let command = observed.last_by.map(|by| printable(&by.command));
        Asked {
            request: observed.request,
            answer: self.answer(observed.seen, &observed.request),
            count: observed.count,
            first: self.clock.time(observed.first),
            last: self.clock.time(observed.last),
            device: self.names.device(device_type, major, minor),
            commands: command.into_iter().collect(),
        }
    }

    /// A kernel before 6.1 does not tell. Then it is what the policy says that is in the container's
    /// record by now: a request that was allowed and is not any more counts as denied, and the rules
    /// that are learnt never allow what that policy does not.
    fn answer(&self, seen: Seen, request: &Request) -> Answer {
        let verdict = match (seen, self.order, &self.policy) {
            (Seen::Verdict(Verdict::Deny), ..) => Verdict::Deny,
            (Seen::Verdict(verdict), Order::Last, _) => verdict,
            (Seen::Verdict(verdict), Order::Unsure, None) => verdict,
            (_, _, Some(policy)) => policy.decide(request).verdict,
            (Seen::Verdict(_), Order::Overtaken, None) | (Seen::Untold, _, None) => {
                return Answer::Unknown;
            }
        };
        match verdict {
            Verdict::Allow => Answer::Allowed,
            Verdict::Deny => Answer::Denied,
        }
    }
}

/// The policy of the container by its record, if that is of the same run.
fn policy_of(ongoing: &Ongoing) -> Option<Policy> {
    let records = RecordStore::existing().ok()??;
    let record = records.get(ongoing.container.as_ref()?).ok()??;
    (record.cgroup.id == ongoing.cgroup.id).then(|| record.policy())
}
