//! The package's units, with all that they forbid, below a systemd of the test's own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::common::command::run;
use super::common::engine::{DEVGATE, eventually};
use super::common::systemd::{self, Booted};
use super::value;

const OBSERVE: &str = include_str!("../../packaging/systemd/devgate-observe.service");
const METRICS: &str = include_str!("../../packaging/systemd/devgate-metrics.service");
const TEXTFILE: &str = include_str!("../../packaging/systemd/devgate-textfile.service");
const TIMER: &str = include_str!("../../packaging/systemd/devgate-textfile.timer");

const FILE: &str = "var/lib/prometheus/node-exporter/devgate.prom";

/// It may open /dev/null and its like, and tries more.
const WORKLOAD: &str = "[Unit]\nDefaultDependencies=no\nAfter=devgate-observe.service\n[Service]\n\
DevicePolicy=closed\nExecStart=/bin/sh -c 'while :; do cat /dev/fuse; sleep 0.2; done'\n";

fn parts(text: &str) -> [bool; 3] {
    ["hook", "containers", "denials"]
        .map(|part| value(text, &format!("devgate_collector_success{{collector=\"{part}\"}}")) == 1)
}

#[test]
fn the_packages_units_let_metrics_be_had() {
    if !systemd::ready() {
        return;
    }
    let changed = |unit: &str| {
        let unit = unit.replacen("[Unit]\n", "[Unit]\nDefaultDependencies=no\n", 1);
        unit.replacen("[Service]\n", "[Service]\nStandardError=append:/complaints\n", 1)
    };
    let units = [
        ("devgate-observe", changed(OBSERVE)),
        ("workload", WORKLOAD.to_owned()),
        ("devgate-metrics", changed(METRICS)),
        ("devgate-textfile", changed(TEXTFILE)),
    ];
    let set_up = format!(
        "install -D -m 0755 {DEVGATE} usr/bin/devgate; mkdir -p {}",
        FILE.trim_end_matches("/devgate.prom")
    );
    let booted = Booted::new(&units, &set_up);
    let metrics = || {
        let mut wget = booted.command("devgate-metrics", "/bin/busybox");
        run(wget.args(["wget", "-q", "-O", "-", "http://127.0.0.1:10229/metrics"]), "")
    };
    let serves = || booted.init().is_some() && metrics().code == Some(0);
    eventually("the numbers are served", serves);
    let series = "workload.service\",device=\"c 10:229\",access=\"r\"} ";
    eventually("denials are counted", || metrics().text().contains(series));
    let text = metrics().text().to_owned();
    assert_eq!(parts(&text), [true; 3], "{text}");
    assert!(value(&text, "devgate_denied_requests_total") > 0);
    let init = booted.init().expect("systemd runs");
    let root = PathBuf::from(format!("/proc/{init}/root"));
    let complaints = || fs::read_to_string(root.join("complaints")).unwrap_or_default();
    let file = root.join(FILE);
    eventually("the file is written", || file.exists());
    assert_eq!(fs::metadata(&file).expect("it is there").mode() & 0o7777, 0o644);
    let text = fs::read_to_string(&file).expect("it can be read");
    assert_eq!(parts(&text), [true; 3], "{}", complaints());
}

#[test]
fn the_timer_is_that_of_the_service() {
    assert!(TIMER.contains("OnUnitActiveSec=30s") && TIMER.contains("WantedBy=timers.target"));
    assert!(TEXTFILE.contains(&format!("--textfile /{FILE}\n")));
}
