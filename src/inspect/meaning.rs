//! What a program does, as far as it can be told.

use thiserror::Error;

use crate::analyze::{AnalyzeError, Budget, explore};
use crate::bpf::{self, Helpers, Insn, retval_call};
use crate::decode::{Answers, DecodeError, Decoded, decode};
use crate::kernel::{Program, ProgramError, RetvalReason};

/// Why a program is not decoded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Opaque {
    /// Its instructions can't be had.
    #[error("its instructions can't be read: {0}")]
    Unread(String),
    /// It can't be analyzed.
    #[error(transparent)]
    Analyze(#[from] AnalyzeError),
    /// Its answers are no list of rules.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// What tells a program's meaning: its tag, how many instructions it has, and whether it has an
/// observer's name.
pub(super) type Code = ([u8; 8], usize, bool);

/// That of a program.
pub(super) fn code(program: &Program) -> Code {
    (program.tag, program.insn_count, program.is_named_observer())
}

/// What a program does, as far as it can be told.
#[derive(Clone, Debug)]
pub struct Meaning {
    /// Its instructions, if they can be read.
    pub program: Option<bpf::Program>,
    /// Its answers.
    pub answers: Result<Answers, Opaque>,
    /// Its answers as rules, if every request has one.
    pub decoded: Result<Decoded, Opaque>,
    /// Why it may set the return value of the whole run, if it may.
    pub retval: Option<RetvalReason>,
}

impl Meaning {
    /// Of a program with these instructions.
    pub fn of(program: bpf::Program, helpers: &dyn Helpers, budget: Budget) -> Meaning {
        let retval = retval_call(&program, helpers).map(RetvalReason::Calls);
        let explored = explore(&program, helpers, budget);
        let undecided = explored.as_ref().ok().and_then(|found| found.undecided.clone());
        let answers =
            explored.map_err(Opaque::from).and_then(|analysis| Ok(Answers::of(&analysis)?));
        let decoded = answers.clone().and_then(|answers| match undecided {
            Some(undecided) if !answers.is_exact() => Err(undecided.into()),
            _ => Ok(decode(&answers.possible)?),
        });
        Meaning { program: Some(program), answers, decoded, retval }
    }

    /// Whether it does nothing but look on: it allows everything.
    pub fn looks_on(&self) -> bool {
        let all = self.answers.as_ref().is_ok_and(|answers| *answers == Answers::everything());
        all && self.retval.is_none()
    }

    /// Of a program of the kernel's that somebody attached, with its instructions or why there are
    /// none to see.
    pub fn of_attached(
        program: &Program,
        insns: Result<Vec<Insn>, ProgramError>,
        helpers: &dyn Helpers,
    ) -> Meaning {
        let meaning = match insns {
            Ok(insns) => Meaning::of(bpf::Program::new(insns), helpers, Budget::REPORT),
            Err(error) => Meaning::unread(&error),
        };
        if program.is_named_observer() { meaning.of_observer() } else { meaning }
    }

    /// Of a program with an observer's name: what the kernel hides of it is no more than looking on.
    fn of_observer(self) -> Meaning {
        if !self.retval.as_ref().is_some_and(RetvalReason::is_hidden) {
            return self;
        }
        let answers = Answers::everything();
        let decoded = decode(&answers.possible).map_err(Opaque::from);
        Meaning { program: self.program, answers: Ok(answers), decoded, retval: None }
    }

    fn unread(error: &ProgramError) -> Meaning {
        let opaque = Opaque::Unread(error.to_string());
        let retval = Some(RetvalReason::Unseen(error.to_string()));
        Meaning { program: None, answers: Err(opaque.clone()), decoded: Err(opaque), retval }
    }

    /// What may be answered, whatever is known.
    pub fn all_answers(&self) -> std::borrow::Cow<'_, Answers> {
        use std::borrow::Cow;
        match &self.answers {
            Ok(answers) => Cow::Borrowed(answers),
            Err(_) => Cow::Owned(Answers::opaque(self.retval.is_some())),
        }
    }
}
