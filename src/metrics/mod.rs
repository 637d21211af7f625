//! Numbers for Prometheus: what containers were denied, which of them have a program of devgate's,
//! how the hook does.

mod containers;
mod denied;
mod expose;
mod lost;
mod numbers;
mod pairs;
mod series;
mod serve;
mod state;
mod tally;
mod textfile;

pub use containers::{Containers, ContainersError};
pub use denied::Observing;
pub use expose::{CONTENT_TYPE, expose};
pub use lost::LostTally;
pub use numbers::{Denials, Keep, Numbers, Part, PartError};
pub use series::{Owner, Series};
pub use serve::{ServeError, serve};
pub use state::{State, StateError, Stored, peek};
pub use tally::{Row, Tally};
pub use textfile::{TextfileError, write};
