//! The goals, and whether they are met.

use serde::Serialize;

use crate::attached::Attached;
use crate::change::{GRANT, HOOK, RECORD, REVOKE};
use crate::crowd::Crowd;
use crate::guard::Guard;
use crate::hooks::{DEVGATE, FLOOR, Hooks, LIBCGROUPS};
use crate::observed::{DENIED, EVENTS, NULL, Open};
use crate::programs::RETURN_1;
use crate::report::Report;

/// A goal and what came of it.
#[derive(Debug, Serialize)]
pub struct Goal {
    /// What is measured.
    pub what: String,
    /// The bound.
    pub bound: String,
    /// What was measured.
    pub measured: String,
    /// Whether it is met; `None` if it could not be measured.
    pub met: Option<bool>,
}

impl Goal {
    fn at_most(what: impl Into<String>, value: Option<f64>, bound: f64, unit: &str) -> Goal {
        Goal::new(what.into(), "<=", value, bound, unit, |value| value <= bound)
    }

    fn at_least(what: impl Into<String>, value: Option<f64>, bound: f64, unit: &str) -> Goal {
        Goal::new(what.into(), ">=", value, bound, unit, |value| value >= bound)
    }

    fn new(
        what: String,
        sign: &str,
        value: Option<f64>,
        bound: f64,
        unit: &str,
        met: impl Fn(f64) -> bool,
    ) -> Goal {
        let shown = |value: f64| format!("{value:.*}{unit}", if value < 100.0 { 2 } else { 0 });
        Goal {
            what,
            bound: format!("{sign} {}", shown(bound)),
            measured: value.map_or_else(|| "-".to_owned(), shown),
            met: value.map(met),
        }
    }
}

/// Every goal of the report.
pub fn judge(report: &Report) -> Vec<Goal> {
    let mut goals = hooks(report);
    goals.extend(attached(report));
    let limits = ["podman plain", "1,000 random", "10,000 random"].into_iter();
    for (policy, limit) in limits.zip([200.0, 10_000.0, 150_000.0]) {
        let found = report.compiled.iter().find(|compiled| compiled.policy == policy);
        let both = found.map(|compiled| compiled.both_us.median);
        goals.push(Goal::at_most(format!("compile + verify, {policy}"), both, limit, " us"));
    }
    let kept = report.counts.iter().filter(|count| count.met()).count();
    let all = report.counts.len();
    goals.push(Goal::at_least("policies within their counts", Some(kept as f64), all as f64, ""));
    goals.extend(changes(report));
    let guard = report.guard.as_ref();
    let containers = guard.map_or(0, |guard| guard.containers);
    let what = format!("guard, {containers} containers, part of one CPU");
    goals.push(Goal::at_most(what, guard.map(Guard::percent), 1.0, " %"));
    goals.extend(observed(report));
    goals
}

/// The costlier observer is judged.
fn observed(report: &Report) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (device, bound) in [(DENIED, 1.2), (NULL, 1.03)] {
        let of = |open: &&Open| open.device == device && open.observer == EVENTS;
        let over = report.opens.iter().find(of).map(|open| open.over_unobserved);
        goals.push(Goal::at_most(format!("open, {device}: observed / not"), over, bound, " x"));
    }
    let flood = report.flood.as_ref();
    let exact = flood.map(|flood| if flood.is_exact() { 1.0 } else { 0.0 });
    let devices = flood.map_or(0, |flood| flood.devices);
    let what = format!("{devices} devices of one container: others exact");
    goals.push(Goal::at_least(what, exact, 1.0, ""));
    let crowd = report.crowd.as_ref();
    let containers = crowd.map_or(0, |crowd| crowd.containers);
    let exact = crowd.map(|crowd| crowd.exact as f64);
    let what = format!("watch, {containers} containers: exact counts");
    goals.push(Goal::at_least(what, exact, containers as f64, ""));
    let part = crowd.map(Crowd::percent);
    goals.push(Goal::at_most("watch, part of one CPU", part, 25.0, " %"));
    let peak = crowd.map(|crowd| crowd.peak_kib as f64 / 1024.0);
    goals.push(Goal::at_most("watch, memory", peak, 64.0, " MiB"));
    goals
}

fn changes(report: &Report) -> Vec<Goal> {
    let of = |name: &str| report.changes.iter().find(|change| change.command == name);
    let held = of(HOOK).map(|hook| hook.over_unheld);
    let over = |name| of(name).map(|change| change.over_hook);
    vec![
        Goal::at_most("hook with link and pin / without", held, 1.15, " x"),
        Goal::at_most("hook with --record / without", over(RECORD), 1.25, " x"),
        Goal::at_most("grant, no node / hook", over(GRANT), 3.0, " x"),
        Goal::at_most("revoke, no node / hook", over(REVOKE), 3.0, " x"),
    ]
}

fn hooks(report: &Report) -> Vec<Goal> {
    let over = |policy: &str, other: &str| {
        let hooks: &Hooks = report.hooks.iter().find(|hooks| hooks.policy == policy)?;
        hooks.get(DEVGATE)?;
        Some(hooks.get(other)?.over_devgate)
    };
    let floor = over("podman plain", FLOOR).map(|ratio| 1.0 / ratio);
    let default = over("podman plain", LIBCGROUPS);
    let large = over("1,000 in 16 majors", LIBCGROUPS);
    vec![
        Goal::at_most("hook, podman plain: devgate / floor", floor, 1.2, " x"),
        Goal::at_least("hook, podman plain: libcgroups / devgate", default, 2.0, " x"),
        random(report, over("1,000 random", LIBCGROUPS)),
        Goal::at_least("hook, 1,000 in 16 majors: libcgroups / devgate", large, 20.0, " x"),
    ]
}

/// Where the peer fails, its time until it does is less than it would need.
fn random(report: &Report, ratio: Option<f64>) -> Goal {
    let hooks = report.hooks.iter().find(|hooks| hooks.policy == "1,000 random");
    let failed = hooks.and_then(|hooks| hooks.get_failed(LIBCGROUPS));
    let value = ratio.or(failed.map(|hook| hook.over_devgate));
    let mut goal = Goal::at_least("hook, 1,000 random: libcgroups / devgate", value, 20.0, " x");
    if failed.is_some() {
        goal.measured += " until it fails";
    }
    goal
}

fn attached(report: &Report) -> Vec<Goal> {
    let of = |policy: &str| report.attached.iter().find(|attached| attached.policy == policy);
    let ns = |attached: Option<&Attached>, program: &str, device: &str| {
        attached?.get(program, device).map(|cell| cell.ns.median)
    };
    let (default, large) = (of("podman plain"), of("1,000 in 16 majors"));
    let mut goals = Vec::new();
    for device in ["/dev/null", "last allowed", "denied"] {
        let bound = ns(default, RETURN_1, device).map_or(f64::NAN, |ns| 1.1 * ns + 10.0);
        let own = ns(default, "devgate", device);
        let what = format!("run, podman plain, {device}: 1.1 x return 1 + 10 ns");
        goals.push(Goal::at_most(what, own, bound, " ns"));
    }
    let runc = large.and_then(|large| Some(large.get("runc", "denied")?.over_devgate));
    goals.push(Goal::at_least("run, 1,000 in 16 majors, denied: runc / devgate", runc, 15.0, " x"));
    goals
}
