//! More input than anybody needs: it is not read to its end, and costs little memory.

use std::io::Write;
use std::process::Command;
use std::thread;

use super::common::command::{Run, start};

const GIB: usize = 1 << 30;
const MIB: usize = 1 << 20;

/// Most memory that a run may have, in KiB: with less than it needs it would be aborted.
const MOST_KIB: &str = "65536";

/// Writes up to 1 GiB to the hook: `first`, then `filler` over and over.
fn flood(args: &[&str], first: &str, filler: &str) {
    let mut shell = Command::new("sh");
    let script = r#"ulimit -v "$0" && exec "$@""#;
    shell.args(["-c", script, MOST_KIB, env!("CARGO_BIN_EXE_devgate")]).args(args);
    let mut child = start(&mut shell);
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let block = filler.repeat(MIB / filler.len());
    let first = first.to_owned();
    let writer = thread::spawn(move || {
        let mut written = 0;
        let mut next = first.as_bytes();
        // An error: nobody reads any more.
        while written < GIB && stdin.write_all(next).is_ok() {
            written += next.len();
            next = block.as_bytes();
        }
        written
    });
    let run: Run = child.wait_with_output().expect("it can be waited for").into();
    let written = writer.join().expect("the writer ends");
    assert_eq!(
        run.failure(),
        "state (standard input): longer than 16777216 bytes, the most that is read"
    );
    assert!(written < 32 * MIB, "{written} bytes were taken");
}

const STATE: &str = r#"{"id":"c1","pid":1,"bundle":"/no/bundle"}"#;

#[test]
fn of_space() {
    flood(&["hook"], "", " ");
}

#[test]
fn of_space_behind_the_state() {
    flood(&["hook"], STATE, "\n");
}

#[test]
fn of_one_long_string() {
    flood(&["hook", "--dry-run"], r#"{"id":""#, "a");
}

#[test]
fn of_nesting() {
    flood(&["hook"], "", "[");
}

#[test]
fn of_rules() {
    let first = STATE.to_owned() + r#"{"linux":{"resources":{"devices":[{"allow":false}"#;
    flood(&["hook"], &first, r#",{"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"}"#);
}

#[test]
fn of_zeros() {
    flood(&["hook"], "", "\0");
}
