//! Whether what containers are denied is counted (`devgate observe`). It is optional.

use std::path::PathBuf;

use super::{AS_ROOT, Finding, Group};
use crate::denials::{StandingError, Status, status};
use crate::errors::chain;
use crate::observe::ObserveError;

const COUNTED: &str = "denials";
const COVERED: &str = "covered";
const LOST: &str = "lost";

pub(super) fn findings() -> Vec<Finding> {
    judge(status())
}

fn judge(status: Result<Option<Status>, StandingError>) -> Vec<Finding> {
    match status {
        Ok(None) => vec![Group::Observe.ok(
            COUNTED,
            "denials are not counted (devgate observe start); devgate watch shows them live",
        )],
        Ok(Some(status)) => judge_running(&status),
        Err(error @ StandingError::Observe(ObserveError::Incomplete { .. })) => {
            let again = "devgate observe start makes a new one";
            vec![Group::Observe.degraded(COUNTED, chain(&error), again)]
        }
        Err(error) => {
            let found = format!("not known: {}", chain(&error));
            vec![Group::Observe.degraded(COUNTED, found, AS_ROOT)]
        }
    }
}

fn judge_running(status: &Status) -> Vec<Finding> {
    let on = format!("denials are counted since {} (devgate denials)", status.since);
    let mut findings = vec![Group::Observe.ok(COUNTED, on)];
    findings.extend(status.uncovered.iter().map(not_covered));
    if status.lost > 0 {
        let found = format!(
            "{} requests found no room, {} of them because all {} containers' rooms were taken",
            status.lost, status.lost_without_room, status.size.containers
        );
        let more = "devgate observe stop, then start with more --rows or --containers; run \
                    devgate guard, or devgate gc now and then, which free the rooms of what ended";
        findings.push(Group::Observe.degraded(LOST, found, more));
    }
    findings
}

fn not_covered((path, reason): &(PathBuf, String)) -> Finding {
    let found = format!("{} is not observed: {reason}", path.display());
    Group::Observe.degraded(COVERED, found, "devgate observe start tries it again")
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;
    use crate::container::Time;
    use crate::observe::{Fill, Method, Size};

    fn status() -> Status {
        Status {
            since: Time::now(),
            method: Method::Told,
            program: 1,
            cgroups: vec!["/sys/fs/cgroup/machine.slice".into()],
            uncovered: Vec::new(),
            fill: Fill { rows: 0, most_rows: 8, rooms: 0, most_rooms: 2 },
            size: Size { per_container: 4, containers: 2 },
            lost: 0,
            lost_without_room: 0,
            ended: 0,
        }
    }

    #[test]
    fn an_observer_is_optional() {
        let worst = |status| Level::worst(&judge(Ok(status)));
        assert_eq!(worst(None), Level::Ok);
        assert_eq!(worst(Some(status())), Level::Ok);
    }

    #[test]
    fn what_is_not_counted_is_degraded() {
        let lost = Status { lost: 3, ..status() };
        assert_eq!(Level::worst(&judge(Ok(Some(lost)))), Level::Degraded);
        let uncovered = Status { uncovered: vec![("/x".into(), "why".to_owned())], ..status() };
        let found = judge(Ok(Some(uncovered)));
        assert_eq!(Level::worst(&found), Level::Degraded);
        assert_eq!(found[1].found, "/x is not observed: why");
    }
}
