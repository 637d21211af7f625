//! The numbers in Prometheus' text format (version 0.0.4), which its servers and node_exporter's
//! textfile collector read.
//!
//! Names and labels are an interface: CONTRIBUTING.md, and the rules and the dashboard in
//! packaging/prometheus, go by them.

use std::fmt;
use std::time::UNIX_EPOCH;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::containers::Containers;
use super::numbers::{Denials, Numbers, Part};
use super::series::{Owner, Series};
use crate::container::Time;
use crate::hook::stats::{BOUNDS, Reason, StageStats, Stats};
use crate::observe::Method;
use crate::oci::Stage;

pub use prometheus_text::CONTENT_TYPE;

/// What all names begin with.
const PREFIX: &str = "devgate";

/// The value of the labels of what has no series of its own.
const OTHER: &str = "other";

/// A number with the values of its labels.
type Numbered<const N: usize> = ([(&'static str, String); N], u64);

/// The numbers as text.
///
/// # Errors
/// None that is known: a String takes everything.
pub fn expose(numbers: Numbers) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Exposed(numbers)));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Exposed(Numbers);

impl Collector for Exposed {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = Page(encoder);
        let numbers = &self.0;
        let version = [("version", env!("CARGO_PKG_VERSION").to_owned())];
        page.gauge("build_info", "devgate's version. Always 1", [(version, 1)])?;
        let succeeded = Part::ALL.map(|part| {
            let failed = numbers.failed.iter().any(|(failed, _)| *failed == part);
            ([("collector", part.name().to_owned())], u64::from(!failed))
        });
        page.gauge("collector_success", "Whether these numbers could be had", succeeded)?;
        let guard = numbers.guard.map(|runs| ([], u64::from(runs)));
        page.gauge("guard_running", "Whether `devgate guard` runs", guard)?;
        numbers.hook.as_ref().map_or(Ok(()), |stats| page.hook(stats))?;
        numbers.containers.as_ref().map_or(Ok(()), |containers| page.containers(containers))?;
        match numbers.failed.iter().any(|(part, _)| *part == Part::Denials) {
            true => Ok(()),
            false => page.observing(numbers.denials.as_ref()),
        }
    }
}

struct Page<'e>(DescriptorEncoder<'e>);

impl Page<'_> {
    fn family<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        numbers: impl IntoIterator<Item = Numbered<N>>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, number) in numbers {
            let mut encoder = family.encode_family(&labels)?;
            match kind {
                MetricType::Counter => {
                    encoder.encode_counter::<NoLabelSet, _, f64>(&number, None)?
                }
                _ => encoder.encode_gauge(&number)?,
            }
        }
        Ok(())
    }

    fn gauge<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        numbers: impl IntoIterator<Item = Numbered<N>>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, numbers)
    }

    /// A counter; `_total` is added to its name.
    fn counter<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        numbers: impl IntoIterator<Item = Numbered<N>>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, numbers)
    }

    fn hook(&mut self, stats: &Stats) -> fmt::Result {
        let runs = stats.stages().map(|(stage, counted)| ([stage_label(stage)], counted.runs()));
        self.counter("hook_runs", "Runs of the hook since the machine started", runs)?;
        let failures = stats.stages().flat_map(|(stage, counted)| {
            let by_reason = Reason::ALL.into_iter().zip(counted.failed);
            by_reason.map(move |(reason, count)| {
                ([stage_label(stage), ("reason", reason.name().to_owned())], count)
            })
        });
        let help = "Runs of the hook that failed; at createRuntime, the container did not start";
        self.counter("hook_failures", help, failures)?;
        let help = "How long the hook ran, without its process's start and end";
        let kind = MetricType::Histogram;
        let mut family = self.0.encode_descriptor("hook_duration_seconds", help, None, kind)?;
        for (stage, counted) in stats.stages() {
            histogram(&mut family.encode_family(&[stage_label(stage)])?, counted)?;
        }
        Ok(())
    }

    fn containers(&mut self, containers: &Containers) -> fmt::Result {
        let Containers { devgate, other, none, stale_programs, dead_pins, dead_records } =
            *containers;
        let by_program = [("devgate", devgate), ("other", other), ("none", none)];
        let by_program =
            by_program.map(|(program, count)| ([("program", program.to_owned())], count));
        let help = "Containers, by whose device program is on their cgroup";
        self.gauge("containers", help, by_program)?;
        let help = "Device programs beside another one on the cgroup of a container";
        self.gauge("stale_programs", help, [([], stale_programs)])?;
        let help = "Pins of links whose container has ended; `devgate gc` removes them";
        self.gauge("leftover_pins", help, [([], dead_pins)])?;
        let help = "Records of containers that have ended; `devgate gc` removes them";
        self.gauge("leftover_records", help, [([], dead_records)])
    }

    fn observing(&mut self, denials: Option<&Denials>) -> fmt::Result {
        let help = "Whether denials are counted (`devgate observe start`)";
        self.gauge("observing", help, [([], denials.is_some().into())])?;
        let Some(denials) = denials else { return Ok(()) };
        let method = match denials.method {
            Method::Told => "told",
            Method::Computed => "computed",
        };
        let method = [("method", method.to_owned())];
        let help = "How the observer comes to its verdicts: the kernel tells them, or they are \
                    computed from what is attached. Always 1";
        self.gauge("observer_info", help, [(method, 1)])?;
        let since = Time::of(UNIX_EPOCH).until(denials.since);
        let help = "Since when denials are counted";
        self.gauge("observer_start_time_seconds", help, [([], since.as_secs())])?;
        let help = "Cgroups that are observed, with all below them";
        self.gauge("observed_cgroups", help, [([], denials.cgroups)])?;
        let help = "Requests for devices that were denied, all of them";
        self.counter("denied_requests", help, [([], denials.total)])?;
        let shown = denials.shown.iter().map(|(series, count)| (labels(series), *count));
        let other = [("container", OTHER), ("cgroup", ""), ("device", OTHER), ("access", OTHER)];
        let other = other.map(|(name, value)| (name, value.to_owned()));
        let help = "Requests for devices that were denied, by whose they were; the largest, and all \
                    others as \"other\"";
        self.counter("denials", help, shown.chain([(other, denials.other)]))?;
        let help = "Requests that the observer had no room for: in their container's room, or for \
                    another container";
        let room = |room: &str| [("room", room.to_owned())];
        let lost = [("container", denials.lost_container), ("observer", denials.lost_observer)];
        self.counter("lost_requests", help, lost.map(|(name, count)| (room(name), count)))
    }
}

fn histogram(encoder: &mut MetricEncoder<'_>, counted: &StageStats) -> fmt::Result {
    let bounds = BOUNDS.into_iter().map(|bound| bound as f64 / 1e6);
    let bounds = bounds.chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(counted.buckets).collect();
    let sum = counted.nanoseconds as f64 / 1e9;
    encoder.encode_histogram::<NoLabelSet>(sum, counted.runs(), &buckets, None)
}

fn stage_label(stage: Option<Stage>) -> (&'static str, String) {
    ("stage", stage.map_or("unknown", Stage::name).to_owned())
}

/// A label without a value is the same as none.
fn labels(series: &Series) -> [(&'static str, String); 4] {
    let (container, cgroup) = match &series.owner {
        Owner::Container(id) => (id.clone(), String::new()),
        Owner::Cgroup(path) => (String::new(), path.clone()),
        Owner::Removed => (String::new(), "removed".to_owned()),
    };
    let (device, access) = (series.device.clone(), series.access.clone());
    [("container", container), ("cgroup", cgroup), ("device", device), ("access", access)]
}

#[cfg(test)]
mod tests;
