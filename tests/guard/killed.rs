//! A guard that is killed in the middle of a repair. Each moment of a run is as likely as any other.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::common::command::{command, devgate, start};
use super::common::opener::serve_if_child;
use super::common::{random, require};
use super::losses::LOSSES;
use super::stage::{Container, guard, parse};

/// Rounds with each loss.
const ROUNDS: usize = 8;

const ONCE: [&str; 4] = ["guard", "--once", "--found", "none"];

#[test]
fn nothing_is_open_whenever_it_is_killed() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "killed::nothing_is_open_whenever_it_is_killed";
    let mut container = Container::new("c1", test, &["--hold", "require"]);
    let denied = parse("c 1:11 r");
    let seed = random::seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut killed = 0;
    let begin = Instant::now();
    devgate(&ONCE, "").success();
    // A run that repairs takes longer than one that looks.
    let longest = 2 * begin.elapsed().as_micros() as u64;
    // Without any program everything opens.
    for (what, lose) in LOSSES.iter().filter(|(what, _)| *what != "both") {
        for _ in 0..ROUNDS {
            lose(&container);
            let hammered = {
                let Container { opener, .. } = &mut container;
                opener.hammer(&denied, || {
                    let mut guard = start(&mut command(&ONCE));
                    sleep(Duration::from_micros(rng.u64(..longest)));
                    guard.kill().expect("it is ours");
                    killed += usize::from(!guard.wait().expect("it ends").success());
                })
            };
            assert_eq!(hammered.opened, 0, "{what}: DEVGATE_SEED={seed}");
            assert!(hammered.denied > 0);
            devgate(&ONCE, "");
            // It may have been killed between the copy and the link: both are the policy then, by
            // two programs.
            assert_eq!(container.entries().len(), 2, "{what}: DEVGATE_SEED={seed}");
            container.assert_opens();
            assert!(guard().look().expect("it can look").is_empty());
        }
    }
    assert!(killed > ROUNDS, "{killed} runs were killed");
}
