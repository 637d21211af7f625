//! The page that shows what came out, and the comparison with the one in the documentation.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::engines::{ENGINES, Engine};
use crate::events::{EVENTS, Event};
use crate::outcome::Outcome;
use crate::policy::POLICIES;
use crate::reasons::{REASONS, number};
use crate::run::{Came, Cell, Column, Outcomes};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/life.md");

const INTRODUCTION: &str = "\
<!-- `make life` makes this file. -->

# A container's life

What becomes of a container's policy when something happens to the container. The test
`tests/life` makes this page: it starts four containers on each combination of engine, runtime and
cgroup manager below, lets one event after another happen to all of them, and looks. The test fails
if the page says something else.

The four policies are: what an engine gives a plain container; one device more (`c 10:229 rwm`);
everything but one write (`allow all; deny c 10:229 w`); and two rules for one device (`allow c
10:229 r; allow c 10:229 w`). The hook runs with its default options.

A policy is **kept** if `devgate check --diff` finds no difference to the container's config.json, the
programs of the cgroups above included, and the answers to the container's own opens are the
policy's. It is **narrower** if devgate's program is in force and another one denies more. It is
**lost** if devgate's program is not attached. One word in a cell holds for all four policies, with
and without the guard. Otherwise it is \"without the guard / with the guard\"; \"2 of 4\" counts policies;
[1] is the reason below. The guard looks once after the event.

";

const BY_HAND: &str = "\
## Not part of the test

- CRI-O and containerd 2 are not in the matrix.
- The limits of an update (memory, CPU and so on) are hidden from the runtime, since the test also
  runs where their controllers are not in cgroup2. The runtime makes the update all the same, with its
  device rules.
- crun with systemd refuses a config.json with a deny rule after \"allow all\" (\"systemd does not support
  deny rules for devices\"). There a hook before devgate writes that rule.
- Checkpoint and restore run with CRIU 4.1, which Debian 13 has. CRIU 3.17 of Debian 12 does not start on
  a kernel of today, and runc 1.1 has no option to leave cgroups of v1 alone. Seen by hand with runc 1.1
  and 1.3: it runs the hook again.
- crun 1.28 with systemd 262 and podman 5.8.6 (Debian sid). Seen by hand, without the link, `--unit` and
  the guard: with systemd as cgroup manager `podman update`, daemon-reload and CPUWeight= keep devgate's
  program; DeviceAllow= narrows it; `update -r -` with devices is refused; restore runs no hook. With
  cgroupfs `podman update` and `update -r -` with devices take devgate's program off.
";

pub fn page(columns: &[Column]) -> String {
    let mut page = INTRODUCTION.to_owned();
    for (letter, column) in letters().zip(columns) {
        line(&mut page, &format!("- **{letter}**: {}", column.engine.text));
    }
    page.push('\n');
    let heads: String =
        letters().take(columns.len()).map(|letter| format!(" {letter} |")).collect();
    line(&mut page, &format!("| event |{heads}"));
    line(&mut page, &format!("|---|{}", "---|".repeat(columns.len())));
    let mut used = BTreeSet::new();
    for (index, event) in EVENTS.iter().enumerate() {
        let cells = columns.iter().map(|column| cell(column.engine, event, &column.cells[index]));
        let mut row = format!("| {} |", event.name);
        for (text, reasons) in cells {
            used.extend(reasons);
            write!(row, " {text} |").expect("a String takes everything");
        }
        line(&mut page, &row);
    }
    line(&mut page, "\n## Reasons\n");
    for (place, reason) in REASONS.iter().enumerate() {
        let is_used = used.contains(&(place + 1));
        assert!(is_used || columns.len() < ENGINES.len(), "no outcome has it: {}", reason.text);
        line(&mut page, &format!("{}. {}", place + 1, reason.text));
    }
    line(&mut page, "");
    page + BY_HAND
}

fn letters() -> impl Iterator<Item = char> {
    'A'..='Z'
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

/// A cell's text, and the numbers of its reasons.
fn cell(engine: &Engine, event: &Event, cell: &Cell) -> (String, Vec<usize>) {
    let Cell::Came(Came { refused, without, with }) = cell else {
        return ("-".to_owned(), Vec::new());
    };
    assert!(!refused, "{}, {}: the engine did not do it", engine.text, event.name);
    let (without, first) = side(engine, event, without, false);
    let (with, second) = side(engine, event, with, true);
    let text = if without == with { without } else { format!("{without} / {with}") };
    (text, first.into_iter().chain(second).collect())
}

fn side(
    engine: &Engine,
    event: &Event,
    outcomes: &Outcomes,
    guarded: bool,
) -> (String, Option<usize>) {
    let worst = outcomes.iter().copied().max().unwrap_or(Outcome::Kept);
    if worst == Outcome::Kept {
        return ("kept".to_owned(), None);
    }
    let reason = number(engine, event, worst, guarded);
    let reason = reason.unwrap_or_else(|| {
        panic!("{}, {}, guarded {guarded}: {outcomes:?} without a reason", engine.text, event.name)
    });
    let count = outcomes.iter().filter(|outcome| **outcome != Outcome::Kept).count();
    let of = if count == POLICIES.len() {
        String::new()
    } else {
        format!(" {count} of {}", POLICIES.len())
    };
    let word = match worst {
        Outcome::Kept => "kept",
        Outcome::Narrower => "narrower",
        Outcome::Lost => "lost",
    };
    (format!("{word}{of} [{reason}]"), Some(reason))
}

/// Compares it with the documentation's, or makes that with `DEVGATE_BLESS=1`.
pub fn compare(page: &str) {
    if env::var_os("DEVGATE_BLESS").is_some_and(|value| value == "1") {
        fs::create_dir_all(Path::new(FILE).parent().expect("it is in a folder"))
            .expect("the folder can be made");
        fs::write(FILE, page).expect("the page can be written");
    }
    let documented = fs::read_to_string(FILE).unwrap_or_default();
    assert!(documented == page, "{FILE} is not what came out (`make life`?):\n{page}");
}
