//! The documents of the runtime-spec: the state that a hook gets, and of config.json only what
//! is used. Reading is bounded, and what is malformed is named by document and JSON path.

mod config;
mod document;
mod entry;
mod json;
mod state;

pub use config::{Config, read_config, read_root, read_rules};
pub use document::{Document, OciError};
pub use entry::DeviceEntry;
pub use json::shortened;
pub use state::{ANNOTATION_PREFIX, HookInput, State, read_hook_input};
