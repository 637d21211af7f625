//! Starting, covering and stopping.

use std::fs;
use std::os::fd::AsFd;

use devgate::cgroup::Cgroup;
use devgate::kernel::query;
use serde_json::json;

use crate::common::bpf::Foreign;
use crate::common::engine::ready;
use crate::world::{DENIED, World, is_ready};

fn row(container: &str, asked: &str, count: u64) -> (String, String, u64) {
    (container.to_owned(), asked.to_owned(), count)
}

/// Containers of a new cgroup below the root, whose hook covers it; nobody watches.
#[test]
fn what_a_container_was_denied_is_counted_while_it_runs_and_when_it_has_ended() {
    if !is_ready() {
        return;
    }
    let world = World::new();
    assert_eq!(world.run("devgate observe status").code, Some(3));
    let denials = world.run("devgate denials");
    assert!(denials.failure().starts_with("nothing is observed"), "{denials:?}");
    let started = world.sh("devgate observe start");
    assert_eq!(started, "observing 1 cgroup\n");

    let expected = [row("c1", "c 10:229 r", 3), row("c1", "c 10:229 w", 2)];
    world.sh(&format!(
        "bundle c1 /machine/c1 '{DENIED}; sleep 600'
         runc --root $DIR/state run --detach --bundle $DIR/c1 c1 > $DIR/c1.out 2>&1 < /dev/null
         until devgate denials --json | grep -q '\"count\":2'; do sleep 0.05; done"
    ));
    assert_eq!(world.counts(), expected);
    let running = world.denials();
    let first = &running["denials"][0];
    assert_eq!(first["ended"], json!(null));
    assert_eq!(first["rule"], "deny a *:* rwm (devices[0])");
    assert_eq!((&first["device"], &first["verdict"]), (&json!("/dev/fuse"), &json!("deny")));
    assert_eq!((&first["command"], &first["certainty"]), (&json!("sh"), &json!("told")));
    assert_eq!(first["program_cgroup"], "/sys/fs/cgroup/machine/c1");
    assert!(first["program"].is_u64() && first["pid"].is_u64());
    let status = world.status();
    let mut cgroups: Vec<&str> =
        status["cgroups"].as_array().expect("a list").iter().filter_map(|it| it.as_str()).collect();
    cgroups.sort_unstable();
    assert_eq!(cgroups, ["/sys/fs/cgroup/machine", "/sys/fs/cgroup/self"]);

    world.sh("runc --root $DIR/state delete --force c1");
    assert_eq!(world.counts(), expected);
    let ended = world.denials();
    assert!(ended["denials"][0]["ended"].is_string(), "{ended}");
    assert_eq!(ended["denials"][0]["rule"], "deny a *:* rwm (devices[0])");
    assert_eq!(ended["denials"][0]["first"], running["denials"][0]["first"]);
    let table = world.sh("devgate denials c1");
    assert!(table.contains("c1 (ended)  c 10:229 /dev/fuse  r       3 "), "{table}");
    let above = world.sh("devgate denials /sys/fs/cgroup/machine");
    assert!(above.contains("c1 (ended)  c 10:229 /dev/fuse  r       3 "), "{above}");
    let none = world.sh("devgate denials /sys/fs/cgroup/self");
    assert!(none.starts_with("nothing was denied to /sys/fs/cgroup/self since "), "{none}");
    // A name that nobody has is no good news.
    for unknown in ["other", "/sys/fs/cgroup/other"] {
        let run = world.run(&format!("devgate denials {unknown}"));
        assert!(
            run.failure().starts_with(&format!("no denial of {unknown} is known: ")),
            "{run:?}"
        );
    }
    // Its room is free.
    let status = world.status();
    assert_eq!((&status["ended_containers"], &status["lost"]), (&json!(1), &json!(0)));
    let log = world.sh("cat /var/lib/devgate/log");
    assert!(!log.contains("warning"), "{log}");

    assert_eq!(world.sh("devgate observe stop"), "stopped observing\n");
    assert_eq!(world.sh("devgate observe stop"), "nothing was observed\n");
    world.assert_nothing_left();
}

/// Containers wait for the hook: where nothing is observed it makes one more call, and where something
/// is, it looks up no symbols of the kernel.
#[test]
fn the_hook_does_little_more() {
    if !(is_ready() && ready("strace")) {
        return;
    }
    let world = World::new();
    let calls = |calls: &str| -> Vec<String> {
        let traced = world.sh(&format!(
            "sleep 60 & pid=$!
             mkdir -p /sys/fs/cgroup/machine/c1
             echo $pid > /sys/fs/cgroup/machine/c1/cgroup.procs
             echo '{{\"id\":\"c1\",\"pid\":'$pid'}} {{}}' > $DIR/state
             strace -f -o $DIR/trace -e trace={calls} \"$DEVGATE\" hook < $DIR/state
             kill $pid
             cat $DIR/trace"
        ));
        traced.lines().map(str::to_owned).collect()
    };
    let off = calls("openat");
    let asks =
        |line: &&String| line.contains("devgate/observe") || line.contains("devgate/denials");
    let asked: Vec<&String> = off.iter().filter(asks).collect();
    assert!(matches!(&asked[..], [one] if one.contains("ENOENT")), "{asked:?}");
    world.sh("devgate observe start");
    let on = calls("openat");
    assert!(!on.iter().any(|line| line.contains("kallsyms")), "{on:?}");
    // The link, and whose turn it is, if its cgroup is covered already.
    let on = calls("openat");
    assert!(!on.iter().any(|line| line.contains("observe.lock")), "{on:?}");
    assert!(on.len() <= off.len() + 12, "{} and {}: {on:?}", off.len(), on.len());
    world.sh("devgate observe stop");
}

