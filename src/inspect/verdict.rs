//! What the programs that run for a cgroup answer to a request.

use super::{Attachment, Inspection, Opaque};
use crate::bpf;
use crate::device::Request;

/// One program's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It lets the request pass.
    Allows,
    /// It does not.
    Denies,
    /// It can't be told.
    Unknown(String),
}

/// All programs' answers, in the order of [`Inspection::running`], and what they come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Each program's.
    pub answers: Vec<Answer>,
    /// `Denies` if any does; otherwise `Unknown` if any is.
    pub together: Answer,
}

/// Runs every program on the request. One that can't be decoded as a whole may still be told
/// for one request.
pub fn judge(inspection: &Inspection, request: &Request) -> Judged {
    let answers: Vec<Answer> =
        inspection.running().map(|(_, attachment)| answer(attachment, request)).collect();
    let unknown = answers.iter().find(|answer| matches!(answer, Answer::Unknown(_)));
    let together = if answers.contains(&Answer::Denies) {
        Answer::Denies
    } else if let Some(unknown) = unknown {
        unknown.clone()
    } else if let Some(id) = inspection.unseen.first() {
        Answer::Unknown(format!("program {id} is attached to a cgroup that is not seen here"))
    } else {
        Answer::Allows
    };
    Judged { answers, together }
}

fn answer(attachment: &Attachment, request: &Request) -> Answer {
    let meaning = &attachment.meaning;
    let Some(program) = &meaning.program else {
        let reason = meaning.table.as_ref().err().map(Opaque::to_string);
        return Answer::Unknown(reason.unwrap_or_default());
    };
    match bpf::run(program, request) {
        Ok(outcome) if outcome.allowed => Answer::Allows,
        Ok(_) => Answer::Denies,
        Err(bpf::RunError(cause)) => Answer::Unknown(cause.to_string()),
    }
}
