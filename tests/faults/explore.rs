//! Goes through the faults of a command in a world, each found in the calls of a run before.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fastrand::Rng;

use super::calls;
use super::commands::{Command, Does};
use super::judge::{Broken, Rule, judge};
use super::observed::Observed;
use super::plan::{Effect, Fault, Plan, When};
use super::report::{Kind, Report, Violation};
use super::stage::Stage;
use super::tracee::{self, Call, End, Run};
use super::worlds::{Programs, World};

/// How many of the faults there are get tried. Which ones is the seed's choice.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Of single errors, of persistent ones and of kills: each.
    pub first: usize,
    /// After each failed bpf(2), once or from then on: kills.
    pub then_kills: usize,
    /// After each single failed bpf(2): second ones.
    pub then_errors: usize,
}

/// Programs of one cgroup that the kernel takes (`BPF_CGROUP_MAX_PROGS`).
const MOST_PROGRAMS: usize = 64;

/// Everything.
pub const ALL: Budget =
    Budget { first: usize::MAX, then_kills: usize::MAX, then_errors: usize::MAX };

/// A command in a world.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    pub world: &'static World,
    pub command: &'static Command,
}

impl Scene {
    pub fn named(world: &str, command: &str) -> Scene {
        Scene { world: World::named(world), command: Command::named(command) }
    }

    /// Whether a run that nothing disturbs must fail, and so every other one, too.
    pub fn must_fail(self) -> bool {
        match self.command.does {
            Does::Attach(_) => self.world.refused,
            Does::Detach => self.world.is_held(),
        }
    }

    /// A stage for its runs.
    pub fn stage(self, programs: &Programs) -> Stage<'_> {
        let mut stage = Stage::new(programs);
        stage.start = self.run(&mut stage, &Plan::default()).0.run.start();
        stage
    }

    /// One run with these faults, and after a kill another without.
    pub fn attempt(self, stage: &mut Stage<'_>, plan: &Plan) -> (Observed, Vec<Broken>) {
        let (observed, mut broken) = self.run(stage, plan);
        if plan.0.is_empty() {
            let how = self.failed(&observed);
            broken.extend(how.map(|how| Broken { rule: Rule::EndsOrderly, how, excuse: None }));
        }
        if observed.run.was_killed() {
            broken.extend(self.heals(stage));
        }
        (observed, broken)
    }

    /// One run with these faults, from the world's first state.
    fn run(self, stage: &mut Stage<'_>, plan: &Plan) -> (Observed, Vec<Broken>) {
        stage.reset();
        self.go_on(stage, plan)
    }

    /// One run with these faults, from what is there.
    fn go_on(self, stage: &mut Stage<'_>, plan: &Plan) -> (Observed, Vec<Broken>) {
        let before = stage.see();
        let mut states = Vec::new();
        let input = stage.state();
        let mut process = self.command.on(stage);
        let run = tracee::run(&mut process, &input, plan, || states.push(stage.see()));
        states.push(stage.see());
        let log = std::fs::read_to_string(stage.log()).ok();
        let message = run.stderr.replace(stage.cgroup().text(), "");
        let (known, policy, start) = (stage.known.clone(), stage.policy, stage.start);
        let observed = Observed { run, before, states, log, message, known, policy, start };
        let broken = judge(self.command, self.must_fail(), &observed);
        (observed, broken)
    }

    /// After a kill, a run that nothing disturbs does all of its work, or is refused as ever.
    fn heals(self, stage: &mut Stage<'_>) -> Vec<Broken> {
        if let Does::Detach = self.command.does {
            return Vec::new();
        }
        stage.remove_log();
        let (observed, broken) = self.go_on(stage, &Plan::default());
        let how = broken.iter().map(Broken::to_string).chain(self.failed(&observed));
        how.map(|how| Broken { rule: Rule::KillsHeal, how, excuse: None }).collect()
    }

    /// What a run that nothing disturbed ended with, if that is not what it should.
    fn failed(self, observed: &Observed) -> Option<String> {
        let Run { end, stderr, .. } = &observed.run;
        // A killed run may have left one program more than there were, and so a full list.
        let filled = self.world.count() < observed.before.own.len()
            && observed.before.own.len() == MOST_PROGRAMS
            && *end == End::Code(1);
        let expected = End::Code(self.must_fail().into());
        (*end != expected && !filled)
            .then(|| format!("undisturbed, it ended with {end:?}: {stderr}"))
    }
}

