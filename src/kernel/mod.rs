//! bpf(2) on cgroups: load a program, list those of a cgroup, attach one in place of others,
//! detach by id, describe one by id. All unsafe code of the crate is in `sys`.

mod attach;
mod features;
mod link;
mod load;
mod lock;
mod open_link;
mod program;
mod query;
mod replace;
mod retry;
pub(crate) mod sys;

pub use attach::{AttachError, DirectAttach, LeftReason, Outcome, Stale};
pub use features::{Feature, Support, is_jited};
pub use link::{Link, link_pins, links};
pub use load::{LoadError, Loaded, NAME_PREFIX, load};
pub use open_link::OpenLink;
pub use program::{DetachError, ProgId, Program, ProgramError, detach};
pub use query::{AttachFlags, Attached, QueryError, query, query_effective};
