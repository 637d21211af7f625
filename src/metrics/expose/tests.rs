use std::time::{Duration, SystemTime};

use super::*;
use crate::metrics::PartError;

fn denials(cgroup: &str) -> Denials {
    let request = "c 10:229 rw".parse().unwrap();
    let series = |owner| Series::new(owner, &request);
    Denials {
        method: Method::Told,
        since: Time::of(SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)),
        cgroups: 2,
        shown: vec![
            (series(Owner::Container("ab".repeat(32))), 17),
            (series(Owner::Cgroup(cgroup.into())), 3),
            (series(Owner::Removed), u64::MAX),
        ],
        other: 4,
        total: 24,
        lost_container: 5,
        lost_observer: 0,
    }
}

#[test]
fn a_number_is_a_line() {
    let numbers = Numbers {
        hook: Some(Stats::default()),
        containers: Some(Containers { devgate: 7, none: 1, ..Containers::default() }),
        denials: Some(denials("/system.slice/x.service")),
        ..Numbers::default()
    };
    let text = expose(numbers).unwrap();
    let id = "ab".repeat(32);
    for line in [
        "# TYPE devgate_build_info gauge".to_owned(),
        format!("devgate_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
        "devgate_collector_success{collector=\"hook\"} 1".to_owned(),
        "# TYPE devgate_hook_runs_total counter".to_owned(),
        "devgate_hook_runs_total{stage=\"createRuntime\"} 0".to_owned(),
        "devgate_hook_failures_total{stage=\"unknown\",reason=\"usage\"} 0".to_owned(),
        "# TYPE devgate_hook_duration_seconds histogram".to_owned(),
        "devgate_hook_duration_seconds_bucket{stage=\"poststop\",le=\"0.0005\"} 0".to_owned(),
        "devgate_containers{program=\"devgate\"} 7".to_owned(),
        "devgate_containers{program=\"none\"} 1".to_owned(),
        "devgate_observing 1".to_owned(),
        "devgate_observer_info{method=\"told\"} 1".to_owned(),
        "devgate_observer_start_time_seconds 1790000000".to_owned(),
        "devgate_denied_requests_total 24".to_owned(),
        format!(
            "devgate_denials_total{{container=\"{id}\",cgroup=\"\",device=\"c 10:229\",access=\"rw\"}} 17"
        ),
        "devgate_denials_total{container=\"other\",cgroup=\"\",device=\"other\",access=\"other\"} 4"
            .to_owned(),
        "devgate_lost_requests_total{room=\"container\"} 5".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    assert!(text.ends_with('\n'));
}

#[test]
fn what_is_not_observed_has_no_series() {
    let text = expose(Numbers::default()).unwrap();
    assert!(text.contains("\ndevgate_observing 0\n"), "{text}");
    for name in ["denials", "denied_requests", "lost_requests", "observer_info", "hook_runs"] {
        assert!(!text.contains(&format!("devgate_{name}")), "{name}");
    }
}

#[test]
fn a_part_that_failed_says_so() {
    let error = crate::metrics::ContainersError::Links(nix::Error::EPERM);
    let failed = vec![(Part::Containers, PartError::from(error))];
    let text = expose(Numbers { failed, ..Numbers::default() }).unwrap();
    assert!(text.contains("devgate_collector_success{collector=\"containers\"} 0\n"), "{text}");
    assert!(text.contains("devgate_collector_success{collector=\"hook\"} 1\n"), "{text}");
}

/// Who makes a cgroup gives it its name.
#[test]
fn a_name_can_not_leave_its_label() {
    let hostile = "/a\"} 1\nx{y=\"\\\t\u{1b}é";
    let numbers = Numbers { denials: Some(denials(hostile)), ..Numbers::default() };
    let text = expose(numbers).unwrap();
    let line = "devgate_denials_total{container=\"\",cgroup=\"/a\\\"} 1\\nx{y=\\\"\\\\\t\u{1b}é\",\
                device=\"c 10:229\",access=\"rw\"} 3";
    assert!(text.lines().any(|found| found == line), "{text}");
}
