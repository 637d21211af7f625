//! Runs all events on all engines.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::common::own;
use crate::engine::{Container, Running};
use crate::engines::{ENGINES, Engine};
use crate::event::happen;
use crate::events::{EVENTS, Event};
use crate::outcome::{Outcome, Seen, look};
use crate::policy::POLICIES;

/// What came of an event on an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// There is no such thing on this engine.
    Absent,
    Came(Came),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Came {
    /// The engine did not do it.
    pub refused: bool,
    /// For each policy, before the guard looked.
    pub without: Outcomes,
    /// The same after it.
    pub with: Outcomes,
}

pub type Outcomes = [Outcome; POLICIES.len()];

pub struct Column {
    pub engine: &'static Engine,
    /// One for each event.
    pub cells: Vec<Cell>,
}

/// Each engine's column, several at a time.
pub fn all() -> Vec<Column> {
    let next = AtomicUsize::new(0);
    let columns = Mutex::new(Vec::new());
    let work = || {
        own::isolate();
        while let Some(engine) = ENGINES.get(next.fetch_add(1, Ordering::Relaxed)) {
            let column = catch_unwind(AssertUnwindSafe(|| column(engine)));
            columns.lock().expect("no thread panics with it").push((engine.text, column));
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut columns = columns.into_inner().expect("no thread panicked with it");
    columns.sort_by_key(|(text, _)| ENGINES.iter().position(|engine| engine.text == *text));
    let failed: Vec<&str> =
        columns.iter().filter(|(_, column)| column.is_err()).map(|(text, _)| *text).collect();
    assert!(failed.is_empty(), "a panic, see above: {failed:?}");
    columns.into_iter().filter_map(|(_, column)| column.ok()).collect()
}

fn column(engine: &'static Engine) -> Column {
    let mut running = Running::new(engine, &[]);
    running.check_versions();
    let mut containers: Vec<Container> =
        (0..POLICIES.len()).map(|policy| running.start(policy)).collect();
    let cells = EVENTS.iter().map(|event| cell(event, &mut running, &mut containers)).collect();
    for container in &containers {
        running.remove(container);
    }
    Column { engine, cells }
}

fn cell(event: &Event, running: &mut Running, containers: &mut [Container]) -> Cell {
    if !event.act.is_for(running.engine) {
        return Cell::Absent;
    }
    let refused = happen(&event.act, running, containers);
    let name = format!("{}: {}", running.engine.text, event.name);
    if let Err(why) = &refused {
        eprintln!("{name}: refused: {}", why.0);
    }
    if event.act.starts_anew() {
        containers.iter().for_each(|container| running.started(container));
    }
    let without = look_at_all(&name, running, containers);
    let with = guarded(&name, event, running, containers);
    for (container, outcome) in containers.iter_mut().zip(with) {
        if outcome != Outcome::Kept {
            running.remove(container);
            *container = running.start(container.policy);
        }
    }
    Cell::Came(Came { refused: refused.is_err(), without, with })
}

/// After the guard has looked, or has looked until all is well where it takes its time.
fn guarded(name: &str, event: &Event, running: &Running, containers: &[Container]) -> Outcomes {
    let name = format!("{name}, guarded");
    let end = Instant::now() + event.act.patience();
    loop {
        let told = running.guard();
        let outcomes = look_at_all(&name, running, containers);
        if outcomes == [Outcome::Kept; POLICIES.len()] || Instant::now() > end {
            match told {
                Ok(told) if told.is_empty() => {}
                Ok(told) => eprintln!("{name}: {told}"),
                Err(told) => eprintln!("{name}: it failed: {}", told.0),
            }
            return outcomes;
        }
        sleep(Duration::from_millis(500));
    }
}

pub fn look_at_all(name: &str, running: &Running, containers: &[Container]) -> Outcomes {
    let seen = containers.iter().map(|container| {
        let Seen { outcome, why } = look(&running.cgroup(container), &container.config);
        if outcome != Outcome::Kept {
            let policy = POLICIES[container.policy].name;
            eprintln!("{name}: {policy}: {outcome:?}: {why}");
        }
        outcome
    });
    seen.collect::<Vec<_>>().try_into().expect("one for each policy")
}
