//! Replacing and undoing against a model of a cgroup's list, whose calls fail and whose programs
//! others change. The model follows `__cgroup_bpf_attach` and `__cgroup_bpf_detach` (kernel/bpf/
//! cgroup.c); tests/attach asks the real kernel.

use std::cell::{Cell, RefCell};

use super::super::attach::{DirectAttach, OverrideAncestor, Stale};
use super::super::attach_error::NotRestored;
use super::super::query::QueryError;
use super::super::retval::RetvalPrograms;
use super::super::undo::without;
use super::*;
use crate::bpf::Reg;

/// What a program allows, one bit a request.
type Allows = u8;

/// The model's limit on programs of a list.
const MOST: usize = 4;

const NEW: ProgId = ProgId::new(100);
const NEW_ALLOWS: Allows = 0b0000_1111;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    id: u32,
    allows: Allows,
    by_link: bool,
}

const fn entry(id: u32, allows: Allows) -> Entry {
    Entry { id, allows, by_link: false }
}

const fn linked(id: u32, allows: Allows) -> Entry {
    Entry { id, allows, by_link: true }
}

/// What happens right before a call, or in its place.
#[derive(Clone, Copy, Debug)]
enum Event {
    Fails(Errno),
    /// Somebody else attaches a program.
    Attaches(Entry),
    /// Somebody else detaches this one, if it is there.
    Detaches(u32),
    /// Somebody else takes all off and attaches an exclusive program.
    MakesExclusive,
}

#[derive(Clone, Debug)]
struct State {
    entries: Vec<Entry>,
    flags: AttachFlags,
    revision: u64,
}

impl State {
    fn allows(&self) -> Allows {
        self.entries.iter().fold(Allows::MAX, |all, entry| all & entry.allows)
    }

    fn ids(&self) -> Vec<ProgId> {
        self.entries.iter().map(|entry| ProgId::new(entry.id)).collect()
    }
}

/// A kernel's abilities.
#[derive(Clone, Copy, Debug)]
struct Release {
    has_replace: bool,
    has_revision: bool,
}

const RELEASES: [Release; 3] = [
    Release { has_replace: false, has_revision: false },
    Release { has_replace: true, has_revision: false },
    Release { has_replace: true, has_revision: true },
];

struct Model {
    state: RefCell<State>,
    release: Release,
    events: Vec<(usize, Event)>,
    calls: Cell<usize>,
    /// What the last look showed.
    seen: RefCell<Vec<ProgId>>,
    /// The list after each call.
    history: RefCell<Vec<State>>,
}

impl Model {
    fn new(entries: &[Entry], flags: AttachFlags, release: Release) -> Model {
        let state = State { entries: entries.to_vec(), flags, revision: 7 };
        Model {
            history: RefCell::new(vec![state.clone()]),
            state: RefCell::new(state),
            release,
            events: Vec::new(),
            seen: RefCell::new(Vec::new()),
            calls: Cell::new(0),
        }
    }

    fn before(&self) -> State {
        self.history.borrow()[0].clone()
    }

    /// What happens before a call; its error if it fails.
    fn happen(&self) -> nix::Result<()> {
        let call = self.calls.get();
        self.calls.set(call + 1);
        let mut state = self.state.borrow_mut();
        for (_, event) in self.events.iter().filter(|(when, _)| *when == call) {
            match *event {
                Event::Fails(errno) => return Err(errno),
                Event::Attaches(other) if state.entries.iter().any(|e| e.id == other.id) => {}
                Event::Attaches(_) if state.entries.len() >= MOST => {}
                Event::Attaches(_) if is_single(&state) => {}
                Event::Attaches(other) => {
                    state.entries.push(other);
                    state.flags = AttachFlags::MULTI;
                    state.revision += 1;
                }
                Event::Detaches(id) => {
                    state.entries.retain(|entry| entry.id != id || entry.by_link);
                    state.revision += 1;
                }
                Event::MakesExclusive => {
                    state.entries = vec![entry(77, 0)];
                    state.flags = AttachFlags::EXCLUSIVE;
                    state.revision += 1;
                }
            }
        }
        Ok(())
    }

