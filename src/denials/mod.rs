//! What containers were denied since `devgate observe start`, even if nobody watched.
//!
//! The observer stays attached by pinned links, and its maps are pinned too: the kernel alone
//! counts, and no process of devgate's runs on. The rows of a container that ended are moved to a
//! file, so that they take no room in the maps and are not lost.

mod cover;
mod covers;
mod denial;
mod denied;
mod ended;
mod error;
mod keeper;
mod memory;
mod report;
mod resolver;
mod standing;
mod tidy;
mod turn;

pub use cover::{Covered, Sight, cover_container};
pub use covers::Covers;
pub use denial::{Asker, Certainty, Denial, DeniedBy};
pub use denied::{Denied, Identity};
pub use ended::{EndedError, EndedStore, MOST_BYTES, MOST_ENDED};
pub use error::StandingError;
pub use keeper::Keeper;
pub use memory::Memory;
pub use report::{Report, report};
pub use standing::{Started, Status, Wanted, start, status, stop};
pub use tidy::{Moved, Tidier, dead, tidy};
