//! Documents of up to 16 MiB, made to cost much: each is attached, or refused with a reason. Either
//! way the release binary takes at most 2.5 s of CPU time and 300 MiB, and logs a few lines.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::cgroup::TestCgroup;
use common::command::{Run, run};
use common::require::{self, require};
use common::sleeper::Sleeper;
use fastrand::Rng;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;

const BINARY: &str = "target/release/devgate";

const MOST_CPU: Duration = Duration::from_millis(2_500);
const MOST_KIB: i64 = 300 << 10;

/// A machine that does other things too makes CPU time vary: the best of so many runs counts.
const TRIES: usize = 3;

/// Twenty warnings and what else there is to say, in bytes.
const MOST_LOGGED: u64 = 8_000;

const LIMIT: usize = 16 << 20;

enum Outcome {
    Attached,
    /// With this in the error.
    Refused(&'static str),
}

use Outcome::{Attached, Refused};

const TOO_MANY_STEPS: &str =
    "rules take more than 10000000 steps to compile and prove, which is the limit: name fewer";
const TOO_LONG: &str = "instructions or more, and the kernel takes about 450000: name fewer";

/// A config.json with as many of these rules as fit.
fn config(rules: impl Iterator<Item = String>) -> String {
    let (first, last) = (r#"{"linux":{"resources":{"devices":["#, "]}}}");
    let mut text = first.to_owned();
    for rule in rules {
        if text.len() + rule.len() + 1 + last.len() > LIMIT {
            break;
        }
        if text.len() > first.len() {
            text.push(',');
        }
        text.push_str(&rule);
    }
    text + last
}

/// A rule of all types; numbers that are `None` are left out.
fn rule(allow: bool, numbers: [Option<u32>; 2], access: &str) -> String {
    let number = |key: &str, number: Option<u32>| match number {
        Some(number) => format!(r#","{key}":{number}"#),
        None => String::new(),
    };
    let [major, minor] = numbers;
    let (major, minor) = (number("major", major), number("minor", minor));
    format!(r#"{{"allow":{allow}{major}{minor},"access":"{access}"}}"#)
}

/// The same for character devices.
fn char_rule(allow: bool, numbers: [Option<u32>; 2], access: &str) -> String {
    rule(allow, numbers, access).replacen(',', r#","type":"c","#, 1)
}

/// The document with one rule that has this member, too, made as long as the limit lets it be.
fn long(member: impl Fn(usize) -> String) -> String {
    let of = |length| config([format!(r#"{{"allow":true,{}}}"#, member(length))].into_iter());
    of(LIMIT - of(0).len() - 1)
}

/// Rules for all minors of a major, and for one minor of every major.
fn across(count: u32) -> impl Iterator<Item = String> {
    let any_major = (0..count).map(|n| char_rule(true, [None, Some(2 * n)], "rw"));
    any_major.chain((0..count).map(|n| char_rule(true, [Some(2 * n), None], "rw")))
}

/// The same, by turns, so that each major is another function of the minor.
fn across_by_turns(count: u32) -> impl Iterator<Item = String> {
    (0..count).flat_map(|n| {
        let number = Some(2 * n);
        [char_rule(true, [number, None], "rwm"), char_rule(false, [None, number], "rwm")]
    })
}

/// Rules for one device each.
fn random(majors: u32, minors: u32, of: Of) -> String {
    let mut rng = Rng::with_seed(7);
    let access = ["r", "w", "m", "rw", "rm", "wm", "rwm"];
    config((0..1 << 20).map(|_| {
        let numbers = [rng.u32(..majors), rng.u32(..minors)].map(Some);
        of(rng.u32(..4) > 0, numbers, access[rng.usize(..7)])
    }))
}

type Of = fn(bool, [Option<u32>; 2], &str) -> String;

/// Everything is allowed but every third major.
fn every_third_major(count: u32) -> impl Iterator<Item = String> {
    let majors = (0..count).map(|n| rule(false, [Some(3 * n), None], "rwm"));
    [rule(true, [None, None], "rwm")].into_iter().chain(majors)
}

/// In all of a document's rules.
fn repeated(rule: &str) -> String {
    config(std::iter::repeat_n(rule.to_owned(), LIMIT))
}

type Document = (&'static str, fn() -> String, Outcome);

const DOCUMENTS: &[Document] = &[
    ("316 and 316 across", || config(across(316)), Attached),
    ("1,000 and 1,000 across", || config(across(1_000)), Attached),
    ("3,000 and 3,000 across", || config(across(3_000)), Refused(TOO_MANY_STEPS)),
    ("700 and 700 by turns", || config(across_by_turns(700)), Attached),
    ("across by turns", || config(across_by_turns(1 << 20)), Refused(TOO_MANY_STEPS)),
    (
        "100,001 minors of one major",
        || config((0..100_001).map(|n| char_rule(true, [Some(10), Some(n)], "rw"))),
        Attached,
    ),
    (
        "every second minor of one major",
        || config((0..1 << 20).map(|n| char_rule(true, [Some(10), Some(2 * n)], "rw"))),
        Attached,
    ),
    ("random devices", || random(1 << 12, 1 << 20, char_rule), Attached),
    ("random numbers of both types", || random(1 << 12, 1 << 20, rule), Attached),
    ("random numbers of 32 bits", || random(u32::MAX, u32::MAX, char_rule), Refused(TOO_LONG)),
    ("every third major", || config(every_third_major(250_000)), Attached),
    // The two types' trees are alike only in small parts, each of which is jumped to.
    (
        "every third major, and one of one type",
        || {
            let one = char_rule(false, [Some(100_001), None], "rwm");
            config(every_third_major(150_000).chain([one]))
        },
        Attached,
    ),
    ("no access", || repeated(r#"{"allow":true}"#), Attached),
    ("beyond every device", || repeated(r#"{"allow":true,"major":4096}"#), Attached),
    ("no key twenty times", || repeated(r#"{"allow":true,"":1}"#), Attached),
    ("a million keys", || long(|length| vec![r#""":1"#; length / 5].join(",")), Attached),
    ("a long key", || long(|length| format!(r#""{}":1"#, "k".repeat(length))), Attached),
    (
        "a long type",
        || long(|length| format!(r#""type":"{}""#, "k".repeat(length))),
        Refused(" bytes]kkkkkkkkkk"),
    ),
    (
        "depth",
        || long(|length| format!(r#""k":{}{}"#, "[".repeat(length / 2), "]".repeat(length / 2))),
        Attached,
    ),
];

/// Annotations of a state, of which none is devgate's.
fn annotations() -> String {
    let all: Vec<String> = (0..(LIMIT / 2) / 13).map(|n| format!(r#""{n:07}":"""#)).collect();
    all.join(",")
}

fn cpu(usage: &Usage) -> Duration {
    let time = usage.user_time() + usage.system_time();
    Duration::from_micros(time.num_microseconds().try_into().expect("time goes on"))
}

/// A run of the hook, its CPU time, and the most memory of any run so far, in KiB.
fn measured(log: &Path, input: &str) -> (Run, Duration, i64) {
    let usage = || getrusage(UsageWho::RUSAGE_CHILDREN).expect("there is such a call");
    let before = cpu(&usage());
    let mut hook = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(BINARY));
    let run = run(hook.arg("hook").arg("--log").arg(log), input);
    let after = usage();
    (run, cpu(&after) - before, after.max_rss())
}

/// One test: what children took is counted for the whole process.
#[test]
fn each_is_attached_or_refused_within_its_bounds() {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join(BINARY).exists();
    let ready = require(built, "target/release/devgate is missing; `make build`");
    if !(ready && require::bpf()) {
        return;
    }
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    let bundle = tempfile::tempdir().expect("a folder");
    let (log, file) = (bundle.path().join("log"), bundle.path().join("config.json"));
    let state = format!(
        r#"{{"id":"c1","pid":{},"bundle":"{}","annotations":{{{}}}}}"#,
        container.pid(),
        bundle.path().display(),
        annotations()
    );
    for (name, document, outcome) in DOCUMENTS {
        fs::write(&file, document()).expect("a file can be made");
        let mut best = Duration::MAX;
        for _ in 0..TRIES {
            let _ = fs::remove_file(&log);
            let attached = cgroup.ids();
            let (run, cpu, memory) = measured(&log, &state);
            best = best.min(cpu);
            println!("{name}: {cpu:.2?}, {} MiB at most so far", memory >> 10);
            match outcome {
                Attached => {
                    assert_eq!(run.code, Some(0), "{name}: {run:?}");
                    assert_ne!(cgroup.ids(), attached, "{name}");
                }
                Refused(why) => {
                    assert!(run.code == Some(1) && run.stderr.contains(why), "{name}: {run:?}");
                    assert_eq!(cgroup.ids(), attached, "{name}");
                }
            }
            let logged = fs::metadata(&log).expect("it has a log").len();
            assert!(logged <= MOST_LOGGED, "{name}: {logged} bytes were logged");
            assert!(memory <= MOST_KIB, "{name}: {memory} KiB");
            if best <= MOST_CPU {
                break;
            }
        }
        assert!(best <= MOST_CPU, "{name}: {best:?} of CPU time");
    }
}
