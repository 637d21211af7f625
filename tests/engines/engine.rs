//! What a test asks of any engine.

use crate::common::engine::answers::{Steps, assert_answers};
use crate::common::engine::container::Ran;
use crate::common::engine::watch::HookRun;
use crate::kinds::{BASE, Expected, KINDS, Rules};

/// An engine, with devgate for a hook of its containers and a log of that.
pub trait Engine {
    /// A hook that runs before devgate, and edits config.json as this sed script says.
    fn edit_config(&self, script: &str);

    /// Runs a container that was asked for like this until nothing is left of it.
    fn run(&self, asked: &Asked, steps: &Steps) -> Ran;

    /// Can't run a container on account of devgate, and nothing is left of it.
    fn fail(&self);

    /// What devgate logged.
    fn hook_runs(&self) -> Vec<HookRun>;

    /// What it lets a plain container do beyond [`BASE`].
    fn own_rules(&self) -> &'static [&'static str] {
        &[]
    }
}

/// What devices a container is to have.
#[derive(Debug)]
pub enum Asked {
    Nothing,
    /// These devices, at these paths.
    Devices(&'static [Device]),
    /// These rules, each `TYPE MAJOR:MINOR ACCESS`.
    Rules(&'static [&'static str]),
    /// To be privileged.
    Everything,
}

#[derive(Debug)]
pub struct Device {
    /// As mknod(1) takes them.
    pub numbers: [&'static str; 3],
    /// In the container.
    pub path: &'static str,
    pub access: &'static str,
}

/// Runs a container of each kind, each below an engine of its own.
#[track_caller]
pub fn assert_every_kind<E: Engine>(engine: impl Fn() -> E) {
    for kind in KINDS {
        // Shown where it fails.
        println!("{}", kind.name);
        let engine = engine();
        if let Some(script) = kind.edit {
            engine.edit_config(script);
        }
        match kind.expected {
            Expected::Runs { steps, rules } => {
                let ran = engine.run(&kind.asked, steps);
                assert_answers(ran.answers.iter().map(String::as_str), steps);
                let expected = expected_rules(&rules, engine.own_rules());
                assert_eq!(ran.inspected.rules(), expected);
            }
            Expected::Refused { why } => {
                engine.fail();
                assert_refused(&engine.hook_runs(), why);
            }
        }
    }
}

fn expected_rules(rules: &Rules, own: &[&'static str]) -> Vec<&'static str> {
    let mut expected = match rules {
        Rules::Everything => vec!["allow a *:* rwm"],
        Rules::BaseAnd(more) => [&BASE[..], own, more].concat(),
    };
    expected.sort_unstable();
    expected
}

/// devgate ran once, attached nothing, and logged why.
#[track_caller]
pub fn assert_refused(runs: &[HookRun], why: &str) {
    let [run] = runs else { panic!("not one run: {runs:?}") };
    assert_eq!((run.result.as_str(), run.program), ("failed", None));
    assert!(run.error.as_deref().is_some_and(|error| error.contains(why)), "{run:?}");
}