    fn change(
        &self,
        revision: Option<u64>,
        change: impl FnOnce(&mut State) -> nix::Result<()>,
    ) -> nix::Result<()> {
        self.happen()?;
        let mut state = self.state.borrow_mut();
        if revision.is_some_and(|revision| revision != state.revision) {
            return Err(Errno::ESTALE);
        }
        change(&mut state)?;
        state.revision += 1;
        self.history.borrow_mut().push(state.clone());
        Ok(())
    }
}

fn is_single(state: &State) -> bool {
    !state.entries.is_empty() && state.flags != AttachFlags::MULTI
}

impl List for Model {
    type Program = Entry;

    fn look(&self) -> Result<Attached, QueryError> {
        self.happen().map_err(QueryError::Query)?;
        let state = self.state.borrow();
        *self.seen.borrow_mut() = state.ids();
        let revision = self.release.has_revision.then_some(state.revision);
        let flags = if state.entries.is_empty() { AttachFlags::EXCLUSIVE } else { state.flags };
        Ok(Attached { ids: state.ids(), flags, revision })
    }

    fn effective(&self) -> Result<Vec<ProgId>, QueryError> {
        self.happen().map_err(QueryError::Query)?;
        Ok(self.state.borrow().ids())
    }

    fn open(&self, id: ProgId) -> nix::Result<Entry> {
        self.happen()?;
        let state = self.state.borrow();
        let found = state.entries.iter().find(|entry| entry.id == id.number());
        found.map(|found| entry(found.id, found.allows)).ok_or(Errno::ENOENT)
    }

    fn name(&self, program: &Entry) -> Option<String> {
        self.happen().ok()?;
        Some(if program.id.is_multiple_of(2) { "devgate" } else { "other" }.to_owned())
    }

    fn insns(&self, id: ProgId) -> Option<Vec<Insn>> {
        let program = self.open(id).ok()?;
        Some(vec![Insn::new(0xb7, Reg::R0, Reg::R0, 0, program.allows.into())])
    }

    fn attach(
        &self,
        program: &Entry,
        joining: Joining<'_, Entry>,
        revision: Option<u64>,
    ) -> nix::Result<()> {
        self.change(revision, |state| {
            let (flags, replaced) = match joining {
                Joining::With(flags) => (flags, None),
                Joining::InPlaceOf(_) if !self.release.has_replace => return Err(Errno::EINVAL),
                Joining::InPlaceOf(other) => (AttachFlags::MULTI, Some(other.id)),
            };
            if !state.entries.is_empty() && state.flags != flags {
                return Err(Errno::EPERM);
            }
            if state.entries.len() >= MOST {
                return Err(Errno::E2BIG);
            }
            if flags != AttachFlags::MULTI {
                *state = State { entries: vec![*program], flags, ..*state };
                return Ok(());
            }
            if state.entries.iter().any(|entry| entry.id == program.id && !entry.by_link) {
                return Err(Errno::EINVAL);
            }
            match replaced {
                None => state.entries.push(*program),
                Some(id) => {
                    let mut direct = state.entries.iter_mut();
                    let place = direct.find(|entry| entry.id == id && !entry.by_link);
                    *place.ok_or(Errno::ENOENT)? = *program;
                }
            }
            state.flags = flags;
            Ok(())
        })
    }

    fn detach(&self, program: &Entry, revision: Option<u64>) -> nix::Result<()> {
        self.change(revision, |state| {
            let place = match is_single(state) {
                true => Some(0),
                false => state.entries.iter().position(|e| e.id == program.id && !e.by_link),
            };
            state.entries.remove(place.ok_or(Errno::ENOENT)?);
            Ok(())
        })
    }
}

const STALE: DirectAttach = DirectAttach {
    stale: Stale::All,
    override_ancestor: OverrideAncestor::Refuse,
    retval: RetvalPrograms::Refuse,
};

/// How a run ended: the programs that it reports as left, or its error.
type Ended = Result<Vec<ProgId>, AttachError>;

fn replacement<'a>(model: Model, how: DirectAttach) -> Option<Replacement<'a, Model>> {
    const PROGRAM: &Entry = &entry(100, NEW_ALLOWS);
    let before = model.look().ok()?;
    Some(Replacement {
        list: model,
        program: PROGRAM,
        id: NEW,
        how,
        above: &|| Ok(None),
        before,
        progress: Progress::new(),
    })
}

