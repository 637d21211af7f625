//! The documents of the runtime-spec: the state that a hook gets, and of config.json only what
//! is used. Reading is bounded, and what is malformed is named by document and JSON path.

mod config;
mod document;
mod json;
mod state;

pub use config::{Config, read_config};
pub use document::{Document, OciError};
pub use json::shortened;
pub use state::{HookInput, State, read_hook_input};
