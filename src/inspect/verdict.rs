//! What the programs that run for a cgroup answer to a request.

use super::{Attachment, Inspection, Opaque};
use crate::analyze::{Budget, explore_one};
use crate::bpf::{Helpers, Program};
use crate::device::Request;
use crate::kernel::ProgId;
use crate::policy::Verdict;

/// One program's answer, or that of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It lets the request pass.
    Allows,
    /// It does not.
    Denies,
    /// It can't be told.
    Unknown(String),
}

/// One program's part in a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What it returns.
    pub answer: Answer,
    /// Why it may set the return value of the whole run for this request, if it may.
    pub retval: Option<String>,
}

/// All programs' answers, in the order of [`Inspection::running`], and what they come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Each program's.
    pub said: Vec<Said>,
    /// What the kernel answers.
    pub together: Answer,
}

/// Runs every program on the request, in the kernel's order. One that can't be decoded as a whole
/// may still be told for one request.
pub fn judge(inspection: &Inspection, request: &Request) -> Judged {
    let mut together = Answer::Allows;
    let mut all = Vec::new();
    for (_, attachment) in inspection.running() {
        let said = said(inspection, attachment, request);
        together = then(together, &said, attachment.program.id);
        all.push(said);
    }
    Judged { said: all, together }
}

/// What the kernel answers after one more program (`bpf_prog_run_array_cg`): the first that returns
/// 0 makes it -EPERM, and one that sets the return value makes it what it likes, but not 0 if it
/// returns 0 as well.
fn then(so_far: Answer, said: &Said, id: ProgId) -> Answer {
    match (&said.answer, &said.retval) {
        (Answer::Denies, _) => Answer::Denies,
        (_, Some(why)) => Answer::Unknown(format!("program {id} may set the return value ({why})")),
        (Answer::Allows, None) => so_far,
        (Answer::Unknown(_), None) if so_far == Answer::Denies => so_far,
        (Answer::Unknown(why), None) => Answer::Unknown(format!("program {id}: {why}")),
    }
}

fn said(inspection: &Inspection, attachment: &Attachment, request: &Request) -> Said {
    let meaning = &attachment.meaning;
    let may_set = || meaning.retval.as_ref().map(ToString::to_string);
    let Some(program) = &meaning.program else {
        let reason = meaning.answers.as_ref().err().map(Opaque::to_string);
        return Said { answer: Answer::Unknown(reason.unwrap_or_default()), retval: may_set() };
    };
    let asked = ask(program, request, &*inspection.symbols);
    Said { answer: asked.answer, retval: if asked.may_set { may_set() } else { None } }
}

/// What one program answers to a request.
pub(super) struct Asked {
    pub answer: Answer,
    /// Whether it may set the return value for this request, as far as can be told.
    pub may_set: bool,
}

/// Runs a program on the request.
pub(super) fn ask(program: &Program, request: &Request, helpers: &dyn Helpers) -> Asked {
    match explore_one(program, request, helpers, Budget::REPORT) {
        Err(error) => Asked { answer: Answer::Unknown(error.to_string()), may_set: true },
        Ok(found) => {
            let is = |verdict| found.regions.iter().any(|region| region.verdict == verdict);
            let answer = match (is(Verdict::Allow), is(Verdict::Deny), found.undecided) {
                (true, false, _) => Answer::Allows,
                (false, true, _) => Answer::Denies,
                (.., undecided) => {
                    Answer::Unknown(undecided.map(|error| error.to_string()).unwrap_or_default())
                }
            };
            Asked { answer, may_set: !found.retval.is_empty() }
        }
    }
}
