//! Sees what containers ask for, and what they were answered.
//!
//! An observer is a device program that allows everything and counts each request with its
//! verdict. It runs after the programs of the cgroups below, whatever these answered, so it
//! neither changes nor replaces the programs that enforce.

mod code;
mod coverage;
mod error;
mod layout;
mod observations;
mod observed;
mod observer;
mod order;
mod pins;
mod program;

pub use coverage::Coverage;
pub use error::ObserveError;
pub use observations::{Fill, NO_ROOM, Observations, Roomful};
pub use observed::{Lost, Method, Observed, Requester, Seen};
pub use observer::{Observer, Requests, Scope, Size, Task, WithEvents, proven};
pub use pins::OBSERVE;
