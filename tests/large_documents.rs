//! A document of up to 16 MiB is attached or refused within 2.5 s of CPU and 300 MiB, whatever is
//! in it. Steps are counted, so the answer is the same on every machine.

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};

use fastrand::Rng;
use nix::sys::resource::{Usage, UsageWho, getrusage};

/// What `make test` builds first: the figures are the product's, not those of a debug build.
const BINARY: &str = "target/release/devgate";

const MOST_CPU_MS: i64 = 2_500;
const MOST_MEMORY_KIB: i64 = 300 << 10;

/// The limit of a document, with room for what is around the rules.
const ROOM: usize = (16 << 20) - 64;

/// How a document ends: its program, or the reason why there is none.
#[derive(Clone, Copy)]
enum End {
    Compiles,
    Refused(&'static str),
    /// Either: this much depends on random numbers.
    Either,
}

use End::{Compiles, Either, Refused};

const TOO_LONG: &str = "instructions or more, and the kernel takes about 500000: name fewer";
const TOO_MANY: &str = "take more than 10000000 steps to compile and prove, which is the limit";

type Rules = fn(&mut Rng, &mut Writer);

const DOCUMENTS: [(&str, Rules, End); 12] = [
    ("316 of *:N, 316 of N:*", |_, rules| cross(rules, 316), Compiles),
    ("3,500 of *:N, 3,500 of N:*", |_, rules| cross(rules, 3_500), Refused(TOO_MANY)),
    ("100,000 of *:N, 100,000 of N:*", |_, rules| cross(rules, 100_000), Refused(TOO_MANY)),
    ("3,000 of each, random", |rng, rules| random_cross(rng, rules, 3_000), Refused(TOO_MANY)),
    ("100,001 minors of a major", |_, rules| minors(rules, 100_001, 1), Compiles),
    ("100,000 minors apart", |_, rules| minors(rules, 100_000, 40), Compiles),
    ("60,000 random devices", |rng, rules| devices(rng, rules, 60_000, 12), Compiles),
    ("16 MiB of random devices", |rng, rules| devices(rng, rules, 400_000, 12), Either),
    ("16 MiB of 32-bit devices", |rng, rules| devices(rng, rules, 400_000, 32), Either),
    ("16 MiB of neighbours", neighbours, Either),
    ("16 MiB of devices that Linux can't have", |_, rules| beyond(rules), Refused(TOO_MANY)),
    ("16 MiB of unknown keys", |_, rules| unknown(rules), Compiles),
];

/// Rules as JSON, up to the limit of a document.
struct Writer(String);

impl Writer {
    fn rule(&mut self, rule: std::fmt::Arguments<'_>) {
        if self.0.len() + 128 < ROOM {
            let comma = if self.0.is_empty() { "" } else { "," };
            write!(self.0, "{comma}{rule}").expect("a string takes it");
        }
    }

