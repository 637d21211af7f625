//! Changing the policy of a container that runs: grants, revocations, whole new policies.
//!
//! A change goes from the record to the new record, from that to a policy that is compiled and
//! proven, and from there to the kernel. These are its steps, all of them under the record's
//! lock:
//!
//! 1. The record is read, and the new one made from it. Nothing is changed yet.
//! 2. The program is compiled, proven, loaded and attached in place of the old one.
//! 3. For a grant: every other program in force for the container is asked. One that denies what is
//!    granted ends it.
//! 4. For a grant: the nodes are made.
//! 5. For a revocation: what is kept for the container's next run is taken away.
//! 6. The record is written.
//! 7. For a grant: what is to be kept is written.
//! 8. For a revocation: the nodes are removed, and the record is written without them. Then the
//!    processes are listed that still have a device open.
//!
//! A failure in steps 1 to 7 takes the earlier ones back, the program last. Step 8 does not fail: the
//! container could be in its way, and keep its access.
//!
//! devgate may be killed after each step. What is in force is then either what the record says or
//! that with the one change:
//!
//! - The record comes after the program, so a grant may be in force that is not recorded, and a
//!   revocation may be in force already. The next change of this container attaches a
//!   program made from the record, and so puts the first back and repeats the second.
//! - A node that was made and not recorded stays until the container ends. It opens nothing by itself.
//! - What is kept is narrowed before the record is, and widened after it: a container that starts again
//!   has no more than was recorded.
//! - A node that is not removed yet is in the record, as a grant of no access, and the next change
//!   removes it.

mod carry_out;
mod devices;
mod edit;
mod error;
mod find;
mod keep;
mod report;
mod revoked;
mod stores;

pub use carry_out::{Mode, OldNodes, Options, change};
pub use devices::{Asked, DeviceError, DeviceName, Devices, NameError, Resolved};
pub use edit::{Edit, NewGrant, Revoked};
pub use error::ChangeError;
pub use find::{beginning, find};
pub use keep::{KeptGrants, forget, kept_grants};
pub use report::{Difference, NodeDone, NodeReport, Report};
pub use revoked::revoked;
pub use stores::Stores;
