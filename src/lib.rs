//! devgate makes a container's cgroup v2 device access exactly what its `config.json` says.
//!
//! The crate is a pipeline, one module per step:
//!
//! ```text
//! oci -> policy -> compile -> verify -> kernel      (hook: the flow; cli: the tool)
//!        device    bpf        analyze   cgroup <- container
//! ```

#![deny(missing_docs)]
#![deny(unsafe_code)]

pub mod analyze;
pub mod bpf;
pub mod bpffs;
pub mod cgroup;
pub mod change;
pub mod compile;
pub mod container;
pub mod decode;
pub mod denials;
pub mod device;
pub mod doctor;
pub mod enforce;
pub mod errors;
pub mod files;
pub mod gc;
pub mod guard;
pub mod guard_lock;
pub mod hold;
pub mod hook;
pub mod inspect;
pub mod install;
pub mod kernel;
pub mod metrics;
pub mod mounts;
pub mod names;
pub mod observe;
pub mod oci;
pub mod policy;
pub mod recording;
pub mod run_dir;
pub mod unit;
pub mod verify;
pub mod watch;
