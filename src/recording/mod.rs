//! What a container asks for while it runs, recorded under a name, and the smallest policy that is
//! learnt from it.

mod asked;
mod diff;
mod error;
mod kept;
mod learn;
mod name;
mod ongoing;
mod recorder;
mod run_of;
mod stored;

pub use asked::{Answer, Asked, merged, printable};
pub use diff::{Difference, Refused, Unused, diff};
pub use error::RecordingError;
pub use learn::{Commented, Denied, Learnt, learn, policy};
pub use name::{NameError, RecordingName};
pub use ongoing::Ongoing;
pub use recorder::{Finished, PINS, ROWS, Recorder, Subject, boot};
pub use stored::{Earlier, Progress, Recording, Run};

#[cfg(test)]
mod tests;
