//! bpf(2) on cgroups: load a program, list those of a cgroup, attach one in place of others,
//! detach by id, describe one by id. All unsafe code of the crate is in `sys`.

mod above;
mod attach;
mod attach_error;
mod features;
mod link;
mod list;
mod load;
mod lock;
mod map;
mod open_link;
mod program;
mod query;
mod replace;
mod retry;
mod retval;
mod set_retval;
mod symbols;
pub(crate) mod sys;
mod take_off;
mod undo;

pub use above::{AboveError, NearestAbove};
pub use attach::{
    Attachment, DirectAttach, LeftReason, Outcome, Overridden, OverrideAncestor, Stale,
};
pub use attach_error::{AttachError, NotRestored};
pub use features::{Feature, Support, is_jited};
pub use link::{Link, link_pins, links};
pub use load::{LoadError, Loaded, NAME_PREFIX, OBSERVER_NAME, load, load_observer};
pub use lock::Unlocked;
pub use map::{Events, Map};
pub use open_link::OpenLink;
pub use program::{DetachError, ProgId, Program, ProgramError, detach};
pub use query::{AttachFlags, Attached, QueryError, query, query_effective};
pub use retval::{RetvalPrograms, RetvalReason};
pub use symbols::Symbols;
pub use take_off::{TakenOff, take_off};
