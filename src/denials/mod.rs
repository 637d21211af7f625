//! What containers were denied since `devgate observe start`, even if nobody watched.
//!
//! The observer stays attached by pinned links, and its maps are pinned too: the kernel is the
//! only one who counts, and no process of devgate's runs on. The rows of a container that ended are
//! moved to a file, so that they take no room in the maps and are not lost.

mod denial;
mod ended;

pub use denial::{Asker, Certainty, Denial, DeniedBy};
pub use ended::{Ended, EndedError, EndedStore, MOST_BYTES, MOST_ENDED, Named};