    fn document(&self) -> String {
        format!(r#"{{"linux":{{"resources":{{"devices":[{}]}}}}}}"#, self.0)
    }
}

fn cross(rules: &mut Writer, count: u32) {
    for n in 0..count {
        let n = n * 2;
        rules.rule(format_args!(r#"{{"allow":true,"type":"c","minor":{n},"access":"rw"}}"#));
        rules.rule(format_args!(r#"{{"allow":true,"type":"c","major":{n},"access":"rw"}}"#));
    }
}

fn access(rng: &mut Rng) -> &'static str {
    ["r", "w", "m", "rw", "rm", "wm", "rwm"][rng.usize(..7)]
}

fn random_cross(rng: &mut Rng, rules: &mut Writer, count: u32) {
    for _ in 0..count {
        for (field, bits) in [("major", 12), ("minor", 20)] {
            let (allow, number, access) = (rng.bool(), rng.u32(..1 << bits), access(rng));
            rules.rule(format_args!(
                r#"{{"allow":{allow},"type":"c","{field}":{number},"access":"{access}"}}"#
            ));
        }
    }
}

fn minors(rules: &mut Writer, count: u32, apart: u32) {
    for n in 0..count {
        let n = n * apart;
        rules.rule(format_args!(
            r#"{{"allow":true,"type":"c","major":10,"minor":{n},"access":"rw"}}"#
        ));
    }
}

fn devices(rng: &mut Rng, rules: &mut Writer, count: u32, major_bits: u32) {
    for _ in 0..count {
        let allow = rng.u8(..4) > 0;
        let (major, minor) = (rng.u32(..) >> (32 - major_bits), rng.u32(..1 << 20));
        let (kind, access) = (if rng.bool() { "b" } else { "c" }, access(rng));
        rules.rule(format_args!(
            r#"{{"allow":{allow},"type":"{kind}","major":{major},"minor":{minor},"access":"{access}"}}"#
        ));
    }
}

fn neighbours(rng: &mut Rng, rules: &mut Writer) {
    for _ in 0..400_000 {
        let (allow, major, minor) = (rng.bool(), rng.u32(..40), rng.u32(..8_000));
        let access = access(rng);
        rules.rule(format_args!(
            r#"{{"allow":{allow},"type":"c","major":{major},"minor":{minor},"access":"{access}"}}"#
        ));
    }
}

fn beyond(rules: &mut Writer) {
    for n in 0..400_000 {
        let (major, minor) = (4_096 + n, 1_048_576 + n);
        rules
            .rule(format_args!(r#"{{"allow":true,"major":{major},"minor":{minor},"access":"r"}}"#));
    }
}

fn unknown(rules: &mut Writer) {
    for _ in 0..900_000 {
        rules.rule(format_args!(r#"{{"allow":true,"":1}}"#));
    }
}

/// CPU time of all children so far, in milliseconds.
fn children_cpu_ms(usage: &Usage) -> i64 {
    let [user, system] = [usage.user_time(), usage.system_time()];
    (user.tv_sec() + system.tv_sec()) * 1_000 + (user.tv_usec() + system.tv_usec()) / 1_000
}

fn children() -> Usage {
    getrusage(UsageWho::RUSAGE_CHILDREN).expect("the usage of children can be asked for")
}

#[test]
fn every_document_ends_within_its_bounds() {
    assert!(fs::exists(BINARY).is_ok_and(|built| built), "{BINARY} is missing; `make build`");
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("config.json");
    let seed = std::env::var("DEVGATE_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut rng = Rng::with_seed(seed.unwrap_or_else(|| fastrand::u64(..)));
    println!("DEVGATE_SEED={}", rng.get_seed());
    for (name, rules, end) in DOCUMENTS {
        let mut writer = Writer(String::new());
        rules(&mut rng, &mut writer);
        fs::write(&path, writer.document()).expect("the document can be written");
        let before = children_cpu_ms(&children());
        let run = Command::new(BINARY)
            .args(["compile", "--format", "raw", "--config"])
            .arg(&path)
            .stdin(Stdio::null())
            .output()
            .expect("devgate runs");
        let usage = children();
        let (cpu, memory) = (children_cpu_ms(&usage) - before, usage.max_rss());
        let stderr = String::from_utf8_lossy(&run.stderr);
        println!("{name}: {cpu} ms, at most {memory} KiB so far, {} bytes", run.stdout.len());
        assert!(cpu <= MOST_CPU_MS, "{name}: {cpu} ms of CPU");
        assert!(memory <= MOST_MEMORY_KIB, "{name}: {memory} KiB");
        // Warnings are few, however many there is cause for.
        assert!(stderr.lines().count() <= 22 && stderr.len() < 8_192, "{name}: {stderr}");
        let compiled = run.status.success() && !run.stdout.is_empty();
        match end {
            Compiles => assert!(compiled, "{name}: {stderr}"),
            Refused(why) => assert!(!compiled && stderr.contains(why), "{name}: {stderr}"),
            Either => assert!(
                compiled || stderr.contains(TOO_LONG) || stderr.contains(TOO_MANY),
                "{name}: {stderr}"
            ),
        }
    }
}