/// Goes through a scene's faults, on all processors.
pub fn explore(scene: Scene, budget: Budget, seed: u64, report: &Mutex<Report>) {
    // What scenes before have left must not change what a run does. There may be nothing.
    let _ = std::fs::remove_dir_all("/run/devgate/containers");
    let _ = std::fs::remove_dir_all(devgate::hold::PINS);
    let programs = Programs::load(scene.world);
    let firsts = first_faults(scene, &programs, budget, seed, report);
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut worker = Worker { scene, stage: scene.stage(&programs), report };
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(fault) = firsts.get(place) else { break };
                    let mut rng = Rng::with_seed(seed ^ place as u64);
                    worker.follow(*fault, budget, &mut rng);
                }
            });
        }
    });
}

/// The single faults of the run that nothing disturbs, which is judged, too.
fn first_faults(
    scene: Scene,
    programs: &Programs,
    budget: Budget,
    seed: u64,
    report: &Mutex<Report>,
) -> Vec<Fault> {
    let mut worker = Worker { scene, stage: scene.stage(programs), report };
    let calls = worker.attempt(Kind::Undisturbed, &Plan::default());
    let mut rng = Rng::with_seed(seed);
    let of_bpf = calls.iter().filter(|call| call.row.name == "bpf");
    let kinds = [
        calls.iter().flat_map(errors).collect::<Vec<_>>(),
        calls.iter().map(kill).collect(),
        of_bpf.flat_map(lasting_errors).collect(),
    ];
    kinds.into_iter().flat_map(|faults| sample(faults, budget.first, &mut rng)).collect()
}

fn errors(call: &Call) -> impl Iterator<Item = Fault> {
    let (name, when) = (call.row.name, When::Once(call.nth));
    call.row.errnos.iter().map(move |errno| Fault { name, when, effect: Effect::Error(*errno) })
}

fn lasting_errors(call: &Call) -> impl Iterator<Item = Fault> {
    let (name, when) = (call.row.name, When::From(call.nth));
    calls::of_every_bpf().map(move |errno| Fault { name, when, effect: Effect::Error(errno) })
}

fn kill(call: &Call) -> Fault {
    Fault { name: call.row.name, when: When::Once(call.nth), effect: Effect::Kill }
}

/// So many of them, in their order.
fn sample<T>(mut all: Vec<T>, most: usize, rng: &mut Rng) -> Vec<T> {
    while all.len() > most {
        all.remove(rng.usize(..all.len()));
    }
    all
}

struct Worker<'p, 'r> {
    scene: Scene,
    stage: Stage<'p>,
    report: &'r Mutex<Report>,
}

impl Worker<'_, '_> {
    /// A run with one fault, and those with another after it.
    fn follow(&mut self, fault: Fault, budget: Budget, rng: &mut Rng) {
        let plan = Plan::one(fault);
        let kind = match (fault.effect, fault.when) {
            (Effect::Kill, _) => Kind::Killed,
            (Effect::Error(_), When::Once(_)) => Kind::FailedOnce,
            (Effect::Error(_), _) => Kind::FailedFromThenOn,
        };
        let calls = self.attempt(kind, &plan);
        if fault.name != "bpf" || fault.effect == Effect::Kill {
            return;
        }
        let first = calls.iter().position(|call| call.effect.is_some());
        let after = first.map_or(&[][..], |first| &calls[first + 1..]);
        let kills = after.iter().map(kill).collect();
        for second in sample(kills, budget.then_kills, rng) {
            self.attempt(Kind::FailedThenKilled, &plan.and(second));
        }
        if let When::Once(_) = fault.when {
            let of_bpf = after.iter().filter(|call| call.row.name == "bpf");
            let seconds = of_bpf.flat_map(errors).collect();
            for second in sample(seconds, budget.then_errors, rng) {
                self.attempt(Kind::FailedTwice, &plan.and(second));
            }
        }
    }

    /// One run, judged and reported. Its calls.
    fn attempt(&mut self, kind: Kind, plan: &Plan) -> Vec<Call> {
        let (observed, broken) = self.scene.attempt(&mut self.stage, plan);
        let missed =
            plan.0.iter().filter(|fault| !observed.run.hits().any(|call| fault.came(call)));
        let mut report = self.report.lock().expect("no worker panicked");
        report.missed += missed.count();
        report.count(kind, &observed);
        for broken in broken {
            let stderr = observed.run.stderr.clone();
            report.add(Violation { scene: self.scene, plan: plan.clone(), broken, stderr });
        }
        observed.run.calls
    }
}
