//! `devgate demo`: what a newcomer sees.

use std::path::Path;

use super::common::command::devgate;
use super::common::require;

#[test]
fn every_row_matches_and_nothing_is_left() {
    if !require::bpf() {
        return;
    }
    let run = devgate(&["demo"], "");
    let text = run.success();
    let cgroup = text.lines().find_map(|line| line.strip_prefix("cgroup ")).expect("its cgroup");
    assert!(!Path::new(cgroup.trim()).exists(), "{cgroup} is left");
    let rows = text.lines().filter(|line| line.starts_with("/dev/")).count();
    assert!(rows > 10, "{text}");
    assert!(text.contains(&format!("{rows} of {rows} requests match.\n")), "{text}");
    assert!(!text.contains("MISMATCH"), "{text}");
    for (device, request) in [("/dev/null", " r"), ("/dev/kmsg", " w"), ("/dev/kmsg", " rw")] {
        let line = text.lines().find(|line| line.starts_with(device) && line.contains(request));
        assert!(line.is_some(), "no row for {device}{request} in\n{text}");
    }
    assert!(text.contains("stale"), "{text}");
}