/// A run with these events, and undone in the end if that is asked for.
fn run(model: Model, how: DirectAttach, and_undo: bool) -> Option<(Model, Ended)> {
    let mut replacement = replacement(model, how)?;
    let rounds = 2 * replacement.before.ids.len() + 4;
    let mut ended = replacement.run(rounds, || Ok(())).map(|()| {
        let Progress { left, .. } = &replacement.progress;
        left.keys().copied().collect()
    });
    if and_undo && ended.is_ok() {
        let cause = || Box::new(AttachError::Locked);
        ended = Err(match replacement.undo() {
            Ok(()) => AttachError::Locked,
            Err(state) => AttachError::NotUndone { state, cause: cause() },
        });
    }
    Some((replacement.list, ended))
}

/// What is promised of the list's end.
fn check_end(model: &Model, how: DirectAttach, ended: &Ended) {
    let (before, now) = (model.before().ids(), model.state.borrow().ids());
    match ended {
        Ok(left) => {
            let seen = model.seen.borrow();
            assert!(seen.contains(&NEW), "the new program is not attached");
            for &id in seen.iter() {
                let stays = how.stale == Stale::None
                    || (how.stale == Stale::Own && !id.number().is_multiple_of(2));
                assert!(id == NEW || stays || left.contains(&id), "{id} is there, and not told");
            }
        }
        Err(AttachError::NotUndone {
            state: NotRestored::Differs { before: was, now: is },
            ..
        }) => {
            assert_eq!((was, is), (&before, &now));
            assert!(!without(&before, &now).is_empty() || !without(&now, &before).is_empty());
        }
        Err(AttachError::NotUndone {
            state: NotRestored::Unknown { before: was, missing, added, .. },
            ..
        }) => {
            assert_eq!(was, &before);
            let not_told = without(&without(&before, &now), missing);
            assert_eq!(not_told, []);
            let added = Vec::from_iter(*added);
            assert_eq!(without(&without(&now, &before), &added), []);
        }
        Err(error) => {
            let differs = (without(&before, &now), without(&now, &before));
            let did_nothing = model.history.borrow().len() == 1;
            assert!(did_nothing || differs == (vec![], vec![]), "not told by {error:?}");
        }
    }
}

/// What is promised of every instant.
fn check_history(model: &Model) {
    let old = model.before().allows();
    for state in model.history.borrow().iter() {
        let allows = state.allows();
        let narrow = allows & !old == 0 || allows & !NEW_ALLOWS == 0;
        assert!(narrow, "{state:?} allows more than the old programs and more than the new one");
        let emptied = state.entries.is_empty() && !model.before().entries.is_empty();
        assert!(!emptied, "no program is left");
    }
}

const A: Entry = entry(1, 0b1111_0011);
const B: Entry = entry(2, 0b1100_1111);
const ALL: Entry = entry(3, 0b1111_1111);
/// With the same instructions as `B`.
const B2: Entry = entry(4, B.allows);
const HELD: Entry = linked(5, 0b1110_1111);
/// `A` a second time, by a link.
const A_HELD: Entry = linked(1, A.allows);

fn lists() -> Vec<(Vec<Entry>, AttachFlags)> {
    let multi = |entries: &[Entry]| (entries.to_vec(), AttachFlags::MULTI);
    vec![
        multi(&[]),
        multi(&[A]),
        multi(&[ALL, A, B]),
        multi(&[A, B, ALL]),
        multi(&[HELD]),
        multi(&[A, HELD, B]),
        multi(&[A_HELD, A]),
        multi(&[A, B, B2]),
        multi(&[B, ALL, B2, A]),
        multi(&[A_HELD, A, B, HELD]),
        multi(&[A, B, ALL, HELD]),
        (vec![A], AttachFlags::EXCLUSIVE),
        (vec![A], AttachFlags::OVERRIDE),
    ]
}

const ERRNOS: [Errno; 9] = [
    Errno::EPERM,
    Errno::ENOENT,
    Errno::EINVAL,
    Errno::E2BIG,
    Errno::ESTALE,
    Errno::ENOMEM,
    Errno::EBUSY,
    Errno::EINTR,
    Errno::EMFILE,
];

/// More calls than a run makes that comes to an end by itself.
const CALLS: usize = 40;

