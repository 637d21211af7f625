//! `devgate metrics --textfile`.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::common::command::devgate;
use super::common::require;
use super::value;

#[test]
fn the_file_is_whole_and_for_everybody_to_read() {
    if !require::bpf() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("devgate.prom");
    let file = path.to_str().expect("text");
    for _ in 0..2 {
        assert_eq!(devgate(&["metrics", "--textfile", file], "").success(), "");
        assert_eq!(fs::metadata(&path).expect("it is there").mode() & 0o7777, 0o644);
        let text = fs::read_to_string(&path).expect("it can be read");
        assert_eq!(value(&text, "devgate_observing"), 0);
        assert!(text.ends_with('\n'));
    }
    assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 1);
}

#[test]
fn a_file_that_can_not_be_written_is_named() {
    if !require::bpf() {
        return;
    }
    let refused = devgate(&["metrics", "--textfile", "/no/such/devgate.prom"], "");
    assert!(refused.failure().starts_with("/no/such/devgate.prom can't be written: "));
    let refused = devgate(&["metrics", "--textfile", "/tmp/devgate.txt"], "");
    let why = "/tmp/devgate.txt must end with .prom, or node_exporter does not read it";
    assert_eq!(refused.failure(), why);
}