/// With cgroups that appear and go meanwhile.
#[test]
fn many_starts_at_once_attach_one_observer_to_each_cgroup() {
    if !is_ready() {
        return;
    }
    let world = World::new();
    world.sh(
        "mkdir /sys/fs/cgroup/a /sys/fs/cgroup/b
         (for i in $(seq 100); do mkdir /sys/fs/cgroup/x$i; rmdir /sys/fs/cgroup/x$i; done) & others=$!
         for i in 1 2 3 4 5 6; do devgate observe start > $DIR/start$i 2>&1 & pids=\"$pids $!\"; done
         for pid in $pids; do wait $pid; done
         wait $others
         mkdir /sys/fs/cgroup/c
         devgate observe start",
    );
    let started = |i: u32| fs::read_to_string(world.file(&format!("start{i}"))).expect("a file");
    let new = (1..=6).filter(|i| !started(*i).contains("already") && !started(*i).contains("more"));
    assert_eq!(new.count(), 1, "{}", (1..=6).map(started).collect::<String>());
    for name in ["self", "a", "b", "c"] {
        let cgroup = Cgroup::open(&world.cgroup(name)).expect("it is there");
        let attached = query(cgroup.as_fd()).expect("programs can be listed");
        assert_eq!(attached.ids.len(), 1, "{name}");
    }
    world.sh(&format!("bundle c1 /a/c1 '{DENIED}'; run c1"));
    let expected = [row("c1", "c 10:229 r", 3), row("c1", "c 10:229 w", 2)];
    assert_eq!(world.counts(), expected);
    world.sh("rmdir /sys/fs/cgroup/b; devgate observe start; devgate observe stop");
    world.assert_nothing_left();
}

/// Observing is no part of a container's policy.
#[test]
fn a_container_that_cant_be_observed_starts_with_a_warning() {
    if !is_ready() {
        return;
    }
    let world = World::new();
    world.sh("mkdir /sys/fs/cgroup/taken; devgate observe start");
    fs::remove_dir(world.cgroup("taken")).expect("it is empty");
    world.sh("mkdir /sys/fs/cgroup/taken");
    let other = Foreign::allowing("other");
    let taken = Cgroup::open(&world.cgroup("taken")).expect("it is there");
    // One that lets programs below it be, and takes none beside itself.
    other.attach(taken.as_fd(), 1);
    let start = world.run("devgate observe start");
    assert_eq!(start.code, Some(0), "{start:?}");
    assert!(start.complaint().starts_with("warning: /sys/fs/cgroup/taken is not observed: "));
    let status = world.status();
    let uncovered = &status["uncovered"][0];
    assert_eq!(uncovered["cgroup"], "/sys/fs/cgroup/taken");
    let why =
        format!("program {} (override) is attached to it, and takes no other beside it", other.id);
    assert_eq!(uncovered["reason"], why);
    let doctor = world.run("devgate doctor observe");
    assert_eq!(doctor.code, Some(4), "{doctor:?}");
    assert!(doctor.text().contains("/sys/fs/cgroup/taken is not observed: "), "{doctor:?}");
    world.sh("bundle c1 /taken/c1 true; jq '.hooks.createRuntime[0].args += [\"--override-ancestor\", \
              \"replace\"]' $DIR/c1/config.json > $DIR/new; mv $DIR/new $DIR/c1/config.json; run c1");
    let log = world.sh("cat /var/lib/devgate/log");
    let warned =
        "what the container is denied is not counted: cgroup /sys/fs/cgroup/taken can't be";
    assert!(log.contains("attached container=c1") && log.contains(warned), "{log}");
    world.sh("devgate observe stop");
}

#[test]
fn only_what_was_named_is_observed() {
    if !is_ready() {
        return;
    }
    let world = World::new();
    world.sh("mkdir -p /sys/fs/cgroup/a/b /sys/fs/cgroup/c");
    let missing = world.run("devgate observe start --cgroup /sys/fs/cgroup/none");
    assert!(missing.failure().contains("/sys/fs/cgroup/none does not exist"), "{missing:?}");
    world.assert_nothing_left();
    world.sh("devgate observe start --cgroup /sys/fs/cgroup/a --rows 32 --containers 4");
    let status = world.status();
    assert_eq!(status["cgroups"], json!(["/sys/fs/cgroup/a"]));
    assert_eq!((&status["rows"]["most"], &status["containers"]["most"]), (&json!(128), &json!(4)));
    for (args, why) in [
        ("", "observes only what --cgroup named (/sys/fs/cgroup/a); run devgate observe stop"),
        ("--cgroup /sys/fs/cgroup/a --rows 9", "has 32 rows for each of 4 containers; run"),
    ] {
        let run = world.run(&format!("devgate observe start {args}"));
        assert!(run.failure().contains(why), "{args}: {run:?}");
    }
    // What is in it is observed already; the hook covers nothing else.
    let inner = world.sh("devgate observe start --cgroup /sys/fs/cgroup/a/b --rows 32");
    assert_eq!(inner, "observing 1 cgroup already\n");
    world.sh(&format!("bundle c1 /c/c1 '{DENIED}'; run c1; bundle a1 /a/b/a1 '{DENIED}'; run a1"));
    assert_eq!(world.counts(), [row("a1", "c 10:229 r", 3), row("a1", "c 10:229 w", 2)]);
    let more = world.sh("devgate observe start --cgroup /sys/fs/cgroup/c");
    assert_eq!(more, "observing 1 cgroup as before, and 1 more\n");
    world.sh("devgate observe stop");
    world.assert_nothing_left();
}
