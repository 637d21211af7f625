//! The documents of the runtime-spec: the state that a hook gets, and of config.json only what
//! is used. Reading is bounded, and what is malformed is named by document and JSON path.

mod config;
mod document;
mod entry;
mod json;
mod stage;
mod state;
mod status;

pub use config::{Config, read_config, read_root, read_rules};
pub use document::{Document, OciError};
pub use entry::DeviceEntry;
pub use json::shortened;
pub use stage::Stage;
pub use state::{ANNOTATION_PREFIX, HookCall, HookInput, State, read_hook_call, read_hook_input};