fn every_run(mut each: impl FnMut(&dyn Fn() -> Model, DirectAttach, bool)) {
    for (entries, flags) in lists() {
        for release in RELEASES {
            for stale in [Stale::All, Stale::Own, Stale::None] {
                for and_undo in [false, true] {
                    let model = || Model::new(&entries, flags, release);
                    each(&model, DirectAttach { stale, ..STALE }, and_undo);
                }
            }
        }
    }
}

fn check(model: Model, how: DirectAttach, and_undo: bool, alone: bool) {
    let told =
        format!("{:?} {:?} {:?} {how:?} {and_undo}", model.before(), model.release, model.events);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let Some((model, ended)) = run(model, how, and_undo) else { return };
        check_end(&model, how, &ended);
        if alone {
            check_history(&model);
        }
    }));
    assert!(outcome.is_ok(), "in the run {told}");
}

#[test]
fn without_failures_it_is_done_and_undone() {
    every_run(|model, how, and_undo| {
        check(model(), how, and_undo, true);
        let before = model().before();
        let (model, ended) = run(model(), how, and_undo).unwrap();
        let refused = matches!(
            ended,
            Err(AttachError::TooMany { .. }
                | AttachError::Exclusive { .. }
                | AttachError::Override { .. })
        );
        assert_eq!(ended.is_ok(), !and_undo && !refused, "{before:?} {how:?}: {ended:?}");
        let undone = !matches!(ended, Err(AttachError::NotUndone { .. }));
        assert!(undone, "{before:?} {how:?} {:?}: {ended:?}", model.release);
    });
}

#[test]
fn each_call_fails_once_or_twice_or_for_good() {
    let mut runs = 0;
    every_run(|model, how, and_undo| {
        for first in 1..CALLS {
            for errno in ERRNOS {
                for times in [1, 2, CALLS * 4] {
                    let fails = |call| (call, Event::Fails(errno));
                    let events = (first..first + times).map(fails).collect();
                    let model = Model { events, ..model() };
                    check(model, how, and_undo, true);
                    runs += 1;
                }
            }
        }
    });
    assert!(runs > 100_000, "{runs}");
}

#[test]
fn any_two_calls_fail() {
    let seed = crate_seed();
    let mut random = fastrand::Rng::with_seed(seed);
    println!("seed {seed}");
    every_run(|model, how, and_undo| {
        for _ in 0..200 {
            let fails = |_| {
                let errno = random.choice(ERRNOS).unwrap();
                (random.usize(1..CALLS), Event::Fails(errno))
            };
            let events = (0..4).map(fails).collect();
            check(Model { events, ..model() }, how, and_undo, true);
        }
    });
}

fn crate_seed() -> u64 {
    let given = std::env::var("DEVGATE_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..))
}

/// What others do is theirs; what devgate reports is the truth.
#[test]
fn others_change_the_list() {
    let others = [
        Event::Attaches(entry(9, 0b1111_0000)),
        Event::Attaches(A),
        Event::Attaches(B),
        Event::Detaches(1),
        Event::Detaches(2),
        Event::Detaches(100),
        Event::MakesExclusive,
    ];
    every_run(|model, how, and_undo| {
        for first in 1..CALLS {
            for other in others {
                check(Model { events: vec![(first, other)], ..model() }, how, and_undo, false);
                for errno in [Errno::EPERM, Errno::ENOMEM] {
                    for failing in [first + 1, first + 3] {
                        let fails = (failing, Event::Fails(errno));
                        let events = vec![(first, other), fails];
                        check(Model { events, ..model() }, how, and_undo, false);
                    }
                }
            }
        }
    });
}

/// The list is as devgate looked at it, or the change is not made.
#[test]
fn an_exclusive_program_of_somebody_else_is_not_taken_off() {
    for when in 1..CALLS {
        let model = Model::new(&[A, B], AttachFlags::MULTI, RELEASES[2]);
        let model = Model { events: vec![(when, Event::MakesExclusive)], ..model };
        let (model, ended) = run(model, DirectAttach { stale: Stale::Own, ..STALE }, true).unwrap();
        let happened = model.calls.get() > when;
        assert!(!happened || model.state.borrow().entries[0].id == 77, "{when}: {ended:?}");
    }
}
